//! What a user wants of a search: what is asked, and which of the answers are shown.

use super::error::Error;
use crate::wire::magnet::Magnet;
use crate::wire::query::{Media, Query};
use crate::wire::query_hit::Record;
use crate::wire::urn::Urn;

/// What a user wants of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Words, a `urn:…` or a magnet link.
    pub text: String,
    /// Only files of these kinds. Servents that know of kinds answer accordingly; what others
    /// answer is sorted out by name.
    pub media: Option<Media>,
    /// The smallest size, in bytes.
    pub least: Option<u64>,
    /// The largest size, in bytes.
    pub most: Option<u64>,
}

impl Wish {
    /// A wish for anything of this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// What to ask the overlay.
    pub(super) fn query(&self) -> Result<Query, Error> {
        let query = parse(&self.text)?;
        Ok(match self.media {
            Some(media) if query.wanted().next().is_none() => query.with_media(media),
            _ => query,
        })
    }

    /// Whether a file of an answer is wanted.
    pub(super) fn takes(&self, record: &Record) -> bool {
        self.media.is_none_or(|media| media.takes(&record.name))
            && self.least.is_none_or(|least| record.size >= least)
            && self.most.is_none_or(|most| record.size <= most)
    }
}

/// What a user's words ask for.
fn parse(text: &str) -> Result<Query, Error> {
    let refused = |why| Error::Query {
        text: text.to_owned(),
        why,
    };
    let lower = text.trim().to_ascii_lowercase();
    if lower.starts_with("urn:") {
        let urn: Urn = text
            .trim()
            .parse()
            .map_err(|_| refused("it is no URN that names a file"))?;
        return Ok(Query::for_urn(urn));
    }
    if lower.starts_with("magnet:") {
        let magnet: Magnet = text
            .trim()
            .parse()
            .map_err(|_| refused("it is no magnet link"))?;
        if let Some(urn) = magnet.topics.first() {
            return Ok(Query::for_urn(*urn));
        }
        let words = magnet.keywords.or(magnet.name).unwrap_or_default();
        return Query::keywords(&words).map_err(|_| refused("it names nothing to search for"));
    }
    Query::keywords(text).map_err(|_| refused("it holds no word of three letters or more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_asked_for_and_answers_sorted() {
        let wish = Wish {
            media: Some(Media::AUDIO),
            least: Some(10),
            most: Some(20),
            ..Wish::new("hazel")
        };
        assert_eq!(wish.query().unwrap().media(), Some(Media::AUDIO));
        let takes = |name: &str, size| wish.takes(&Record::new(1, size, name, None, None));
        assert!(takes("hazel.ogg", 10) && takes("hazel.mp3", 20));
        assert!(!takes("hazel.txt", 15) && !takes("hazel.ogg", 9) && !takes("hazel.ogg", 21));
        assert_eq!(Wish::new("hazel").query().unwrap().media(), None);
        let urn = "urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";
        let content = Wish {
            media: Some(Media::AUDIO),
            ..Wish::new(urn)
        };
        assert_eq!(content.query().unwrap().media(), None);
    }
}
