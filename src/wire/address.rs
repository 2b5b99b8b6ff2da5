//! Addresses: which of them mean something in one place only, and packed ones, as in the extensions
//! `IPP`, `ALT` and `PUSH`: the address in network order and the port little-endian, six bytes for
//! IPv4 and eighteen for IPv6 (protocol §3.2, §15).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::{BufMut, Bytes, BytesMut};

use super::ggep::{Extensions, Id};

const PACKED_LEN: usize = 6;
const PACKED_V6_LEN: usize = 18;

/// An address, and whether it accepts encrypted connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The address.
    pub address: SocketAddrV4,
    /// Whether connections to it may begin with TLS.
    pub tls: bool,
}

/// Whether an address belongs to one machine or one site only.
#[must_use]
pub const fn is_private(ip: IpAddr) -> bool {
    // An IPv4 address may come in the clothes of an IPv6 one.
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The addresses in `packed`. Bytes that do not fill an address at the end are left out.
pub fn unpack(packed: &[u8]) -> impl Iterator<Item = SocketAddrV4> {
    packed.chunks_exact(PACKED_LEN).map(|bytes| {
        let ip = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
        SocketAddrV4::new(ip, u16::from_le_bytes([bytes[4], bytes[5]]))
    })
}

/// The IPv6 addresses in `packed`. Bytes that do not fill an address at the end are left out.
pub fn unpack_v6(packed: &[u8]) -> impl Iterator<Item = SocketAddrV6> {
    packed.chunks_exact(PACKED_V6_LEN).filter_map(|bytes| {
        let (ip, port) = bytes.split_first_chunk::<16>()?;
        let port = u16::from_le_bytes(port.try_into().ok()?);
        Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, 0))
    })
}

/// The addresses, packed.
#[must_use]
pub fn pack(addresses: impl IntoIterator<Item = SocketAddrV4>) -> Bytes {
    let mut out = BytesMut::new();
    for address in addresses {
        put(&mut out, address);
    }
    out.freeze()
}

/// The one address that `packed` is, of either family.
#[must_use]
pub fn unpack_one(packed: &[u8]) -> Option<SocketAddr> {
    match packed.len() {
        PACKED_LEN => unpack(packed).next().map(SocketAddr::V4),
        PACKED_V6_LEN => unpack_v6(packed).next().map(SocketAddr::V6),
        _ => None,
    }
}

/// One address, packed.
#[must_use]
pub fn pack_one(address: SocketAddr) -> Bytes {
    match address {
        SocketAddr::V4(address) => pack([address]),
        SocketAddr::V6(address) => {
            let mut out = BytesMut::with_capacity(PACKED_V6_LEN);
            out.put_slice(&address.ip().octets());
            out.put_u16_le(address.port());
            out.freeze()
        }
    }
}

/// The addresses in `packed` with the bits that belong to them: the highest bit of a byte first,
/// missing ones zero.
pub fn unpack_reaches(packed: &[u8], tls: &[u8]) -> impl Iterator<Item = Reach> {
    unpack(packed).enumerate().map(|(at, address)| Reach {
        address,
        tls: tls
            .get(at / 8)
            .is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0),
    })
}

/// The addresses, packed, and their bits without the zero bytes at the end.
#[must_use]
pub fn pack_reaches(reaches: &[Reach]) -> (Bytes, Bytes) {
    let bits = reaches.chunks(8).map(|eight| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |byte, (at, reach)| {
            byte | u8::from(reach.tls) << (7 - at)
        })
    });
    let mut bits: Vec<u8> = bits.collect();
    bits.truncate(
        bits.iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |at| at + 1),
    );
    (pack(reaches.iter().map(|reach| reach.address)), bits.into())
}

/// The addresses in extension `list`, with the bits in extension `tls`.
pub(super) fn reaches_in(
    extensions: &Extensions,
    list: Id,
    tls: Id,
) -> impl Iterator<Item = Reach> + use<'_> {
    let data = |id| extensions.get(id).map_or(&[][..], |data| data);
    unpack_reaches(data(list), data(tls))
}

/// Puts the addresses in extension `list` and their bits in extension `tls`, neither of them when
/// it would be empty.
pub(super) fn set_reaches(extensions: &mut Extensions, list: Id, tls: Id, reaches: &[Reach]) {
    let (packed, bits) = pack_reaches(reaches);
    for (id, data) in [(list, packed), (tls, bits)] {
        extensions.remove(id);
        if !data.is_empty() {
            extensions.push(id, data);
        }
    }
}

/// Writes an address, packed.
pub(super) fn put(out: &mut BytesMut, address: SocketAddrV4) {
    out.put_slice(&address.ip().octets());
    out.put_u16_le(address.port());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_either_form() {
        for (address, private) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("fd00::1", true),
            ("1.2.3.4", false),
            ("::ffff:1.2.3.4", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }

    #[test]
    fn ports_are_little_endian() {
        let address: SocketAddrV4 = "198.51.100.7:6346".parse().unwrap();
        let packed = pack([address, address]);
        assert_eq!(packed[..6], [0xc6, 0x33, 0x64, 7, 0xca, 0x18]);
        assert_eq!(unpack(&packed).collect::<Vec<_>>(), [address, address]);
        assert_eq!(unpack(&packed[..11]).count(), 1);
    }

    #[test]
    fn one_address_is_of_either_family() {
        for address in ["198.51.100.7:6346", "[2001:db8::1]:6346"] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(unpack_one(&pack_one(address)), Some(address));
        }
        assert_eq!(unpack_one(&[0; 12]), None);
    }

    #[test]
    fn bits_run_from_the_highest_and_end_with_the_last_that_is_set() {
        let reaches = |list: &[bool]| -> Vec<Reach> {
            let address = "198.51.100.7:6346".parse().unwrap();
            list.iter().map(|&tls| Reach { address, tls }).collect()
        };
        let mut many = vec![false; 20];
        for (list, bits) in [
            (vec![true, false], &[0x80][..]),
            (vec![false, true], &[0x40]),
            (vec![false; 9], &[]),
            ([&[false; 9][..], &[true]].concat(), &[0, 0x40]),
        ] {
            let reaches = reaches(&list);
            let (packed, written) = pack_reaches(&reaches);
            assert_eq!(written, bits);
            assert_eq!(unpack_reaches(&packed, bits).collect::<Vec<_>>(), reaches);
        }
        many[7] = true;
        assert_eq!(pack_reaches(&reaches(&many)).1[..], [1]);
    }
}
