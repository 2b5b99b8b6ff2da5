//! Addresses of servents that were heard of: whom to dial, and whom to recommend to others
//! (protocol §12.4).
//!
//! Addresses stand in an order of worth: who said so and whether it proved true, how lately, how
//! long the servent is up, whether it has places. The least worthy makes room for a newcomer, so
//! a flood of invented addresses drives out invented addresses and not what was verified. What was
//! verified fills no more than half, or where all have refused us nobody new would be heard of; who
//! makes room before he may be dialled again is not taken back until then, or he would be dialled
//! each time somebody tells of him.

mod address;
mod host;
mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use rand::Rng;
use rand::seq::SliceRandom;

use self::address::Address;
pub use self::host::{Details, Free, Source};
use self::host::{Host, TRUSTED, Worth};
use self::marks::Marks;
use super::ground::{Ground, subnet};
use super::limits::Limits;
use super::role::Role;
use super::time::{Duration, Instant};
use crate::wire::Guid;
use crate::wire::pong::Pong;

/// One address, as a store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where the servent listens.
    pub address: SocketAddr,
    /// Who told of it.
    pub source: Source,
    /// Whether a handshake with it succeeded.
    pub verified: bool,
    /// What else is known of it.
    pub details: Details,
    /// How long ago it was last heard of.
    pub age: Duration,
}

/// The addresses that a servent heard of.
#[derive(Clone, Debug)]
pub struct HostCache {
    ground: Ground,
    /// What each address is worth.
    hosts: BTreeMap<Address, Worth>,
    /// The same addresses, by rising worth, and what is known of them.
    order: BTreeMap<(Worth, Address), Host>,
    /// How many of them were verified.
    trusted: usize,
    /// Addresses from which nothing good comes.
    bad: Marks,
    /// Addresses that made room before they may be dialled again.
    resting: Marks,
    /// Addresses of ourselves.
    own: Vec<SocketAddr>,
}

/// Most addresses of ourselves that are remembered.
const OWN: usize = 8;
/// Addresses among which chance decides, for each that is wanted.
const MIXED: usize = 3;

impl HostCache {
    /// A cache that knows nobody.
    #[must_use]
    pub const fn new(ground: Ground) -> Self {
        Self {
            ground,
            hosts: BTreeMap::new(),
            order: BTreeMap::new(),
            trusted: 0,
            bad: Marks::new(),
            resting: Marks::new(),
            own: Vec::new(),
        }
    }

    /// Takes note of an address. Addresses that cannot be dialled, are our own or are marked as
    /// bad are not taken, nor are those in query hits unless there are hardly any others.
    pub fn hear(
        &mut self,
        now: Instant,
        address: SocketAddr,
        source: Source,
        details: Details,
        limits: &Limits,
    ) {
        self.hear_from(self.ground, now, address, source, details, limits);
    }

    /// The same, told by somebody who stands on this ground: to a servent of the public network
    /// only a neighbour at a private address can tell of others.
    pub fn hear_from(
        &mut self,
        teller: Ground,
        now: Instant,
        address: SocketAddr,
        source: Source,
        details: Details,
        limits: &Limits,
    ) {
        if !self.is_welcome(now, address, teller) || self.resting.contains(address) {
            return;
        }
        if source == Source::Hit && self.hosts.len() >= limits.starved_hosts {
            return;
        }
        let mut host = self
            .get(address)
            .copied()
            .unwrap_or_else(|| Host::new(source, now));
        host.source = host.source.max(source);
        host.heard = seconds(now);
        host.details.learn(details);
        self.put(now, address, host, limits);
    }

    /// Takes note of the sender of a pong, told by somebody who stands on this ground.
    pub fn hear_pong(&mut self, now: Instant, teller: Ground, pong: &Pong, limits: &Limits) {
        let address = SocketAddr::V4(pong.address());
        let details = Details::of(pong);
        self.hear_from(teller, now, address, Source::Pong, details, limits);
    }

    /// The servent at `address` is being dialled.
    pub fn tried(&mut self, now: Instant, address: SocketAddr, limits: &Limits) {
        let pause = match self.ground.seen_from(address.ip()) {
            Ground::Public => limits.retry_tried,
            Ground::Private => limits.private_retry,
        };
        self.change(now, address, limits, |host| host.not_before = now + pause);
    }

