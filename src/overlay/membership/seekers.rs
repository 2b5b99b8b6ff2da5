//! Ultrapeers that found no place here lately. Whoever looks for neighbours has places itself, so those
//! who are turned away are told of each other: an overlay grows at its edge when its old members are full.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rand::Rng;
use rand::seq::SliceRandom;

use crate::overlay::ground::subnet;
use crate::overlay::time::{Duration, Instant};

/// How many are remembered; the oldest make room.
const KEPT: usize = 32;
/// How long one is: it keeps looking for neighbours about as long.
const LIFE: Duration = Duration::from_secs(300);

/// Who was turned away lately.
#[derive(Debug, Default)]
pub(super) struct Seekers {
    /// The oldest first, one of each small network of the public one.
    lately: VecDeque<(Instant, SocketAddr)>,
}

impl Seekers {
    /// An ultrapeer that listens there was turned away.
    pub(super) fn note(&mut self, now: Instant, listen: SocketAddr, private: bool) {
        let network = subnet(listen.ip());
        self.lately
            .retain(|(_, known)| *known != listen && (private || subnet(known.ip()) != network));
        if self.lately.len() >= KEPT {
            self.lately.pop_front();
        }
        self.lately.push_back((now, listen));
    }

    /// At most `n` of them, any.
    pub(super) fn some<R: Rng + ?Sized>(
        &self,
        now: Instant,
        n: usize,
        rng: &mut R,
    ) -> Vec<SocketAddr> {
        let fresh = |(then, _): &&(Instant, SocketAddr)| now.since(*then) < LIFE;
        let fresh = self.lately.iter().filter(fresh);
        let mut some: Vec<_> = fresh.map(|(_, listen)| *listen).collect();
        some.shuffle(rng);
        some.truncate(n);
        some
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn the_last_of_each_network_are_told_for_a_while() {
        let at = |second: u64| Instant::from_micros(second * 1_000_000);
        let host = |n: u8, last: u8| SocketAddr::from(([12, 0, n, last], 6_346));
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let mut seekers = Seekers::default();
        for last in 0..=255 {
            seekers.note(at(0), host(7, last), false);
        }
        assert_eq!(seekers.some(at(1), 9, rng), [host(7, 255)]);
        for n in 0..40 {
            seekers.note(at(10), host(n, 1), false);
        }
        assert_eq!(seekers.lately.len(), KEPT);
        let some = seekers.some(at(20), 5, rng);
        assert_eq!(some.len(), 5);
        assert!(
            some.iter()
                .all(|host| !seekers.some(at(310), 99, rng).contains(host))
        );
        for last in 0..5 {
            seekers.note(at(20), host(200, last), true);
        }
        assert_eq!(
            seekers.some(at(310), 9, rng).len(),
            5,
            "on private ground all may be of one network"
        );
    }
}
