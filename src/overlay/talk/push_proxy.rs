//! Push proxies: ultrapeers that hand pushes on to those whom nobody can connect to (protocol
//! §6.4).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::{tell, tell_anew};
use crate::overlay::neighbour::Role;
use crate::overlay::stats::Drop;
use crate::overlay::{Link, Servent, Surroundings};
use crate::wire::Guid;
use crate::wire::vendor::{Name, Vendor};

impl Servent {
    /// A neighbour asks us to hand on pushes for `servent`. We refuse without a word where we
    /// could not be reached ourselves, or somebody else is called so.
    pub(super) fn become_push_proxy(
        &mut self,
        link: Link,
        servent: Guid,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let address = around.settings.address;
        let reachable = around.settings.ground.admits(SocketAddr::V4(address));
        if self.is_leaf() || self.is_hidden(around.settings) || !reachable {
            return Err(Drop::Ignored);
        }
        if servent.is_zero() || servent == self.guid {
            return Err(Drop::BadServent);
        }
        let mut others = self
            .talk()
            .peers
            .iter()
            .filter(|(other, _)| **other != link);
        if others.any(|(_, peer)| peer.is(servent)) {
            return Err(Drop::Ignored);
        }
        self.peer(link).pushed = Some(servent);
        let ack = Vendor::PushProxyAck {
            ip: Some(*address.ip()),
            port: address.port(),
        };
        tell(link, servent, &ack, around);
        Ok(())
    }

    /// A neighbour wants no more pushes handed on.
    pub(super) fn cease_push_proxy(&mut self, link: Link) {
        self.peer(link).pushed = None;
    }

    /// Asks an ultrapeer to hand on pushes to us, if we need it and it knows how.
    pub(super) fn ask_push_proxy(&self, link: Link, around: &mut Surroundings<'_>) {
        let ultrapeer = self.ultrapeers().any(|neighbour| neighbour.link == link);
        let knows = |peer: &super::Peer| {
            peer.reads(Name::PUSH_PROXY_REQUEST) || peer.reads(Name::PUSH_PROXY_REQUEST_V2)
        };
        let willing = self.known(link).is_some_and(knows);
        if self.is_leaf() && self.is_hidden(around.settings) && ultrapeer && willing {
            let request = Vendor::PushProxyRequest { version: 1 };
            tell(link, self.guid, &request, around);
        }
    }

    /// Nobody can connect to us: all who could hand on pushes are asked to.
    pub(super) fn seek_push_proxies(&self, around: &mut Surroundings<'_>) {
        for neighbour in &self.neighbours {
            self.ask_push_proxy(neighbour.link, around);
        }
    }

    /// We need no push proxies any more.
    pub(super) fn leave_push_proxies(&mut self, around: &mut Surroundings<'_>) {
        for (&link, peer) in &mut self.talk().peers {
            if peer.proxy.take().is_some() && peer.reads(Name::PUSH_PROXY_CANCEL) {
                tell_anew(link, &Vendor::PushProxyCancel, around);
            }
        }
    }

    /// An ultrapeer hands on pushes to us from now on.
    pub(super) fn hear_push_proxy(
        &mut self,
        link: Link,
        servent: Guid,
        (ip, port): (Option<Ipv4Addr>, u16),
        around: &Surroundings<'_>,
    ) -> Result<(), Drop> {
        if servent != self.guid || !self.is_hidden(around.settings) {
            return Err(Drop::Ignored);
        }
        let there = self.known(link).and_then(super::Peer::ip);
        let ip = match (ip, there) {
            (Some(ip), _) => ip,
            (None, Some(std::net::IpAddr::V4(ip))) => ip,
            (None, _) => return Err(Drop::Ignored),
        };
        let address = SocketAddrV4::new(ip, port);
        if !around.settings.ground.admits(SocketAddr::V4(address)) {
            return Err(Drop::Unusable);
        }
        self.peer(link).proxy = Some(address);
        Ok(())
    }

    /// Whether this servent is a leaf at this time.
    pub(super) fn is_leaf(&self) -> bool {
        self.role == Role::Leaf
    }
}

impl super::Peer {
    /// Whether this neighbour is a servent, or takes its pushes.
    pub(super) fn is(&self, servent: Guid) -> bool {
        let named = self.who.as_ref().and_then(|who| who.servent);
        self.pushed == Some(servent) || named == Some(servent)
    }
}
