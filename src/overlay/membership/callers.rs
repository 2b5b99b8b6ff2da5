//! How often strangers may begin a handshake: on the public network one address only so often a
//! minute. Who is refused for it counts too, so that asking more often gains nothing.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::overlay::ground::Ground;
use crate::overlay::limits::Limits;
use crate::overlay::slots::Caller;
use crate::overlay::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Who called in the last minute.
#[derive(Debug)]
pub(super) struct Callers {
    ground: Ground,
    /// The oldest first.
    lately: VecDeque<(Instant, IpAddr)>,
}

impl Callers {
    pub(super) const fn new(ground: Ground) -> Self {
        Self {
            ground,
            lately: VecDeque::new(),
        }
    }

    /// Whether a caller may go on; the call counts.
    pub(super) fn may_call(&mut self, now: Instant, caller: &Caller<'_>, limits: &Limits) -> bool {
        let ip = caller.address.ip();
        if self.ground.seen_from(ip).is_private() {
            return true;
        }
        let over = |(then, _): &mut (Instant, _)| now.since(*then) >= MINUTE;
        while self.lately.pop_front_if(over).is_some() {}
        let calls = self.lately.iter().filter(|(_, known)| *known == ip).count();
        if self.lately.len() >= limits.callers {
            self.lately.pop_front();
        }
        self.lately.push_back((now, ip));
        calls < limits.handshakes_per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::Greeting;

    #[test]
    fn a_public_address_may_call_so_often_a_minute_and_a_private_one_at_will() {
        let limits = Limits {
            handshakes_per_minute: 3,
            callers: 100,
            ..Limits::default()
        };
        let mut callers = Callers::new(Ground::Public);
        let greeting = Greeting::default();
        let mut calls = |ip: &str, second: u64| {
            let caller = Caller {
                address: (ip.parse::<IpAddr>().unwrap(), 40_000).into(),
                incoming: true,
                greeting: &greeting,
            };
            let now = Instant::from_micros(second * 1_000_000);
            (0..5)
                .filter(|_| callers.may_call(now, &caller, &limits))
                .count()
        };
        assert_eq!((calls("12.0.0.1", 0), calls("12.0.0.2", 1)), (3, 3));
        assert_eq!(calls("192.168.0.1", 2), 5);
        assert_eq!(calls("12.0.0.1", 59), 0, "those refused count");
        assert_eq!(calls("12.0.0.1", 119), 3);
        for n in 0..=255 {
            calls(&format!("13.0.0.{n}"), 120);
        }
        assert_eq!(callers.lately.len(), 100);
    }
}
