//! Packed addresses, as in the extensions `IPP`, `ALT` and `PUSH`: six bytes each, the IPv4
//! address in network order and the port little-endian (protocol §3.2).

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};

const PACKED_LEN: usize = 6;

/// The addresses in `packed`. Bytes that do not fill an address at the end are left out.
pub fn unpack(packed: &[u8]) -> impl Iterator<Item = SocketAddrV4> {
    packed.chunks_exact(PACKED_LEN).map(|bytes| {
        let ip = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
        SocketAddrV4::new(ip, u16::from_le_bytes([bytes[4], bytes[5]]))
    })
}

/// The addresses, packed.
#[must_use]
pub fn pack(addresses: impl IntoIterator<Item = SocketAddrV4>) -> Bytes {
    let mut out = BytesMut::new();
    for address in addresses {
        out.put_slice(&address.ip().octets());
        out.put_u16_le(address.port());
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_little_endian() {
        let address: SocketAddrV4 = "198.51.100.7:6346".parse().unwrap();
        let packed = pack([address, address]);
        assert_eq!(packed[..6], [0xc6, 0x33, 0x64, 7, 0xca, 0x18]);
        assert_eq!(unpack(&packed).collect::<Vec<_>>(), [address, address]);
        assert_eq!(unpack(&packed[..11]).count(), 1);
    }
}
