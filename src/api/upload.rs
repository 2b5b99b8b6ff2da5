//! What others are given, and who waits for it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::node::UploadState;

/// An upload, or one that waits for a slot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Upload {
    /// Its number, which no other one gets.
    pub id: u64,
    /// Who asks.
    pub peer: SocketAddr,
    /// What it calls itself.
    pub agent: String,
    /// The name of the file.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Its hash, in base32.
    pub sha1: String,
    /// What is done.
    pub state: UploadPhase,
    /// Its place in the queue, from 1; `null` with a slot.
    pub position: Option<usize>,
    /// Bytes given so far.
    pub sent: u64,
    /// Bytes a second.
    pub rate: u64,
    /// What the peer is worth to us by what it gave, from 1.
    pub weight: u32,
    /// Seconds since it first asked.
    pub since_s: u64,
}

/// What is done for one that asks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadPhase {
    /// Bytes are sent to it.
    Active,
    /// Its slot is kept for its next request.
    Kept,
    /// It waits for a slot.
    Queued,
}

impl From<UploadState> for Upload {
    fn from(state: UploadState) -> Self {
        Self {
            id: state.number,
            peer: state.peer,
            agent: state.agent,
            name: state.name,
            size: state.size,
            sha1: state.sha1.to_string(),
            state: match (state.position, state.active) {
                (Some(_), _) => UploadPhase::Queued,
                (None, true) => UploadPhase::Active,
                (None, false) => UploadPhase::Kept,
            },
            position: state.position,
            sent: state.sent,
            rate: state.rate,
            weight: state.weight,
            since_s: state.since.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::urn::Sha1;

    #[test]
    fn an_upload_has_the_shape_of_the_contract() {
        let upload = Upload::from(UploadState {
            number: 3,
            peer: ([192, 0, 2, 1], 6346).into(),
            agent: "TEST/0.1".into(),
            name: "a.txt".into(),
            sha1: Sha1::from_bytes([0; 20]),
            size: 100,
            position: Some(2),
            active: false,
            sent: 10,
            rate: 5,
            weight: 1,
            since: Duration::from_secs(9),
        });
        assert_eq!(
            serde_json::to_string(&upload).unwrap(),
            concat!(
                r#"{"id":3,"peer":"192.0.2.1:6346","agent":"TEST/0.1","name":"a.txt","size":100,"#,
                r#""sha1":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","state":"queued","position":2,"#,
                r#""sent":10,"rate":5,"weight":1,"since_s":9}"#,
            )
        );
    }
}
