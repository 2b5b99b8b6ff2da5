//! QUERY: a search (protocol §4).

mod flags;
mod media;

use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::be_u16;
use unicode_normalization::UnicodeNormalization;

pub use self::flags::QueryFlags;
pub use self::media::Media;
use super::Error;
use super::gem::{self, Area};
use super::ggep::{Extensions, Id, Inflation, decode_integer, encode_integer};
use super::parse::{fixed, terminated};
use super::urn::{Sha1, Urn};

/// The largest payload of a query; some servents close the link above it.
pub const MAX_PAYLOAD: usize = 256;

/// The longest search text that [`Query::keywords`] makes, in bytes.
pub const MAX_TEXT: usize = 200;

/// The shortest, as no servent routes words of fewer bytes.
pub const MIN_TEXT: usize = 3;

/// Letters of the text field where the whole text is in extension `XQ`.
const FIRST_WORDS: usize = 30;

/// The text of a query for a URN alone.
const URN_TEXT: &str = "\\";

/// The text that stands for a query for the newest files.
const NEWEST_TEXT: &str = "WhatIsNewXOXO";

/// In extension `WH`: the newest files are asked for.
const NEWEST: u64 = 1;

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
    /// spaces go. More than [`MAX_TEXT`] bytes go into extension `XQ`, with the first words of it
    /// as text for those who do not read that.
    ///
    /// # Errors
    /// When what is left is shorter than [`MIN_TEXT`], or does not fit [`MAX_PAYLOAD`] even so.
    pub fn keywords(text: &str) -> Result<Self, Error> {
        let text = clean(text);
        if text.len() < MIN_TEXT {
            return Err(Error::new(0, "a search needs a word of at least 3 letters"));
        }
        let flags = QueryFlags::new().with_ggep_hash(true);
        let query = |text| Self {
            flags,
            text,
            urns: Vec::new(),
            extensions: Extensions::new(),
        };
        if text.len() <= MAX_TEXT {
            return Ok(query(text));
        }
        let query = query(first_words(&text)).with_whole_text(text);
        if query.text.len() < MIN_TEXT || query.encode().len() > MAX_PAYLOAD {
            return Err(Error::new(
                MAX_TEXT,
                "a search of too many words, or too long ones",
            ));
        }
        Ok(query)
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

    /// A search for the newest files, in both forms: extension `WH` and the text that stands for
    /// it.
    #[must_use]
    pub fn for_newest() -> Self {
        let mut extensions = Extensions::new();
        extensions.push(Id::WH, encode_integer(NEWEST));
        Self {
            flags: QueryFlags::new().with_ggep_hash(true),
            text: NEWEST_TEXT.to_owned(),
            urns: Vec::new(),
            extensions,
        }
    }

    /// Reads a query that asks for something.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it [asks for nothing](Self::asks_nothing): what today's
    /// servents drop without a word (protocol §17.2).
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let query = Self::read(payload)?;
        if query.asks_nothing() {
            return Err(Error::new(2, "query for nothing"));
        }
        Ok(query)
    }

    /// Reads a query, whatever it asks for.
    ///
    /// # Errors
    /// When the payload is above [`MAX_PAYLOAD`], has no NUL, bad UTF-8, an empty flags word, a
    /// broken GGEP block, or a URN or digest that does not parse.
    pub fn read(payload: &Bytes) -> Result<Self, Error> {
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
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let Area {
            urns,
            extensions,
            malformed_urn,
            ..
        } = Area::decode(&area, payload.len() - area.len(), &mut Inflation::new())?;
        if let Some(error) = malformed_urn {
            return Err(error);
        }
        if extensions.get(Id::H).is_some_and(|data| is_cut_short(data)) {
            return Err(Error::new(
                payload.len() - area.len(),
                "query for a digest cut short",
            ));
        }
        Ok(Self {
            flags,
            text,
            urns,
            extensions,
        })
    }

    /// What a payload says beside what a query keeps of it: strings behind the text that are neither
    /// URNs nor GGEP, such as XML (protocol §4.3).
    ///
    /// # Errors
    /// When it has no NUL, or a broken GGEP block.
    pub fn metadata(payload: &Bytes) -> Result<Vec<String>, Error> {
        let front = (be_u16, terminated);
        let (area, _) = fixed(payload, front, "query without flags and a NUL")?;
        let start = payload.len() - area.len();
        Ok(Area::decode(&area, start, &mut Inflation::new())?.texts)
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

    /// With extension `XQ`, the whole search text in place of the text field. It is deflated when
    /// it is long and that saves bytes.
    #[must_use]
    pub fn with_whole_text(mut self, text: impl Into<String>) -> Self {
        self.extensions.set(Id::XQ, text.into());
        self
    }

    /// With extension `M`: only files of these kinds are wanted.
    #[must_use]
    pub fn with_media(mut self, media: Media) -> Self {
        self.extensions.set(Id::M, media.data());
        self
    }

    /// With extension `SO` and its flag: answers are wanted out of band, against a token.
    #[must_use]
    pub fn with_secure_out_of_band(mut self) -> Self {
        self.flags = self.flags.with_out_of_band(true);
        self.extensions.set(Id::SO, Bytes::new());
        self
    }

    /// With extension `PR`: files of which only a part is there are wanted too.
    #[must_use]
    pub fn with_partial_files(mut self) -> Self {
        self.extensions.set(Id::PR, Bytes::new());
        self
    }

    /// With extension `NP`: no ultrapeer is to ask out of band in the asker's place.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.extensions.set(Id::NP, Bytes::new());
        self
    }

    /// The kinds of file wanted; `None` for any.
    #[must_use]
    pub fn media(&self) -> Option<Media> {
        Media::from_data(self.extensions.get(Id::M)?)
    }

    /// Whether the asker claims answers out of band with a token.
    #[must_use]
    pub fn secure_out_of_band(&self) -> bool {
        self.flags.out_of_band() && self.extensions.get(Id::SO).is_some()
    }

    /// Whether files of which only a part is there are wanted too.
    #[must_use]
    pub fn wants_partial_files(&self) -> bool {
        self.extensions.get(Id::PR).is_some()
    }

    /// Whether no ultrapeer is to ask out of band in the asker's place.
    #[must_use]
    pub fn refuses_proxy(&self) -> bool {
        self.extensions.get(Id::NP).is_some()
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
            .and_then(|data| decode_integer(data));
        feature == Some(NEWEST) || self.text.eq_ignore_ascii_case(NEWEST_TEXT)
    }

    /// Whether it asks for nothing: neither a content nor the newest files, and by less than two
    /// characters of text (protocol §4.2).
    #[must_use]
    pub fn asks_nothing(&self) -> bool {
        self.wanted().next().is_none()
            && !self.asks_for_newest()
            && self.search_text().chars().nth(1).is_none()
    }
}

