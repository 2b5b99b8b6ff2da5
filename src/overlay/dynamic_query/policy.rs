//! How a search spends its budget: the seam for experiments.

use std::fmt;

use super::super::Link;
use super::super::time::Duration;
use super::candidate::Candidate;
use super::settings::Settings;

/// Decides whom a search asks next, how far, and how long it then waits.
///
/// When the search has enough, or is too old, or its leaf left, is not its business.
pub trait SearchPolicy: fmt::Debug {
    /// The next copies; `None` when nobody is left to ask, now or soon. A round without copies
    /// only waits.
    fn next(
        &self,
        settings: &Settings,
        progress: &Progress<'_>,
        candidates: &[Candidate],
    ) -> Option<Round>;
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Time since it began.
    pub age: Duration,
    /// Results it wants.
    pub wanted: u32,
    /// Results it has, as far as they count.
    pub results: u32,
    /// Hosts it is taken to have reached, ourselves included.
    pub reached: u64,
    /// Rounds with copies so far.
    pub rounds: u32,
    /// Copies sent to neighbours that are still there.
    pub sent: &'a [QueryCopy],
    /// A number of this search, to treat equal neighbours in another order than the next search
    /// does.
    pub salt: u64,
}

impl Progress<'_> {
    /// The highest TTL that was sent over `link`.
    #[must_use]
    pub fn sent_to(&self, link: Link) -> Option<u8> {
        self.sent
            .iter()
            .filter(|copy| copy.link == link)
            .map(|copy| copy.ttl)
            .max()
    }
}

/// One copy of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCopy {
    /// Over which link.
    pub link: Link,
    /// With which TTL.
    pub ttl: u8,
    /// Hosts that it is expected to reach.
    pub hosts: u64,
}

/// Copies that go out together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The copies.
    pub copies: Vec<QueryCopy>,
    /// How long to wait for what they bring.
    pub wait: Duration,
}
