//! BYE: why the sender closes the link (protocol §3.6).

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::le_u16;

use super::Error;
use super::gem::put_text;
use super::parse::fixed;

/// The largest payload of a BYE.
pub const MAX_PAYLOAD: usize = 4_096;

/// Why the sender closes the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    /// What happened: 2xx nothing bad, 4xx a fault of the receiver, 5xx one of the sender.
    pub code: u16,
    /// A line for people, which lines of headers may follow.
    pub message: String,
}

impl Bye {
    /// Reads a BYE.
    ///
    /// # Errors
    /// When it is shorter than its code or longer than [`MAX_PAYLOAD`].
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::new(MAX_PAYLOAD, "BYE above 4096 bytes"));
        }
        let (text, code) = fixed(payload, le_u16, "BYE without a code")?;
        let end = text
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(text.len());
        let message = String::from_utf8_lossy(&text[..end]).into_owned();
        Ok(Self { code, message })
    }

    /// The payload. A message beyond what fits is cut.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let end = self.message.floor_char_boundary(MAX_PAYLOAD - 3);
        let mut out = BytesMut::new();
        out.put_u16_le(self.code);
        put_text(&mut out, &self.message[..end]);
        out.freeze()
    }

    /// The first line of the message.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.message.lines().next().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_may_lack_its_nul_and_carry_headers() {
        let bye = Bye::decode(&Bytes::from_static(b"\xc8\x00going\r\nServer: X\r\n\r\n")).unwrap();
        assert_eq!((bye.code, bye.reason()), (200, "going"));
        assert_eq!(Bye::decode(&bye.encode()), Ok(bye));
        let bare = Bye::decode(&Bytes::from_static(&[0x90, 1])).unwrap();
        assert_eq!((bare.code, bare.reason()), (400, ""));
        assert!(Bye::decode(&Bytes::from_static(&[0x90])).is_err());
    }

    #[test]
    fn a_long_message_is_cut_at_a_letter() {
        let bye = Bye {
            code: 200,
            message: "é".repeat(4_000),
        };
        let payload = bye.encode();
        assert!(payload.len() <= MAX_PAYLOAD);
        assert_eq!(
            Bye::decode(&payload).unwrap().message,
            "é".repeat((MAX_PAYLOAD - 3) / 2)
        );
        assert!(Bye::decode(&Bytes::from(vec![1; MAX_PAYLOAD + 1])).is_err());
    }
}
