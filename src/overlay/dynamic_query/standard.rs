//! The policy of deployed ultrapeers: a probe, then a walk from neighbour to neighbour.

use super::candidate::{Candidate, Table};
use super::policy::{Progress, Round, SearchPolicy};
use super::settings::Settings;
use super::{probe, walk};

/// Probes a few neighbours, then asks one at a time with a TTL computed from what came back. A
/// neighbour is asked once; one that was asked with TTL 1 and takes probes, once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standard;

impl SearchPolicy for Standard {
    fn next(
        &self,
        settings: &Settings,
        progress: &Progress<'_>,
        candidates: &[Candidate],
    ) -> Option<Round> {
        let mut open: Vec<Open<'_>> = candidates
            .iter()
            .filter_map(|candidate| Open::of(candidate, settings, progress))
            .collect();
        open.sort_by_key(|open| open.rank(progress.salt));
        if progress.rounds == 0
            && let Some(round) = probe::plan(settings, progress, &open)
        {
            return Some(round);
        }
        walk::step(settings, progress, &open)
    }
}

/// A candidate that may still be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'a> {
    pub(super) candidate: &'a Candidate,
    /// The TTL it was probed with.
    pub(super) probed: Option<u8>,
    /// The least TTL of use.
    pub(super) lowest: u8,
    /// The highest TTL allowed, at least `lowest`.
    pub(super) highest: u8,
}

impl<'a> Open<'a> {
    fn of(candidate: &'a Candidate, settings: &Settings, progress: &Progress<'_>) -> Option<Self> {
        let probed = progress.sent_to(candidate.link);
        if probed.is_some_and(|ttl| ttl > 1 || !candidate.ext_probes) {
            return None;
        }
        let lowest = candidate.lowest_ttl(probed);
        let highest = candidate.highest_ttl(settings);
        (lowest <= highest).then_some(Self {
            candidate,
            probed,
            lowest,
            highest,
        })
    }

    /// The promising first, then those that keep up, then by lot.
    fn rank(&self, salt: u64) -> (u8, u16, u64) {
        let promise = match (self.probed, self.candidate.table) {
            (None, Table::Matches) => 0,
            (None, Table::Unknown) => 1,
            (Some(_), _) | (None, Table::Excludes) => 2,
        };
        let lot = mix(salt ^ u64::from(self.candidate.link.0));
        (promise, self.candidate.pending, lot)
    }
}

/// The finaliser of SplitMix64: spreads small numbers over all bits.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
