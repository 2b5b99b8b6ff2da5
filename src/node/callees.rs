//! Who can be had to connect to us, and for whose connection somebody waits (protocol §6.3). Pure:
//! the connection may be anything.
//!
//! All of it is what strangers said, so all of it has a cap: of those who can be called the ones
//! heard of least lately are forgotten, and of those that are waited for no more are taken.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use super::state::Source;
use crate::transfer::call_back::{Uncalled, Way};
use crate::wire::Guid;
use crate::wire::address::Reach;

/// Sources that can be called and are remembered.
const KNOWN: usize = 2_048;
/// Servents whose connection is waited for at once.
const AWAITED: usize = 256;
/// Who may wait for the same servent.
const WAITERS: usize = 16;
/// How long after a push a connection is still expected (protocol §6.5).
const EXPECTED: Duration = Duration::from_secs(90);

/// How a source is called.
#[derive(Clone, Debug)]
pub(super) struct Callee {
    pub(super) servent: Guid,
    pub(super) index: u32,
    /// Whether it says that nobody can connect to it.
    firewalled: bool,
    /// Whether it takes TLS from the first byte.
    tls: bool,
    /// Who hands on pushes to it.
    pub(super) proxies: Vec<Reach>,
}

/// The tables; `C` is a connection.
#[derive(Debug)]
pub(super) struct Callees<C> {
    known: HashMap<SocketAddr, Callee>,
    /// Of `known`, the one heard of last at the end.
    order: VecDeque<SocketAddr>,
    awaited: HashMap<Guid, Awaited<C>>,
}

#[derive(Debug)]
struct Awaited<C> {
    until: Instant,
    waiters: VecDeque<oneshot::Sender<C>>,
    /// A connection that came when nobody waited any more.
    early: Option<C>,
}

/// The address under which a source is known whose own means nothing here: one that nobody can
/// have, made of its GUID (the discard prefix 100::/64 of RFC 6666).
pub(super) fn stand_in(servent: Guid, port: u16) -> SocketAddr {
    let mut octets = [0; 16];
    octets[0] = 1;
    octets[8..].copy_from_slice(&servent.as_bytes()[..8]);
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)), port)
}

fn is_stand_in(address: SocketAddr) -> bool {
    let IpAddr::V6(ip) = address.ip() else {
        return false;
    };
    ip.octets()[..8] == [1, 0, 0, 0, 0, 0, 0, 0]
}

impl<C> Default for Callees<C> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
            awaited: HashMap::new(),
        }
    }
}

