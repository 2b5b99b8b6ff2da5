//! Where servents are: each has an address of its own, in a /24 of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// The most servents that there are addresses for.
pub const MOST_SERVENTS: u32 = 1 << 20;

/// The address of the servent of this number.
pub(super) fn address(node: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits(FIRST + (node << 8)), PORT)
}

/// Where its connections to others seem to come from.
pub(super) fn outgoing(node: u32) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(*address(node).ip(), OUTGOING))
}

/// Whose address it is, of so many servents.
pub(super) fn node_at(address: SocketAddr, servents: u32) -> Option<u32> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let place = ip.to_bits().checked_sub(FIRST)?;
    let node = place >> 8;
    let is_one = place & 0xff == 0 && address.port() == PORT && node < servents;
    is_one.then_some(node)
}

/// 16.0.0.1: from here on to 31.255.255.1 there are public addresses only.
const FIRST: u32 = 0x1000_0001;

const PORT: u16 = 6_346;

const OUTGOING: u16 = 40_000;

#[cfg(test)]
mod tests {
    use filbert::overlay::Ground;

    use super::*;

    #[test]
    fn everybody_has_a_public_address_of_his_own() {
        for node in [0, 1, 255, 256, MOST_SERVENTS - 1] {
            let there = SocketAddr::V4(address(node));
            assert!(Ground::Public.admits(there), "{there}");
            assert_eq!(node_at(there, MOST_SERVENTS), Some(node));
            assert_eq!(node_at(there, node), None);
        }
        assert_eq!(node_at("9.9.9.9:6346".parse().unwrap(), 9), None);
        assert_eq!(node_at("16.0.0.2:6346".parse().unwrap(), 9), None);
        assert_eq!(node_at(outgoing(3), 9), None);
    }
}
