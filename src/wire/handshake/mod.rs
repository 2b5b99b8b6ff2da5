//! The text with which a link begins: blocks of a start line and headers (protocol §2.2).
//!
//! Only the text is here: blocks out of bytes and back ([`parse_block`], [`Block`]), headers
//! ([`Headers`]) and what they mean ([`Greeting`]). Who sends which block when is not.

mod date;
mod greeting;
mod headers;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use nom::bytes::complete::tag;
use nom::character::complete::{char, u8 as number};
use nom::sequence::separated_pair;
use nom::{IResult, Parser};

pub use self::greeting::{Greeting, Version};
pub use self::headers::Headers;
use super::Error;

/// The longest block, in bytes.
pub const MAX_BLOCK: usize = 16_384;

/// The longest line, in bytes without its end.
pub const MAX_LINE: usize = 1_024;

/// The most lines of headers in a block.
pub const MAX_LINES: usize = 128;

const BLOCK_TOO_LONG: &str = "handshake above 16384 bytes";
const LINE_TOO_LONG: &str = "handshake line above 1024 bytes";
const TOO_MANY_LINES: &str = "handshake above 128 headers";

/// A start line and the headers under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first line.
    pub line: StartLine,
    /// The lines under it.
    pub headers: Headers,
}

impl Block {
    /// The block's bytes, up to and with its blank line.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_line(&mut out, &self.line.to_string());
        for (name, value) in self.headers.iter() {
            put_line(&mut out, &format!("{name}: {value}"));
        }
        put_line(&mut out, "");
        out.freeze()
    }
}

/// The first line of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// `GNUTELLA CONNECT/0.6`: the initiator's first.
    Connect {
        /// The number before the dot.
        major: u8,
        /// The number behind it.
        minor: u8,
    },
    /// `GNUTELLA/0.6 200 OK`: an answer.
    Status {
        /// 200 to accept, any other to refuse.
        code: u16,
        /// Why, for people.
        reason: String,
    },
}

impl StartLine {
    /// The initiator's first line in the version of today.
    pub const CONNECT: Self = Self::Connect { major: 0, minor: 6 };

    /// The answer that accepts, spelled as every servent takes it.
    #[must_use]
    pub fn ok() -> Self {
        Self::Status {
            code: 200,
            reason: "OK".to_owned(),
        }
    }

    fn parse(line: &str) -> Result<Self, Error> {
        if let Ok((_, (major, minor))) = connect(line) {
            return Ok(Self::Connect { major, minor });
        }
        let code = |rest: &str| {
            let (code, reason) = rest.trim_start().split_at_checked(3)?;
            let known = code.bytes().all(|byte| byte.is_ascii_digit());
            let code = known.then(|| code.parse().ok())??;
            Some((code, reason.trim().to_owned()))
        };
        let (rest, _) = status_version(line)
            .map_err(|_| Error::new(0, "not the start of a Gnutella handshake"))?;
        let (code, reason) = code(rest).ok_or_else(|| {
            Error::new(line.len() - rest.len(), "no status code in the handshake")
        })?;
        Ok(Self::Status { code, reason })
    }
}

impl fmt::Display for StartLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { major, minor } => write!(f, "GNUTELLA CONNECT/{major}.{minor}"),
            Self::Status { code, reason } => write!(f, "GNUTELLA/0.6 {code:03} {reason}"),
        }
    }
}

/// Reads the block at the start of `bytes` and tells its length, with the blank line. `None` as
/// long as it is not whole: call again with more behind the same bytes. What follows the block,
/// perhaps the first descriptors, is not looked at.
///
/// Lines may end in CRLF or LF and be continued on the next after a blank; a line without a colon
/// is passed over.
///
/// # Errors
/// When the first line is not one of a Gnutella handshake, or the block goes beyond
/// [`MAX_BLOCK`], [`MAX_LINE`] or [`MAX_LINES`], whole or not.
pub fn parse_block(bytes: &[u8]) -> Result<Option<(Block, usize)>, Error> {
    let mut line = None;
    let mut headers = Headers::new();
    let mut at = 0;
    for _ in 0..MAX_LINES + 2 {
        let Some((text, next)) = next_line(bytes, at)? else {
            return Ok(None);
        };
        match line {
            None => line = Some(StartLine::parse(&text)?),
            Some(line) if text.is_empty() => return Ok(Some((Block { line, headers }, next))),
            Some(_) => headers.push_line(&text),
        }
        at = next;
    }
    Err(Error::new(at, TOO_MANY_LINES))
}

/// Whether a block was refused for its size, which is a case for status 413.
#[must_use]
pub fn is_too_large(error: &Error) -> bool {
    [BLOCK_TOO_LONG, LINE_TOO_LONG, TOO_MANY_LINES].contains(&error.what)
}

