//! The expanding ring: a small flood, and where it found nothing a larger one (Lv, Cao, Cohen, Li
//! and Shenker, ICS 2002, after Perkins's use of it in ad hoc networks).

use rand_pcg::Pcg64Mcg;

use super::{Flood, Ground, Policy, Trace};

/// Floods of rising TTL, until one finds something, or reaches nobody that the last did not.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// The TTL of the first.
    pub first: u8,
    /// How much larger each is than the one before.
    pub step: u8,
    /// The TTL that none exceeds.
    pub last: u8,
}

impl Policy for Ring {
    /// The copies are those of all floods, whom it reached those of the last.
    fn search(&self, ground: &mut Ground<'_>, source: u32, rng: &mut Pcg64Mcg) -> Trace {
        let mut copies = 0;
        let mut reached = 0;
        let mut ttl = self.first;
        loop {
            if ground.holds(source) {
                let mut trace = Trace::default();
                trace.find(0);
                return trace;
            }
            let trace = Flood { ttl }.search(ground, source, rng);
            copies += trace.copies;
            let now = trace.reached;
            if trace.found > 0 || now == reached || ttl >= self.last {
                return Trace { copies, ..trace };
            }
            reached = now;
            ttl = ttl.saturating_add(self.step.max(1)).min(self.last);
        }
    }
}
