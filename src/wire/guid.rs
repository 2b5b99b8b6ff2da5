//! The 16-byte identifier of a descriptor or of a servent (protocol §1.4).

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD_NOCASE, HEXLOWER_PERMISSIVE};
use rand::Rng;

use super::Error;

/// A 16-byte identifier: of a descriptor (then also called MUID) or of a servent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The blank identifier, which no servent may have.
    pub const ZERO: Self = Self([0; 16]);

    /// The identifier made of these bytes, in wire order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A random identifier with the marks of a modern servent: byte 8 is 0xFF, byte 15 is 0
    /// (protocol §1.4).
    pub fn random<R: Rng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        bytes[8] = 0xff;
        bytes[15] = 0;
        Self(bytes)
    }

    /// Where answers to a query of this identifier are wanted, if they are wanted out of band
    /// (protocol §13.1).
    #[must_use]
    pub const fn return_address(&self) -> SocketAddrV4 {
        let [a, b, c, d, .., low, high, _] = self.0;
        SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_le_bytes([low, high]))
    }

    /// The identifier with zeros in place of the return address.
    #[must_use]
    pub const fn without_return_address(mut self) -> Self {
        let [a, b, c, d, .., low, high, _] = &mut self.0;
        (*a, *b, *c, *d, *low, *high) = (0, 0, 0, 0, 0, 0);
        self
    }

    /// The bytes in wire order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether every byte is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl Guid {
    /// Reads 26 digits of base32, in either case and with or without their padding (protocol §6.4).
    #[must_use]
    pub fn from_base32(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches('=').as_bytes();
        let mut bytes = [0; 16];
        let fits = digits.len() == 26 && text.len() <= 32;
        let decoded = fits.then(|| BASE32_NOPAD_NOCASE.decode_mut(digits, &mut bytes));
        matches!(decoded, Some(Ok(_))).then_some(Self(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = Error;

    /// Reads 32 hexadecimal digits in either case.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        if text.len() != 32 {
            return Err(Error::new(0, "a GUID has 32 hexadecimal digits"));
        }
        HEXLOWER_PERMISSIVE
            .decode_mut(text.as_bytes(), &mut bytes)
            .map_err(|partial| Error::new(partial.error.position, "not a hexadecimal digit"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn random_guids_carry_the_modern_marks() {
        let guid = Guid::random(&mut Pcg64Mcg::seed_from_u64(1));
        assert_eq!((guid.as_bytes()[8], guid.as_bytes()[15]), (0xff, 0));
    }

    #[test]
    fn a_return_address_is_read_and_taken_out() {
        let guid: Guid = "c000020aa1a2a3a4ffa5a6a7a8ca1800".parse().unwrap();
        assert_eq!(guid.return_address(), "192.0.2.10:6346".parse().unwrap());
        let bare: Guid = "00000000a1a2a3a4ffa5a6a7a8000000".parse().unwrap();
        assert_eq!(guid.without_return_address(), bare);
    }

    #[test]
    fn text_and_bytes_are_inverse() {
        let text = "10111213141516ABff191a1b1c1d1e00";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid.to_string(), text.to_lowercase());
        assert!("10".parse::<Guid>().is_err());
        assert!("zz111213141516abff191a1b1c1d1e00".parse::<Guid>().is_err());
        let guid: Guid = "101112131415161718191a1b1c1d1e1f".parse().unwrap();
        for text in [
            "CAIREEYUCULBOGAZDINRYHI6D4",
            "caireeyuculbogazdinryhi6d4======",
        ] {
            assert_eq!(Guid::from_base32(text), Some(guid));
        }
        for text in [
            "",
            "CAIREEYUCULBOGAZDINRYHI6D",
            "CAIREEYUCULBOGAZDINRYHI6D0",
        ] {
            assert_eq!(Guid::from_base32(text), None, "{text}");
        }
    }
}
