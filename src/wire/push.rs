//! PUSH: a request to open a connection back (protocol §6.1).

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{le_u16, le_u32};

use super::ggep::{Extensions, Zeros};
use super::parse::{self, fixed};
use super::{Error, Guid};

/// Asks a servent that cannot be connected to, to connect itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The servent asked.
    pub servent: Guid,
    /// The number of the file wanted, by the hit; 0 for any.
    pub index: u32,
    /// The address to connect to.
    pub ip: Ipv4Addr,
    /// The port to connect to.
    pub port: u16,
    /// The GGEP extensions.
    pub extensions: Extensions,
}

impl Push {
    /// Reads a push.
    ///
    /// # Errors
    /// When it is shorter than 26 bytes, or more follows that is not sound GGEP.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let front = (parse::guid, le_u32, parse::ipv4, le_u16);
        let (rest, (servent, index, ip, port)) = fixed(payload, front, "push too short")?;
        let extensions = Extensions::decode_rest(&rest, payload.len() - rest.len())?;
        Ok(Self {
            servent,
            index,
            ip,
            port,
            extensions,
        })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(self.servent.as_bytes());
        out.put_u32_le(self.index);
        out.put_slice(&self.ip.octets());
        out.put_u16_le(self.port);
        self.extensions.put(&mut out, Zeros::Allowed);
        out.freeze()
    }

    /// Where to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }
}
