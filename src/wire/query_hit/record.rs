//! One file of a hit (protocol §5.2).

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::le_u32;

use crate::wire::Error;
use crate::wire::gem::{self, Area};
use crate::wire::ggep::{Extensions, Id, decode_integer, encode_integer};
use crate::wire::parse::{fixed, terminated};
use crate::wire::query::urns_of;
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// What the size field holds when the true size is in extension `LF`.
const SIZE_ELSEWHERE: u32 = u32::MAX;

/// From this size on it is in extension `LF`.
const LARGE: u64 = 1 << 31;

/// The largest size believed, so that sums of sizes and offsets cannot overflow.
const MAX_SIZE: u64 = u64::MAX >> 1;

/// One file of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number by which the servent knows the file.
    pub index: u32,
    /// The file's size in bytes, also where it does not fit the size field.
    pub size: u64,
    /// The file's name.
    pub name: String,
    /// The URNs given as text.
    pub urns: Vec<Urn>,
    /// What else is said of the file in plain text or XML.
    pub metadata: Vec<String>,
    /// The GGEP extensions, without `LF`.
    pub extensions: Extensions,
}

impl Record {
    /// A file with its SHA-1 as URN text, which every servent reads, and its Tiger root as
    /// extension `TT`.
    #[must_use]
    pub fn new(
        index: u32,
        size: u64,
        name: impl Into<String>,
        sha1: Option<Sha1>,
        tiger_root: Option<TigerRoot>,
    ) -> Self {
        let mut extensions = Extensions::new();
        if let Some(root) = tiger_root {
            extensions.push(Id::TT, Bytes::copy_from_slice(root.as_bytes()));
        }
        Self {
            index,
            size,
            name: name.into(),
            urns: sha1.map(Urn::Sha1).into_iter().collect(),
            metadata: Vec::new(),
            extensions,
        }
    }

    /// The file's SHA-1, from a URN or the extensions `H` or `u`.
    #[must_use]
    pub fn sha1(&self) -> Option<Sha1> {
        self.all_urns().find_map(|urn| urn.sha1())
    }

    /// The file's Tiger root, from a URN or the extensions `H`, `u` or `TT`.
    #[must_use]
    pub fn tiger_root(&self) -> Option<TigerRoot> {
        let extension = || {
            let data = self.extensions.get(Id::TT)?;
            data[..].try_into().ok().map(TigerRoot::from_bytes)
        };
        self.all_urns()
            .find_map(|urn| urn.tiger_root())
            .or_else(extension)
    }

    /// How many bytes the record takes in a hit.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.len()
    }

    /// Takes the record at the start of `rest`, the end of a body of `body_len` bytes.
    pub(super) fn take(rest: &mut Bytes, body_len: usize) -> Result<Self, Error> {
        let offset = body_len - rest.len();
        let parts = (le_u32, le_u32, terminated, terminated);
        let (after, (index, size, name, area)) = fixed(rest, parts, "record cut short")
            .map_err(|error| Error::new(offset + error.offset, error.what))?;
        let name = String::from_utf8_lossy(name).into_owned();
        let area = rest.slice_ref(area);
        let area_offset = body_len - after.len() - 1 - area.len();
        let Area {
            urns,
            texts: metadata,
            mut extensions,
            ..
        } = Area::decode(&area, area_offset)?;
        let large = extensions
            .remove(Id::LF)
            .and_then(|data| decode_integer(&data));
        let size = large
            .filter(|&size| size > 0)
            .unwrap_or_else(|| u64::from(size));
        if size > MAX_SIZE {
            return Err(Error::new(offset + 4, "file size above 2^63"));
        }
        *rest = after;
        Ok(Self {
            index,
            size,
            name,
            urns,
            metadata,
            extensions,
        })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u32_le(self.index);
        let mut extensions = self.extensions.clone();
        extensions.remove(Id::LF);
        match u32::try_from(self.size) {
            Ok(size) if self.size < LARGE => out.put_u32_le(size),
            _ => {
                out.put_u32_le(SIZE_ELSEWHERE);
                extensions.push(Id::LF, encode_integer(self.size));
            }
        }
        gem::put_text(out, &self.name);
        gem::put_area(out, &self.urns, &self.metadata, &extensions);
        out.put_u8(0);
    }

    fn all_urns(&self) -> impl Iterator<Item = Urn> {
        self.urns.iter().copied().chain(urns_of(&self.extensions))
    }
}
