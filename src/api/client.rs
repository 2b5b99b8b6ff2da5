//! The calls of [`Api`](super::Api) over HTTP, for another process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Access, Code, ConnectRequest, Counter, Download, DownloadChange, Error, GetRequest, Peer,
    Problem, Search, SearchRequest, Share, Status, Upload, Watch, WhatIf, Wish, WishRequest,
};
use crate::net::http::{self, Body, Limits, Method, Request, header};
use crate::runtime;

/// How long the connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, beyond what was asked to be waited for.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the list of another servent may take.
const BROWSE: Duration = Duration::from_secs(90);
/// The largest answer.
const MAX_ANSWER: usize = 256 << 20;

/// A client of the control plane.
#[derive(Clone, Debug)]
pub struct Client {
    access: Access,
}

impl Client {
    /// A client that goes in by `access`.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self { access }
    }

    /// A client of the node that runs in `home`, on another address if one is given.
    ///
    /// # Errors
    /// As [`Access::find`].
    pub fn find(home: &Path, address: Option<SocketAddr>) -> Result<Self, Error> {
        Access::find(home, address).map(Self::new)
    }

    /// Where it asks.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.access.address
    }

    /// How the node is.
    ///
    /// # Errors
    /// As every call here: [`Code::NotReachable`], [`Code::Unauthorised`], or what the node says.
    pub async fn status(&self) -> Result<Status, Error> {
        self.read("status").await
    }

    /// Its neighbours.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn peers(&self) -> Result<Vec<Peer>, Error> {
        self.read("peers").await
    }

    /// What it counted.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn counters(&self) -> Result<Vec<Counter>, Error> {
        self.read("counters").await
    }

    /// What queries with these TTLs, as `A-B`, would reach and cost.
    ///
    /// # Errors
    /// [`Code::BadRequest`], [`Code::NotFound`] where the node saw too little, or as
    /// [`status`](Self::status).
    pub async fn whatif(&self, ttl: &str) -> Result<Vec<WhatIf>, Error> {
        self.read(&format!("whatif?ttl={ttl}")).await
    }

    /// Makes a servent a neighbour.
    ///
    /// # Errors
    /// [`Code::ConnectFailed`], or as [`status`](Self::status).
    pub async fn connect(&self, address: SocketAddr) -> Result<(), Error> {
        self.post("connections", &ConnectRequest { address }).await
    }

    /// What others are given, and who waits for it.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn uploads(&self) -> Result<Vec<Upload>, Error> {
        self.read("uploads").await
    }

    /// What it shares.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn shares(&self) -> Result<Vec<Share>, Error> {
        self.read("shares").await
    }

    /// Begins a search.
    ///
    /// # Errors
    /// [`Code::BadRequest`], or as [`status`](Self::status).
    pub async fn search(&self, request: &SearchRequest) -> Result<Search, Error> {
        self.post("searches", request).await
    }

    /// All searches, oldest first.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn searches(&self) -> Result<Vec<Search>, Error> {
        self.read("searches").await
    }

    /// A search, at once or when it changes.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn search_state(&self, id: u64, watch: Watch) -> Result<Search, Error> {
        self.watch("searches", id, watch).await
    }

    /// Reads the list of what a servent shares.
    ///
    /// # Errors
    /// [`Code::ConnectFailed`], or as [`status`](Self::status).
    pub async fn browse(&self, address: SocketAddr) -> Result<Search, Error> {
        let body = serde_json::to_vec(&ConnectRequest { address })
            .map_err(|error| Error::new(Code::Internal, format!("no JSON for it: {error}")))?;
        self.call(Method::POST, "browse", Body::from(body), BROWSE)
            .await
    }

    /// Ends a search; its results stay.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn cancel_search(&self, id: u64) -> Result<Search, Error> {
        let path = format!("searches/{id}");
        self.call(Method::DELETE, &path, Body::empty(), ANSWER)
            .await
    }

    /// Begins a download.
    ///
    /// # Errors
    /// [`Code::BadRequest`], [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn get(&self, request: &GetRequest) -> Result<Download, Error> {
        self.post("downloads", request).await
    }

    /// All downloads, oldest first.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn downloads(&self) -> Result<Vec<Download>, Error> {
        self.read("downloads").await
    }

    /// A download, at once or when it changes.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn download(&self, id: u64, watch: Watch) -> Result<Download, Error> {
        self.watch("downloads", id, watch).await
    }

    /// Stops a download, lets it go on, or changes how soon it gets a place.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn change_download(
        &self,
        id: u64,
        change: DownloadChange,
    ) -> Result<Download, Error> {
        let path = format!("downloads/{id}");
        self.send(Method::PATCH, &path, &change).await
    }

    /// Takes a download from the list, with what is there of it; a complete file stays.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn remove_download(&self, id: u64) -> Result<Download, Error> {
        let path = format!("downloads/{id}");
        self.call(Method::DELETE, &path, Body::empty(), ANSWER)
            .await
    }

    /// Keeps a search, to be asked again and again.
    ///
    /// # Errors
    /// [`Code::BadRequest`], or as [`status`](Self::status).
    pub async fn add_wish(&self, request: &WishRequest) -> Result<Wish, Error> {
        self.post("wishes", request).await
    }

    /// All wishes, oldest first.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn wishes(&self) -> Result<Vec<Wish>, Error> {
        self.read("wishes").await
    }

    /// Forgets a wish; what it found and fetches stays.
    ///
    /// # Errors
    /// [`Code::NotFound`], or as [`status`](Self::status).
    pub async fn remove_wish(&self, id: u64) -> Result<Wish, Error> {
        let path = format!("wishes/{id}");
        self.call(Method::DELETE, &path, Body::empty(), ANSWER)
            .await
    }

    /// Tells the node to stop, without waiting for it.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn stop(&self) -> Result<(), Error> {
        self.call(Method::POST, "stop", Body::empty(), ANSWER).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, Body::empty(), ANSWER).await
    }

    async fn watch<T: DeserializeOwned>(
        &self,
        what: &str,
        id: u64,
        watch: Watch,
    ) -> Result<T, Error> {
        let Watch { after, wait_ms } = watch;
        let path = format!("{what}/{id}?after={after}&wait_ms={wait_ms}");
        let patience = ANSWER + watch.wait();
        self.call(Method::GET, &path, Body::empty(), patience).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Error> {
        self.send(Method::POST, path, request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(request)
            .map_err(|error| Error::new(Code::Internal, format!("no JSON for it: {error}")))?;
        self.call(method, path, Body::from(body), ANSWER).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Body,
        patience: Duration,
    ) -> Result<T, Error> {
        let address = self.access.address;
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header(header::HOST, address.to_string())
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", self.access.token),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(body)
            .map_err(|error| Error::new(Code::Unauthorised, format!("unusable token: {error}")))?;
        let stream = runtime::connect(None, address, CONNECT)
            .await
            .map_err(|error| {
                let message = format!(
                    "no daemon answers on {address} ({error}): start one with `filbert run`"
                );
                Error::new(Code::NotReachable, message)
            })?;
        let broken = |error: http::Error| {
            let message = format!("the daemon on {address} broke off: {error}");
            Error::new(Code::NotReachable, message)
        };
        let limits = Limits {
            head: patience,
            ..Limits::default()
        };
        let mut connection = http::connect_with(stream, limits).await.map_err(broken)?;
        let response = connection.send(request).await.map_err(broken)?;
        let status = response.status();
        let body = http::read_body(response.into_body(), MAX_ANSWER).await;
        let body = body.map_err(broken)?;
        if status.is_success() {
            let body = if body.is_empty() { &b"null"[..] } else { &body };
            return serde_json::from_slice(body).map_err(|error| {
                let message = format!("what answers on {address} is no daemon of ours: {error}");
                Error::new(Code::NotReachable, message)
            });
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(problem.into()),
            Err(_) => {
                let message = format!("what answers on {address} is no daemon of ours: {status}");
                Err(Error::new(Code::NotReachable, message))
            }
        }
    }
}
