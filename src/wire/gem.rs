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
    let texts: Vec<&str> = texts
        .iter()
        .map(String::as_str)
        .filter(|text| is_plain(text))
        .collect();
    let start = out.len();
    put_strings(out, urns, &texts, extensions);
    // Together with what follows it, a letter such as "é" may pass for the start of a block.
    let blurred = |text: &&str| text.as_bytes().contains(&MAGIC);
    if texts.iter().any(blurred) && holds_false_block(&out[start..], texts.len() + urns.len()) {
        out.truncate(start);
        let texts: Vec<&str> = texts.into_iter().filter(|text| !blurred(text)).collect();
        put_strings(out, urns, &texts, extensions);
    }
}

fn put_strings(out: &mut BytesMut, urns: &[Urn], texts: &[&str], extensions: &Extensions) {
    let start = out.len();
    let urns: Vec<String> = urns.iter().map(Urn::to_string).collect();
    for string in urns.iter().map(String::as_str).chain(texts.iter().copied()) {
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

/// Whether one of the first `strings` of an area would be cut where a block seems to begin.
fn holds_false_block(area: &[u8], strings: usize) -> bool {
    let mut rest = area;
    for _ in 0..strings {
        let end = rest.iter().position(|&byte| is_separator(byte));
        let end = end.unwrap_or(rest.len());
        if cut_before_ggep(rest, end) < end {
            return true;
        }
        rest = rest.get(end + 1..).unwrap_or(&[]);
    }
    false
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

/// Whether a string of metadata can stand in an area.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|&byte| byte != MAGIC)
        && !is_urn(bytes)
        && !bytes.iter().any(|&byte| is_separator(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ggep::Id;

    fn reread(texts: &[&str], extensions: &Extensions) -> Area {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut out = BytesMut::new();
        put_area(&mut out, &[], &texts, extensions);
        Area::decode(&out.freeze(), 0, &mut Inflation::new()).unwrap()
    }

    #[test]
    fn letters_that_look_like_the_start_of_a_block_are_kept_where_nothing_follows_to_make_one() {
        let mut extensions = Extensions::new();
        extensions.push(Id::LF, vec![0, 0, 0, 1]);
        let area = reread(&["Café", "Müller"], &extensions);
        assert_eq!(area.texts, ["Café", "Müller"]);
        assert_eq!(area.extensions, extensions);
    }

    #[test]
    fn text_that_makes_a_block_of_what_follows_is_left_out() {
        let mut extensions = Extensions::new();
        extensions.push(Id::LF, vec![0, 0, 0, 1]);
        // "Ç" is 0xC3 and flags for an id of seven letters; "H" is a length of eight, which
        // reaches into the true block.
        let area = reread(&["192 kbps", "!ÇHHHHHHHHq\\\n"], &extensions);
        assert_eq!(area.texts, ["192 kbps"]);
        assert_eq!(area.extensions, extensions);
    }
}
