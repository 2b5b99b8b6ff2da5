//! What dynamic queries want done.

use bytes::Bytes;

use super::super::Link;
use super::outcomes::Reason;
use super::query::{Asker, DynamicQuery, Step};
use crate::wire::Guid;

/// What a dynamic query wants done, and which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send the query, hops 0.
    Copy {
        /// Its GUID.
        guid: Guid,
        /// Over which link.
        link: Link,
        /// With which TTL.
        ttl: u8,
        /// Its payload, shared by all copies.
        payload: Bytes,
    },
    /// Ask a leaf how many results it kept: BEAR/11 with the query's GUID (protocol §8.5).
    AskLeaf {
        /// The query.
        guid: Guid,
        /// The leaf.
        leaf: Link,
    },
    /// A query is over and forgotten.
    Finished {
        /// The query.
        guid: Guid,
        /// Whose it was.
        asker: Asker,
        /// Why.
        reason: Reason,
        /// Results that it brought.
        results: u32,
        /// Hosts that it is taken to have reached.
        reached: u64,
    },
}

impl Output {
    /// A step of one query as the driver takes it. There is no leaf to ask about ours.
    pub(super) fn of(
        guid: Guid,
        query: &DynamicQuery,
        payload: &Bytes,
        step: Step,
    ) -> Option<Self> {
        Some(match step {
            Step::Copy { link, ttl } => Self::Copy {
                guid,
                link,
                ttl,
                payload: payload.clone(),
            },
            Step::AskLeaf => match query.asker() {
                Asker::Leaf { link: leaf, .. } => Self::AskLeaf { guid, leaf },
                Asker::Own => return None,
            },
            Step::Finished(reason) => Self::Finished {
                guid,
                asker: query.asker(),
                reason,
                results: query.routed(),
                reached: query.reached(),
            },
        })
    }
}
