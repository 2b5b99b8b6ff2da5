//! The sources of a download as others are told of them: who may be asked in a later run, who failed
//! and how.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Error, Failure, Progress, Transfer};
use crate::transfer::exchange::ALTERNATES;
use crate::transfer::source;

/// How often it is told which sources are known, at most.
const TELL: Duration = Duration::from_secs(2);
/// Queues that are told of.
const QUEUES: usize = 10;

impl<E: Fn(Progress) + Send + Sync> Transfer<'_, E> {
    /// Takes note of what a source did; of as many as may be known at once.
    pub(super) fn note_failure(&mut self, address: SocketAddr, error: source::Error) {
        let most = self.wanted.settings.swarm.sources.max(1);
        if self.failures.len() >= most && !self.failures.contains_key(&address) {
            let lied = |error: &source::Error| matches!(error, source::Error::WrongBytes);
            let other = self.failures.iter().find(|(_, error)| !lied(error));
            let other = other.or_else(|| self.failures.iter().next());
            if let Some(address) = other.map(|(address, _)| *address) {
                self.failures.remove(&address);
            }
        }
        self.failures.insert(address, error);
    }

    /// Tells which sources may be asked, when others are known than before.
    pub(super) fn tell_sources(&mut self, now: bool) {
        let (told, when) = &self.told;
        if !now && when.is_some_and(|when| when.elapsed() < TELL) {
            return;
        }
        self.tell_others();
        let seeds = &self.job.web_seeds;
        let servents = self.swarm.usable();
        let known: Vec<_> = servents.filter(|one| !seeds.contains(*one)).collect();
        let changed = !known.is_empty() && known != *told;
        if changed {
            (self.events)(Progress::Sources(known.clone()));
            self.told.0 = known;
        }
        self.told.1 = Some(Instant::now());
    }

    /// Those who fetch the file from us, and so have a part of it, that are not known yet.
    pub(super) fn callers(&self) -> Vec<SocketAddr> {
        let (Some(exchange), Some(own)) = (&self.job.exchange, self.job.announce) else {
            return Vec::new();
        };
        let known: HashSet<_> = self.swarm.usable().collect();
        let mut callers = exchange.alternates(self.job.sha1, own, &[own]);
        callers.retain(|caller| !known.contains(caller) && self.job.may_ask(*caller));
        callers
    }

    /// Tells in whose queues we wait, when that has changed.
    pub(super) fn tell_queues(&mut self) {
        let mut queues = self.swarm.queues();
        queues.truncate(QUEUES);
        if queues != self.queues {
            (self.events)(Progress::Queues(queues.clone()));
            self.queues = queues;
        }
    }

    /// Lets others hear who is good and who failed.
    fn tell_others(&self) {
        let good: Vec<_> = {
            let givers = self.swarm.givers();
            let open = givers.filter(|address| self.job.is_open(*address));
            open.take(2 * ALTERNATES).collect()
        };
        if let Some(exchange) = &self.job.exchange {
            for giver in &good {
                exchange.note(self.job.sha1, *giver);
            }
        }
        let bad = self.swarm.given_up().map(|(address, _)| address);
        let bad = bad.filter(|address| self.job.is_open(*address));
        let bad = bad.take(2 * ALTERNATES).collect();
        self.wanted.announce.set_others(good, bad);
        let Some(back) = &self.job.call_back else {
            return;
        };
        let own = back.own().map(|own| own.who);
        let own = own.filter(|_| self.job.announce.is_none() && self.given > 0);
        let closed = self
            .swarm
            .givers()
            .filter(|giver| !self.job.is_open(*giver));
        let closed = closed.filter_map(|giver| back.described(giver));
        let firewalled = own.into_iter().chain(closed).take(2 * ALTERNATES);
        self.wanted.announce.set_firewalled(firewalled.collect());
    }

    /// Nobody is left who could be asked.
    pub(super) fn starve(&mut self) {
        let lack = self.lack(false);
        (self.events)(Progress::Exhausted {
            lied: matches!(lack, Error::Verification { .. }),
            reason: lack.to_string(),
        });
        let failures = lack.into_failures().into_iter();
        self.failures = failures
            .map(|failure| (failure.address, failure.error))
            .collect();
    }

    /// Why there is no file, with all that the sources did.
    pub(super) fn lack(&mut self, contradiction: bool) -> Error {
        let failure = |(address, error)| Failure { address, error };
        let failures: Vec<_> = self.failures.drain().map(failure).collect();
        let liars = failures
            .iter()
            .filter(|failure| matches!(failure.error, source::Error::WrongBytes));
        let sources: Vec<_> = liars.map(|failure| failure.address).collect();
        match sources.is_empty() && !contradiction {
            true => Error::NoSource { failures },
            false => Error::Verification {
                sha1: self.job.sha1,
                sources,
                failures,
            },
        }
    }

    /// Leaves no file of which nothing is there, or that is not what was asked for.
    pub(super) async fn clear_away(&mut self, contradiction: bool) {
        if (contradiction || self.swarm.there().is_empty())
            && let Err(error) = self.writer.remove().await
        {
            log::warn!("{error}");
        }
    }
}
