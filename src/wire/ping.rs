//! PING: is anybody there? (protocol §3.1)

use bytes::Bytes;

use super::Error;
use super::ggep::{Extensions, Zeros};

/// Asks for addresses, or for a sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ping {
    /// What is asked for beyond a pong.
    pub extensions: Extensions,
}

impl Ping {
    /// Reads a ping.
    ///
    /// # Errors
    /// When there is anything but sound GGEP.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let extensions = Extensions::decode_rest(payload, 0)?;
        Ok(Self { extensions })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.extensions.encode(Zeros::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ggep::Id;

    #[test]
    fn a_ping_is_empty_or_ggep() {
        assert_eq!(Ping::decode(&Bytes::new()), Ok(Ping::default()));
        assert_eq!(Ping::decode(&Bytes::from_static(&[0])), Ok(Ping::default()));
        let payload = Bytes::from_static(&[0xc3, 0x83, b'S', b'C', b'P', 0x41, 1]);
        let ping = Ping::decode(&payload).unwrap();
        assert_eq!(ping.extensions.get(Id::SCP).unwrap()[..], [1]);
        assert_eq!(ping.encode(), payload);
        assert!(Ping::decode(&Bytes::from_static(b"hello")).is_err());
    }
}
