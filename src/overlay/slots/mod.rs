//! Places for neighbours: how many of whom, whom to let in, whom to look for, and who makes room
//! (protocol §2.5, §8.1-8.3).

mod admission;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

pub use self::admission::{Admission, Caller, Refusal, Us};
use super::Link;
use super::ground::{Ground, subnet, wide_subnet};
use super::host_cache::Free;
use super::limits::Limits;
use super::role::Role;
use super::time::Instant;
use crate::wire::Guid;
use crate::wire::handshake::Greeting;

/// The neighbours of one servent, as far as their places go.
#[derive(Clone, Debug)]
pub struct Slots {
    ground: Ground,
    guid: Guid,
    held: Vec<Held>,
    /// Whom we are dialling.
    dialling: Vec<SocketAddr>,
    /// Who crawled us lately, oldest first.
    crawled: VecDeque<(Instant, IpAddr)>,
}

/// One in so many places for leaves that are left are hardly any.
const CROWDED: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Held {
    link: Link,
    role: Role,
    ip: IpAddr,
    listen: Option<SocketAddr>,
    servent: Option<Guid>,
    since: Instant,
    useful: bool,
}

impl Slots {
    /// The places of the servent called `guid`, all free.
    #[must_use]
    pub const fn new(ground: Ground, guid: Guid) -> Self {
        Self {
            ground,
            guid,
            held: Vec::new(),
            dialling: Vec::new(),
            crawled: VecDeque::new(),
        }
    }

    /// Whether a caller becomes a neighbour.
    pub fn admit(
        &mut self,
        now: Instant,
        us: Us,
        caller: &Caller<'_>,
        limits: &Limits,
    ) -> Admission {
        if caller.greeting.packets == Some(false) {
            return Admission::Refuse(Refusal::OTHER_PROTOCOL);
        }
        if caller.greeting.challenges {
            return Admission::Refuse(Refusal::CLOSED_NETWORK);
        }
        if caller.incoming && caller.greeting.crawler {
            return self.crawl(now, caller.address.ip(), limits);
        }
        self.acquaintance(us.role, caller, limits)
            .and_then(|()| match us.role {
                Role::Leaf => self.admit_as_leaf(caller, limits),
                Role::Ultrapeer => self.admit_as_ultrapeer(now, us, caller, limits),
            })
            .unwrap_or_else(Admission::Refuse)
    }

    /// What a caller that was admitted is in the end, by the last block of its handshake.
    ///
    /// # Errors
    /// Why it does not become a neighbour after all.
    pub fn settle(
        &self,
        admission: Admission,
        last: &Greeting,
        limits: &Limits,
    ) -> Result<Role, Refusal> {
        match admission {
            Admission::Take { role, .. } if role == Role::Leaf || last.ultrapeer != Some(false) => {
                Ok(role)
            }
            Admission::Take { .. } | Admission::TakeAsLeaf => {
                let free = self.count(Role::Leaf) < limits.leaves;
                if last.ultrapeer != Some(false) {
                    Err(Refusal::ULTRAPEERS)
                } else if free {
                    Ok(Role::Leaf)
                } else {
                    Err(Refusal::LEAVES)
                }
            }
            Admission::BecomeLeaf => Ok(Role::Ultrapeer),
            Admission::Crawl => Err(Refusal::CRAWLER),
            Admission::Refuse(refusal) => Err(refusal),
        }
    }

