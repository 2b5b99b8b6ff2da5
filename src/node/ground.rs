//! Private ground: where addresses that mean nothing elsewhere are legal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::overlay::Ground;
pub(super) use crate::wire::address::is_private;

/// Whether somebody could be reached at `address`; `private` says that private addresses are
/// legal here.
pub(super) const fn is_reachable(address: SocketAddr, private: bool) -> bool {
    let ground = if private {
        Ground::Private
    } else {
        Ground::Public
    };
    ground.admits(address)
}

/// The address that this servent tells others, learnt from what neighbours see.
#[derive(Debug)]
pub(super) struct Advertised {
    bound: Ipv4Addr,
    /// Who said what, one voice an address, newest last.
    voices: Vec<(IpAddr, Ipv4Addr)>,
}

impl Advertised {
    /// Most voices kept.
    const VOICES: usize = 16;

    /// For a listener bound to `bound`: when that is one address, it is the answer.
    pub(super) const fn new(bound: Ipv4Addr) -> Self {
        Self {
            bound,
            voices: Vec::new(),
        }
    }

    /// A neighbour at `from` sees us at `seen`, or the socket to it has our end there.
    pub(super) fn hear(&mut self, from: IpAddr, seen: Ipv4Addr) {
        self.voices.retain(|(voice, _)| *voice != from);
        if self.voices.len() == Self::VOICES {
            self.voices.remove(0);
        }
        self.voices.push((from, seen));
    }

    /// The address most neighbours see; the later one where they are even.
    pub(super) fn ip(&self) -> Ipv4Addr {
        if !self.bound.is_unspecified() {
            return self.bound;
        }
        let votes = |ip| self.voices.iter().filter(|(_, seen)| *seen == ip).count();
        let seen = self.voices.iter().map(|(_, seen)| *seen);
        seen.max_by_key(|ip| votes(*ip))
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_most_neighbours_see_is_told() {
        let mut advertised = Advertised::new(Ipv4Addr::UNSPECIFIED);
        assert!(advertised.ip().is_unspecified());
        let (right, wrong) = (Ipv4Addr::new(1, 2, 3, 4), Ipv4Addr::new(6, 6, 6, 6));
        advertised.hear(IpAddr::from([9, 0, 0, 1]), right);
        advertised.hear(IpAddr::from([9, 0, 0, 2]), right);
        for _ in 0..50 {
            advertised.hear(IpAddr::from([9, 0, 0, 3]), wrong);
        }
        assert_eq!(advertised.ip(), right, "one neighbour has one voice");
        assert_eq!(
            Advertised::new(Ipv4Addr::LOCALHOST).ip(),
            Ipv4Addr::LOCALHOST
        );
    }
}
