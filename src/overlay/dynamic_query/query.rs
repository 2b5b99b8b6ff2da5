//! One dynamic query: what it asked, what came back, when it is over.

use super::super::Link;
use super::super::time::{Duration, Instant};
use super::candidate::Candidate;
use super::guidance::{Guidance, Word};
use super::outcomes::Reason;
use super::policy::{Progress, QueryCopy, SearchPolicy};
use super::settings::Settings;

/// Whose query it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Ours.
    Own,
    /// A leaf's.
    Leaf {
        /// Its link.
        link: Link,
        /// Whether it says how many results it keeps (query flag 0x1000, protocol §8.5).
        guides: bool,
    },
}

/// What a query wants: [`Settings::demand`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Whose it is.
    pub asker: Asker,
    /// Results that are enough; of those that a guiding leaf got, what it keeps counts.
    pub wanted: u32,
    /// Results routed that are enough, kept or not.
    pub routed: u32,
}

/// What a dynamic query wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the query, hops 0, over this link with this TTL.
    Copy {
        /// Over which link.
        link: Link,
        /// With which TTL.
        ttl: u8,
    },
    /// Ask the leaf how many results it kept (BEAR/11).
    AskLeaf,
    /// It is over; nothing more comes.
    Finished(Reason),
}

/// The state machine of one dynamic query. Times handed in never run backwards.
#[derive(Clone, Debug)]
pub struct DynamicQuery {
    demand: Demand,
    salt: u64,
    begun: Instant,
    /// When the present round has had its time.
    due: Instant,
    /// Rounds with copies.
    rounds: u32,
    /// Copies sent to neighbours that are still there, each neighbour once, with its highest TTL.
    sent: Vec<QueryCopy>,
    /// Those neighbours of the present round that may still answer.
    asked: Vec<Link>,
    reached: u64,
    routed: u32,
    guidance: Guidance,
    finished: Option<Reason>,
}

/// How often a search without any neighbour looks for one.
const LOOK: Duration = Duration::from_secs(1);

/// The least wait after a round: a policy that neither sends nor waits would never let go of the
/// driver.
const LEAST: Duration = Duration::from_millis(1);

impl DynamicQuery {
    /// Begins a query that was offered to `leaves` leaves of our own, which are heard first.
    /// `salt` varies the order of equal neighbours from query to query.
    #[must_use]
    pub fn start(
        now: Instant,
        demand: Demand,
        leaves: usize,
        salt: u64,
        settings: &Settings,
    ) -> Self {
        let wait = if leaves > 0 {
            settings.hop_wait
        } else {
            Duration::default()
        };
        Self {
            demand,
            salt,
            begun: now,
            due: now + wait,
            rounds: 0,
            sent: Vec::new(),
            asked: Vec::new(),
            // An ultrapeer and its leaves count as one.
            reached: 1,
            routed: 0,
            guidance: Guidance::default(),
            finished: None,
        }
    }

    /// So many results came, whosoever sent them.
    pub fn hits(&mut self, now: Instant, count: u32, settings: &Settings) -> Option<Step> {
        if self.finished.is_some() {
            return None;
        }
        self.routed = self.routed.saturating_add(count);
        if self.has_enough() {
            return Some(self.finish(Reason::Enough));
        }
        let guides = matches!(self.demand.asker, Asker::Leaf { guides: true, .. });
        if guides && self.guidance.is_due(self.routed, settings) {
            self.guidance.ask(now, self.routed);
            return Some(Step::AskLeaf);
        }
        None
    }

    /// The leaf says how many results it keeps, asked or not (BEAR/12; 0xFFFF: stop). What a
    /// query of our own keeps nobody tells.
    pub fn kept(&mut self, kept: u16, settings: &Settings) -> Option<Step> {
        if self.finished.is_some() || self.demand.asker == Asker::Own {
            return None;
        }
        match self.guidance.hear(kept, self.routed, settings) {
            Word::Stop => Some(self.finish(Reason::LeafStop)),
            Word::Noted => self.has_enough().then(|| self.finish(Reason::Enough)),
        }
    }

