//! What a request for a file asks for. Pure: it names a file by hash or by number, never by path.

use percent_encoding::percent_decode_str;

use crate::wire::urn::{Sha1, Urn};

/// A file, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// By its contents: `/uri-res/N2R?urn:…`.
    Hash(Sha1),
    /// The tree of a file, by the file's contents: `/uri-res/N2X?urn:…`.
    Tree(Sha1),
    /// By the number and name of a query hit: `/get/<index>/<name>`.
    Number {
        /// The index of the hit.
        index: u32,
        /// The name of the hit.
        name: String,
    },
}

/// Why a request names no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// A form that is known, but broken.
    Malformed(&'static str),
    /// No form that is served here.
    Unknown,
}

/// The file that `path` and `query` of a request's URI ask for, in any case and with any escapes.
pub(super) fn wanted(path: &str, query: Option<&str>) -> Result<Wanted, Unnamed> {
    let path = unescaped(path);
    for (service, wanted) in [
        ("/uri-res/N2R", Wanted::Hash as fn(Sha1) -> Wanted),
        ("/uri-res/N2X", Wanted::Tree),
    ] {
        if path.eq_ignore_ascii_case(service) {
            let urn = unescaped(query.unwrap_or_default());
            return by_hash(urn.trim()).map(wanted);
        }
    }
    match path.split_at_checked(5) {
        Some((start, rest)) if start.eq_ignore_ascii_case("/get/") => {
            // An unescaped question mark belongs to the name.
            let query = query.map(|query| format!("?{}", unescaped(query)));
            by_number(&format!("{rest}{}", query.unwrap_or_default()))
        }
        _ => Err(Unnamed::Unknown),
    }
}

fn by_hash(urn: &str) -> Result<Sha1, Unnamed> {
    let malformed = Unnamed::Malformed("the URN is not one of urn:sha1 or urn:bitprint");
    let urn: Urn = urn.parse().map_err(|_| malformed)?;
    urn.sha1().ok_or(malformed)
}

fn by_number(rest: &str) -> Result<Wanted, Unnamed> {
    let malformed = Unnamed::Malformed("not /get/<index>/<name>");
    let (index, name) = rest.split_once('/').ok_or(malformed)?;
    if !index.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed);
    }
    let index = index.parse().map_err(|_| malformed)?;
    // Old servents end the name with a slash.
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        return Err(malformed);
    }
    let name = name.to_owned();
    Ok(Wanted::Number { index, name })
}

fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA1: &str = "LMAGNHCIBVOP7PP2RPN2TFLBCYHS2G3X";
    const TIGER: &str = "4OQY25UN2XHIDQPV5U6BXAZ47INUCYGIBK7LFNI";

    fn ask(target: &str) -> Result<Wanted, Unnamed> {
        match target.split_once('?') {
            Some((path, query)) => wanted(path, Some(query)),
            None => wanted(target, None),
        }
    }

    #[test]
    fn every_form_of_a_hash() {
        let hash = Ok(Wanted::Hash(SHA1.parse().unwrap()));
        for target in [
            format!("/uri-res/N2R?urn:sha1:{SHA1}"),
            format!("/URI-RES/n2r?URN:SHA1:{}", SHA1.to_lowercase()),
            format!("/uri-res/N2R?urn%3Asha1%3a{SHA1}"),
            format!("/uri%2Dres/N2R?urn:bitprint:{SHA1}.{TIGER}"),
        ] {
            assert_eq!(ask(&target), hash, "{target}");
        }
        let tree = ask(&format!("/uri-res/N2X?urn:sha1:{SHA1}"));
        assert_eq!(tree, Ok(Wanted::Tree(SHA1.parse().unwrap())));
    }

    #[test]
    fn broken_hashes_are_malformed() {
        for target in [
            "/uri-res/N2R",
            "/uri-res/N2R?",
            "/uri-res/N2R?urn:sha1:xyz",
            "/uri-res/N2R?urn:md5:abc",
            &format!("/uri-res/N2R?{SHA1}"),
            &format!("/uri-res/N2R?urn:tree:tiger:{TIGER}"),
        ] {
            assert!(
                matches!(ask(target), Err(Unnamed::Malformed(_))),
                "{target}"
            );
        }
    }

    #[test]
    fn numbers_and_names() {
        let number = |index, name: &str| {
            let name = name.to_owned();
            Ok(Wanted::Number { index, name })
        };
        for (target, expected) in [
            ("/get/4/a%20b.txt", number(4, "a b.txt")),
            ("/GET/4/a.txt/", number(4, "a.txt")),
            ("/get/4294967295/%C3%A9t%C3%A9", number(u32::MAX, "été")),
            ("/get/4/what?.txt", number(4, "what?.txt")),
            ("/get/4/../../etc/passwd", number(4, "../../etc/passwd")),
        ] {
            assert_eq!(ask(target), expected, "{target}");
        }
        for target in [
            "/get/4",
            "/get/4/",
            "/get//a",
            "/get/-4/a",
            "/get/+4/a",
            "/get/x/a",
            "/get/4294967296/a",
        ] {
            assert!(
                matches!(ask(target), Err(Unnamed::Malformed(_))),
                "{target}"
            );
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for target in [
            "/",
            "",
            "*",
            "/etc/passwd",
            "/uri-res/N2R/x",
            "/uri-res/N2L?urn:sha1:x",
            "/é",
        ] {
            assert_eq!(ask(target), Err(Unnamed::Unknown), "{target}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(target in ".{0,60}") {
            let _ = ask(&target);
            let _ = ask(&format!("/get/{target}"));
            let _ = ask(&format!("/uri-res/N2R?{target}"));
        }
    }
}