/// The line that starts at `at`, and where the next one does; `None` when it has no end yet.
fn next_line(bytes: &[u8], at: usize) -> Result<Option<(String, usize)>, Error> {
    let rest = &bytes[at..];
    let end = rest
        .iter()
        .take(MAX_LINE + 2)
        .position(|&byte| byte == b'\n');
    let line = &rest[..end.unwrap_or_else(|| rest.len().min(MAX_LINE + 2))];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE {
        return Err(Error::new(at + MAX_LINE, LINE_TOO_LONG));
    }
    let next = at + end.map_or(line.len(), |end| end + 1);
    if next > MAX_BLOCK {
        return Err(Error::new(MAX_BLOCK, BLOCK_TOO_LONG));
    }
    Ok(end.map(|_| (String::from_utf8_lossy(line).into_owned(), next)))
}

fn connect(line: &str) -> IResult<&str, (u8, u8)> {
    let version = separated_pair(number, char('.'), number);
    (tag("GNUTELLA CONNECT/"), version)
        .map(|(_, version)| version)
        .parse(line)
}

fn status_version(line: &str) -> IResult<&str, (u8, u8)> {
    let version = separated_pair(number, char('.'), number);
    (tag("GNUTELLA/"), version)
        .map(|(_, version)| version)
        .parse(line)
}

/// Writes a line. A control character could end it early and becomes a space.
fn put_line(out: &mut BytesMut, line: &str) {
    let line: String = line
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    out.put_slice(line.trim_end().as_bytes());
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> (Block, usize) {
        parse_block(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_block_is_read_when_whole_and_leaves_what_follows() {
        let text = "GNUTELLA CONNECT/0.6\r\nUser-Agent: X/1\r\nX-Ultrapeer:False\r\n\r\n";
        let stream = [text.as_bytes(), &[0xff; 40]].concat();
        for end in 0..text.len() {
            assert_eq!(parse_block(&stream[..end]), Ok(None));
        }
        let (block, length) = parse_block(&stream).unwrap().unwrap();
        assert_eq!(length, text.len());
        assert_eq!(block.line, StartLine::CONNECT);
        assert_eq!(block.headers.get("user-agent").as_deref(), Some("X/1"));
        assert_eq!(block.headers.get("X-ULTRAPEER").as_deref(), Some("False"));
        assert_eq!(parse_block(&block.encode()).unwrap().unwrap().0, block);
    }

    #[test]
    fn bare_line_feeds_continuations_and_garbage_are_taken() {
        let text = "GNUTELLA/0.6 503  Too many \nA: 1\n\t2\n 3\ngarbage\n: none\na: 4\n\nrest";
        let (block, length) = whole(text);
        assert_eq!(
            block.line,
            StartLine::Status {
                code: 503,
                reason: "Too many".to_owned()
            }
        );
        assert_eq!(block.headers.get("A").as_deref(), Some("1 2 3, 4"));
        assert_eq!(block.headers.iter().count(), 2);
        assert_eq!(&text[length..], "rest");
    }

    #[test]
    fn start_lines() {
        assert_eq!(
            whole("GNUTELLA/0.6 200\r\n\r\n").0.line.to_string(),
            "GNUTELLA/0.6 200 "
        );
        assert_eq!(StartLine::ok().to_string(), "GNUTELLA/0.6 200 OK");
        let old = StartLine::Connect { major: 0, minor: 4 };
        assert_eq!(whole("GNUTELLA CONNECT/0.4\n\n").0.line, old);
        for wrong in [
            "GET / HTTP/1.1",
            "",
            "GNUTELLA OK",
            "GNUTELLA/0.6 2x0",
            "GNUTELLA/0.6 20",
        ] {
            assert!(
                parse_block(format!("{wrong}\r\n\r\n").as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn limits_hold_before_the_block_is_whole() {
        let start = "GNUTELLA CONNECT/0.6\r\n";
        let fits = format!("{start}A: {}\r\n", "x".repeat(MAX_LINE - 3));
        assert_eq!(parse_block(fits.as_bytes()), Ok(None));
        for end in ["", "\r\n"] {
            let long = format!("{start}A: {}{end}", "x".repeat(MAX_LINE - 2));
            assert!(is_too_large(&parse_block(long.as_bytes()).unwrap_err()));
        }
        let most = format!("{start}{}", "A: 1\r\n".repeat(MAX_LINES));
        assert_eq!(
            whole(&format!("{most}\r\n")).0.headers.iter().count(),
            MAX_LINES
        );
        let error = parse_block(format!("{most}A: 1\r\n").as_bytes()).unwrap_err();
        assert!(is_too_large(&error));
        let large = format!(
            "{start}{}",
            format!("A: {}\r\n", "x".repeat(1_000)).repeat(17)
        );
        assert!(is_too_large(&parse_block(large.as_bytes()).unwrap_err()));
        assert!(!is_too_large(&parse_block(b"GET /\n").unwrap_err()));
    }

    #[test]
    fn values_cannot_add_lines() {
        let mut headers = Headers::new();
        headers.push("User-Agent", "evil\r\nX-Ultrapeer: True");
        let line = StartLine::Status {
            code: 200,
            reason: "OK\n\n".to_owned(),
        };
        let (block, _) = parse_block(&Block { line, headers }.encode())
            .unwrap()
            .unwrap();
        assert_eq!(block.line, StartLine::ok());
        assert_eq!(block.headers.get("X-Ultrapeer"), None);
    }
}
