//! Where a servent stands: on the public network, or among addresses that mean nothing elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::address::is_private;

/// The ground a servent stands on, which decides what addresses are worth and how careful it is
/// with strangers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// The public network: private addresses are nobody's, and one address or one network has few
    /// places.
    #[default]
    Public,
    /// One machine, one site or a named network: private addresses are legal, many servents may
    /// share an address, and two that know only each other always connect.
    Private,
}

impl Ground {
    /// Whether this is private ground.
    #[must_use]
    pub const fn is_private(self) -> bool {
        matches!(self, Self::Private)
    }

    /// The ground that counts towards somebody at `ip`: private addresses mean something between
    /// those who meet at one.
    #[must_use]
    pub const fn seen_from(self, ip: IpAddr) -> Self {
        if is_private(ip) { Self::Private } else { self }
    }

    /// Whether somebody could be reached at `address`.
    #[must_use]
    pub const fn admits(self, address: SocketAddr) -> bool {
        let nobody = match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                ip.is_unspecified()
                    || ip.is_broadcast()
                    || ip.is_multicast()
                    || ip.octets()[0] == 0
                    || ip.octets()[0] >= 240
            }
            IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
        };
        address.port() != 0 && !nobody && (self.is_private() || !is_private(address.ip()))
    }
}

/// The network that an address belongs to, as one owner is likely to hold it: /24, or /48 in
/// IPv6.
#[must_use]
pub const fn subnet(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80))),
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
                Ground::Private.admits(address) && !Ground::Public.admits(address),
                "{address}"
            );
        }
        for address in [
            "0.0.0.0:6346",
            "8.8.8.8:0",
            "224.0.0.1:6346",
            "255.255.255.255:1",
            "[::]:6346",
            "[ff02::1]:6346",
        ] {
            assert!(
                !Ground::Private.admits(address.parse().unwrap()),
                "{address}"
            );
        }
        assert!(Ground::Public.admits("8.8.8.8:6346".parse().unwrap()));
    }

    #[test]
    fn neighbouring_addresses_share_a_subnet() {
        let of = |ip: &str| subnet(ip.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::2"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
    }
}
