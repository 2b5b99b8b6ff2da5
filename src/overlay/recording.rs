//! A recording of what a servent saw: lines of text that name nobody and say nothing.
//!
//! The first line is [`HEADER`]. Each other line is one [`Record`]: microseconds since the
//! beginning, a verb, and its values, with single spaces between them. Words and GUIDs are 64-bit
//! keyed hashes in hex, whose key nobody has any more: the same one in a recording means the same
//! word or GUID, and nothing outside it. A line without an end was being written when the servent
//! ended, and is left out.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::neighbour::Role;

/// The first line.
pub const HEADER: &str = "filbert-recording 1";

/// Words of a query that are kept.
pub const WORDS: usize = 16;

/// One thing that a servent saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Microseconds since the recording began.
    pub at: u64,
    /// What it was.
    pub event: Event,
}

/// What a servent saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `begin ROLE`: it runs in this role.
    Begin(Role),
    /// `open LINK ROLE DEGREE TTL`: a neighbour came, and what it said of its neighbours and of the
    /// largest TTL it takes; `-` where it said nothing.
    Open {
        /// The number of its link.
        link: u32,
        /// Its role.
        role: Role,
        /// Its neighbours.
        degree: Option<u16>,
        /// The largest TTL.
        max_ttl: Option<u8>,
    },
    /// `close LINK`: it is gone.
    Close(u32),
    /// `got LINK KIND TTL HOPS BYTES GUID WORDS`: a descriptor came; `-` instead of no words.
    Got {
        /// Over which link.
        link: u32,
        /// What it was.
        descriptor: Told,
        /// The words of a query, sorted.
        words: Vec<u64>,
    },
    /// `sent COPIES KIND TTL HOPS BYTES GUID`: so many neighbours were sent a descriptor.
    Sent {
        /// How many.
        copies: u32,
        /// What it was.
        descriptor: Told,
    },
    /// `asked WORDS`: a search of its own user began.
    Asked(Vec<u64>),
    /// `datagram BYTES`: a datagram came.
    Datagram(u32),
    /// `missed COUNT`: so many records are missing here, because the disk was slow.
    Missed(u64),
    /// `full`: nothing more fits; the last line.
    Full,
}

/// A descriptor, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its type, as in the payload type byte.
    pub kind: u8,
    /// Its TTL.
    pub ttl: u8,
    /// Its hops.
    pub hops: u8,
    /// Its length, header included.
    pub bytes: u32,
    /// Its GUID, hashed.
    pub guid: u64,
}

/// Why a text is no recording.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The first line is another.
    #[error("it does not begin with `{HEADER}`")]
    Header,
    /// A line is none of these.
    #[error("line {line} is no record")]
    Line {
        /// Its number.
        line: usize,
    },
}

/// Reads a recording, up to the last whole record.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<Vec<Record>, Error> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = (1..).zip(whole.split('\n'));
    if lines.next().map(|(_, line)| line) != Some(HEADER) {
        return Err(Error::Header);
    }
    lines
        .map(|(line, text)| text.parse().map_err(|Malformed| Error::Line { line }))
        .collect()
}

/// A line is no record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is no record")]
pub struct Malformed;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match &self.event {
            Event::Begin(role) => write!(f, "begin {}", role.name()),
            Event::Open {
                link,
                role,
                degree,
                max_ttl,
            } => {
                write!(f, "open {link} {} ", role.name())?;
                optional(f, *degree)?;
                f.write_str(" ")?;
                optional(f, *max_ttl)
            }
            Event::Close(link) => write!(f, "close {link}"),
            Event::Got {
                link,
                descriptor,
                words,
            } => {
                write!(f, "got {link} {descriptor} ")?;
                write_words(f, words)
            }
            Event::Sent { copies, descriptor } => write!(f, "sent {copies} {descriptor}"),
            Event::Asked(words) => {
                f.write_str("asked ")?;
                write_words(f, words)
            }
            Event::Datagram(bytes) => write!(f, "datagram {bytes}"),
            Event::Missed(count) => write!(f, "missed {count}"),
            Event::Full => f.write_str("full"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            ttl,
            hops,
            bytes,
            guid,
        } = self;
        write!(f, "{kind:02x} {ttl} {hops} {bytes} {guid:016x}")
    }
}

