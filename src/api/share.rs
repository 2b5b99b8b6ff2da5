//! Shared directories.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::node::ShareState;

/// A shared directory.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called.
    pub name: String,
    /// Files found in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are hashed, so that others can find them.
    pub hashed: u64,
    /// Those that wait for it.
    pub pending: u64,
    /// What happens with it.
    pub state: String,
}

impl From<ShareState> for Share {
    fn from(share: ShareState) -> Self {
        Self {
            path: share.path,
            name: share.name,
            files: share.files,
            bytes: share.bytes,
            hashed: share.hashed,
            pending: share.pending,
            state: share.state.to_string(),
        }
    }
}
