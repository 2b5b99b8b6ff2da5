//! Whether strangers reach us: asked of ultrapeers until it is known, and again from time to time
//! (protocol §13.6).

use crate::overlay::limits::Limits;
use crate::overlay::time::{Duration, Instant};

/// Whether strangers reach this servent; `None` while it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reachability {
    /// With connections.
    pub tcp: Option<bool>,
    /// With datagrams that it did not ask for.
    pub udp: Option<bool>,
}

/// What is known of one of the two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inquiry {
    answer: Option<bool>,
    /// Ultrapeers asked since there was an answer.
    asked: u8,
    /// When one was last asked.
    last: Option<Instant>,
    /// When somebody last came.
    came: Option<Instant>,
}

/// Ultrapeers asked before silence is an answer.
const ENOUGH: u8 = 3;

/// How long they have to try it.
const PATIENCE: Duration = Duration::from_secs(60);

impl Inquiry {
    /// Whether strangers come, as far as it is known.
    pub(super) const fn answer(&self) -> Option<bool> {
        self.answer
    }

    /// Somebody came.
    pub(super) const fn came(&mut self, now: Instant) {
        self.answer = Some(true);
        self.came = Some(now);
        self.asked = 0;
    }

    /// How many ultrapeers are still to be asked of those that may come.
    pub(super) const fn lacks(&self) -> u8 {
        match self.answer {
            None => ENOUGH.saturating_sub(self.asked),
            Some(_) => 0,
        }
    }

    /// So many were asked.
    pub(super) const fn asked(&mut self, now: Instant, many: u8) {
        self.asked = self.asked.saturating_add(many);
        self.last = Some(now);
    }

    /// When to look next, if ever.
    pub(super) fn due(&self, limits: &Limits) -> Option<Instant> {
        match (self.asked, self.answer) {
            (0, None) => None,
            (0, Some(_)) => {
                let last = self.last.max(self.came)?;
                Some(last + limits.reach_again)
            }
            _ => self.last.map(|last| last + PATIENCE),
        }
    }

    /// Time passed: says how many ultrapeers are to be asked now. Three that were asked in vain
    /// mean that nobody comes.
    pub(super) fn look(&mut self, now: Instant, limits: &Limits) -> u8 {
        if self.due(limits).is_none_or(|due| now < due) {
            return 0;
        }
        if self.asked >= ENOUGH {
            self.answer = Some(false);
            self.asked = 0;
            return 0;
        }
        // Where nobody can be asked it is tried again later, not at once.
        self.last = Some(now);
        ENOUGH - self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn three_asked_in_vain_mean_no_and_one_who_comes_means_yes() {
        let (mut inquiry, limits) = (Inquiry::default(), Limits::default());
        assert_eq!((inquiry.lacks(), inquiry.due(&limits)), (3, None));
        inquiry.asked(at(0), 1);
        assert_eq!((inquiry.lacks(), inquiry.look(at(59), &limits)), (2, 0));
        assert_eq!(inquiry.look(at(60), &limits), 2, "two more");
        inquiry.asked(at(60), 2);
        assert_eq!(inquiry.answer(), None);
        assert_eq!(inquiry.look(at(120), &limits), 0);
        assert_eq!((inquiry.answer(), inquiry.lacks()), (Some(false), 0));
        assert_eq!(inquiry.look(at(1_000), &limits), 0);
        assert_eq!(inquiry.look(at(1_260), &limits), 3, "after 20 minutes");
        inquiry.asked(at(1_260), 3);
        inquiry.came(at(1_261));
        assert_eq!(inquiry.answer(), Some(true));
        assert_eq!(inquiry.look(at(1_400), &limits), 0);
        assert_eq!(inquiry.answer(), Some(true));
    }
}
