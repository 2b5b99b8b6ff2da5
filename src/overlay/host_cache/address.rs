//! An address as the cache keeps it: there are many, and nearly all are of IPv4.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// Half the size of a [`SocketAddr`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(v4),
            SocketAddr::V6(v6) => Self::V6(Box::new(v6)),
        }
    }
}

impl From<&Address> for SocketAddr {
    fn from(address: &Address) -> Self {
        match address {
            Address::V4(v4) => (*v4).into(),
            Address::V6(v6) => (**v6).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_address_is_lost() {
        let scoped = SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 6_346, 7, 3);
        for address in [SocketAddr::from(([1, 2, 3, 4], 6_346)), scoped.into()] {
            assert_eq!(SocketAddr::from(&Address::from(address)), address);
        }
        assert!(size_of::<Address>() <= size_of::<SocketAddr>() / 2);
    }
}
