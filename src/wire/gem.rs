//! The extension areas of queries and of records in hits (protocol §4.3, §5.2): strings divided
//! by 0x1C, and a GGEP block.

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use super::ggep::{Extensions, Inflation, MAGIC, MAX_EXTENSIONS, Zeros, begins_block};
use super::urn::{Urn, split_namespace};

/// What divides the strings of an area.
const SEPARATOR: u8 = 0x1c;

/// What an extension area holds.
#[derive(Debug, Default)]
pub(super) struct Area {
    pub(super) urns: Vec<Urn>,
    /// Strings that are neither a URN nor a request for one: plain metadata or XML.
    pub(super) texts: Vec<String>,
    pub(super) extensions: Extensions,
    /// A URN of a known kind that does not parse: fatal to a query, ignored in a hit.
    pub(super) malformed_urn: Option<Error>,
}

impl Area {
    /// Reads an area that starts at `offset` of its payload. A NUL divides as 0x1C does, so a
    /// last one too many is harmless.
    pub(super) fn decode(
        area: &Bytes,
        offset: usize,
        inflation: &mut Inflation,
    ) -> Result<Self, Error> {
        let mut out = Self::default();
        let mut at = 0;
        for _ in 0..MAX_EXTENSIONS {
            at += area[at..]
                .iter()
                .take_while(|&&byte| is_separator(byte))
                .count();
            if at == area.len() {
                break;
            }
            let rest = area.slice(at..);
            if rest[0] == MAGIC {
                at += out
                    .extensions
                    .merge(&rest, inflation)
                    .map_err(|error| Error::new(offset + at + error.offset, error.what))?;
                continue;
            }
            let end = rest
                .iter()
                .position(|&byte| is_separator(byte))
                .unwrap_or(rest.len());
            let end = cut_before_ggep(&rest, end);
            out.read_string(&rest[..end], offset + at);
            at += end;
        }
        Ok(out)
    }

    fn read_string(&mut self, string: &[u8], offset: usize) {
        let text = String::from_utf8_lossy(string);
        if !is_urn(string) {
            self.texts.push(text.into_owned());
        } else if let Some((_, digest)) = split_namespace(&text)
            && !digest.is_empty()
        {
            match text.parse() {
                Ok(urn) => self.urns.push(urn),
                Err(Error {
                    offset: within,
                    what,
                }) => {
                    self.malformed_urn = Some(Error::new(offset + within, what));
                }
            }
        }
    }
}

/// Where a string ends that has a GGEP block right behind it, without a separator.
fn cut_before_ggep(rest: &[u8], end: usize) -> usize {
    let magic = rest[..end].iter().position(|&byte| byte == MAGIC);
    magic.filter(|&at| begins_block(&rest[at..])).unwrap_or(end)
}

/// Writes an area. Strings that could not be read back as they are, are left out.
pub(super) fn put_area(
    out: &mut BytesMut,
    urns: &[Urn],
    texts: &[String],
    extensions: &Extensions,
) {
    let urns = urns.iter().map(Urn::to_string);
    let texts = texts.iter().filter(|text| is_plain(text)).cloned();
    let start = out.len();
    for string in urns.chain(texts) {
        if out.len() > start {
            out.put_u8(SEPARATOR);
        }
        out.put_slice(string.as_bytes());
    }
    if out.len() > start && !extensions.is_empty() {
        out.put_u8(SEPARATOR);
    }
    extensions.put(out, Zeros::Avoided);
}

/// Writes text and its NUL. A NUL inside it would end it early and is left out.
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    for part in text.split('\0') {
        out.put_slice(part.as_bytes());
    }
    out.put_u8(0);
}

fn is_separator(byte: u8) -> bool {
    byte == SEPARATOR || byte == 0
}

/// Whether the string is a URN or a request for URNs, which some servents cut down to its first
/// letters.
fn is_urn(string: &[u8]) -> bool {
    let begins = |prefix: &[u8]| {
        string
            .get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    begins(b"urn:") || (string.len() < 4 && b"urn"[..].get(..string.len()).is_some_and(begins))
}

/// Whether a string of metadata comes back as it was written.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let magic = bytes.iter().position(|&byte| byte == MAGIC);
    !bytes.is_empty()
        && !is_urn(bytes)
        && !bytes.iter().any(|&byte| is_separator(byte))
        && magic.is_none_or(|at| at > 0 && !begins_block(&bytes[at..]))
}
