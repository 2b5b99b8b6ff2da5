//! QUERY: a search (protocol §4).

mod flags;

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u16;
use unicode_normalization::UnicodeNormalization;

pub use self::flags::QueryFlags;
use super::Error;
use super::gem::{self, Area};
use super::ggep::{Extensions, Id};
use super::parse::{fixed, terminated};
use super::urn::{Sha1, Urn};

/// The largest payload of a query; some servents close the link above it.
pub const MAX_PAYLOAD: usize = 256;

/// The longest search text that [`Query::keywords`] makes, in bytes.
pub const MAX_TEXT: usize = 200;

/// The shortest, as no servent routes words of fewer bytes.
pub const MIN_TEXT: usize = 3;

/// The text of a query for a URN alone.
const URN_TEXT: &str = "\\";

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What the asker wants and can.
    pub flags: QueryFlags,
    /// The text field; [`search_text`](Self::search_text) is what was searched for.
    pub text: String,
    /// The URNs given as text; [`wanted`](Self::wanted) has those of the extensions too.
    pub urns: Vec<Urn>,
    /// The GGEP extensions.
    pub extensions: Extensions,
}

impl Query {
    /// A search for words. Characters that some servents refuse become spaces, repeated words and
    /// spaces go.
    ///
    /// # Errors
    /// When what is left is shorter than [`MIN_TEXT`] or longer than [`MAX_TEXT`] bytes.
    pub fn keywords(text: &str) -> Result<Self, Error> {
        let text = clean(text);
        if text.len() < MIN_TEXT {
            return Err(Error::new(0, "a search needs a word of at least 3 letters"));
        }
        if text.len() > MAX_TEXT {
            return Err(Error::new(
                MAX_TEXT,
                "a search has at most 200 bytes of text",
            ));
        }
        let flags = QueryFlags::new().with_ggep_hash(true);
        Ok(Self {
            flags,
            text,
            urns: Vec::new(),
            extensions: Extensions::new(),
        })
    }

    /// A search for a content.
    #[must_use]
    pub fn for_urn(urn: Urn) -> Self {
        Self {
            flags: QueryFlags::new().with_ggep_hash(true),
            text: URN_TEXT.to_owned(),
            urns: vec![urn],
            extensions: Extensions::new(),
        }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// When the payload is above [`MAX_PAYLOAD`], has no NUL, bad UTF-8, an empty flags word, a
    /// broken GGEP block, a URN that does not parse, or asks for nothing: what today's servents
    /// drop without a word (protocol §17.2).
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::new(MAX_PAYLOAD, "query above 256 bytes"));
        }
        let (area, (word, text)) = fixed(
            payload,
            (be_u16, terminated),
            "query without flags and a NUL",
        )?;
        let flags = QueryFlags::from_word(word).ok_or(Error::new(0, "query without flags"))?;
        let text = str::from_utf8(text)
            .map_err(|error| Error::new(2 + error.valid_up_to(), "query text is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let Area {
            urns,
            extensions,
            malformed_urn,
            ..
        } = Area::decode(&area, payload.len() - area.len())?;
        if let Some(error) = malformed_urn {
            return Err(error);
        }
        let query = Self {
            flags,
            text,
            urns,
            extensions,
        };
        if query.asks_nothing() {
            return Err(Error::new(2, "query for nothing"));
        }
        Ok(query)
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u16(self.flags.word());
        gem::put_text(&mut out, &self.text);
        gem::put_area(&mut out, &self.urns, &[], &self.extensions);
        out.freeze()
    }

    /// The words searched for: those of extension `XQ` in place of the text field, none in a
    /// search for a URN alone.
    #[must_use]
    pub fn search_text(&self) -> &str {
        let whole = self
            .extensions
            .get(Id::XQ)
            .and_then(|text| str::from_utf8(text).ok());
        match whole.unwrap_or(&self.text) {
            URN_TEXT => "",
            text => text,
        }
    }

    /// Every content asked for: the URNs and those in extensions `H` and `u`. Any of them will do.
    pub fn wanted(&self) -> impl Iterator<Item = Urn> {
        self.urns.iter().copied().chain(urns_of(&self.extensions))
    }

    /// The SHA-1 of every content asked for that has one.
    pub fn sha1s(&self) -> impl Iterator<Item = Sha1> {
        self.wanted().filter_map(|urn| urn.sha1())
    }

    /// Whether the newest files are asked for: by extension `WH` or by the text that stands for it.
    #[must_use]
    pub fn asks_for_newest(&self) -> bool {
        let feature = self
            .extensions
            .get(Id::WH)
            .and_then(|data| super::ggep::decode_integer(data));
        feature == Some(1) || self.text.eq_ignore_ascii_case("WhatIsNewXOXO")
    }

    fn asks_nothing(&self) -> bool {
        self.wanted().next().is_none()
            && !self.asks_for_newest()
            && self.search_text().chars().nth(1).is_none()
    }
}

/// The URNs in extensions `H` and `u`.
pub(super) fn urns_of(extensions: &Extensions) -> impl Iterator<Item = Urn> {
    let typed = extensions
        .get(Id::H)
        .and_then(|data| Urn::from_typed_digest(data));
    let text = extensions.get(Id::URN).and_then(|data| {
        let text = str::from_utf8(data).ok()?;
        format!("urn:{text}").parse().ok()
    });
    typed.into_iter().chain(text)
}

/// The text as every servent takes it (protocol §4.2): in NFC, without the characters that some
/// refuse, in any of their shapes, and without repeated words and spaces.
fn clean(text: &str) -> String {
    let refused = |char: char| {
        let refused = |char: char| char.is_control() || "_#!|?<>^():;/\\[]{}".contains(char);
        [char].into_iter().nfkc().any(refused)
    };
    let text: String = text
        .nfc()
        .map(|char| if refused(char) { ' ' } else { char })
        .collect();
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        if !words
            .iter()
            .any(|known| known.to_lowercase() == word.to_lowercase())
        {
            words.push(word);
        }
    }
    words.join(" ")
}