impl<C> Callees<C> {
    /// Takes note of how a source is called, as its hit told last.
    pub(super) fn note(&mut self, source: &Source) {
        if source.servent.is_zero() {
            return;
        }
        let callee = Callee {
            servent: source.servent,
            index: source.index,
            firewalled: source.firewalled,
            tls: source.tls,
            proxies: source.proxies.clone(),
        };
        if self.known.insert(source.address, callee).is_some() {
            self.order.retain(|known| *known != source.address);
        }
        self.order.push_back(source.address);
        while self.known.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// A servent that only who hands on pushes reaches: gives the address under which it is known,
    /// that of its hit if there was one.
    pub(super) fn introduce(&mut self, servent: Guid, proxies: Vec<Reach>) -> SocketAddr {
        let known = self.known.iter().find(|(_, one)| one.servent == servent);
        if let Some((address, _)) = known {
            return *address;
        }
        let address = stand_in(servent, 1);
        self.note(&Source {
            address,
            servent,
            index: 0,
            hops: 0,
            vendor: String::new(),
            firewalled: true,
            tls: false,
            proxies,
        });
        address
    }

    /// A source that answered told who hands on pushes to it now, and perhaps who it is. That of one
    /// known as somebody else is not believed.
    pub(super) fn hear(&mut self, source: SocketAddr, servent: Option<Guid>, proxies: Vec<Reach>) {
        if let Some(callee) = self.known.get_mut(&source) {
            if servent.is_none_or(|servent| servent == callee.servent) {
                callee.proxies = proxies;
            }
        } else if let Some(servent) = servent.filter(|_| !is_stand_in(source)) {
            self.note(&Source {
                address: source,
                servent,
                index: 0,
                hops: 0,
                vendor: String::new(),
                // It was reached; when it cannot be any more, it is called.
                firewalled: false,
                tls: false,
                proxies,
            });
        }
    }

    /// How a source is reached.
    pub(super) fn way(&self, source: SocketAddr) -> Way {
        match self.known.get(&source) {
            _ if is_stand_in(source) => Way::Call,
            None => Way::Dial,
            Some(callee) if callee.firewalled => Way::CallFirst,
            Some(_) => Way::DialFirst,
        }
    }

    /// Whether a source takes TLS from the first byte.
    pub(super) fn encrypts(&self, source: SocketAddr) -> bool {
        self.known.get(&source).is_some_and(|known| known.tls)
    }

    /// How a source is called.
    pub(super) fn callee(&self, source: SocketAddr) -> Option<&Callee> {
        self.known.get(&source)
    }

    /// Waits for a connection of `servent`.
    ///
    /// # Errors
    /// When too much is waited for already.
    pub(super) fn expect(
        &mut self,
        now: Instant,
        servent: Guid,
    ) -> Result<oneshot::Receiver<C>, Uncalled> {
        self.expire(now);
        if self.awaited.len() >= AWAITED && !self.awaited.contains_key(&servent) {
            return Err(Uncalled::TooMany);
        }
        let until = now + EXPECTED;
        let awaited = self.awaited.entry(servent).or_insert_with(|| Awaited {
            until,
            waiters: VecDeque::new(),
            early: None,
        });
        awaited.until = until;
        awaited.waiters.retain(|waiter| !waiter.is_canceled());
        if awaited.waiters.len() >= WAITERS {
            return Err(Uncalled::TooMany);
        }
        let (sender, receiver) = oneshot::channel();
        match awaited.early.take() {
            // Its receiver is still here.
            Some(connection) => drop(sender.send(connection)),
            None => awaited.waiters.push_back(sender),
        }
        Ok(receiver)
    }

    /// A connection of `servent` came; says whether anybody wants it. Which file it was opened for
    /// does not matter.
    pub(super) fn came(&mut self, now: Instant, servent: Guid, mut connection: C) -> bool {
        self.expire(now);
        let Some(awaited) = self.awaited.get_mut(&servent) else {
            return false;
        };
        while let Some(waiter) = awaited.waiters.pop_front() {
            match waiter.send(connection) {
                Ok(()) => return true,
                Err(back) => connection = back,
            }
        }
        let new = awaited.early.is_none();
        awaited.early.get_or_insert(connection);
        new
    }

    /// Gives up what did not come in time.
    pub(super) fn expire(&mut self, now: Instant) {
        self.awaited.retain(|_, awaited| awaited.until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(byte: u8) -> Guid {
        Guid::from_bytes([byte; 16])
    }

    fn source(address: SocketAddr, firewalled: bool) -> Source {
        Source {
            address,
            servent: guid(7),
            index: 3,
            hops: 1,
            vendor: String::new(),
            firewalled,
            tls: false,
            proxies: Vec::new(),
        }
    }

    #[test]
    fn the_hit_decides_which_way_comes_first() {
        let mut callees = Callees::<u8>::default();
        let address = "1.2.3.4:5".parse().unwrap();
        assert_eq!(callees.way(address), Way::Dial);
        callees.note(&source(address, false));
        assert_eq!(callees.way(address), Way::DialFirst);
        callees.note(&source(address, true));
        assert_eq!(callees.way(address), Way::CallFirst);
        assert_eq!(callees.way(stand_in(guid(7), 5)), Way::Call);
        assert_ne!(stand_in(guid(7), 5), stand_in(guid(8), 5));
    }

    #[test]
    fn what_a_source_says_of_its_proxies_replaces_what_its_hit_told() {
        let mut callees = Callees::<u8>::default();
        let (known, other) = ("1.2.3.4:5".parse().unwrap(), "1.2.3.4:6".parse().unwrap());
        callees.note(&source(known, true));
        let proxy = Reach {
            address: "5.6.7.8:9".parse().unwrap(),
            tls: false,
        };
        callees.hear(known, None, vec![proxy]);
        callees.hear(other, None, vec![proxy]);
        assert_eq!(callees.callee(known).unwrap().proxies, [proxy]);
        assert!(callees.callee(other).is_none(), "its GUID is not known");
        callees.hear(other, Some(guid(8)), vec![proxy]);
        assert_eq!(callees.callee(other).unwrap().servent, guid(8));
        assert_eq!(callees.way(other), Way::DialFirst);
        callees.hear(other, Some(guid(9)), Vec::new());
        callees.hear(stand_in(guid(5), 1), Some(guid(6)), vec![proxy]);
        assert_eq!(callees.callee(other).unwrap().proxies, [proxy]);
        assert!(callees.callee(stand_in(guid(5), 1)).is_none());
    }

    #[test]
    fn one_that_others_name_is_called_and_takes_nobody_elses_place() {
        let mut callees = Callees::<u8>::default();
        let proxy = Reach {
            address: "5.6.7.8:9".parse().unwrap(),
            tls: false,
        };
        let address = callees.introduce(guid(9), vec![proxy]);
        assert_eq!(callees.way(address), Way::Call);
        assert_eq!(callees.callee(address).unwrap().proxies, [proxy]);
        assert_eq!(callees.introduce(guid(9), Vec::new()), address);
        // What a hit told is not put right by somebody else.
        let hit = "1.2.3.4:5".parse().unwrap();
        callees.note(&source(hit, false));
        assert_eq!(callees.introduce(guid(7), vec![proxy]), hit);
        assert!(callees.callee(hit).unwrap().proxies.is_empty());
    }

    #[test]
    fn those_heard_of_least_lately_are_forgotten() {
        let mut callees = Callees::<u8>::default();
        let at = |port: usize| SocketAddr::from(([1, 2, 3, 4], u16::try_from(port).unwrap()));
        for port in 0..=KNOWN {
            callees.note(&source(at(0), true));
            callees.note(&source(at(port), true));
        }
        assert_eq!((callees.known.len(), callees.order.len()), (KNOWN, KNOWN));
        assert!(callees.callee(at(0)).is_some() && callees.callee(at(1)).is_none());
    }

    #[test]
    fn only_who_was_pushed_is_let_in_and_one_connection_serves_one() {
        let now = Instant::now();
        let mut callees = Callees::default();
        assert!(!callees.came(now, guid(1), 'a'));
        let mut first = callees.expect(now, guid(1)).unwrap();
        let mut second = callees.expect(now, guid(1)).unwrap();
        assert!(!callees.came(now, guid(2), 'b'));
        assert!(callees.came(now, guid(1), 'c') && callees.came(now, guid(1), 'd'));
        assert_eq!(first.try_recv(), Ok(Some('c')));
        assert_eq!(second.try_recv(), Ok(Some('d')));
    }

    #[test]
    fn one_that_comes_late_is_kept_for_the_next_attempt() {
        let now = Instant::now();
        let mut callees = Callees::default();
        drop(callees.expect(now, guid(1)).unwrap());
        let late = now + EXPECTED / 2;
        assert!(callees.came(late, guid(1), 'a'));
        assert!(!callees.came(late, guid(1), 'b'), "one is enough");
        let mut next = callees.expect(late, guid(1)).unwrap();
        assert_eq!(next.try_recv(), Ok(Some('a')));
        assert!(!callees.came(late + EXPECTED, guid(1), 'c'), "too late");
    }

    #[test]
    fn what_is_waited_for_has_an_end() {
        let now = Instant::now();
        let mut callees = Callees::<u8>::default();
        let mut kept = Vec::new();
        for _ in 0..WAITERS {
            kept.push(callees.expect(now, guid(1)).unwrap());
        }
        assert!(callees.expect(now, guid(1)).is_err());
        for byte in 2..=255 {
            kept.push(callees.expect(now, guid(byte)).unwrap());
        }
        kept.push(callees.expect(now, guid(0)).unwrap());
        let other = Guid::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(callees.expect(now, other).err(), Some(Uncalled::TooMany));
        assert!(callees.expect(now + EXPECTED, other).is_ok());
    }
}
