//! A file as it can be given: shared and whole, or on its way here and there in part.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::insert;
use super::refusal::Refusal;
use crate::library::Version;
use crate::library::index::SharedFile;
use crate::net::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use crate::transfer::exchange::Partial;
use crate::transfer::range::Asked;
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// The end of the year 9999, in seconds since 1970: HTTP writes no later date.
const LAST_DATE: u64 = 253_402_300_800;
/// Ranges told of a file that is there in part; of more, these from any place on.
const RANGES: usize = 200;

/// A file that is given.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    path: PathBuf,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sha1: Sha1,
    root: Option<TigerRoot>,
    /// What it must still be, where it is whole.
    version: Option<Version>,
    /// What is there of it, where that is not all.
    there: Option<Vec<Range<u64>>>,
    pub(super) origin: Origin,
}

/// Why it is given.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// The library shares it, under this number.
    Shared(u32),
    /// A download fetches it, or has.
    Fetched(Arc<Partial>),
}

/// The bytes of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) status: StatusCode,
    pub(super) first: u64,
    pub(super) length: u64,
}

impl From<SharedFile> for Offered {
    fn from(shared: SharedFile) -> Self {
        Self {
            path: shared.path,
            name: shared.name,
            size: shared.size,
            sha1: shared.sha1,
            root: Some(shared.tiger_root),
            version: Some(Version {
                size: shared.size,
                modified_ms: shared.modified_ms,
            }),
            there: None,
            origin: Origin::Shared(shared.index),
        }
    }
}

impl From<Arc<Partial>> for Offered {
    fn from(partial: Arc<Partial>) -> Self {
        let there = partial.ranges();
        let whole = partial.is_complete();
        let path = partial.path();
        let name = path.file_name().filter(|_| whole);
        let name = name.map(|name| name.to_string_lossy().into_owned());
        Self {
            path,
            name: name.unwrap_or_else(|| partial.sha1.to_string()),
            size: partial.size(),
            sha1: partial.sha1,
            root: partial.tree().map(|tree| tree.root()),
            version: partial.version(),
            there: (!whole).then_some(there),
            origin: Origin::Fetched(partial),
        }
    }
}

impl Offered {
    /// The bytes to give to who asks with this `Range` header.
    pub(super) fn cut(&self, range: Option<&str>) -> Result<Cut, Refusal> {
        let size = self.size;
        let unsatisfiable = Refusal::Range { size };
        let (first, last) = match Asked::new(range, size) {
            Asked::Unsatisfiable => return Err(unsatisfiable),
            Asked::Part { first, last } => (first, last),
            Asked::Whole if self.there.is_none() => {
                return Ok(Cut {
                    status: StatusCode::OK,
                    first: 0,
                    length: size,
                });
            }
            // A part is given to those only who know what a part is (protocol §10.5).
            Asked::Whole => return Err(unsatisfiable),
        };
        let Some(there) = &self.there else {
            return Ok(Cut::part(first..last + 1));
        };
        let holds = |run: &&Range<u64>| run.contains(&first);
        let wildcard = || {
            let all = first == 0 && last + 1 == size;
            there.first().filter(|_| all)
        };
        let run = there.iter().find(holds).or_else(wildcard);
        let run = run.ok_or(unsatisfiable)?;
        Ok(Cut::part(run.start.max(first)..run.end.min(last + 1)))
    }

    /// Opens it at the byte `first`. A whole one that is not what it was is not given.
    pub(super) fn open(&self, first: u64) -> io::Result<File> {
        let unchanged = |metadata: &Metadata| {
            let same = |version| Version::of(metadata) == version;
            metadata.is_file() && self.version.is_none_or(same)
        };
        let changed = || io::Error::new(ErrorKind::NotFound, "it has changed since it was hashed");
        // Looked at before it is opened as well: to open a pipe would wait for its writer.
        if !unchanged(&fs::metadata(&self.path)?) {
            return Err(changed());
        }
        let mut file = File::open(&self.path)?;
        if !unchanged(&file.metadata()?) {
            return Err(changed());
        }
        file.seek(SeekFrom::Start(first))?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The headers that tell of the file, whatever is given of it.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let urn = Urn::Sha1(self.sha1).to_string();
        let name = HeaderName::from_static("x-gnutella-content-urn");
        insert(headers, name, &urn);
        if let Some(root) = self.root {
            let tree = format!("/uri-res/N2X?{urn};{root}");
            insert(headers, HeaderName::from_static("x-thex-uri"), &tree);
        }
        if let Some(there) = &self.there {
            let name = HeaderName::from_static("x-available-ranges");
            insert(headers, name, &available(there));
        }
        let seconds = self
            .version
            .and_then(|version| u64::try_from(version.modified_ms / 1_000).ok());
        if let Some(seconds) = seconds.filter(|seconds| *seconds < LAST_DATE) {
            let modified = UNIX_EPOCH + Duration::from_secs(seconds);
            let date = httpdate::fmt_http_date(modified);
            insert(headers, header::LAST_MODIFIED, &date);
        }
    }
}

impl Cut {
    const fn part(bytes: Range<u64>) -> Self {
        Self {
            status: StatusCode::PARTIAL_CONTENT,
            first: bytes.start,
            length: bytes.end - bytes.start,
        }
    }
}

fn available(there: &[Range<u64>]) -> String {
    let mut place = 0;
    if there.len() > RANGES {
        place = rand::RngExt::random_range(&mut rand::rng(), 0..=there.len() - RANGES);
    }
    let told = there.iter().skip(place).take(RANGES);
    let texts: Vec<_> = told
        .map(|run| format!("{}-{}", run.start, run.end - 1))
        .collect();
    format!("bytes {}", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(there: Option<Vec<Range<u64>>>) -> Offered {
        let shared = SharedFile {
            index: 1,
            path: PathBuf::new(),
            name: String::new(),
            size: 100,
            modified_ms: 0,
            sha1: Sha1::from_bytes([1; 20]),
            tiger_root: TigerRoot::from_bytes([2; 24]),
        };
        Offered {
            there,
            ..Offered::from(shared)
        }
    }

    #[test]
    fn of_a_part_only_what_is_there_is_given() {
        let part = offered(Some(vec![10..20, 50..100]));
        let cut = |range| {
            let cut = part.cut(range).ok()?;
            assert_eq!(cut.status, StatusCode::PARTIAL_CONTENT);
            Some(cut.first..cut.first + cut.length)
        };
        assert_eq!(cut(Some("bytes=10-14")), Some(10..15));
        assert_eq!(cut(Some("bytes=15-40")), Some(15..20));
        assert_eq!(cut(Some("bytes=60-")), Some(60..100));
        assert_eq!(cut(Some("bytes=-10")), Some(90..100));
        for refused in [
            Some("bytes=9-14"),
            Some("bytes=20-60"),
            Some("bytes=100-"),
            None,
        ] {
            assert_eq!(cut(refused), None, "{refused:?}");
        }
        assert_eq!(cut(Some("bytes=0-")), Some(10..20), "any part");
        let nothing = offered(Some(Vec::new()));
        assert!(nothing.cut(Some("bytes=0-")).is_err());
        let whole = offered(None);
        assert_eq!(whole.cut(None).unwrap().status, StatusCode::OK);
    }

    #[test]
    fn the_ranges_are_told_and_not_without_end() {
        assert_eq!(available(&[0..1, 5..10]), "bytes 0-0, 5-9");
        assert_eq!(available(&[]), "bytes ");
        let many: Vec<_> = (0..5_000).map(|place| place * 10..place * 10 + 1).collect();
        assert_eq!(available(&many).split(',').count(), RANGES);
    }
}
