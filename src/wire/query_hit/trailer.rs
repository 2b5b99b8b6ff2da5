//! What a servent says of itself at the end of a hit (protocol §5.3).

use bytes::{BufMut, Bytes, BytesMut};
use nom::bytes::complete::take;
use nom::multi::length_data;
use nom::number::complete::u8 as byte;

use crate::wire::Error;
use crate::wire::address::{self, Reach};
use crate::wire::ggep::{Extensions, Id, Inflation, MAGIC, Zeros};
use crate::wire::parse::fixed;

const PUSH: u8 = 0x01;
const BUSY: u8 = 0x04;
const UPLOADED: u8 = 0x08;
const MEASURED: u8 = 0x10;
const GGEP: u8 = 0x20;

/// The most push proxies written; some servents read no more.
const MAX_PROXIES: usize = 4;

/// What a servent says of itself. A flag that it leaves open is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// Its maker's four letters.
    pub vendor: [u8; 4],
    /// It cannot be connected to: it must be pushed.
    pub push: Option<bool>,
    /// It has no free upload slot.
    pub busy: Option<bool>,
    /// It has uploaded before.
    pub uploaded: Option<bool>,
    /// Its speed is measured.
    pub measured: Option<bool>,
    /// The GGEP extensions.
    pub extensions: Extensions,
    /// Metadata of the files, not empty, without its closing NUL.
    pub xml: Option<Bytes>,
}

impl Trailer {
    /// The vendor's code as text.
    #[must_use]
    pub fn vendor_text(&self) -> String {
        self.vendor.escape_ascii().to_string()
    }

    /// With extensions `PUSH` and `PUSH_TLS`: the first four of these hand on pushes.
    #[must_use]
    pub fn with_push_proxies(mut self, proxies: &[Reach]) -> Self {
        let proxies = &proxies[..proxies.len().min(MAX_PROXIES)];
        address::set_reaches(&mut self.extensions, Id::PUSH, Id::PUSH_TLS, proxies);
        self
    }

    /// With extension `BH`: its files can be browsed.
    #[must_use]
    pub fn with_browsing(mut self) -> Self {
        self.extensions.set(Id::BH, Bytes::new());
        self
    }

    /// With extension `TLS`: it accepts encrypted connections.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.extensions.set(Id::TLS, Bytes::new());
        self
    }

    /// With extension `SO`, the token of the claim that fetched the hit out of band.
    #[must_use]
    pub fn with_token(mut self, token: Bytes) -> Self {
        self.extensions.set(Id::SO, token);
        self
    }

    /// The servents that hand on pushes, at most `limit`.
    pub fn push_proxies(&self, limit: usize) -> impl Iterator<Item = Reach> {
        address::reaches_in(&self.extensions, Id::PUSH, Id::PUSH_TLS).take(limit)
    }

    /// Whether its files can be browsed.
    #[must_use]
    pub fn can_be_browsed(&self) -> bool {
        self.extensions.get(Id::BH).is_some()
    }

    /// Whether it accepts encrypted connections.
    #[must_use]
    pub fn accepts_tls(&self) -> bool {
        self.extensions.get(Id::TLS).is_some()
    }

    /// The token of the claim that fetched the hit out of band.
    #[must_use]
    pub fn token(&self) -> Option<&Bytes> {
        self.extensions.get(Id::SO)
    }

    /// Reads the trailer, which starts at `offset` of the payload.
    pub(super) fn decode(
        bytes: &Bytes,
        offset: usize,
        inflation: &mut Inflation,
    ) -> Result<Self, Error> {
        let at = |error: Error| Error::new(offset + error.offset, error.what);
        let parts = (take(4_usize), length_data(byte));
        let (private, (vendor, open)): (Bytes, (&[u8], &[u8])) =
            fixed(bytes, parts, "trailer cut short").map_err(at)?;
        let mut trailer = Self {
            vendor: vendor
                .try_into()
                .map_err(|_| at(Error::new(0, "trailer cut short")))?,
            ..Self::default()
        };
        match *open {
            [] => {}
            [flags] if trailer.vendor.eq_ignore_ascii_case(b"NAPS") => {
                trailer.push = Some(flags & PUSH != 0);
                trailer.busy = Some(flags & BUSY != 0);
            }
            [_] => {}
            [enabler, setter, ref more @ ..] => {
                trailer.read_flags(enabler, setter);
                let private = match *more {
                    [low, high, ..] => trailer.split_xml(&private, u16::from_le_bytes([low, high])),
                    _ => private,
                };
                if enabler & setter & GGEP != 0 {
                    trailer.extensions = find_extensions(&private, inflation);
                }
            }
        }
        Ok(trailer)
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let xml = self.xml.as_ref().filter(|xml| !xml.is_empty());
        let (enabler, setter) = self.flags();
        out.put_slice(&self.vendor);
        match xml.map(|xml| u16::try_from(xml.len() + 1)) {
            Some(Ok(length)) => {
                out.put_slice(&[4, enabler, setter]);
                out.put_u16_le(length);
            }
            _ => out.put_slice(&[2, enabler, setter]),
        }
        self.extensions.put(out, Zeros::Allowed);
        if let Some(xml) = xml.filter(|xml| xml.len() < usize::from(u16::MAX)) {
            out.put_slice(xml);
            out.put_u8(0);
        }
    }

    /// The enabler and setter bytes. Push has its value in the first and its validity in the
    /// second, all others the other way about; GGEP stands in both.
    fn flags(&self) -> (u8, u8) {
        let both = |flag: u8, told: Option<bool>| {
            let validity = if told.is_some() { flag } else { 0 };
            let value = if told == Some(true) { flag } else { 0 };
            (validity, value)
        };
        let (mut setter, mut enabler) = both(PUSH, self.push);
        for (flag, told) in [
            (BUSY, self.busy),
            (UPLOADED, self.uploaded),
            (MEASURED, self.measured),
        ] {
            let (validity, value) = both(flag, told);
            enabler |= validity;
            setter |= value;
        }
        if !self.extensions.is_empty() {
            enabler |= GGEP;
            setter |= GGEP;
        }
        (enabler, setter)
    }

    fn read_flags(&mut self, enabler: u8, setter: u8) {
        let read =
            |flag: u8, validity: u8, value: u8| (validity & flag != 0).then_some(value & flag != 0);
        self.push = read(PUSH, setter, enabler);
        self.busy = read(BUSY, enabler, setter);
        self.uploaded = read(UPLOADED, enabler, setter);
        self.measured = read(MEASURED, enabler, setter);
    }

    /// Takes the XML off the end of the private data, of which the rest is given back. A length
    /// beyond the data is taken for none.
    fn split_xml(&mut self, private: &Bytes, length: u16) -> Bytes {
        let Some(start) = private.len().checked_sub(usize::from(length)) else {
            return private.clone();
        };
        let xml = private.slice(start..);
        let text = xml.strip_suffix(&[0]).unwrap_or(&xml);
        self.xml = (!text.is_empty()).then(|| xml.slice_ref(text));
        private.slice(..start)
    }
}

