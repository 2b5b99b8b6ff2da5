//! Finding the web servers that a link names for a file: by name where they have one, again and
//! again until they are found.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;

use crate::net::dial::dial;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, Method, Request};
use crate::node::Node;
use crate::node::ground::is_reachable;
use crate::runtime;
use crate::transfer::AGENT;
use crate::transfer::web_seed::{WebSeed, WebSeeds};

/// How long a name is looked up, and a server is dialled.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before servents and servers are looked for again; it doubles with each that follows.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

impl Node {
    /// Finds the web servers of a download and offers it those, as long as it runs.
    pub(super) async fn find_web_seeds(
        &self,
        key: (u64, u64),
        offer: &UnboundedSender<SocketAddr>,
    ) {
        let (mut told, mut pause) = (HashSet::new(), PAUSE);
        loop {
            let Some((seeds, found, part, sized)) = self.web_seeds(key.0) else {
                return;
            };
            for seed in seeds {
                let Some(address) = self.find(&seed, part, &mut told).await else {
                    continue;
                };
                found.note(address, seed.clone());
                if !sized && let Some(size) = self.size_at(address, &seed).await {
                    self.0.change_in(key, |entry| {
                        entry.wanted.size.get_or_insert(size);
                    });
                    self.keep(key.0).await;
                }
                // A download that has ended needs none. One that failed may be there again.
                let _ended = offer.unbounded_send(address);
            }
            runtime::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What there is to be found; nothing once the download is gone.
    fn web_seeds(&self, id: u64) -> Option<(Vec<WebSeed>, Arc<WebSeeds>, bool, bool)> {
        let downloads = self.0.downloads();
        let entry = downloads.entry(id)?;
        let seeds = entry.wanted.web_seeds.clone();
        let part = entry.state.part_of.is_some();
        let sized = entry.wanted.size.is_some();
        Some((seeds, Arc::clone(&entry.web_seeds), part, sized))
    }

    /// Where a server is, if that is a place for us; what is in the way is told once.
    async fn find(
        &self,
        seed: &WebSeed,
        part: bool,
        told: &mut HashSet<String>,
    ) -> Option<SocketAddr> {
        let found = match seed.literal() {
            Some(address) => Ok(vec![address]),
            None => runtime::resolve((seed.host().to_owned(), seed.port()), PATIENCE).await,
        };
        // A number that the user gave is as good as it looks. A name, or what a stranger wrote into
        // a collection, must not lead into a network that is nobody else's.
        let trusted = seed.literal().is_some() && !part;
        let private = trusted || self.is_sheltered();
        let trouble = match found {
            Ok(addresses) => {
                let fit = |address: &SocketAddr| {
                    *address != self.0.address && is_reachable(*address, private)
                };
                match addresses.into_iter().find(fit) {
                    Some(address) => return Some(address),
                    None if private => "it is at no address that may be asked".to_owned(),
                    None => "it is at no public address".to_owned(),
                }
            }
            Err(error) => error.to_string(),
        };
        if told.insert(seed.to_string()) {
            log::warn!("the web server of {seed} is not asked: {trouble}");
        }
        None
    }

    /// How large the file is there, as the server says.
    async fn size_at(&self, address: SocketAddr, seed: &WebSeed) -> Option<u64> {
        let stream = dial(self.0.dial_from, address, PATIENCE, &Tls::Off).await;
        let limits = http::Limits {
            head: PATIENCE,
            ..http::Limits::default()
        };
        let mut client = http::connect_with(stream.ok()?, limits).await.ok()?;
        let request = Request::builder()
            .method(Method::HEAD)
            .uri(seed.path())
            .header("Host", seed.authority())
            .header("User-Agent", AGENT)
            .body(Body::empty());
        let answer = client.send(request.ok()?).await.ok()?;
        let length = answer.headers().get("content-length")?;
        let length = length.to_str().ok()?.trim().parse().ok()?;
        answer.status().is_success().then_some(length)
    }
}
