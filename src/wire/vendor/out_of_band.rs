//! LIME/11 and LIME/12: results that wait to be fetched over UDP (protocol §13.1).

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::u8 as byte;

use crate::wire::Error;
use crate::wire::ggep::{Extensions, Id, Zeros};
use crate::wire::parse::fixed;

const UNSOLICITED: u8 = 0x01;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16;

/// LIME/12: so many results wait for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// 1; 2, which tells of unsolicited UDP; 3, to be claimed with a token.
    pub version: u16,
    /// How many; 255 for that many or more.
    pub hits: u8,
    /// Whether the sender can be reached by UDP unasked.
    pub unsolicited: bool,
}

impl Offer {
    pub(super) fn decode(body: &Bytes, version: u16) -> Result<Self, Error> {
        let (rest, hits) = fixed(body, byte, "offer of results without a count")?;
        let flags = rest.first().filter(|_| version > 1);
        Ok(Self {
            version,
            hits,
            unsolicited: flags.is_some_and(|flags| flags & UNSOLICITED != 0),
        })
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        out.put_u8(self.hits);
        if self.version > 1 {
            out.put_u8(if self.unsolicited { UNSOLICITED } else { 0 });
        }
    }
}

/// LIME/11: send me so many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How many; 255 for all.
    pub wanted: u8,
    /// What the hits are to bring back, 1 to 16 bytes.
    pub token: Option<Bytes>,
}

impl Claim {
    pub(super) fn decode(body: &Bytes, secure: bool) -> Result<Self, Error> {
        let (rest, wanted) = fixed(body, byte, "claim of results without a count")?;
        let token = match secure {
            false => None,
            true => {
                let extensions = Extensions::decode_rest(&rest, 1)?;
                let token = extensions.get(Id::SO).cloned();
                Some(
                    token
                        .filter(is_token)
                        .ok_or(Error::new(1, "claim without a token"))?,
                )
            }
        };
        Ok(Self { wanted, token })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.wanted);
        if let Some(token) = &self.token {
            let mut extensions = Extensions::new();
            extensions.push(Id::SO, token.clone());
            extensions.put(out, Zeros::Allowed);
        }
    }
}

fn is_token(token: &Bytes) -> bool {
    (1..=MAX_TOKEN).contains(&token.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secure_claim_has_a_token() {
        let claim = |body, secure| Claim::decode(&Bytes::from_static(body), secure);
        let token = claim(b"\x03\xc3\x82SO\x44\xde\xad\xbe\xef", true)
            .unwrap()
            .token;
        assert_eq!(token.as_deref(), Some(&[0xde, 0xad, 0xbe, 0xef][..]));
        assert!(claim(b"\x03", true).is_err());
        assert!(claim(b"\x03\xc3\x82SO\x40", true).is_err());
        assert!(claim(b"\x03\xc3\x82SO\x51aaaaaaaaaaaaaaaaa", true).is_err());
        assert_eq!(claim(b"\x03", false).unwrap().token, None);
        assert!(claim(b"", false).is_err());
    }
}