    /// A handshake with it succeeded, wherever it is.
    pub fn verified(
        &mut self,
        now: Instant,
        address: SocketAddr,
        details: Details,
        limits: &Limits,
    ) {
        if !self.is_welcome(now, address, Ground::Private) {
            return;
        }
        self.resting.lift(address);
        let mut host = self
            .get(address)
            .copied()
            .unwrap_or_else(|| Host::new(Source::Pong, now));
        host.verified = true;
        host.failures = 0;
        host.heard = seconds(now);
        host.details.met();
        host.details.learn(details);
        self.put(now, address, host, limits);
    }

    /// It lives, but has no place for us. `full` is what it has no places for, where it said that it
    /// is full.
    pub fn busy(&mut self, now: Instant, address: SocketAddr, full: Option<Role>, limits: &Limits) {
        let pause = self.pause(address, 0, limits.retry_busy, limits);
        self.change(now, address, limits, |host| {
            host.failures = 0;
            host.not_before = now + pause;
            if let Some(role) = full {
                host.details.is_full(role);
            }
        });
    }

    /// It could not be reached, or broke the handshake.
    pub fn failed(&mut self, now: Instant, address: SocketAddr, limits: &Limits) {
        let Some(host) = self.get(address) else {
            return;
        };
        let failures = host.failures.saturating_add(1);
        let private = self.ground.seen_from(address.ip()).is_private();
        if !private && failures >= limits.failures {
            self.shun(now, address, limits);
            return;
        }
        let pause = self.pause(address, failures, limits.retry_failed, limits);
        self.change(now, address, limits, |host| {
            host.failures = failures;
            host.verified &= failures < limits.failures;
            host.not_before = now + pause;
        });
    }

    /// Nothing good comes from there: it is forgotten, and not taken back for a while.
    pub fn shun(&mut self, now: Instant, address: SocketAddr, limits: &Limits) {
        self.forget(address);
        self.resting.lift(address);
        let until = now + limits.bad_life;
        self.bad.mark(address.into(), until, limits.bad_hosts);
    }

    /// Lifts the marks that are over; says when all of them will be.
    pub fn lift_marks(&mut self, now: Instant) -> Option<Instant> {
        let bad = self.bad.expire(now);
        bad.max(self.resting.expire(now))
    }

    /// Our role changed: what refused us in the old one may be tried again.
    pub fn begin_anew(&mut self) {
        self.resting.clear();
        for host in self.order.values_mut().filter(|host| host.failures == 0) {
            host.not_before = Instant::default();
        }
    }

    /// That is where we are ourselves.
    pub fn is_own(&mut self, address: SocketAddr) {
        self.forget(address);
        if !self.own.contains(&address) {
            if self.own.len() == OWN {
                self.own.remove(0);
            }
            self.own.push(address);
        }
    }

    /// At most `n` servents to dial now, the most promising first: ultrapeers, those of which
    /// nobody knows, and leaves where there is hardly anybody; those that are full for one in our
    /// `role` only where there are no others. Neither the same servent twice nor too many of one
    /// network; `taken` says whom we know already.
    pub fn candidates<R: Rng + ?Sized>(
        &self,
        now: Instant,
        role: Role,
        n: usize,
        taken: impl Fn(SocketAddr, Option<Guid>) -> bool,
        limits: &Limits,
        rng: &mut R,
    ) -> Vec<SocketAddr> {
        // Where hardly anybody is known, a leaf may become the ultrapeer we look for.
        let starved = self.ground.is_private() || self.hosts.len() < limits.starved_hosts;
        let fit = |address, host: &Host| {
            let leaf = host.details.ultrapeer == Some(false);
            (starved || !leaf) && host.not_before <= now && !taken(address, host.details.servent)
        };
        // Where pauses are short the same few would be the best each time.
        let pool = if starved {
            usize::MAX
        } else {
            n.saturating_mul(MIXED)
        };
        let mut picked = self.pick(n, pool, role, fit, limits, rng);
        picked.sort_by_key(|(_, host)| {
            let details = &host.details;
            (details.ultrapeer == Some(false), details.is_full_for(role))
        });
        picked.into_iter().map(|(address, _)| address).collect()
    }

