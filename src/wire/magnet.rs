//! Magnet links: a content or a search as a text to pass on (protocol §11.5).

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Error;
use super::urn::{Sha1, TigerRoot, Urn};

const SCHEME: &str = "magnet:?";

/// What stands for itself in a value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/');

/// A content, by its hashes, or a search, by its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Magnet {
    /// `xt`: what the content is. Topics of other networks are left out.
    pub topics: Vec<Urn>,
    /// `dn`: what to call it.
    pub name: Option<String>,
    /// `xl`: its size in bytes.
    pub length: Option<u64>,
    /// `xs`: where it is.
    pub exact_sources: Vec<String>,
    /// `as`: where it may be, too.
    pub acceptable_sources: Vec<String>,
    /// `kt`: words to search for.
    pub keywords: Option<String>,
}

impl Magnet {
    /// The SHA-1 of the content.
    #[must_use]
    pub fn sha1(&self) -> Option<Sha1> {
        self.topics.iter().find_map(Urn::sha1)
    }

    /// The Tiger root of the content.
    #[must_use]
    pub fn tiger_root(&self) -> Option<TigerRoot> {
        self.topics.iter().find_map(Urn::tiger_root)
    }

    /// The words to search for where no content is named: the keywords, or else the name.
    #[must_use]
    pub fn search_text(&self) -> Option<&str> {
        self.keywords.as_deref().or(self.name.as_deref())
    }

    /// Where it says that the content is, the surest first.
    pub fn web_sources(&self) -> impl Iterator<Item = &str> + Clone {
        let all = self.exact_sources.iter().chain(&self.acceptable_sources);
        all.map(String::as_str)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), &'static str> {
        match key {
            "xt" => self.topics.extend(topic(&value)?),
            "dn" if self.name.is_none() => self.name = Some(value),
            "xl" if self.length.is_none() => self.length = value.trim().parse().ok(),
            "xs" => self.exact_sources.push(value),
            "as" => self.acceptable_sources.push(value),
            "kt" if self.keywords.is_none() => self.keywords = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.exact_sources.is_empty() && self.search_text().is_none()
    }
}

impl FromStr for Magnet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parameters = text
            .split_at_checked(SCHEME.len())
            .and_then(|(scheme, rest)| scheme.eq_ignore_ascii_case(SCHEME).then_some(rest))
            .ok_or(Error::new(0, "a magnet starts with \"magnet:?\""))?;
        let mut magnet = Self::default();
        let mut at = SCHEME.len();
        for parameter in parameters.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // "xt.1" is one more "xt"; "x.guid" and the like are nobody's but their maker's.
            let (key, _) = key.split_once('.').unwrap_or((key, ""));
            let value = unescape(value);
            if !value.is_empty() {
                let key = key.to_ascii_lowercase();
                magnet
                    .set(&key, value)
                    .map_err(|what| Error::new(at, what))?;
            }
            at += parameter.len() + 1;
        }
        if magnet.is_empty() {
            return Err(Error::new(
                SCHEME.len(),
                "a magnet without anything to look for",
            ));
        }
        Ok(magnet)
    }
}

impl Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics = self.topics.iter().map(|urn| ("xt", urn.to_string()));
        let name = self.name.iter().map(|name| ("dn", name.clone()));
        let length = self.length.iter().map(|length| ("xl", length.to_string()));
        let exact = self
            .exact_sources
            .iter()
            .map(|source| ("xs", source.clone()));
        let acceptable = self
            .acceptable_sources
            .iter()
            .map(|source| ("as", source.clone()));
        let keywords = self.keywords.iter().map(|words| ("kt", words.clone()));
        let all = topics
            .chain(name)
            .chain(length)
            .chain(exact)
            .chain(acceptable)
            .chain(keywords);
        f.write_str(SCHEME)?;
        for (position, (key, value)) in all.enumerate() {
            if position > 0 {
                f.write_char('&')?;
            }
            write!(f, "{key}={}", utf8_percent_encode(&value, ESCAPED))?;
        }
        Ok(())
    }
}