/// Whether the data of extension `H` should be a URN, by its type, and is none.
fn is_cut_short(data: &[u8]) -> bool {
    matches!(data.first(), None | Some(1 | 2)) && Urn::from_typed_digest(data).is_none()
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

/// The first words of a text, as many as make 30 letters, which is what others cut it to too.
fn first_words(text: &str) -> String {
    let mut first = String::new();
    for word in text.split(' ') {
        if first.chars().count() + word.chars().count() >= FIRST_WORDS {
            break;
        }
        if !first.is_empty() {
            first.push(' ');
        }
        first.push_str(word);
    }
    first
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";

    fn decode(payload: &[u8]) -> Result<Query, Error> {
        Query::decode(&Bytes::copy_from_slice(payload))
    }

    fn with_extensions(text: &str, area: &[u8]) -> Result<Query, Error> {
        decode(&[b"\x98\x00", text.as_bytes(), b"\0", area].concat())
    }

    #[test]
    fn keywords_are_cleaned_as_every_servent_takes_them() {
        let text = |words| Query::keywords(words).unwrap().text;
        assert_eq!(text("  linux   iso\t"), "linux iso");
        assert_eq!(text("[Linux]_(ISO): linux/iso;x"), "Linux ISO x");
        assert_eq!(text("full＿width：colon"), "full width colon");
        assert_eq!(text("cafe\u{301}"), "café");
        assert!(Query::keywords("a").is_err());
        assert!(Query::keywords("???").is_err());
        assert!(Query::keywords(&"word".repeat(51)).is_err());
        assert!(
            Query::keywords(&(100..400).map(|n| format!("w{n} ")).collect::<String>()).is_err()
        );
        let query = Query::keywords("linux iso").unwrap();
        assert_eq!(Query::decode(&query.encode()), Ok(query));
    }

    #[test]
    fn a_long_search_keeps_its_first_words_as_text() {
        let words: Vec<String> = (100..152).map(|n| format!("w{n}")).collect();
        let long = words.join(" ");
        assert!(long.len() > MAX_TEXT);
        let query = Query::keywords(&long).unwrap();
        assert_eq!(query.text, "w100 w101 w102 w103 w104 w105");
        let read = Query::decode(&query.encode()).unwrap();
        assert_eq!(read.search_text(), long);
        assert!(query.encode().len() <= MAX_PAYLOAD);
    }

    #[test]
    fn wishes_are_read_as_they_were_written() {
        let long = "several words of a rather long title, several words of a rather long title";
        let query = Query::keywords("several words")
            .unwrap()
            .with_whole_text(long)
            .with_media(Media::AUDIO.and(Media::TORRENT))
            .with_secure_out_of_band()
            .with_partial_files()
            .without_proxy();
        let payload = query.encode();
        let read = Query::decode(&payload).unwrap();
        assert_eq!((&read, read.search_text()), (&query, long));
        assert!(
            payload.len() < 2 + query.text.len() + long.len(),
            "deflated"
        );
        let media = read.media().unwrap();
        assert!(media.has(Media::AUDIO) && media.has(Media::TORRENT) && !media.has(Media::VIDEO));
        assert!(read.secure_out_of_band() && read.wants_partial_files() && read.refuses_proxy());
        let plain = Query::keywords("several words").unwrap();
        assert!(plain.media().is_none() && !plain.secure_out_of_band());
        assert!(!plain.wants_partial_files() && !plain.refuses_proxy());
        let newest = Query::decode(&Query::for_newest().encode()).unwrap();
        assert!(newest.asks_for_newest());
    }

    #[test]
    fn a_query_for_a_urn_has_no_words() {
        let sha1: Sha1 = SHA1.parse().unwrap();
        let query = Query::for_urn(Urn::Sha1(sha1));
        assert_eq!(Query::decode(&query.encode()), Ok(query.clone()));
        assert_eq!(
            (query.search_text(), query.sha1s().next()),
            ("", Some(sha1))
        );
    }

    #[test]
    fn what_others_leave_around_the_extensions_is_tolerated() {
        let urn = format!("urn:sha1:{SHA1}");
        let lower = urn.to_lowercase();
        for area in [
            [urn.as_bytes(), b"\0"].concat(),
            [b"\x1c", lower.as_bytes(), b"\x1c\xc3\x82PR\x40"].concat(),
            [lower.as_bytes(), b"\xc3\x82PR\x40\0"].concat(),
            [b"\xc3\x82PR\x40", urn.as_bytes()].concat(),
            [b"urn:\x1curn:sha1:\x1curn\x1cu\x1c", urn.as_bytes()].concat(),
            [
                b"<?xml version=\"1.0\"?><a/>\x1curn:md5:x\x1c{deflate}\xff\x1c",
                urn.as_bytes(),
            ]
            .concat(),
        ] {
            let query = with_extensions("", &area).unwrap();
            assert_eq!(
                query.urns.iter().map(Urn::to_string).collect::<Vec<_>>(),
                [&*urn]
            );
        }
        assert_eq!(
            with_extensions("two words", b"\0").unwrap().text,
            "two words"
        );
        assert_eq!(
            with_extensions("\u{feff}two words", b"").unwrap().text,
            "two words"
        );
    }

    #[test]
    fn hashes_in_extensions_are_wanted_too() {
        let sha1: Sha1 = SHA1.parse().unwrap();
        let mut query = Query::keywords("ignored").unwrap();
        query.text.clear();
        let typed = [&[1][..], sha1.as_bytes()].concat();
        query.extensions.push(Id::H, typed);
        query.extensions.push(Id::URN, format!("sha1:{SHA1}"));
        let query = Query::decode(&query.encode()).unwrap();
        assert_eq!(query.sha1s().collect::<Vec<_>>(), [sha1, sha1]);
    }

    #[test]
    fn xq_replaces_the_text_and_wh_asks_for_the_newest() {
        let query = with_extensions("linux", b"\xc3\x82XQ\x49linux iso").unwrap();
        assert_eq!(query.search_text(), "linux iso");
        assert!(!query.asks_for_newest());
        assert!(
            with_extensions("", b"\xc3\x82WH\x41\x01")
                .unwrap()
                .asks_for_newest()
        );
        assert!(
            with_extensions("whatisnewXOXO", b"")
                .unwrap()
                .asks_for_newest()
        );
    }

    #[test]
    fn what_todays_servents_drop_is_refused() {
        for payload in [
            &b""[..],
            b"\x98",
            b"\x98\0",
            b"\x98\0text without end",
            b"\x98\0\0",
            b"\x98\0x\0",
            b"\x98\0\\\0",
            b"\0\0two words\0",
            b"\x98\0caf\xe9\0",
            b"\x98\0two words\0urn:sha1:SHORT",
            b"\x98\0two words\0urn:bitprint:SHORT.SHORT",
            b"\x98\0two words\0\xc3\x82PR\x41",
            b"\x98\0two words\0\xc3\x81H\x41\x01",
        ] {
            assert!(decode(payload).is_err(), "{}", payload.escape_ascii());
        }
        let fits = [b"\x98\0", &[b'x'; MAX_PAYLOAD - 3][..], b"\0"].concat();
        assert!(decode(&fits).is_ok());
        assert!(decode(&[&fits[..], b"\0"].concat()).is_err());
        let error = decode(b"\x98\0two words\0urn:sha1:SHORT").unwrap_err();
        assert_eq!(error.offset, 12 + 9);
    }
}
