//! Connect-backs: servents try whether others can be reached, for them and for us (protocol §8.6,
//! §13.6).

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4};

use super::quota::{Quota, Quotas};
use super::reachability::{Inquiry, Reachability};
use super::{tell, tell_anew};
use crate::overlay::output::Output;
use crate::overlay::stats::Drop;
use crate::overlay::{Instant, Link, Servent, Settings, Surroundings};
use crate::wire::ping::Ping;
use crate::wire::vendor::{Name, Vendor};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// Below this nobody listens but well-known services, to which we are no door.
const LEAST_PORT: u16 = 1_024;

/// Pings from others that are still waited for.
const TOKENS: usize = 16;

/// What is remembered of connect-backs.
#[derive(Debug, Default)]
pub(super) struct ConnectBacks {
    tcp: Inquiry,
    udp: Inquiry,
    /// The MUIDs of pings that we asked others to send us, oldest first.
    tokens: VecDeque<Guid>,
    /// How often each address was tried for somebody.
    towards: Quotas,
}

impl Servent {
    /// Whether strangers reach this servent.
    #[must_use]
    pub fn reachability(&self) -> Reachability {
        let tries = self.talk.as_ref().map(|talk| &talk.connect_backs);
        Reachability {
            tcp: tries.and_then(|tries| tries.tcp.answer()),
            udp: tries.and_then(|tries| tries.udp.answer()),
        }
    }

    /// Whether it is known that nobody can connect to us.
    #[must_use]
    pub fn is_firewalled(&self) -> bool {
        self.reachability().tcp == Some(false)
    }

    /// The same, or its owner says so.
    #[must_use]
    pub fn is_hidden(&self, settings: &Settings) -> bool {
        settings.firewalled || self.is_firewalled()
    }

    /// Somebody opened a connection to us.
    pub(in crate::overlay) fn came_by_tcp(
        &mut self,
        now: Instant,
        from: SocketAddr,
        around: &mut Surroundings<'_>,
    ) {
        if around.settings.ground.admits(SocketAddr::new(from.ip(), 1)) {
            let firewalled = self.is_firewalled();
            self.talk().connect_backs.tcp.came(now);
            self.heed_reachability(firewalled, around);
        }
    }

    /// A ping that we did not ask its sender for came as a datagram; says whether we asked
    /// somebody else for it.
    pub(super) fn came_by_udp(
        &mut self,
        now: Instant,
        ping: Guid,
        around: &Surroundings<'_>,
    ) -> bool {
        let own = ping == self.guid;
        let Some(talk) = self.talk.as_mut().filter(|talk| own || talk.expects(ping)) else {
            return false;
        };
        talk.connect_backs.udp.came(now);
        self.wake_for_reachability(around);
        true
    }

    /// A neighbour told what it reads: perhaps it can try us.
    pub(super) fn ask_connect_back(
        &mut self,
        now: Instant,
        link: Link,
        around: &mut Surroundings<'_>,
    ) {
        if !self.ultrapeers().any(|known| known.link == link) {
            return;
        }
        let tries = &self.talk().connect_backs;
        let (tcp, udp) = (tries.tcp.lacks().min(1), tries.udp.lacks().min(1));
        self.ask_tcp(now, &[link], tcp, around);
        self.ask_udp(now, &[link], udp, around);
        self.wake_for_reachability(around);
    }

    /// Looks whether more ultrapeers are to be asked, or an answer is there.
    pub(super) fn look_reachable(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let firewalled = self.is_firewalled();
        let limits = &around.settings.limits;
        let tries = &mut self.talk().connect_backs;
        let (tcp, udp) = (tries.tcp.look(now, limits), tries.udp.look(now, limits));
        let ultrapeers: Vec<Link> = self.ultrapeers().map(|known| known.link).collect();
        self.ask_tcp(now, &ultrapeers, tcp, around);
        self.ask_udp(now, &ultrapeers, udp, around);
        self.heed_reachability(firewalled, around);
    }

    /// A neighbour asks to be connected to at a port of its own.
    pub(super) fn connect_back(
        &mut self,
        now: Instant,
        link: Link,
        port: u16,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let to = self.own_port_of(link, port)?;
        self.may_try(now, to, around)?;
        around.out.push(Output::ConnectBack { to });
        Ok(())
    }

    /// A neighbour asks to be pinged at a port of its own.
    pub(super) fn ping_back(
        &mut self,
        now: Instant,
        link: Link,
        (port, token): (u16, Guid),
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let to = self.own_port_of(link, port)?;
        self.may_try(now, to, around)?;
        around.out.push(ping(to, token));
        Ok(())
    }