    /// At most `n` ultrapeers to tell one of this role of, for `X-Try-Ultrapeers` and packed pongs:
    /// heard of lately, not known to be full, and by several accounts alive; first those that have, or
    /// may have, a place for it.
    pub fn recommend<R: Rng + ?Sized>(
        &self,
        now: Instant,
        n: usize,
        role: Role,
        limits: &Limits,
        rng: &mut R,
    ) -> Vec<SocketAddr> {
        let fit = |_, host: &Host| self.is_recommended(now, host, limits);
        let picked = self.pick(n, n.saturating_mul(MIXED), role, fit, limits, rng);
        picked.into_iter().map(|(address, _)| address).collect()
    }

    /// How many ultrapeers were heard of lately, may be dialled and may have a place for a leaf, counted
    /// no further than `most`.
    pub fn count_ultrapeers(
        &self,
        now: Instant,
        most: usize,
        taken: impl Fn(SocketAddr, Option<Guid>) -> bool,
        limits: &Limits,
    ) -> usize {
        self.by_worth()
            .filter(|(address, host)| {
                host.not_before <= now
                    && host.details.ultrapeer == Some(true)
                    && !host.details.is_full_for(Role::Leaf)
                    && self.is_recommended(now, host, limits)
                    && !taken(*address, host.details.servent)
            })
            .take(most)
            .count()
    }

    /// When the first of the addresses may be dialled; at once when that is past.
    #[must_use]
    pub fn next_dial(&self) -> Option<Instant> {
        self.order.values().map(|host| host.not_before).min()
    }

    /// What is worth keeping, the best first, at most `n`.
    pub fn snapshot(&self, now: Instant, n: usize) -> Vec<Remembered> {
        let remembered = |(address, host): (SocketAddr, &Host)| Remembered {
            address,
            source: host.source,
            verified: host.verified,
            details: host.details,
            age: Duration::from_secs(
                seconds(now)
                    .saturating_sub(host.heard)
                    .try_into()
                    .unwrap_or(0),
            ),
        };
        self.by_worth().take(n).map(remembered).collect()
    }

    /// Takes in what a store kept.
    pub fn restore(
        &mut self,
        now: Instant,
        remembered: impl IntoIterator<Item = Remembered>,
        limits: &Limits,
    ) {
        for old in remembered {
            if !self.is_welcome(now, old.address, Ground::Private)
                || self.hosts.contains_key(&old.address.into())
            {
                continue;
            }
            let age = i64::try_from(old.age.as_secs()).unwrap_or(i64::MAX);
            let host = Host {
                verified: old.verified,
                details: old.details,
                heard: seconds(now).saturating_sub(age),
                ..Host::new(old.source, now)
            };
            self.put(now, old.address, host, limits);
        }
    }

    /// How many addresses are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// How many addresses are marked as not to be taken.
    #[must_use]
    pub fn shunned(&self) -> usize {
        self.bad.len()
    }

    /// How many addresses made room and are not to be taken back yet.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The servent at this address, by its GUID, where it is known.
    #[must_use]
    pub fn servent_at(&self, address: SocketAddr) -> Option<Guid> {
        self.get(address)?.details.servent
    }

    /// Whether the servent at this address is said to take TLS.
    #[must_use]
    pub fn takes_tls(&self, address: SocketAddr) -> bool {
        self.get(address).is_some_and(|host| host.details.tls)
    }

    /// Whether the servent at this address said that it has no place for one of this role.
    #[must_use]
    pub fn is_full_for(&self, address: SocketAddr, role: Role) -> bool {
        self.get(address)
            .is_some_and(|host| host.details.is_full_for(role))
    }

    fn is_welcome(&mut self, now: Instant, address: SocketAddr, teller: Ground) -> bool {
        self.lift_marks(now);
        teller.admits(address) && !self.own.contains(&address) && !self.bad.contains(address)
    }

    fn is_recommended(&self, now: Instant, host: &Host, limits: &Limits) -> bool {
        let age = seconds(now).saturating_sub(host.heard);
        let fresh = u64::try_from(age).unwrap_or(0) <= limits.recommended_age.as_secs();
        let full =
            host.details.is_full_for(Role::Leaf) && host.details.is_full_for(Role::Ultrapeer);
        // Who recommends in a handshake recommends ultrapeers.
        let ultrapeer = match host.details.ultrapeer {
            Some(is) => is,
            None => host.source == Source::Try,
        };
        fresh && ultrapeer && !full && host.failures == 0
    }

