//! One file of a hit (protocol §5.2).

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::le_u32;

use crate::wire::Error;
use crate::wire::address::{self, Reach};
use crate::wire::gem::{self, Area};
use crate::wire::ggep::{Extensions, Id, Inflation, decode_integer, encode_integer};
use crate::wire::parse::{fixed, terminated};
use crate::wire::query::{QueryFlags, urns_of};
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// What the size field holds when the true size is in extension `LF`.
const SIZE_ELSEWHERE: u32 = u32::MAX;

/// From this size on it is in extension `LF`.
const LARGE: u64 = 1 << 31;

/// The largest size believed, so that sums of sizes and offsets cannot overflow.
const MAX_SIZE: u64 = u64::MAX >> 1;

/// The most places written where else a file is; servents of today drop more.
const MAX_ALTERNATES: usize = 10;

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

    /// The record as the asker of a query reads it best: with its hashes as extension `H` in place
    /// of URN text and `TT` when the query's flags say that it reads that.
    #[must_use]
    pub fn suited_to(mut self, flags: QueryFlags) -> Self {
        let urn = match (self.sha1(), self.tiger_root()) {
            (Some(sha1), Some(root)) => Urn::Bitprint(sha1, root),
            (Some(sha1), None) => Urn::Sha1(sha1),
            (None, _) => return self,
        };
        if flags.ggep_hash()
            && let Some(digest) = urn.typed_digest()
        {
            self.urns.clear();
            self.extensions.remove(Id::TT);
            self.extensions.set(Id::H, digest);
        }
        self
    }

    /// With extensions `ALT` and `ALT_TLS`: the first ten of these places have the file too.
    #[must_use]
    pub fn with_alternates(mut self, alternates: &[Reach]) -> Self {
        let alternates = &alternates[..alternates.len().min(MAX_ALTERNATES)];
        address::set_reaches(&mut self.extensions, Id::ALT, Id::ALT_TLS, alternates);
        self
    }

    /// With extension `CT`: when the file was first shared, in seconds since 1970.
    #[must_use]
    pub fn with_created(mut self, seconds: u64) -> Self {
        self.extensions.set(Id::CT, encode_integer(seconds));
        self
    }

    /// Other places that have the file, at most `limit`.
    pub fn alternates(&self, limit: usize) -> impl Iterator<Item = Reach> {
        address::reaches_in(&self.extensions, Id::ALT, Id::ALT_TLS).take(limit)
    }

    /// When the file was first shared, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> Option<u64> {
        decode_integer(self.extensions.get(Id::CT)?)
    }

    /// Every SHA-1 that the record gives, which ought to be the same.
    pub(super) fn sha1s(&self) -> impl Iterator<Item = Sha1> {
        self.all_urns().filter_map(|urn| urn.sha1())
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
    pub(super) fn take(
        rest: &mut Bytes,
        body_len: usize,
        inflation: &mut Inflation,
    ) -> Result<Self, Error> {
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
        } = Area::decode(&area, area_offset, inflation)?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;
    use crate::wire::cobs;

    const SHA1: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";
    const ROOT: &str = "ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI";

    fn take(bytes: &[u8]) -> Result<Record, Error> {
        let mut rest = Bytes::copy_from_slice(bytes);
        Record::take(&mut rest, bytes.len(), &mut Inflation::new())
    }

    fn with_area(area: &[u8]) -> Result<Record, Error> {
        take(&[b"\x05\0\0\0\x0b\0\0\0hello.txt\0", area, b"\0"].concat())
    }

    fn written(record: &Record) -> BytesMut {
        let mut out = BytesMut::new();
        record.put(&mut out);
        out
    }

    #[test]
    fn the_asker_gets_hashes_in_the_form_it_reads() {
        let sha1: Sha1 = SHA1.parse().unwrap();
        let root: TigerRoot = ROOT.parse().unwrap();
        let record = Record::new(5, 11, "hello.txt", Some(sha1), Some(root));
        assert_eq!(record.clone().suited_to(QueryFlags::new()), record);
        let asked = QueryFlags::new().with_ggep_hash(true);
        let digest = record.clone().suited_to(asked);
        assert!(digest.urns.is_empty() && digest.extensions.get(Id::TT).is_none());
        assert_eq!(
            (digest.sha1(), digest.tiger_root()),
            (Some(sha1), Some(root))
        );
        assert!(digest.encoded_len() < record.encoded_len());
        let bare = Record::new(5, 11, "hello.txt", None, Some(root));
        assert_eq!(bare.clone().suited_to(asked), bare);
    }

    #[test]
    fn what_is_added_is_read_as_it_was_written() {
        let reach = |tls| Reach {
            address: "198.51.100.7:6346".parse().unwrap(),
            tls,
        };
        let record = Record::new(5, 11, "hello.txt", None, None)
            .with_alternates(&[[reach(true); 1].as_slice(), &[reach(false); 12]].concat())
            .with_created(1_700_000_000);
        let record = take(&written(&record)).unwrap();
        assert_eq!(record.created(), Some(1_700_000_000));
        let alternates: Vec<Reach> = record.alternates(100).collect();
        assert_eq!((alternates.len(), alternates[0]), (10, reach(true)));
        assert_eq!(
            (alternates[9], record.alternates(3).count()),
            (reach(false), 3)
        );
    }

    #[test]
    fn hashes_are_found_in_every_place() {
        let sha1: Sha1 = SHA1.parse().unwrap();
        let root: TigerRoot = ROOT.parse().unwrap();
        let bitprint = [&[2][..], sha1.as_bytes(), root.as_bytes()].concat();
        let h = [b"\xc3\xc1H\x6e", &cobs::encode(&bitprint)[..]].concat();
        for area in [
            format!("urn:bitprint:{SHA1}.{ROOT}").into_bytes(),
            format!("urn:sha1:{SHA1}\x1curn:ttroot:{ROOT}\x1c").into_bytes(),
            [
                format!("urn:sha1:{SHA1}\x1c").as_bytes(),
                b"\xc3\x82TT\x58",
                root.as_bytes(),
            ]
            .concat(),
            h,
        ] {
            let record = with_area(&area).unwrap();
            assert_eq!(record.sha1(), Some(sha1), "{}", area.escape_ascii());
            assert_eq!(record.tiger_root(), Some(root), "{}", area.escape_ascii());
        }
        let record = Record::new(1, 11, "hello.txt", Some(sha1), Some(root));
        assert_eq!(
            (record.sha1(), record.tiger_root()),
            (Some(sha1), Some(root))
        );
        assert_eq!(take(&written(&record)), Ok(record));
    }

    #[test]
    fn old_metadata_is_kept_as_text() {
        let record = with_area(b"192 kbps 44 kHz 3:23\x1curn:\x1c<xml/>\x1curn:sha1:BAD").unwrap();
        assert_eq!(record.metadata, ["192 kbps 44 kHz 3:23", "<xml/>"]);
        assert_eq!(take(&written(&record)), Ok(record));
        let record = with_area("künstler\x1c128 kbps é".as_bytes()).unwrap();
        assert_eq!(record.metadata, ["künstler", "128 kbps é"]);
        assert_eq!(
            with_area(b"128 kbps\xc3\x82PR\x40").unwrap().metadata,
            ["128 kbps"]
        );
    }

    #[test]
    fn sizes_of_any_length_are_told() {
        for (size, large) in [
            (0, false),
            (LARGE - 1, false),
            (LARGE, true),
            (u64::from(u32::MAX), true),
            (5_000_000_000, true),
            (MAX_SIZE, true),
        ] {
            let record = Record::new(5, size, "a", None, None);
            let bytes = written(&record);
            assert_eq!(bytes[4..8] == [0xff; 4], large);
            assert_eq!(take(&bytes), Ok(record));
        }
        assert!(take(&written(&Record::new(5, MAX_SIZE + 1, "a", None, None))).is_err());
        let known_only_there = with_area(b"\xc3\x82LF\x42\x01\x02").unwrap();
        assert_eq!(known_only_there.size, 0x201);
        assert_eq!(with_area(b"\xc3\x82LF\x41\x1c").unwrap().size, 0x1c);
    }

    #[test]
    fn records_cut_short_or_broken_are_errors() {
        let good = written(&Record::new(
            5,
            11,
            "hello.txt",
            Some(SHA1.parse().unwrap()),
            None,
        ));
        for end in 0..good.len() {
            assert!(take(&good[..end]).is_err());
        }
        assert!(with_area(b"\xc3\x82TT\x58short").is_err());
        // A NUL inside a GGEP block ends the area early.
        assert!(with_area(b"\xc3\x82LF\x43\x01\x00\x01").is_err());
    }

    #[test]
    fn what_deflated_data_may_grow_to_is_one_budget() {
        let mut inflation = Inflation::new();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&[0; 50_000]).unwrap();
        let data = cobs::encode(&encoder.finish().unwrap());
        let (high, low) = (data.len() >> 6, data.len() & 0x3f);
        let length = [high | 0x80, low | 0x40].map(|byte| u8::try_from(byte).unwrap());
        let area = [b"\xc3\xe1X", &length[..], &data].concat();
        let bytes = [b"\x05\0\0\0\x0b\0\0\0a\0", &area[..], b"\0"].concat();
        let mut counted = |bytes: &[u8]| {
            let mut rest = Bytes::copy_from_slice(bytes);
            let record = Record::take(&mut rest, bytes.len(), &mut inflation).unwrap();
            record.extensions.iter().count()
        };
        assert_eq!((counted(&bytes), counted(&bytes)), (1, 0));
    }
}
