//! Queues of others in which we wait, and that may connect to us when it is our turn (protocol
//! §10.7). Pure: the connection may be anything.
//!
//! A call is known by the number of the place and the address of who gave it; nobody else's is
//! taken, and nobody is connected to for what a call says.

use std::collections::HashMap;
use std::net::IpAddr;

use futures::channel::oneshot;

use super::Sample;

/// Places that are waited for at once.
const PLACES: usize = 1_024;

/// The table; `C` is a connection.
#[derive(Debug)]
pub(super) struct Turns<C> {
    places: HashMap<(IpAddr, String), oneshot::Sender<C>>,
    taken: u64,
    strange: u64,
}

impl<C> Default for Turns<C> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            taken: 0,
            strange: 0,
        }
    }
}

impl<C> Turns<C> {
    /// Waits for the turn of the place `id` in the queue of somebody at `at`; not where too many
    /// are waited for. Who waited for the same before does not any more.
    pub(super) fn wait(&mut self, at: IpAddr, id: &str) -> Option<oneshot::Receiver<C>> {
        let place = (at, id.to_owned());
        if self.places.len() >= PLACES {
            self.places.retain(|_, waiter| !waiter.is_canceled());
        }
        if self.places.len() >= PLACES && !self.places.contains_key(&place) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.places.insert(place, sender);
        Some(receiver)
    }

    /// Somebody at `from` says that it is the turn of the place `id`, on this connection; says
    /// whether anybody wants it. Which place was called is not waited for any more.
    pub(super) fn came(&mut self, from: IpAddr, id: &str, connection: C) -> bool {
        let waiter = self.places.remove(&(from, id.to_owned()));
        let taken = waiter.is_some_and(|waiter| waiter.send(connection).is_ok());
        match taken {
            true => self.taken += 1,
            false => self.strange += 1,
        }
        taken
    }

    /// What came of it, as metrics.
    pub(super) fn samples(&self) -> [Sample; 2] {
        let taken = "connections of servents in whose queue it was our turn";
        let strange = "connections for a place in a queue that we do not wait for";
        [
            Sample::counter("queue_calls_taken", taken, self.taken),
            Sample::counter("queue_calls_unknown", strange, self.strange),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn only_who_gave_the_place_calls_and_once() {
        let mut turns = Turns::default();
        let mut waiting = turns.wait(ip(1), "AB").unwrap();
        assert!(!turns.came(ip(2), "AB", 'x') && !turns.came(ip(1), "ab", 'x'));
        assert_eq!(waiting.try_recv(), Ok(None));
        assert!(turns.came(ip(1), "AB", 'y'));
        assert_eq!(waiting.try_recv(), Ok(Some('y')));
        assert!(!turns.came(ip(1), "AB", 'z'));
        assert_eq!(turns.samples().map(|sample| sample.value), [1, 3]);
    }

    #[test]
    fn who_waits_no_more_is_not_called() {
        let mut turns = Turns::default();
        drop(turns.wait(ip(1), "AB"));
        assert!(!turns.came(ip(1), "AB", 'x'));
        let mut first = turns.wait(ip(1), "AB").unwrap();
        let mut second = turns.wait(ip(1), "AB").unwrap();
        assert!(first.try_recv().is_err(), "its place is another's");
        assert!(turns.came(ip(1), "AB", 'y'));
        assert_eq!(second.try_recv(), Ok(Some('y')));
    }

    #[test]
    fn no_more_are_waited_for_than_have_room() {
        let mut turns = Turns::<u8>::default();
        let mut kept = Vec::new();
        for place in 0..PLACES {
            kept.push(turns.wait(ip(1), &place.to_string()).unwrap());
        }
        assert!(turns.wait(ip(2), "more").is_none());
        assert!(turns.wait(ip(1), "0").is_some(), "it is known");
        kept.truncate(10);
        assert!(turns.wait(ip(2), "more").is_some());
        assert!(turns.places.len() <= 11);
    }
}