/// The extensions in the private data, in front of which some servents put a byte of their own.
fn find_extensions(private: &Bytes, inflation: &mut Inflation) -> Extensions {
    let mut extensions = Extensions::new();
    let Some(start) = private.iter().position(|&byte| byte == MAGIC) else {
        return extensions;
    };
    let mut rest = private.slice(start..);
    while let Ok(length) = extensions.merge(&rest, inflation) {
        rest = rest.slice(length..);
    }
    extensions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Trailer, Error> {
        Trailer::decode(&Bytes::copy_from_slice(bytes), 0, &mut Inflation::new())
    }

    #[test]
    fn what_is_added_is_read_as_it_was_written() {
        let proxies = [false, true, false, false, true].map(|tls| Reach {
            address: "198.51.100.7:6346".parse().unwrap(),
            tls,
        });
        let trailer = Trailer {
            vendor: *b"TEST",
            ..Trailer::default()
        };
        let full = trailer
            .clone()
            .with_push_proxies(&proxies)
            .with_browsing()
            .with_tls()
            .with_token(Bytes::from_static(b"\0token"));
        let mut out = BytesMut::new();
        full.put(&mut out);
        let read = decode(&out).unwrap();
        assert_eq!(read.push_proxies(8).collect::<Vec<_>>(), proxies[..4]);
        assert!(read.can_be_browsed() && read.accepts_tls());
        assert_eq!(read.token().map(|token| &token[..]), Some(&b"\0token"[..]));
        assert!(!trailer.can_be_browsed() && !trailer.accepts_tls() && trailer.token().is_none());
    }

    #[test]
    fn every_size_of_open_data_is_read() {
        let push = |bytes| decode(bytes).unwrap().push;
        assert_eq!(push(b"TEST\x00"), None);
        assert_eq!(push(b"TEST\x01\x01"), None);
        assert_eq!(push(b"NAPS\x01\x01"), Some(true));
        assert_eq!(decode(b"naps\x01\x04").unwrap().busy, Some(true));
        assert_eq!(push(b"TEST\x02\x01\x01"), Some(true));
        assert_eq!(push(b"TEST\x02\x00\x01"), Some(false));
        assert_eq!(push(b"TEST\x03\x01\x00\xff"), None);
        assert_eq!(push(b"LIME\x04\x01\x01\x01\x00\x00\x00"), Some(true));
        assert_eq!(push(b"TEST\x06\x01\x01\x00\x00junk"), Some(true));
        for wrong in [&b"T"[..], b"TEST", b"TEST\x02\x01", b"TEST\xff\x01\x01"] {
            assert!(decode(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn ggep_may_follow_a_chat_byte_and_precede_xml() {
        let bytes = b"LIME\x04\x3d\x31\x10\x00\x01\xc3\x82BH\x40{plaintext}<a/>\0";
        let trailer = decode(bytes).unwrap();
        assert_eq!((trailer.push, trailer.busy), (Some(true), Some(false)));
        assert_eq!(
            (trailer.uploaded, trailer.measured),
            (Some(false), Some(true))
        );
        assert!(trailer.extensions.get("BH").is_some());
        assert_eq!(trailer.xml.as_deref(), Some(&b"{plaintext}<a/>"[..]));
        let mut out = BytesMut::new();
        trailer.put(&mut out);
        assert_eq!(decode(&out), Ok(trailer));
    }

    #[test]
    fn private_data_that_makes_no_sense_is_passed_over() {
        for bytes in [
            &b"LIME\x04\x21\x21\xff\xff\x00"[..],
            b"LIME\x04\x21\x21\x01\x00\xc3\x82B\0",
            b"LIME\x04\x01\x21\x00\x00\xc3\x82BH\x40",
            b"LIME\x02\x21\x21\x01\x02\x03",
        ] {
            let trailer = decode(bytes).unwrap();
            assert!(trailer.extensions.is_empty() && trailer.xml.is_none());
            assert_eq!(trailer.push, Some(true));
        }
    }
}
