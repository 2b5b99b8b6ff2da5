//! Servents that the user named: each is dialled again until it is a neighbour, and whenever it
//! ceases to be one.

use std::net::SocketAddr;

use crate::overlay::time::{Duration, Instant};

/// Pauses between attempts, in seconds: short at first, while two that only know each other find
/// out who of them is the ultrapeer.
const PAUSES: [u64; 9] = [1, 2, 2, 2, 3, 5, 10, 30, 60];
/// How long a link stands that was worth the while, so that the pauses begin anew.
const STOOD: Duration = Duration::from_secs(30);

/// The servents that the user named.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<One>);

#[derive(Debug)]
struct One {
    address: SocketAddr,
    /// Attempts since it was last a neighbour for long.
    attempts: usize,
    /// When to dial it next.
    due: Instant,
    /// Since when it is a neighbour.
    linked: Option<Instant>,
}

impl Kept {
    /// One more.
    pub(super) fn add(&mut self, now: Instant, address: SocketAddr) {
        if !self.0.iter().any(|one| one.address == address) {
            self.0.push(One {
                address,
                attempts: 0,
                due: now,
                linked: None,
            });
        }
    }

    /// Whom to dial now, given who is a neighbour. Whoever is given counts as dialled.
    pub(super) fn due(
        &mut self,
        now: Instant,
        linked: impl Fn(SocketAddr) -> bool,
    ) -> Vec<SocketAddr> {
        let mut due = Vec::new();
        for one in &mut self.0 {
            if linked(one.address) {
                one.linked.get_or_insert(now);
                continue;
            }
            if let Some(since) = one.linked.take()
                && now.since(since) >= STOOD
            {
                (one.attempts, one.due) = (0, now);
            }
            if one.due <= now {
                let pause = PAUSES[one.attempts.min(PAUSES.len() - 1)];
                one.attempts += 1;
                one.due = now + Duration::from_secs(pause);
                due.push(one.address);
            }
        }
        due
    }

    /// When the next of those that are no neighbours is to be dialled.
    pub(super) fn next(&self) -> Option<Instant> {
        let missing = self.0.iter().filter(|one| one.linked.is_none());
        missing.map(|one| one.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_servent_is_dialled_ever_more_rarely_and_at_once_when_a_good_link_ends() {
        let mut kept = Kept::default();
        let address = "192.0.2.1:6346".parse().unwrap();
        kept.add(at(0), address);
        kept.add(at(0), address);
        let mut dials = Vec::new();
        for second in 0..100 {
            let due = kept.due(at(second), |_| false);
            dials.extend(due.iter().map(|_| second));
        }
        assert_eq!(dials, [0, 1, 3, 5, 7, 10, 15, 25, 55]);
        assert_eq!(kept.next(), Some(at(115)));
        for second in [100, 129] {
            assert!(kept.due(at(second), |_| true).is_empty());
        }
        assert_eq!(kept.next(), None);
        assert_eq!(kept.due(at(130), |_| false), [address]);
    }
}