    /// An ultrapeer asks the same for somebody else. Leaves may not, and nobody may of a leaf.
    pub(super) fn redirected(
        &mut self,
        now: Instant,
        link: Link,
        to: SocketAddrV4,
        around: &mut Surroundings<'_>,
    ) -> Result<SocketAddr, Drop> {
        let from_ultrapeer = self.ultrapeers().any(|known| known.link == link);
        if self.is_leaf() || !from_ultrapeer {
            return Err(Drop::Ignored);
        }
        let to = SocketAddr::V4(to);
        self.may_try(now, to, around)?;
        Ok(to)
    }

    /// An address of the neighbour behind a link.
    fn own_port_of(&self, link: Link, port: u16) -> Result<SocketAddr, Drop> {
        let ip = self.known(link).and_then(super::Peer::ip);
        Ok(SocketAddr::new(ip.ok_or(Drop::Ignored)?, port))
    }

    /// Whether an address may be tried once more.
    fn may_try(
        &mut self,
        now: Instant,
        to: SocketAddr,
        around: &Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        if !settings.ground.admits(to)
            || to.port() < LEAST_PORT
            || to == SocketAddr::V4(settings.address)
        {
            return Err(Drop::Unusable);
        }
        let quota = Quota {
            most: settings.limits.connect_backs,
            window: settings.limits.connect_back_window,
        };
        let towards = &mut self.talk().connect_backs.towards;
        let admitted =
            settings.ground.is_private() || towards.take(now, to.ip(), quota, &settings.limits);
        admitted.then_some(()).ok_or(Drop::Throttled)
    }

    /// Asks up to so many of these to connect to us.
    fn ask_tcp(&mut self, now: Instant, of: &[Link], many: u8, around: &mut Surroundings<'_>) {
        let port = around.settings.address.port();
        let mut asked = 0;
        for &link in of.iter().take_while(|_| port != 0) {
            let knows = |peer: &super::Peer| peer.reads(Name::TCP_CONNECT_BACK);
            if asked < many && self.known(link).is_some_and(knows) {
                tell_anew(link, &Vendor::TcpConnectBack { port }, around);
                asked += 1;
            }
        }
        if asked > 0 {
            self.talk().connect_backs.tcp.asked(now, asked);
        }
    }

    /// Asks up to so many of these to ping us.
    fn ask_udp(&mut self, now: Instant, of: &[Link], many: u8, around: &mut Surroundings<'_>) {
        let port = around.settings.address.port();
        let mut asked = 0;
        for &link in of.iter().take_while(|_| port != 0) {
            let knows = |name| self.known(link).is_some_and(|peer| peer.reads(name));
            let (new, old) = (
                knows(Name::UDP_CONNECT_BACK),
                knows(Name::UDP_CONNECT_BACK_V1),
            );
            if asked < many && (new || old) {
                let token = Guid::random(around.rng);
                let guid = (!new).then_some(token);
                tell(link, token, &Vendor::UdpConnectBack { port, guid }, around);
                self.talk().expect(token);
                asked += 1;
            }
        }
        if asked > 0 {
            self.talk().connect_backs.udp.asked(now, asked);
        }
    }

    /// Has push proxies asked or let go where the answer changed.
    fn heed_reachability(&mut self, firewalled: bool, around: &mut Surroundings<'_>) {
        self.wake_for_reachability(around);
        match (firewalled, self.is_firewalled()) {
            (false, true) => self.seek_push_proxies(around),
            (true, false) => self.leave_push_proxies(around),
            _ => {}
        }
    }

    fn wake_for_reachability(&mut self, around: &Surroundings<'_>) {
        let talk = self.talk();
        let due = talk.connect_backs.due(around);
        if let Some(due) = due {
            talk.wake(due);
        }
    }
}

impl ConnectBacks {
    /// When to look next, if ever.
    pub(super) fn due(&self, around: &Surroundings<'_>) -> Option<Instant> {
        let limits = &around.settings.limits;
        let all = [self.tcp.due(limits), self.udp.due(limits)];
        all.into_iter().flatten().min()
    }
}

impl super::Talk {
    fn expects(&self, ping: Guid) -> bool {
        self.connect_backs.tokens.contains(&ping)
    }

    fn expect(&mut self, ping: Guid) {
        let tokens = &mut self.connect_backs.tokens;
        if tokens.len() == TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(ping);
    }
}

/// A ping as a datagram, by which its receiver learns that it is reached.
pub(super) fn ping(to: SocketAddr, guid: Guid) -> Output {
    let header = Header {
        guid,
        kind: Kind::Ping,
        ttl: 1,
        hops: 0,
    };
    let payload = Ping::default().encode();
    Output::Datagram {
        to,
        descriptor: Descriptor { header, payload },
        deflate: false,
    }
}