impl FromStr for Record {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let mut values = Values(line.split(' '));
        let at = values.number()?;
        let event = match values.next()? {
            "begin" => Event::Begin(values.role()?),
            "open" => Event::Open {
                link: values.number()?,
                role: values.role()?,
                degree: values.optional()?,
                max_ttl: values.optional()?,
            },
            "close" => Event::Close(values.number()?),
            "got" => Event::Got {
                link: values.number()?,
                descriptor: values.descriptor()?,
                words: values.words()?,
            },
            "sent" => Event::Sent {
                copies: values.number()?,
                descriptor: values.descriptor()?,
            },
            "asked" => Event::Asked(values.words()?),
            "datagram" => Event::Datagram(values.number()?),
            "missed" => Event::Missed(values.number()?),
            "full" => Event::Full,
            _ => return Err(Malformed),
        };
        match values.0.next() {
            None => Ok(Self { at, event }),
            Some(_) => Err(Malformed),
        }
    }
}

/// The values of a line, from left to right.
struct Values<'a>(std::str::Split<'a, char>);

impl<'a> Values<'a> {
    fn next(&mut self) -> Result<&'a str, Malformed> {
        self.0.next().ok_or(Malformed)
    }

    fn number<T: FromStr>(&mut self) -> Result<T, Malformed> {
        self.next()?.parse().map_err(|_| Malformed)
    }

    fn optional<T: FromStr>(&mut self) -> Result<Option<T>, Malformed> {
        match self.next()? {
            NOTHING => Ok(None),
            value => value.parse().map(Some).map_err(|_| Malformed),
        }
    }

    fn role(&mut self) -> Result<Role, Malformed> {
        let name = self.next()?;
        let mut roles = [Role::Ultrapeer, Role::Leaf].into_iter();
        roles.find(|role| role.name() == name).ok_or(Malformed)
    }

    fn descriptor(&mut self) -> Result<Told, Malformed> {
        Ok(Told {
            kind: u8::from_str_radix(self.next()?, 16).map_err(|_| Malformed)?,
            ttl: self.number()?,
            hops: self.number()?,
            bytes: self.number()?,
            guid: hash(self.next()?)?,
        })
    }

    fn words(&mut self) -> Result<Vec<u64>, Malformed> {
        match self.next()? {
            NOTHING => Ok(Vec::new()),
            words => words.split(',').map(hash).collect(),
        }
    }
}

fn hash(text: &str) -> Result<u64, Malformed> {
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

fn optional(f: &mut fmt::Formatter<'_>, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => value.fmt(f),
        None => f.write_str(NOTHING),
    }
}

fn write_words(f: &mut fmt::Formatter<'_>, words: &[u64]) -> fmt::Result {
    if words.is_empty() {
        return f.write_str(NOTHING);
    }
    for (place, word) in words.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        write!(f, "{comma}{word:016x}")?;
    }
    Ok(())
}

/// What stands where there is no value.
const NOTHING: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Event> {
        let descriptor = Told {
            kind: 0x80,
            ttl: 3,
            hops: 4,
            bytes: 40,
            guid: 0xabc,
        };
        vec![
            Event::Begin(Role::Leaf),
            Event::Open {
                link: 3,
                role: Role::Ultrapeer,
                degree: Some(32),
                max_ttl: None,
            },
            Event::Got {
                link: 3,
                descriptor: descriptor.clone(),
                words: vec![1, u64::MAX],
            },
            Event::Sent {
                copies: 7,
                descriptor,
            },
            Event::Asked(Vec::new()),
            Event::Datagram(60),
            Event::Close(3),
            Event::Missed(9),
            Event::Full,
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let records: Vec<Record> = (5..)
            .zip(all())
            .map(|(at, event)| Record { at, event })
            .collect();
        let mut text = format!("{HEADER}\n");
        for record in &records {
            text += &format!("{record}\n");
        }
        assert_eq!(parse(&text).as_ref(), Ok(&records));
        assert!(text.contains("7 got 3 80 3 4 40 0000000000000abc 0000000000000001,ffff"));
        // Cut off anywhere, all that is whole is there.
        for end in HEADER.len() + 1..text.len() {
            let whole = text[..end].matches('\n').count() - 1;
            assert_eq!(parse(&text[..end]).as_deref(), Ok(&records[..whole]));
        }
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        assert_eq!(parse(""), Err(Error::Header));
        assert_eq!(parse("filbert-recording 2\n"), Err(Error::Header));
        for line in [
            "",
            "x full",
            "1 fuller",
            "1 full 2",
            "1 got 3 80 3 4 40 zz -",
            "1 close",
        ] {
            let text = format!("{HEADER}\n0 full\n{line}\n");
            assert_eq!(parse(&text), Err(Error::Line { line: 3 }), "{line}");
        }
    }
}