    /// At most `n` of those that fit, first those that are not known to be full for one of this role:
    /// of the `pool` best of each, mixed so that not every servent that heard the same dials the same.
    fn pick<R: Rng + ?Sized>(
        &self,
        n: usize,
        pool: usize,
        role: Role,
        fit: impl Fn(SocketAddr, &Host) -> bool,
        limits: &Limits,
        rng: &mut R,
    ) -> Vec<(SocketAddr, &Host)> {
        let mut servents = BTreeSet::new();
        let mut subnets: BTreeMap<IpAddr, usize> = BTreeMap::new();
        let mut apart = |address: SocketAddr, host: &Host| {
            let servent = host.details.servent;
            let of_subnet = subnets.entry(subnet(address.ip())).or_default();
            let private = self.ground.seen_from(address.ip()).is_private();
            let crowded = !private && *of_subnet >= limits.per_subnet;
            if crowded || servent.is_some_and(|guid| !servents.insert(guid)) {
                return false;
            }
            *of_subnet += 1;
            true
        };
        let mut full = Vec::new();
        let mut picked = Vec::new();
        for (address, host) in self
            .by_worth()
            .filter(|(address, host)| fit(*address, host))
        {
            if host.details.is_full_for(role) {
                full.push((address, host));
            } else if apart(address, host) {
                picked.push((address, host));
                if picked.len() >= pool {
                    break;
                }
            }
        }
        picked.shuffle(rng);
        if picked.len() < n {
            full.retain(|(address, host)| apart(*address, host));
            full.truncate(pool);
            full.shuffle(rng);
            picked.extend(full);
        }
        picked.truncate(n);
        picked
    }

    /// All addresses, the best first.
    fn by_worth(&self) -> impl Iterator<Item = (SocketAddr, &Host)> {
        let known = self.order.iter().rev();
        known.map(|((_, address), host)| (address.into(), host))
    }

    fn get(&self, address: SocketAddr) -> Option<&Host> {
        let address = Address::from(address);
        let worth = *self.hosts.get(&address)?;
        self.order.get(&(worth, address))
    }

    /// Takes out what is known of an address.
    fn take(&mut self, address: &Address) -> Option<Host> {
        let worth = self.hosts.remove(address)?;
        self.trusted -= usize::from(worth >= TRUSTED);
        self.order.remove(&(worth, address.clone()))
    }

    fn put(&mut self, now: Instant, address: SocketAddr, host: Host, limits: &Limits) {
        let (address, worth) = (Address::from(address), host.worth());
        if self.hosts.get(&address) == Some(&worth) {
            self.order.insert((worth, address), host);
            return;
        }
        self.take(&address);
        self.hosts.insert(address.clone(), worth);
        self.order.insert((worth, address), host);
        self.trusted += usize::from(worth >= TRUSTED);
        while self.hosts.len() > limits.hosts
            && let Some(least) = self.least(limits)
        {
            if let Some(host) = self.take(&least)
                && host.not_before > now
            {
                self.resting.mark(least, host.not_before, limits.bad_hosts);
            }
        }
    }

    /// Who is to make room.
    fn least(&self, limits: &Limits) -> Option<Address> {
        let lowest = Address::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        let from = match self.trusted > limits.hosts / 2 {
            true => TRUSTED,
            false => 0,
        };
        let (_, address) = self.order.range((from, lowest)..).next()?.0;
        Some(address.clone())
    }

    fn change(
        &mut self,
        now: Instant,
        address: SocketAddr,
        limits: &Limits,
        with: impl FnOnce(&mut Host),
    ) {
        if let Some(mut host) = self.get(address).copied() {
            with(&mut host);
            self.put(now, address, host, limits);
        }
    }

    fn forget(&mut self, address: SocketAddr) {
        self.take(&address.into());
    }

    fn pause(
        &self,
        address: SocketAddr,
        failures: u8,
        public: Duration,
        limits: &Limits,
    ) -> Duration {
        match self.ground.seen_from(address.ip()) {
            Ground::Public => public,
            Ground::Private => limits
                .private_retry
                .times(1 << failures.min(16))
                .min(limits.private_retry_most),
        }
    }
}

/// Whole seconds on the driver's clock.
fn seconds(now: Instant) -> i64 {
    i64::try_from(now.as_micros() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
