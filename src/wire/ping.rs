//! PING: is anybody there? (protocol §3.1)

use bytes::Bytes;

use super::Error;
use super::ggep::{Extensions, Id, Zeros};
use super::pong::{HostWish, Maker};

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

    /// With extension `SCP`: hosts are wanted.
    #[must_use]
    pub fn with_host_wish(mut self, wish: HostWish) -> Self {
        self.extensions.set(Id::SCP, wish.data());
        self
    }

    /// With extension `VC`, the asker's maker and version.
    #[must_use]
    pub fn with_maker(mut self, maker: Maker) -> Self {
        self.extensions.set(Id::VC, maker.data());
        self
    }

    /// With extension `IP`: the asker wants its own address told, which only UDP pings may ask.
    #[must_use]
    pub fn with_echo_wish(mut self) -> Self {
        self.extensions.set(Id::IP, Bytes::new());
        self
    }

    /// Which hosts are wanted; `None` when none are.
    #[must_use]
    pub fn host_wish(&self) -> Option<HostWish> {
        let data = self.extensions.get(Id::SCP)?;
        Some(HostWish::from_data(data))
    }

    /// The asker's maker and version.
    #[must_use]
    pub fn maker(&self) -> Option<Maker> {
        Maker::from_data(self.extensions.get(Id::VC)?)
    }

    /// Whether the asker wants its own address told.
    #[must_use]
    pub fn wants_echo(&self) -> bool {
        self.extensions.get(Id::IP).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_it_was_written() {
        let wish = HostWish {
            ultrapeer_slots: true,
            ..HostWish::default()
        };
        let maker = Maker::from_data(b"TEST\x10").unwrap();
        let ping = Ping::default()
            .with_host_wish(wish)
            .with_maker(maker)
            .with_echo_wish();
        let read = Ping::decode(&ping.encode()).unwrap();
        assert_eq!((read.host_wish(), read.maker()), (Some(wish), Some(maker)));
        assert!(read.wants_echo());
        let bare = Ping::default();
        assert!(bare.host_wish().is_none() && bare.maker().is_none() && !bare.wants_echo());
    }

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
