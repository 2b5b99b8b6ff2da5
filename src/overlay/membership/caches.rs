//! UDP host caches: who is asked for servents when there is hardly anybody left to dial
//! (protocol §12.2).
//!
//! One is asked at a time, and none again before its pause is over. The pauses of one that does
//! not answer, or names nobody new, grow.

use std::net::SocketAddr;

use rand::seq::IndexedRandom;

use crate::overlay::limits::Limits;
use crate::overlay::time::{Duration, Instant};
use crate::wire::Guid;

/// Attempts that may follow each other at once: datagrams get lost.
const ATTEMPTS: u8 = 3;

/// The caches that the user named.
#[derive(Debug, Default)]
pub(super) struct Caches {
    known: Vec<Cache>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Cache {
    address: SocketAddr,
    /// Times it was asked since it last named somebody new.
    fruitless: u8,
    /// When it may be asked next.
    due: Instant,
}

/// A ping that may still be answered.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ping: Guid,
    of: SocketAddr,
    until: Instant,
}

impl Caches {
    /// One more, as long as there is room.
    pub(super) fn add(&mut self, now: Instant, address: SocketAddr, limits: &Limits) {
        let known = self.known.iter().any(|cache| cache.address == address);
        if !known && self.known.len() < limits.udp_caches {
            self.known.push(Cache {
                address,
                fruitless: 0,
                due: now,
            });
        }
    }

    /// Whom to ask now and with which MUID, if anybody: by chance one of those that were asked least
    /// in vain. It counts as asked.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        limits: &Limits,
        rng: &mut dyn rand::Rng,
    ) -> Option<(SocketAddr, Guid)> {
        if self.waiting.is_some_and(|waiting| now < waiting.until) {
            return None;
        }
        let due = || self.known.iter().filter(|cache| cache.due <= now);
        let least = due().map(|cache| cache.fruitless).min()?;
        let best: Vec<SocketAddr> = due()
            .filter(|cache| cache.fruitless == least)
            .map(|cache| cache.address)
            .collect();
        let chosen = *best.choose(rng)?;
        let mut known = self.known.iter_mut();
        let cache = known.find(|cache| cache.address == chosen)?;
        cache.fruitless = cache.fruitless.saturating_add(1);
        cache.due = now + pause(cache.fruitless, limits);
        let ping = Guid::random(rng);
        self.waiting = Some(Waiting {
            ping,
            of: chosen,
            until: now + limits.cache_patience,
        });
        Some((chosen, ping))
    }

    /// Whether a pong with this MUID is the answer that is waited for; it is from now on no more.
    pub(super) fn answered(&mut self, now: Instant, ping: Guid) -> Option<SocketAddr> {
        let awaited = |waiting: &mut Waiting| waiting.ping == ping && now < waiting.until;
        Some(self.waiting.take_if(awaited)?.of)
    }

    /// What a cache said was new: its pauses begin anew.
    pub(super) fn was_useful(&mut self, now: Instant, address: SocketAddr, limits: &Limits) {
        let mut known = self.known.iter_mut();
        if let Some(cache) = known.find(|cache| cache.address == address) {
            cache.fruitless = 0;
            cache.due = now + limits.cache_retry;
        }
    }

    /// When somebody may be asked next, if anybody is known.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.known.iter().map(|cache| cache.due).min()?;
        Some(self.waiting.map_or(due, |waiting| due.max(waiting.until)))
    }
}

/// How long a cache is let alone after so many fruitless attempts.
fn pause(fruitless: u8, limits: &Limits) -> Duration {
    match fruitless.checked_sub(ATTEMPTS) {
        None => limits.cache_patience,
        Some(more) => {
            let grown = limits.cache_retry.times(1 << more.min(16));
            grown.min(limits.cache_retry_most)
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    /// Who is asked in which second and how, if somebody looks every second.
    fn asked(caches: &mut Caches, seconds: std::ops::Range<u64>) -> Vec<(u64, (SocketAddr, Guid))> {
        let (mut rng, limits) = (Pcg64Mcg::seed_from_u64(1), Limits::default());
        let mut ask = |second| caches.ask(at(second), &limits, &mut rng);
        let asked = seconds.filter_map(|second| Some((second, ask(second)?)));
        asked.collect()
    }

    #[test]
    fn a_cache_that_does_not_answer_is_asked_ever_more_rarely() {
        let (mut caches, limits) = (Caches::default(), Limits::default());
        let address = "192.0.2.1:3558".parse().unwrap();
        caches.add(at(0), address, &limits);
        caches.add(at(0), address, &limits);
        let seconds = |caches: &mut Caches, range| -> Vec<u64> {
            let asked = asked(caches, range);
            asked.into_iter().map(|(second, _)| second).collect()
        };
        assert_eq!(
            seconds(&mut caches, 0..10_000),
            [0, 20, 40, 220, 580, 1_300, 2_740, 5_620, 9_220]
        );
        assert_eq!(caches.next(), Some(at(9_220 + 3_600)));
        let (_, (_, ping)) = asked(&mut caches, 12_820..12_821)[0];
        assert_eq!(caches.answered(at(12_821), Guid::ZERO), None, "not asked");
        assert_eq!(caches.answered(at(12_821), ping), Some(address));
        assert_eq!(caches.answered(at(12_821), ping), None, "once");
        caches.was_useful(at(12_821), address, &limits);
        assert_eq!(caches.next(), Some(at(12_821 + 180)));
        let again = asked(&mut caches, 12_821..13_100);
        let seconds: Vec<u64> = again.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [13_001, 13_021, 13_041]);
        let (_, (_, ping)) = again[2];
        assert_eq!(caches.answered(at(13_061), ping), None, "too late");
    }

    #[test]
    fn one_is_asked_at_a_time_and_each_gets_its_turn() {
        let (mut caches, limits) = (Caches::default(), Limits::default());
        for n in 0..100 {
            caches.add(at(0), ([192, 0, 2, n], 3558).into(), &limits);
        }
        let asked = asked(&mut caches, 0..1_920);
        let most = limits.udp_caches;
        assert_eq!(asked.len(), most * 3, "three times each, one in 20 seconds");
        for n in 0..u8::try_from(most).unwrap() {
            let address = ([192, 0, 2, n], 3558).into();
            let times = asked.iter().filter(|(_, (cache, _))| *cache == address);
            assert_eq!(times.count(), 3);
        }
    }
}