    /// A link is gone: the leaf's, which ends the query, or a neighbour's, whose answers need not
    /// be waited for.
    pub fn gone(&mut self, now: Instant, link: Link) -> Option<Step> {
        if self.finished.is_some() {
            return None;
        }
        if matches!(self.demand.asker, Asker::Leaf { link: leaf, .. } if leaf == link) {
            return Some(self.finish(Reason::LeafGone));
        }
        self.sent.retain(|copy| copy.link != link);
        let before = self.asked.len();
        self.asked.retain(|&asked| asked != link);
        if self.asked.is_empty() && before > 0 {
            self.due = self.due.min(now);
        }
        None
    }

    /// Time passed. Where the query is due it chooses among `candidates`, the neighbours that are
    /// ultrapeers now, and appends what is to be done.
    pub fn tick<P>(
        &mut self,
        now: Instant,
        candidates: &[Candidate],
        policy: &P,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) where
        P: SearchPolicy + ?Sized,
    {
        if self.finished.is_some() || now < self.due(settings) {
            return;
        }
        let age = now.since(self.begun);
        if age >= settings.life {
            out.push(self.finish(Reason::Life));
            return;
        }
        if self.guidance.patience_ends(settings).is_some() {
            out.push(if self.guidance.silence(settings) {
                self.guidance.ask(now, self.routed);
                Step::AskLeaf
            } else {
                self.finish(Reason::LeafSilent)
            });
            return;
        }
        if self.reached >= settings.horizon {
            out.push(self.finish(Reason::Horizon));
            return;
        }
        let progress = Progress {
            age,
            wanted: self.demand.wanted,
            results: self.results(),
            reached: self.reached,
            rounds: self.rounds,
            sent: &self.sent,
            salt: self.salt,
        };
        let Some(round) = policy.next(settings, &progress, candidates) else {
            if self.rounds == 0 && age < settings.patience {
                self.due = now + LOOK;
            } else {
                out.push(self.finish(Reason::NoNeighbours));
            }
            return;
        };
        self.due = now + round.wait.max(LEAST);
        self.asked.clear();
        if !round.copies.is_empty() {
            self.rounds += 1;
        }
        for copy in round.copies {
            self.note(copy);
            out.push(Step::Copy {
                link: copy.link,
                ttl: copy.ttl,
            });
        }
    }

    /// Ends the query, for a reason of the caller's.
    pub const fn finish(&mut self, reason: Reason) -> Step {
        self.finished = Some(reason);
        Step::Finished(reason)
    }

    /// When to hand in time next.
    #[must_use]
    pub fn due(&self, settings: &Settings) -> Instant {
        let next = self.guidance.patience_ends(settings);
        next.unwrap_or(self.due).min(self.begun + settings.life)
    }

    /// Whose query it is.
    #[must_use]
    pub const fn asker(&self) -> Asker {
        self.demand.asker
    }

    /// When it began.
    #[must_use]
    pub const fn begun(&self) -> Instant {
        self.begun
    }

    /// Hosts it is taken to have reached, ourselves included.
    #[must_use]
    pub const fn reached(&self) -> u64 {
        self.reached
    }

    /// Results that came.
    #[must_use]
    pub const fn routed(&self) -> u32 {
        self.routed
    }

    /// Results that count: all, or of those that a leaf spoke of our share of what it kept.
    #[must_use]
    pub fn results(&self) -> u32 {
        self.guidance.results(self.routed)
    }

    fn has_enough(&self) -> bool {
        self.results() >= self.demand.wanted || self.routed >= self.demand.routed
    }

    /// Remembers a copy. The hosts of an earlier one over the same link are among its own.
    fn note(&mut self, copy: QueryCopy) {
        self.asked.push(copy.link);
        let new = match self.sent.iter_mut().find(|sent| sent.link == copy.link) {
            Some(sent) => {
                let before = std::mem::replace(sent, copy);
                copy.hosts.saturating_sub(before.hosts)
            }
            None => {
                self.sent.push(copy);
                copy.hosts
            }
        };
        self.reached = self.reached.saturating_add(new);
    }
}
