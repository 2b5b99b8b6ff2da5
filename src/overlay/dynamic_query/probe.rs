//! The probe: a first round that tells cheaply whether a search is a popular one.

use super::super::time::Duration;
use super::candidate::Table;
use super::policy::{Progress, Round};
use super::settings::Settings;
use super::standard::Open;

/// The first round, chosen by the neighbours' tables where enough are known: `near` ones are
/// asked with TTL 1 because their table matches, `far` ones with TTL 2. `None` where there are
/// too few neighbours to spend any on it.
///
/// `open` is in order of promise.
pub(super) fn plan(
    settings: &Settings,
    progress: &Progress<'_>,
    open: &[Open<'_>],
) -> Option<Round> {
    let stable = || open.iter().filter(|o| o.candidate.is_stable(settings));
    let count = |table| stable().filter(|o| o.candidate.table == table).count();
    let matching = count(Table::Matches);
    let known = matching + count(Table::Excludes);
    let (near, far) = match matching {
        _ if known <= settings.probe_tables => (settings.probe_near_mixed, settings.probe_far),
        _ if matching == known => (1, 0),
        _ if matching > settings.probe_matching => (settings.probe_near, 0),
        _ => (matching, settings.probe_far),
    };
    // Neighbours that the probe may use up: those it cannot ask again.
    let mut spare = stable().count() / settings.probe_share.max(1);
    let mut copies = Vec::with_capacity(near + far);
    let mut pending = 0;
    let nearest = stable().filter(|o| o.candidate.table == Table::Matches && o.lowest == 1);
    for open in nearest.take(near) {
        if !open.candidate.ext_probes {
            if spare == 0 {
                continue;
            }
            spare -= 1;
        }
        copies.push(open.candidate.copy(1, settings));
        pending = pending.max(open.candidate.pending);
    }
    let asked = copies.len();
    let others = stable().filter(|o| o.candidate.table != Table::Matches && o.highest >= 2);
    for open in others.take(far.min(spare)) {
        copies.push(open.candidate.copy(2, settings));
        pending = pending.max(open.candidate.pending);
    }
    if copies.is_empty() {
        return None;
    }
    let hop = settings.hop_wait(progress.age).as_micros();
    let wait = if copies.len() > asked {
        hop.saturating_mul(settings.probe_wait_percent) / 100
    } else {
        hop.saturating_mul(copies.len() as u64) / 2
    };
    let wait = wait.saturating_add(settings.pending_wait(pending).as_micros());
    Some(Round {
        copies,
        wait: Duration::from_micros(wait),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Link;
    use super::super::candidate::Candidate;
    use super::super::policy::SearchPolicy;
    use super::super::standard::Standard;
    use super::*;

    /// How many copies with TTL 1 and with TTL 2 the first round has, and its wait.
    fn probe(matching: u32, excluding: u32, unknown: u32) -> (usize, usize, Duration) {
        let tables = (0..matching)
            .map(|_| Table::Matches)
            .chain((0..excluding).map(|_| Table::Excludes))
            .chain((0..unknown).map(|_| Table::Unknown));
        let candidates: Vec<Candidate> = (0..)
            .zip(tables)
            .map(|(link, table)| Candidate {
                link: Link(link),
                degree: Some(32),
                max_ttl: Some(3),
                table,
                age: Duration::from_secs(60),
                ext_probes: true,
                pending: 0,
            })
            .collect();
        let progress = Progress {
            age: Duration::default(),
            wanted: 50,
            results: 0,
            reached: 1,
            rounds: 0,
            sent: &[],
            salt: 7,
        };
        let round = Standard
            .next(&Settings::default(), &progress, &candidates)
            .expect("somebody is there");
        let count = |ttl| round.copies.iter().filter(|copy| copy.ttl == ttl).count();
        assert_eq!(count(1) + count(2), round.copies.len(), "{round:?}");
        (count(1), count(2), round.wait)
    }

    #[test]
    fn follows_the_tables_where_enough_are_known() {
        let ms = Duration::from_millis;
        assert_eq!(probe(20, 0, 0), (1, 0, ms(1_200)), "all match");
        assert_eq!(probe(12, 20, 0), (9, 0, ms(10_800)), "many match");
        assert_eq!(probe(2, 20, 0), (2, 3, ms(3_120)), "few match");
        assert_eq!(probe(0, 20, 0), (0, 3, ms(3_120)), "none matches");
    }

    #[test]
    fn asks_further_where_few_tables_are_known() {
        let ms = Duration::from_millis;
        assert_eq!(probe(0, 0, 20), (0, 3, ms(3_120)));
        assert_eq!(probe(6, 0, 20), (4, 3, ms(3_120)));
        assert_eq!(probe(8, 0, 0), (4, 0, ms(4_800)));
    }

    #[test]
    fn few_neighbours_are_kept_for_the_walk() {
        assert_eq!(probe(0, 0, 8).1, 2);
        assert_eq!(probe(0, 0, 4).1, 1);
    }
}
