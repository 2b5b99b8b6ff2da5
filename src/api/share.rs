//! Shared directories.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::node::{ShareState, Stage};

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
    pub state: ShareStage,
}

/// How far a shared directory is known.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareStage {
    /// Not looked at yet.
    Waiting,
    /// Being looked through for files.
    Scanning,
    /// Its new files are being hashed.
    Hashing,
    /// As known as can be.
    Ready,
    /// It cannot be read, so that nothing in it is shared.
    Unreadable,
}

impl From<Stage> for ShareStage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Waiting => Self::Waiting,
            Stage::Scanning => Self::Scanning,
            Stage::Hashing => Self::Hashing,
            Stage::Ready => Self::Ready,
            Stage::Unreadable => Self::Unreadable,
        }
    }
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
            state: share.state.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_the_shape_of_the_contract() {
        let share = Share {
            path: "/srv/music".into(),
            name: "music".into(),
            files: 3,
            bytes: 4096,
            hashed: 2,
            pending: 1,
            state: ShareStage::Hashing,
        };
        assert_eq!(
            serde_json::to_string(&share).unwrap(),
            concat!(
                r#"{"path":"/srv/music","name":"music","files":3,"bytes":4096,"#,
                r#""hashed":2,"pending":1,"state":"hashing"}"#,
            )
        );
    }
}
