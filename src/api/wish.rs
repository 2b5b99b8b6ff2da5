//! Wishes: searches that are kept and asked again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{FileType, SearchRequest};
use crate::node;
use crate::wire::query::Media;

/// A search that is kept and asked again.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// Its number.
    pub id: u64,
    /// What is asked.
    pub query: String,
    /// Only files of one of these kinds; of any kind without.
    pub types: Vec<FileType>,
    /// The smallest size, in bytes.
    pub min_size: Option<u64>,
    /// The largest size, in bytes.
    pub max_size: Option<u64>,
    /// Whether it is being asked.
    pub state: WishPhase,
    /// How often it was asked.
    pub asked: u64,
    /// The search that holds what it found, once it was asked since the daemon started.
    pub search: Option<u64>,
    /// Files found since the daemon started.
    pub found: usize,
    /// How many files it fetches by itself.
    pub fetch: u32,
    /// The SHA-1 in base32 of those it began to fetch.
    pub fetched: Vec<String>,
    /// The folder for them.
    pub dir: Option<PathBuf>,
}

/// Whether a wish is being asked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WishPhase {
    /// It takes hits now.
    Asking,
    /// It will be asked again.
    Resting,
    /// It has as many files as it was to fetch.
    Done,
}

/// The request to keep a wish.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct WishRequest {
    /// What to ask.
    #[serde(flatten)]
    pub search: SearchRequest,
    /// How many of its files to fetch as they are found, each content once; 100 at most.
    #[serde(default)]
    pub fetch: u32,
    /// The folder for them, absolute; without one, the node's own.
    #[serde(default)]
    pub dir: Option<PathBuf>,
}

impl From<node::WishState> for Wish {
    fn from(state: node::WishState) -> Self {
        let wanted = |kind: &FileType| {
            state
                .wish
                .media
                .is_some_and(|media| media.has(Media::from(*kind)))
        };
        Self {
            id: state.id,
            types: FileType::ALL.into_iter().filter(wanted).collect(),
            query: state.wish.text,
            min_size: state.wish.least,
            max_size: state.wish.most,
            state: match state.phase {
                node::WishPhase::Asking => WishPhase::Asking,
                node::WishPhase::Resting => WishPhase::Resting,
                node::WishPhase::Done => WishPhase::Done,
            },
            asked: state.asked,
            search: state.search,
            found: state.found,
            fetch: state.fetch,
            fetched: state.fetched.iter().map(ToString::to_string).collect(),
            dir: state.directory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_has_the_shape_of_the_contract() {
        let asked: WishRequest =
            serde_json::from_str(r#"{"query":"hazel","types":["program"],"fetch":2}"#).unwrap();
        let wish = Wish::from(node::WishState {
            id: 3,
            wish: asked.search.into(),
            fetch: asked.fetch,
            directory: None,
            phase: node::WishPhase::Resting,
            asked: 4,
            search: Some(9),
            found: 1,
            fetched: vec!["FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN".parse().unwrap()],
        });
        assert_eq!(
            serde_json::to_string(&wish).unwrap(),
            concat!(
                r#"{"id":3,"query":"hazel","types":["program"],"min_size":null,"max_size":null,"#,
                r#""state":"resting","asked":4,"search":9,"found":1,"fetch":2,"#,
                r#""fetched":["FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN"],"dir":null}"#,
            )
        );
    }
}
