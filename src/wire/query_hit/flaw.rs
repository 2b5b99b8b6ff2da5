//! What is wrong with a hit that reads well (protocol §5.5).
//!
//! Only what the hit itself shows is judged here. Whether anybody asked for it, whether its source
//! is banned and whether many hits name the same places is for those who remember other hits.

use std::collections::HashSet;

use thiserror::Error;

use super::{QueryHit, Record, Trailer};
use crate::wire::Guid;

/// The most records of a hit that is believed: more than servents put into one. GnutellaBun puts
/// sixteen.
const MOST_RECORDS: usize = 64;

/// How a hit came, for [`flaw`].
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its MUID.
    pub muid: Guid,
    /// Its hops, as they were in the header.
    pub hops: u8,
    /// The GUID of the servent that received it.
    pub own: Guid,
    /// The words of the query it answers, where they are known.
    pub searched: Option<&'a str>,
}

/// What is wrong with a hit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Its servent has no GUID.
    #[error("the servent's GUID is blank")]
    BlankServent,
    /// It names two contents for one file.
    #[error("a record has two different SHA-1s")]
    ConflictingHashes,
    /// Two files of it have one number.
    #[error("two records have the same index")]
    DuplicateIndex,
    /// All its files are called as the search was.
    #[error("every file is called exactly as was searched for")]
    Echo,
    /// A name of it leads out of the folder it would be written to.
    #[error("a file name is a path")]
    EvilName,
    /// It names a content that cannot be, every byte the same.
    #[error("a SHA-1 is made up")]
    MadeUpHash,
    /// Its servent's GUID is of a sort that only spammers have.
    #[error("the servent's GUID is odd")]
    OddServent,
    /// It is our own.
    #[error("the servent is this one")]
    OwnServent,
    /// It shows a return path that its maker never writes.
    #[error("a return path that its vendor does not write")]
    ReturnPath,
    /// Its servent's GUID is its MUID.
    #[error("the servent's GUID is that of the search")]
    ServentIsMuid,
    /// It has more files than any servent sends.
    #[error("more than {MOST_RECORDS} records")]
    TooManyRecords,
    /// Its XML holds a link.
    #[error("its metadata is a link")]
    XmlLink,
}

impl Flaw {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlankServent => "blank_servent",
            Self::ConflictingHashes => "conflicting_hashes",
            Self::DuplicateIndex => "duplicate_index",
            Self::Echo => "echo",
            Self::EvilName => "evil_name",
            Self::MadeUpHash => "made_up_hash",
            Self::OddServent => "odd_servent",
            Self::OwnServent => "own_servent",
            Self::ReturnPath => "return_path",
            Self::ServentIsMuid => "servent_is_muid",
            Self::TooManyRecords => "too_many_records",
            Self::XmlLink => "xml_link",
        }
    }

    /// Whether the hit is to be dropped as an error of its servent; otherwise it is spam, which is
    /// neither shown nor relayed.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::BlankServent | Self::OwnServent | Self::ServentIsMuid
        )
    }
}

/// The first thing that is wrong with a hit.
#[must_use]
pub fn flaw(hit: &QueryHit, received: &Received<'_>) -> Option<Flaw> {
    servent_flaw(hit.servent, received)
        .or_else(|| (hit.results.len() > MOST_RECORDS).then_some(Flaw::TooManyRecords))
        .or_else(|| hit.results.iter().find_map(record_flaw))
        .or_else(|| indexes_repeat(&hit.results).then_some(Flaw::DuplicateIndex))
        .or_else(|| is_echo(&hit.results, received.searched?).then_some(Flaw::Echo))
        .or_else(|| trailer_flaw(hit.trailer.as_ref()?, received))
}

fn servent_flaw(servent: Guid, received: &Received<'_>) -> Option<Flaw> {
    let odd = |byte: &u8| *byte >= 0xaa && *byte & 0x0f >= 0x0a;
    if servent.is_zero() {
        Some(Flaw::BlankServent)
    } else if servent == received.own {
        Some(Flaw::OwnServent)
    } else if servent == received.muid {
        Some(Flaw::ServentIsMuid)
    } else {
        servent
            .as_bytes()
            .iter()
            .all(odd)
            .then_some(Flaw::OddServent)
    }
}

fn record_flaw(record: &Record) -> Option<Flaw> {
    let mut sha1s = record.sha1s();
    let sha1 = sha1s.next();
    let made_up = |bytes: &[u8; 20]| bytes.iter().all(|byte| *byte == bytes[0]);
    if is_path(&record.name) {
        Some(Flaw::EvilName)
    } else if sha1.is_some_and(|sha1| made_up(sha1.as_bytes())) {
        Some(Flaw::MadeUpHash)
    } else {
        sha1s
            .any(|other| Some(other) != sha1)
            .then_some(Flaw::ConflictingHashes)
    }
}

fn is_path(name: &str) -> bool {
    name == ".." || name.contains('/') || name.contains("..\\") || name.starts_with('\\')
}

fn indexes_repeat(records: &[Record]) -> bool {
    let mut seen = HashSet::with_capacity(records.len());
    !records.iter().all(|record| seen.insert(record.index))
}

