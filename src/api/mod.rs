//! What a user can ask of a node: plain serde types, one facade, and a client of the same over HTTP.
//!
//! The types here are the shapes that `--json` prints and the control plane serves: fields may be
//! added, never removed or renamed. [`Api`] is a thin layer over a [`Node`]; [`client::Client`]
//! offers the same calls to another process, which finds its way by [`Access`].

mod access;
pub mod client;
mod counters;
mod download;
mod error;
mod facade;
mod search;
mod share;
mod status;
pub(crate) mod target;
mod upload;
mod whatif;
mod wish;

pub use crate::node::{Builder, Node};
pub use access::Access;
pub use counters::{Counter, CounterKind};
pub use download::{
    CollectionProgress, Download, DownloadChange, DownloadPhase, DownloadSources, GetRequest,
    Priority, Waiting,
};
pub(crate) use error::Problem;
pub use error::{Code, Error};
pub use facade::{Api, Watch};
pub use search::{FileType, Found, Search, SearchPhase, SearchRequest, Source};
pub use share::{Share, ShareStage};
pub use status::{
    ConnectRequest, Direction, Downloads, Exchanged, GiveBack, Neighbours, Peer, Reachable, Role,
    Shared, Status, Uploads,
};
pub use target::parse_target;
pub use upload::{Upload, UploadPhase};
pub use whatif::{Likely, Ttls, WhatIf, WhatIfRequest};
pub use wish::{Wish, WishPhase, WishRequest};
