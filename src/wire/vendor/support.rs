//! What a servent tells of its abilities right after the handshake: the messages it reads and the
//! features it has.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32};

use super::name::{Name, four, name};
use crate::wire::Error;
use crate::wire::parse::fixed;

/// The most entries read of one list. Servents in use send fewer than 40.
pub const MAX_ENTRIES: usize = 512;

/// What a servent can, by the name of each feature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Features with their versions.
    pub narrow: Vec<([u8; 4], u16)>,
    /// Features of versions beyond 65535, in the form of the message that can tell them.
    pub wide: Option<Vec<([u8; 4], u32)>>,
}

impl Features {
    /// The version of a feature, when it is there.
    #[must_use]
    pub fn version(&self, feature: [u8; 4]) -> Option<u32> {
        let narrow = self
            .narrow
            .iter()
            .map(|&(name, version)| (name, u32::from(version)));
        let wide = self.wide.iter().flatten().copied();
        narrow
            .chain(wide)
            .find_map(|(name, version)| (name == feature).then_some(version))
    }

    pub(super) fn decode(body: &Bytes, wide: bool) -> Result<Self, Error> {
        let (rest, narrow) = list(body, 6, (four, le_u16), 0)?;
        let wide = match wide {
            false => None,
            true if rest.is_empty() => Some(Vec::new()),
            true => Some(list(&rest, 8, (four, le_u32), body.len() - rest.len())?.1),
        };
        Ok(Self { narrow, wide })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        put_list(out, &self.narrow, |out, &(name, version)| {
            out.put_slice(&name);
            out.put_u16_le(version);
        });
        if let Some(wide) = &self.wide {
            put_list(out, wide, |out, &(name, version)| {
                out.put_slice(&name);
                out.put_u32_le(version);
            });
        }
    }
}

pub(super) fn decode_names(body: &Bytes) -> Result<Vec<Name>, Error> {
    list(body, 8, name, 0).map(|(_, names)| names)
}

pub(super) fn put_names(out: &mut BytesMut, names: &[Name]) {
    put_list(out, names, |out, name| name.put(out));
}

/// A count and so many entries of `length` bytes, at `offset` of the body.
fn list<'a, T>(
    bytes: &'a Bytes,
    length: usize,
    mut entry: impl Parser<&'a [u8], Output = T, Error = nom::error::Error<&'a [u8]>>,
    offset: usize,
) -> Result<(Bytes, Vec<T>), Error> {
    let cut = Error::new(offset, "list shorter than its count");
    let (rest, count) = fixed(bytes, le_u16, "list without its count")?;
    let count = usize::from(count);
    if count > MAX_ENTRIES {
        return Err(Error::new(offset, "list of more than 512 entries"));
    }
    let (entries, _) = take::<_, _, nom::error::Error<&[u8]>>(count * length)
        .parse(&bytes[2..])
        .map(|(rest, entries): (&[u8], &[u8])| (entries, rest))
        .map_err(|_| cut)?;
    let rest = rest.slice(entries.len()..);
    let read = |bytes| entry.parse(bytes).map(|(_, value)| value);
    let list = entries
        .chunks_exact(length)
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| cut)?;
    Ok((rest, list))
}

/// Writes a count and the entries, those beyond [`MAX_ENTRIES`] left out.
fn put_list<T>(out: &mut BytesMut, list: &[T], put: impl Fn(&mut BytesMut, &T)) {
    let list = &list[..list.len().min(MAX_ENTRIES)];
    out.put_u16_le(u16::try_from(list.len()).expect("512 at most"));
    for entry in list {
        put(out, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_found_in_both_lists() {
        let body = b"\x02\0TLS!\x01\0F2FT\xff\xff\x01\0IMPP\0\0\x01\0";
        let features = Features::decode(&Bytes::from_static(body), true).unwrap();
        assert_eq!(features.version(*b"TLS!"), Some(1));
        assert_eq!(features.version(*b"IMPP"), Some(65_536));
        assert_eq!(features.version(*b"HSEP"), None);
        let narrow = Features::decode(&Bytes::from_static(body), false).unwrap();
        assert_eq!((narrow.narrow.len(), narrow.wide), (2, None));
    }

    #[test]
    fn counts_are_checked_before_the_entries_are_kept() {
        for body in [&b""[..], b"\x01", b"\x01\0", b"\xff\xff", b"\x01\0TLS!\x01"] {
            assert!(decode_names(&Bytes::from_static(body)).is_err(), "{body:?}");
        }
        let most = |count: u16| [&count.to_le_bytes()[..], &vec![1; 8 * 600]].concat();
        assert_eq!(decode_names(&most(512).into()).unwrap().len(), 512);
        assert!(decode_names(&most(513).into()).is_err());
    }
}
