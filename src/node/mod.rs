//! The live servent: owns a state machine, feeds it, and carries out what it asks.

pub mod state;

use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use crate::overlay::Profile;
use crate::wire::magnet::Magnet;
use crate::wire::urn::Urn;

#[derive(Clone, Debug)]
pub struct Node;
#[derive(Clone, Debug)]
pub enum Target { Number(u64), Urn(Urn), Magnet(Magnet) }
mod error;
pub use error::Error;
#[derive(Clone, Debug)]
pub struct ShareState { pub path: PathBuf, pub name: String, pub files: u64, pub bytes: u64, pub hashed: u64, pub pending: u64, pub state: &'static str }
#[derive(Debug)]
pub struct Search;
impl Search { pub fn id(&self) -> u64 { 1 } }
#[derive(Debug)]
pub struct Builder;
impl Builder {
    pub fn home(self, _: impl Into<PathBuf>) -> Self { self }
    pub fn listen(self, _: SocketAddrV4) -> Self { self }
    pub fn share(self, _: impl Into<PathBuf>) -> Self { self }
    pub fn peer(self, _: SocketAddr) -> Self { self }
    pub fn downloads(self, _: impl Into<PathBuf>) -> Self { self }
    pub fn profile(self, _: Profile) -> Self { self }
    pub async fn start(self) -> Result<Node, Error> { Ok(Node) }
}
impl Node {
    pub fn builder() -> Builder { Builder }
    pub fn address(&self) -> SocketAddr { ([127,0,0,1],1).into() }
    pub fn home(&self) -> &Path { Path::new("/") }
    pub fn peers(&self) -> Vec<state::Peer> { vec![] }
    pub fn status(&self) -> state::Status { state::Status {
            role: state::Role::Ultrapeer, listen: self.address(), why: Some("stub".into()), ultrapeers: 0, leaves: 0, files: 0, bytes: 0, hashed: 0,
            downloads_active: 0, downloads_queued: 0, downloads_done: 0, uploads_active: 0, uptime: Duration::ZERO } }
    pub fn shares(&self) -> Vec<ShareState> { vec![] }
    pub async fn stop(&self) {}
    pub async fn stopped(&self) {}
    pub async fn connect(&self, _: SocketAddr) -> Result<(), Error> { Ok(()) }
    pub fn search(&self, _: &str) -> Result<Search, Error> { Ok(Search) }
    pub fn search_state(&self, _: u64) -> Option<state::SearchState> { None }
    pub fn searches(&self) -> Vec<state::SearchState> { vec![] }
    pub fn cancel_search(&self, _: u64) -> bool { false }
    pub async fn search_changed(&self, _: u64, _: u64, _: Duration) -> Option<state::SearchState> { None }
    pub fn fetch(&self, _: &Target, _: Option<PathBuf>) -> Result<u64, Error> { Ok(1) }
    pub fn download(&self, _: u64) -> Option<state::DownloadState> { None }
    pub fn downloads(&self) -> Vec<state::DownloadState> { vec![] }
    pub async fn download_changed(&self, _: u64, _: u64, _: Duration) -> Option<state::DownloadState> { None }
}