/// One file may well be called as was searched for; several that all are were made for the search.
fn is_echo(records: &[Record], searched: &str) -> bool {
    let echoes = |record: &Record| {
        let stem = record.name.rsplit_once('.').map_or("", |(stem, _)| stem);
        [&record.name, stem]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(searched))
    };
    records.len() > 1 && !searched.is_empty() && records.iter().all(echoes)
}

fn trailer_flaw(trailer: &Trailer, received: &Received<'_>) -> Option<Flaw> {
    let return_path = ["RPS", "RPH", "RPI", "RPT"]
        .iter()
        .any(|id| trailer.extensions.get(id).is_some());
    let link = |xml: &[u8]| {
        let begins = |text: &[u8]| {
            xml.windows(text.len())
                .any(|window| window.eq_ignore_ascii_case(text))
        };
        begins(b" url=\"http") || begins(b" url='http")
    };
    if return_path && received.hops == 0 && !trailer.vendor.eq_ignore_ascii_case(b"LIME") {
        Some(Flaw::ReturnPath)
    } else {
        let xml = trailer.xml.as_ref()?;
        link(xml).then_some(Flaw::XmlLink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ggep::Id;
    use crate::wire::urn::{Sha1, Urn};
    use std::net::Ipv4Addr;

    const MUID: Guid = Guid::from_bytes([1; 16]);
    const OWN: Guid = Guid::from_bytes([2; 16]);

    fn hit(names: &[&str]) -> QueryHit {
        let records = (0..).zip(names).map(|(index, name)| {
            let mut digest = [7; 20];
            digest[0] = 1;
            Record::new(index, 11, *name, Some(Sha1::from_bytes(digest)), None)
        });
        QueryHit {
            port: 6346,
            ip: Ipv4Addr::new(192, 0, 2, 10),
            speed: 512,
            results: records.collect(),
            trailer: Some(Trailer::default()),
            servent: Guid::from_bytes([3; 16]),
        }
    }

    fn judged(hit: &QueryHit) -> Option<Flaw> {
        let received = Received {
            muid: MUID,
            hops: 0,
            own: OWN,
            searched: Some("hello world"),
        };
        flaw(hit, &received)
    }

    fn changed(change: impl Fn(&mut QueryHit)) -> Option<Flaw> {
        let mut hit = hit(&["hello world.txt", "world, hello.txt"]);
        change(&mut hit);
        judged(&hit)
    }

    #[test]
    fn servents_that_cannot_be_are_errors() {
        assert_eq!(changed(|_| ()), None);
        for (guid, flaw) in [
            (Guid::ZERO, Flaw::BlankServent),
            (OWN, Flaw::OwnServent),
            (MUID, Flaw::ServentIsMuid),
        ] {
            assert_eq!(changed(|hit| hit.servent = guid), Some(flaw));
            assert!(flaw.is_error());
        }
        let odd = Guid::from_bytes(
            [0xab, 0xbc, 0xcd, 0xde, 0xef, 0xfa, 0xff, 0xaa].repeat(2)[..]
                .try_into()
                .unwrap(),
        );
        assert_eq!(changed(|hit| hit.servent = odd), Some(Flaw::OddServent));
        assert!(!Flaw::OddServent.is_error());
    }

    #[test]
    fn records_that_nobody_shares_are_spam() {
        for name in ["../x", "a/b", "..\\x", "\\x", ".."] {
            assert_eq!(
                judged(&hit(&["hello", name])),
                Some(Flaw::EvilName),
                "{name}"
            );
        }
        assert_eq!(judged(&hit(&["x.."; 1])), None);
        assert_eq!(judged(&hit(&["x"; 16])), None);
        assert_eq!(judged(&hit(&["x"; 65])), Some(Flaw::TooManyRecords));
        let same = changed(|hit| hit.results[1].index = 0);
        assert_eq!(same, Some(Flaw::DuplicateIndex));
        let sha1 = |byte| Urn::Sha1(Sha1::from_bytes([byte; 20]));
        let made_up = changed(|hit| hit.results[1].urns = vec![sha1(0)]);
        assert_eq!(made_up, Some(Flaw::MadeUpHash));
        let two = changed(|hit| hit.results[0].urns.push(sha1(9)));
        assert_eq!(two, Some(Flaw::ConflictingHashes));
    }

    #[test]
    fn an_echo_of_the_search_is_spam_but_one_file_of_that_name_is_not() {
        assert_eq!(judged(&hit(&["hello world.txt"])), None);
        let all = judged(&hit(&["Hello World.mp3", "hello world.exe"]));
        assert_eq!(all, Some(Flaw::Echo));
    }

    #[test]
    fn trailers_that_lie_are_spam() {
        let with =
            |change: fn(&mut Trailer)| changed(|hit| hit.trailer.iter_mut().for_each(change));
        let path = with(|trailer| {
            trailer.extensions.push(Id::new(b"RPS").unwrap(), "x");
        });
        assert_eq!(path, Some(Flaw::ReturnPath));
        let link = with(|trailer| trailer.xml = Some((&b"<video URL=\"http://x\"/>"[..]).into()));
        assert_eq!(link, Some(Flaw::XmlLink));
        let plain = with(|trailer| trailer.xml = Some((&b"<audio title=\"http\"/>"[..]).into()));
        assert_eq!(plain, None);
    }
}
