//! Searches and what they find.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::node::{self, state};
use crate::wire::query::Media;

/// A search and what it found so far.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub query: String,
    /// Whether hits are still taken.
    pub state: SearchPhase,
    /// Rises with every change.
    pub version: u64,
    /// What was found, in the order of arrival; each content once.
    pub results: Vec<Found>,
}

/// Whether a search goes on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchPhase {
    /// Hits are taken.
    Searching,
    /// Its time is over, or it was cancelled.
    Finished,
}

/// One content that a search found.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its number in the node, by which it can be fetched.
    pub number: u64,
    /// The name that came first.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-1 in base32.
    pub sha1: Option<String>,
    /// Root of the Tiger tree in base32.
    pub tth: Option<String>,
    /// The fewest links to a holder, as the hits told: 1 is a direct neighbour.
    pub hops: u8,
    /// Who has it.
    pub sources: Vec<Source>,
}

/// Who has a content.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Where it serves.
    pub address: SocketAddr,
    /// GUID of the servent, 32 hexadecimal digits.
    pub servent: String,
    /// How many links its hit came over.
    pub hops: u8,
    /// Its vendor code.
    pub vendor: String,
}

/// The wish for a search.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct SearchRequest {
    /// Words, a `urn:…` or a magnet link.
    pub query: String,
    /// Only files of one of these kinds; of any kind without.
    #[serde(default)]
    pub types: Vec<FileType>,
    /// The smallest size, in bytes.
    #[serde(default)]
    pub min_size: Option<u64>,
    /// The largest size, in bytes.
    #[serde(default)]
    pub max_size: Option<u64>,
}

/// A kind of file, as its name tells it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Text.
    Document,
    /// Pictures.
    Image,
    /// Programs and archives.
    Program,
    /// Torrents.
    Torrent,
}

impl FileType {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Audio,
        Self::Video,
        Self::Document,
        Self::Image,
        Self::Program,
        Self::Torrent,
    ];
}

impl From<FileType> for Media {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Audio => Self::AUDIO,
            FileType::Video => Self::VIDEO,
            FileType::Document => Self::DOCUMENT,
            FileType::Image => Self::IMAGE,
            FileType::Program => Self::WINDOWS_PROGRAM.and(Self::UNIX_PROGRAM),
            FileType::Torrent => Self::TORRENT,
        }
    }
}

impl From<SearchRequest> for node::Wish {
    fn from(request: SearchRequest) -> Self {
        let kinds = request.types.into_iter().map(Media::from);
        Self {
            text: request.query,
            media: kinds.reduce(Media::and),
            least: request.min_size,
            most: request.max_size,
        }
    }
}

impl From<state::SearchState> for Search {
    fn from(search: state::SearchState) -> Self {
        Self {
            id: search.id,
            query: search.query,
            state: match search.state {
                state::SearchPhase::Searching => SearchPhase::Searching,
                state::SearchPhase::Finished => SearchPhase::Finished,
            },
            version: search.version,
            results: search.results.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<state::Found> for Found {
    fn from(found: state::Found) -> Self {
        Self {
            number: found.number,
            name: found.name,
            size: found.size,
            sha1: found.sha1.map(|sha1| sha1.to_string()),
            tth: found.tiger_root.map(|root| root.to_string()),
            hops: found.hops,
            sources: found.sources.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<state::Source> for Source {
    fn from(source: state::Source) -> Self {
        Self {
            address: source.address,
            servent: source.servent.to_string(),
            hops: source.hops,
            vendor: source.vendor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Guid;

    #[test]
    fn a_search_has_the_shape_of_the_contract() {
        let search = Search::from(state::SearchState {
            id: 1,
            query: "hello".into(),
            version: 4,
            state: state::SearchPhase::Searching,
            results: vec![state::Found {
                number: 7,
                name: "hello.txt".into(),
                size: 11,
                sha1: Some("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN".parse().unwrap()),
                tiger_root: None,
                hops: 2,
                sources: vec![state::Source {
                    address: ([192, 0, 2, 1], 6346).into(),
                    servent: Guid::from_bytes([0xab; 16]),
                    index: 5,
                    hops: 2,
                    vendor: "TEST".into(),
                    firewalled: false,
                    tls: false,
                    proxies: Vec::new(),
                }],
            }],
        });
        assert_eq!(
            serde_json::to_string(&search).unwrap(),
            concat!(
                r#"{"id":1,"query":"hello","state":"searching","version":4,"results":["#,
                r#"{"number":7,"name":"hello.txt","size":11,"#,
                r#""sha1":"FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN","tth":null,"hops":2,"sources":["#,
                r#"{"address":"192.0.2.1:6346","servent":"abababababababababababababababab","#,
                r#""hops":2,"vendor":"TEST"}]}]}"#,
            )
        );
    }
}