fn unescape(value: &str) -> String {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The topic, none when it is of another network. A SHA-1 may be in hexadecimal here.
fn topic(value: &str) -> Result<Option<Urn>, &'static str> {
    match value.parse() {
        Ok(urn) => Ok(Some(urn)),
        Err(error) => match value.get(..9) {
            Some(space) if space.eq_ignore_ascii_case("urn:sha1:") => {
                hex_sha1(&value[9..]).map(Some).ok_or(error.what)
            }
            _ if error.offset == 0 => Ok(None),
            _ => Err(error.what),
        },
    }
}

fn hex_sha1(digest: &str) -> Option<Urn> {
    let mut bytes = [0; 20];
    (digest.len() == 40).then_some(())?;
    HEXLOWER_PERMISSIVE
        .decode_mut(digest.as_bytes(), &mut bytes)
        .ok()?;
    Some(Urn::Sha1(Sha1::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA1: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";

    #[test]
    fn magnets_of_the_wild_are_read() {
        let magnet: Magnet = format!(
            "MAGNET:?xt.1=urn:sha1:{SHA1}&xt.2=urn%3Abtih%3Aabc&DN=Hello+big%20w%C3%B6rld.txt&xl=11\
             &xs=http://192.0.2.10:6346/uri-res/N2R?urn:sha1:{SHA1}\
             &as=http%3A%2F%2Fa%2F%3Fx%26y&x.guid=7&mt&&"
        )
        .parse()
        .unwrap();
        assert_eq!(magnet.sha1().unwrap().to_string(), SHA1);
        assert_eq!(magnet.topics.len(), 1);
        assert_eq!(magnet.name.as_deref(), Some("Hello big wörld.txt"));
        assert_eq!(magnet.length, Some(11));
        assert!(magnet.exact_sources[0].ends_with(SHA1));
        assert_eq!(magnet.acceptable_sources, ["http://a/?x&y"]);
        let hex = "magnet:?xt=urn:sha1:2aae6c35c94fcfb415dbe95f408b9ce91ee846ed";
        assert_eq!(hex.parse::<Magnet>().unwrap().sha1(), magnet.sha1());
    }

    #[test]
    fn a_magnet_may_be_a_search() {
        let magnet: Magnet = "magnet:?kt=linux+iso".parse().unwrap();
        assert_eq!(magnet.search_text(), Some("linux iso"));
        let magnet: Magnet = "magnet:?dn=linux".parse().unwrap();
        assert_eq!(magnet.search_text(), Some("linux"));
    }

    #[test]
    fn what_is_no_magnet_is_refused() {
        for text in [
            "",
            "magnet:",
            "http://a/",
            "magnet:?",
            "magnet:?xl=5",
            "magnet:?xt=urn:btih:ab",
        ] {
            assert!(text.parse::<Magnet>().is_err(), "{text}");
        }
        let error = "magnet:?dn=a&xt=urn:sha1:SHORT"
            .parse::<Magnet>()
            .unwrap_err();
        assert_eq!(error.offset, 13);
        assert!(
            format!("magnet:?xt=urn:bitprint:{SHA1}.SHORT")
                .parse::<Magnet>()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn text_and_values_are_inverse(
            sha1 in any::<[u8; 20]>(),
            root in any::<[u8; 24]>(),
            name in proptest::option::of(".{1,20}"),
            length in any::<Option<u64>>(),
            exact_sources in proptest::collection::vec(".{1,30}", 0..3),
            acceptable_sources in proptest::collection::vec("[ -~]{1,30}", 0..3),
            keywords in proptest::option::of("\\PC{1,20}"),
        ) {
            let (sha1, root) = (Sha1::from_bytes(sha1), TigerRoot::from_bytes(root));
            let topics = vec![Urn::Bitprint(sha1, root), Urn::Sha1(sha1), Urn::TigerTree(root)];
            let magnet = Magnet {
                topics,
                name,
                length,
                exact_sources,
                acceptable_sources,
                keywords,
            };
            prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
        }

        #[test]
        fn no_text_panics(text in "(magnet:\\?)?((xt|dn|xl|xs)(\\.1)?=.{0,20}&){0,4}") {
            let _ = text.parse::<Magnet>();
        }
    }
}
