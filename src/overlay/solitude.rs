//! What a servent forgets that has been without neighbours for long.
//!
//! Its tables of two generations turn when something comes. Where nobody is left nothing does, and what
//! they hold would stay for ever.

use super::routes::Routes;
use super::{Instant, Servent, Surroundings};

impl Servent {
    /// The last neighbour is gone: once all that was remembered of it is past its life, it goes.
    pub(super) fn be_alone(&mut self, now: Instant, around: &Surroundings<'_>) {
        if self.neighbours.is_empty() {
            self.probe = Some(now + around.settings.limits.route_life.times(2));
        }
    }

    /// Forgets what it is time to forget, where nobody came since.
    pub(super) fn forget_in_solitude(&mut self, now: Instant) {
        if self.probe.is_none_or(|due| now < due) {
            return;
        }
        self.probe = None;
        self.routes = Routes::default();
        self.scrutiny = None;
        self.hit_throttle = None;
        self.forget_pushes();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::overlay::catalogue::Nothing;
    use crate::overlay::{Input, Link, Offer, Output, Profile, Role, SearchId, Settings, Stats};
    use crate::wire::Guid;
    use crate::wire::query::Query;

    #[test]
    fn who_is_alone_for_an_hour_holds_nothing() {
        let mut servent = Servent::new(Guid::from_bytes([7; 16]), Role::Ultrapeer);
        let settings = Settings::new(Profile::PUBLIC);
        let (mut rng, mut stats) = (Pcg64Mcg::seed_from_u64(7), Stats::default());
        let mut handle = |second: u64, input| {
            let mut out: Vec<Output> = Vec::new();
            let mut around = Surroundings {
                settings: &settings,
                catalogue: &Nothing,
                rng: &mut rng,
                stats: &mut stats,
                out: &mut out,
            };
            servent.handle(Instant::from_micros(second * 1_000_000), input, &mut around);
            (servent.routes.len(), servent.deadline())
        };
        let query = &Query::keywords("hazel").unwrap();
        let (link, offer, id, ttl) = (Link(1), Offer::default(), SearchId(1), None);
        handle(1, Input::Connected { link, offer });
        handle(2, Input::Search { id, query, ttl });
        handle(3, Input::Cancel { id });
        let (held, due) = handle(10, Input::Closed { link });
        assert_eq!((held, due), (1, Some(Instant::from_micros(3_610_000_000))));
        assert_eq!(handle(100, Input::Tick), (held, due));
        assert_eq!(handle(3_610, Input::Tick), (0, None));
    }
}