    /// Whether a caller that was admitted while we were in this role may still become a neighbour: others
    /// may have come while its handshake went on.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, us: Role, caller: &Caller<'_>, limits: &Limits) -> Result<(), Refusal> {
        self.acquaintance(us, caller, limits)
    }

    /// A caller became a neighbour in `role`.
    pub fn connected(&mut self, now: Instant, link: Link, role: Role, caller: &Caller<'_>) {
        self.held.push(Held {
            link,
            role,
            ip: caller.address.ip(),
            listen: caller.listen(),
            servent: caller.servent(),
            since: now,
            useful: false,
        });
    }

    /// A neighbour is gone.
    pub fn closed(&mut self, link: Link) {
        self.held.retain(|held| held.link != link);
    }

    /// A leaf sent a table with something in it, or is known to share.
    pub fn found_useful(&mut self, link: Link) {
        if let Some(held) = self.held.iter_mut().find(|held| held.link == link) {
            held.useful = true;
        }
    }

    /// We begin to dial an address.
    pub fn dial(&mut self, address: SocketAddr) {
        self.dialling.push(address);
    }

    /// That is over, one way or the other.
    pub fn dialled(&mut self, address: SocketAddr) {
        if let Some(place) = self.dialling.iter().position(|known| *known == address) {
            self.dialling.swap_remove(place);
        }
    }

    /// How many ultrapeers to dial now, beyond those that are being dialled.
    #[must_use]
    pub fn wanted(&self, role: Role, limits: &Limits) -> usize {
        let target = match role {
            Role::Leaf => limits.leaf_ultrapeers,
            Role::Ultrapeer => limits.ultrapeers_wanted,
        };
        let missing = target.saturating_sub(self.count(Role::Ultrapeer));
        // Most of the public network is gone or full when it is dialled.
        let spread = if self.ground.is_private() { 1 } else { 2 };
        let dials = missing.saturating_mul(spread).min(limits.dials);
        dials.saturating_sub(self.dialling.len())
    }

    /// Whether the servent at an address, or called so, is a neighbour or being dialled.
    #[must_use]
    pub fn knows(&self, address: SocketAddr, servent: Option<Guid>) -> bool {
        let private = self.is_at_home(address.ip());
        self.dialling.contains(&address)
            || servent == Some(self.guid)
            || self.held.iter().any(|held| {
                held.listen == Some(address)
                    || (servent.is_some() && held.servent == servent)
                    || (!private && held.ip == address.ip())
            })
    }

    /// What to say as `X-Ultrapeer-Needed` to a caller of this role. To an ultrapeer: whether it
    /// may be one here. To a leaf: whether this overlay could do with one more, since each carries many
    /// leaves, or hardly any more find a place.
    #[must_use]
    pub fn needs_ultrapeers(&self, caller: Option<Role>, limits: &Limits) -> bool {
        let ultrapeers = self.count(Role::Ultrapeer);
        let free = ultrapeers < limits.neighbours;
        match caller {
            Some(Role::Leaf) => {
                let leaves = self.count(Role::Leaf);
                let carried = limits.leaves_before_help.saturating_mul(ultrapeers + 1);
                let crowded = leaves >= limits.leaves - limits.leaves / CROWDED;
                free && leaves >= carried || crowded
            }
            Some(Role::Ultrapeer) | None => free,
        }
    }

    /// Free places, as pongs tell them.
    #[must_use]
    pub fn free(&self, limits: &Limits) -> Free {
        let free = |most: usize, role| {
            let free = most.saturating_sub(self.count(role));
            u8::try_from(free).unwrap_or(u8::MAX)
        };
        Free {
            leaves: free(limits.leaves, Role::Leaf),
            ultrapeers: free(limits.neighbours, Role::Ultrapeer),
        }
    }

    /// How many are being dialled.
    #[must_use]
    pub const fn dials(&self) -> usize {
        self.dialling.len()
    }

    /// How many neighbours have this role.
    #[must_use]
    pub fn count(&self, role: Role) -> usize {
        self.held.iter().filter(|held| held.role == role).count()
    }

    /// All neighbours. After a change of role each of them must go (BYE 203), since it took us
    /// for something else.
    pub fn links(&self) -> impl Iterator<Item = Link> {
        self.held.iter().map(|held| held.link)
    }

    /// Where the neighbours of one role listen: for `X-Try-Ultrapeers` and for crawlers.
    pub fn addresses(&self, role: Role) -> impl Iterator<Item = SocketAddr> {
        let of_role = move |held: &&Held| held.role == role;
        self.held
            .iter()
            .filter(of_role)
            .filter_map(|held| held.listen)
    }

    /// Refuses whom we know already, and networks with too many places.
    fn acquaintance(&self, us: Role, caller: &Caller<'_>, limits: &Limits) -> Result<(), Refusal> {
        let servent = caller.servent();
        if servent == Some(self.guid) {
            return Err(Refusal::OURSELVES);
        }
        let (ip, listen) = (caller.address.ip(), caller.listen());
        let private = self.is_at_home(ip);
        let known = self.held.iter().any(|held| {
            (servent.is_some() && held.servent == servent)
                || (listen.is_some() && held.listen == listen)
                || (!private && held.ip == ip)
        });
        if known {
            return Err(Refusal::CONNECTED);
        }
        let network = subnet(ip);
        let of_network = |held: &&Held| subnet(held.ip) == network;
        if !private && self.held.iter().filter(of_network).count() >= limits.per_subnet {
            return Err(Refusal::NETWORK);
        }
        let role = caller.role().unwrap_or_default();
        if !private && self.is_widely_held(us, role, ip, limits) {
            return Err(Refusal::NETWORK);
        }
        Ok(())
    }

    /// Whether neighbours of this role from the wider network of an address have all the places that they
    /// may have: who holds many small networks is not to be all our neighbours.
    fn is_widely_held(&self, us: Role, role: Role, ip: IpAddr, limits: &Limits) -> bool {
        let places = match (us, role) {
            (_, Role::Leaf) => limits.leaves,
            (Role::Ultrapeer, Role::Ultrapeer) => limits.neighbours,
            (Role::Leaf, Role::Ultrapeer) => limits.ultrapeers,
        };
        let Some(share) = places.checked_div(limits.wide_subnet_share) else {
            return false;
        };
        let network = wide_subnet(ip);
        let held = |held: &&Held| held.role == role && wide_subnet(held.ip) == network;
        self.held.iter().filter(held).count() >= share.max(limits.per_subnet)
    }

    fn admit_as_leaf(&self, caller: &Caller<'_>, limits: &Limits) -> Result<Admission, Refusal> {
        match caller.role().ok_or(Refusal::NO_ROLE)? {
            Role::Leaf => Err(Refusal::SHIELDED),
            Role::Ultrapeer if !self.is_modern(caller, limits) => Err(Refusal::OLD_ULTRAPEER),
            Role::Ultrapeer if self.count(Role::Ultrapeer) >= limits.ultrapeers => {
                Err(Refusal::ULTRAPEERS)
            }
            Role::Ultrapeer => Ok(Admission::Take {
                role: Role::Ultrapeer,
                instead: None,
            }),
        }
    }

    fn admit_as_ultrapeer(
        &self,
        now: Instant,
        us: Us,
        caller: &Caller<'_>,
        limits: &Limits,
    ) -> Result<Admission, Refusal> {
        let leaf_free = self.count(Role::Leaf) < limits.leaves;
        match caller.role().ok_or(Refusal::NO_ROLE)? {
            Role::Leaf => {
                let routes = caller.greeting.query_routing.is_some();
                if !routes && !self.is_at_home(caller.address.ip()) {
                    return Err(Refusal::OLD_LEAF);
                }
                let instead = if leaf_free {
                    None
                } else {
                    Some(self.useless_leaf(now, limits).ok_or(Refusal::LEAVES)?)
                };
                Ok(Admission::Take {
                    role: Role::Leaf,
                    instead,
                })
            }
            Role::Ultrapeer => {
                let guided = !caller.incoming && caller.greeting.ultrapeer_needed == Some(false);
                if guided && us.may_yield && self.is_modern(caller, limits) {
                    Ok(Admission::BecomeLeaf)
                } else if self.count(Role::Ultrapeer) < limits.neighbours {
                    Ok(Admission::Take {
                        role: Role::Ultrapeer,
                        instead: None,
                    })
                } else if caller.incoming && leaf_free {
                    Ok(Admission::TakeAsLeaf)
                } else {
                    Err(Refusal::ULTRAPEERS)
                }
            }
        }
    }

    /// Whether this is private ground, or the address a private one: there is taken what there is,
    /// and behind one address may be many (protocol §8.3).
    const fn is_at_home(&self, ip: IpAddr) -> bool {
        self.ground.seen_from(ip).is_private()
    }

    /// Whether an ultrapeer is of use to a leaf.
    fn is_modern(&self, caller: &Caller<'_>, limits: &Limits) -> bool {
        let greeting = caller.greeting;
        let connected = greeting.degree.unwrap_or(0) >= limits.least_degree;
        let routes = greeting.query_routing.is_some() && greeting.dynamic_querying;
        self.is_at_home(caller.address.ip()) || (connected && routes)
    }

    /// The leaf that has been of no use for longest, once it had its time.
    fn useless_leaf(&self, now: Instant, limits: &Limits) -> Option<Link> {
        let useless = |held: &&Held| {
            let had_time = now.since(held.since) >= limits.leaf_grace;
            held.role == Role::Leaf && !held.useful && had_time
        };
        let oldest = self
            .held
            .iter()
            .filter(useless)
            .min_by_key(|held| held.since);
        oldest.map(|held| held.link)
    }

    fn crawl(&mut self, now: Instant, ip: IpAddr, limits: &Limits) -> Admission {
        if self.ground.is_private() {
            return Admission::Crawl;
        }
        let over = |(then, _): &mut (Instant, _)| now.since(*then) >= limits.crawl_interval;
        while self.crawled.pop_front_if(over).is_some() {}
        let lately = self.crawled.iter().any(|(_, known)| *known == ip);
        if lately || self.crawled.len() >= limits.crawlers {
            return Admission::Refuse(Refusal::CRAWLER);
        }
        self.crawled.push_back((now, ip));
        Admission::Crawl
    }
}

#[cfg(test)]
mod tests;
