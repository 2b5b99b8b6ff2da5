//! The walk: one neighbour at a time, as far as what came back says is needed.

use super::super::time::Duration;
use super::policy::{Progress, Round};
use super::settings::Settings;
use super::standard::Open;

/// The next neighbour and its TTL. Where only young links are left, a wait until the first is
/// stable.
///
/// `open` is in order of promise.
pub(super) fn step(
    settings: &Settings,
    progress: &Progress<'_>,
    open: &[Open<'_>],
) -> Option<Round> {
    let Some(next) = open.iter().find(|o| o.candidate.is_stable(settings)) else {
        let oldest = open.iter().map(|o| o.candidate.age).max()?;
        let wait = settings.stable_age.as_micros() - oldest.as_micros();
        return Some(Round {
            copies: Vec::new(),
            wait: Duration::from_micros(wait),
        });
    };
    let left = open.len() as u64;
    let share = needed(settings, progress).div_ceil(left);
    let slack = settings.slack.clamp(1, left);
    let covers = |ttl| {
        next.candidate
            .copy(ttl, settings)
            .hosts
            .saturating_mul(slack)
            >= share
    };
    let ttl = (next.lowest..next.highest)
        .find(|&ttl| covers(ttl))
        .unwrap_or(next.highest);
    let wait = settings
        .hop_wait(progress.age)
        .times(u64::from(ttl))
        .as_micros()
        .saturating_add(settings.pending_wait(next.candidate.pending).as_micros());
    Some(Round {
        copies: vec![next.candidate.copy(ttl, settings)],
        wait: Duration::from_micros(wait),
    })
}

/// Hosts that must be reached for the results that are missing.
fn needed(settings: &Settings, progress: &Progress<'_>) -> u64 {
    if progress.results == 0 {
        return settings.hosts_unknown;
    }
    let missing = u64::from(progress.wanted.saturating_sub(progress.results));
    missing
        .saturating_mul(progress.reached)
        .div_ceil(u64::from(progress.results))
}

#[cfg(test)]
mod tests {
    use super::super::super::Link;
    use super::super::candidate::{Candidate, Table};
    use super::super::policy::SearchPolicy;
    use super::super::standard::Standard;
    use super::*;

    const FRIEND: Candidate = Candidate {
        link: Link(0),
        degree: Some(32),
        max_ttl: Some(3),
        table: Table::Unknown,
        age: Duration::from_secs(60),
        ext_probes: true,
        pending: 0,
    };

    fn friends(count: u32) -> Vec<Candidate> {
        (0..count)
            .map(|link| Candidate {
                link: Link(link),
                ..FRIEND
            })
            .collect()
    }

    fn next(
        settings: &Settings,
        results: u32,
        reached: u64,
        candidates: &[Candidate],
    ) -> Option<Round> {
        let progress = Progress {
            age: Duration::default(),
            wanted: 50,
            results,
            reached,
            rounds: 1,
            sent: &[],
            salt: 0,
        };
        Standard.next(settings, &progress, candidates)
    }

    fn ttl(slack: u64, results: u32, reached: u64, left: u32) -> u8 {
        let settings = Settings {
            slack,
            ..Settings::default()
        };
        let round = next(&settings, results, reached, &friends(left)).unwrap();
        round.copies[0].ttl
    }

    #[test]
    fn goes_as_far_as_is_needed() {
        assert_eq!(ttl(1, 40, 100, 25), 1, "25 hosts missing, one a neighbour");
        assert_eq!(ttl(1, 10, 100, 25), 2, "400 missing, 16 a neighbour");
        assert_eq!(ttl(1, 2, 100, 25), 3, "2,400 missing, 96 a neighbour");
        assert_eq!(ttl(1, 0, 100, 25), 3, "nothing found yet");
    }

    #[test]
    fn slack_counts_on_the_neighbours_behind() {
        assert_eq!(ttl(16, 2, 100, 25), 2);
        assert_eq!(ttl(16, 40, 40, 16), 1, "10 missing, one a neighbour");
        assert_eq!(ttl(16, 40, 40, 1), 2, "10 missing, nobody behind");
    }

    #[test]
    fn waits_for_each_hop_and_what_is_pending() {
        let settings = Settings::default();
        let round = next(
            &settings,
            0,
            100,
            &[Candidate {
                pending: 2,
                ..FRIEND
            }],
        )
        .unwrap();
        assert_eq!(round.wait, Duration::from_millis(3 * 2_400 + 2 * 1_200));
    }

    #[test]
    fn the_promising_come_first() {
        let settings = Settings::default();
        let mut candidates = friends(5);
        candidates[0].table = Table::Excludes;
        candidates[1].pending = 1;
        candidates[3].table = Table::Matches;
        candidates[4].age = Duration::from_secs(1);
        let mut order = Vec::new();
        while let Some(copy) = next(&settings, 0, 1, &candidates).unwrap().copies.first() {
            order.push(copy.link.0);
            candidates.retain(|candidate| candidate.link != copy.link);
        }
        assert_eq!(order, [3, 2, 1, 0], "and never the young");
        let round = next(&settings, 0, 1, &candidates).unwrap();
        assert_eq!(round.wait, Duration::from_secs(4), "until it is stable");
        assert_eq!(next(&settings, 0, 1, &[]), None);
    }
}
