//! Private ground: where addresses that mean nothing elsewhere are legal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Whether an address belongs to one machine or one site only.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether somebody could be reached at `address`; `private` says that private addresses are
/// legal here.
pub(super) fn is_reachable(address: SocketAddr, private: bool) -> bool {
    let nobody = match address.ip() {
        IpAddr::V4(ip) => {
            ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.octets()[0] == 0
                || ip.octets()[0] >= 240
        }
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    address.port() != 0 && !nobody && (private || !is_private(address.ip()))
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
    fn private_addresses_are_legal_on_private_ground_only() {
        for address in [
            "127.0.0.1:6346",
            "10.1.2.3:1",
            "192.168.0.9:6346",
            "169.254.1.1:9",
        ] {
            let address = address.parse().unwrap();
            assert!(
                is_reachable(address, true) && !is_reachable(address, false),
                "{address}"
            );
        }
        for address in [
            "0.0.0.0:6346",
            "8.8.8.8:0",
            "224.0.0.1:6346",
            "255.255.255.255:1",
        ] {
            assert!(!is_reachable(address.parse().unwrap(), true), "{address}");
        }
        assert!(is_reachable("8.8.8.8:6346".parse().unwrap(), false));
    }

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
