//! What a user may name to be fetched.

use super::{Code, Error};
use crate::node::Target;
use crate::wire::magnet::Magnet;
use crate::wire::urn::Urn;

/// Reads the number of a result, a magnet link, a `urn:…`, or the address of a file on a servent,
/// `http://HOST:PORT/uri-res/N2R?urn:…`.
///
/// # Errors
/// When it is none of these, or names no SHA-1 by which to verify what comes.
pub fn parse_target(text: &str) -> Result<Target, Error> {
    let text = text.trim();
    read_target(text).map_err(|why| Error::new(Code::BadRequest, format!("\"{text}\" {why}")))
}

/// The same of a text without blanks around it.
///
/// # Errors
/// In words that follow the text, or "it".
pub(crate) fn read_target(text: &str) -> Result<Target, String> {
    let target = if let Ok(number) = text.parse() {
        Target::Number(number)
    } else if begins(text, "magnet:") {
        Target::Magnet(magnet(text)?)
    } else if begins(text, "urn:") {
        Target::Urn(urn(text)?)
    } else if begins(text, "http://") {
        Target::Magnet(from_url(text)?)
    } else {
        let why = "is no number of a result, magnet link, urn:… or http://…/uri-res/N2R?urn:…";
        return Err(why.to_owned());
    };
    let verifiable = match &target {
        Target::Number(_) => true,
        Target::Urn(urn) => urn.sha1().is_some(),
        Target::Magnet(magnet) => magnet.topics.iter().any(|topic| topic.sha1().is_some()),
    };
    if verifiable {
        Ok(target)
    } else {
        Err("names no SHA-1 by which to verify the file".to_owned())
    }
}

fn magnet(text: &str) -> Result<Magnet, String> {
    let torrent = || {
        let lower = text.to_ascii_lowercase();
        // Its first and its second version.
        let names = ["urn:btih:", "urn%3abtih%3a", "urn:btmh:", "urn%3abtmh%3a"];
        names.iter().any(|name| lower.contains(name))
    };
    match text.parse::<Magnet>() {
        Ok(magnet) if magnet.sha1().is_some() || !torrent() => Ok(magnet),
        Err(error) if !torrent() => Err(format!("is no magnet link: {error}")),
        _ => {
            let why =
                "is a link for BitTorrent only: it names no SHA-1, by which Gnutella finds files";
            Err(why.to_owned())
        }
    }
}

fn from_url(text: &str) -> Result<Magnet, String> {
    let path = text["http://".len()..].split_once('/');
    let named = path.and_then(|(_, path)| path.split_once('?'));
    let Some((_, name)) = named.filter(|(path, _)| path.eq_ignore_ascii_case("uri-res/N2R")) else {
        let why = "names no file by its hash: http://HOST:PORT/uri-res/N2R?urn:sha1:… would";
        return Err(why.to_owned());
    };
    Ok(Magnet {
        topics: vec![urn(name)?],
        name: None,
        length: None,
        exact_sources: vec![text.to_owned()],
        acceptable_sources: Vec::new(),
        keywords: None,
    })
}

fn urn(name: &str) -> Result<Urn, String> {
    name.parse()
        .map_err(|error| format!("has no URN that names a file: {error}"))
}

fn begins(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";

    #[test]
    fn every_form_is_read() {
        assert!(matches!(parse_target(" 12 "), Ok(Target::Number(12))));
        for text in [
            format!("URN:sha1:{SHA1}"),
            format!("magnet:?xt=urn:sha1:{SHA1}&dn=hello"),
            format!("http://127.0.0.1:6346/uri-res/N2R?urn:sha1:{SHA1}"),
        ] {
            let sha1 = match parse_target(&text).unwrap() {
                Target::Urn(urn) => urn.sha1(),
                Target::Magnet(magnet) => magnet.topics[0].sha1(),
                Target::Number(_) => None,
            };
            assert_eq!(sha1.unwrap().to_string(), SHA1, "{text}");
        }
    }

    #[test]
    fn a_url_keeps_its_address() {
        let url = format!("http://127.0.0.1:6346/uri-res/N2R?urn:sha1:{SHA1}");
        let Ok(Target::Magnet(magnet)) = parse_target(&url) else {
            panic!("{url} is a target");
        };
        assert_eq!(magnet.exact_sources, [url]);
    }

    #[test]
    fn a_link_of_bittorrent_alone_is_told_so_and_one_of_both_is_taken() {
        let hash = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
        for text in [
            format!("magnet:?xt=urn:btih:{hash}"),
            format!("magnet:?xt=urn%3Abtih%3A{hash}&dn=hello"),
            format!("magnet:?xt=urn:btmh:1220{hash}"),
        ] {
            let error = parse_target(&text).map(|_| ()).unwrap_err();
            assert!(error.message.contains("BitTorrent only"), "{error}");
        }
        let both = format!("magnet:?xt.1=urn:btih:{hash}&xt.2=urn:sha1:{SHA1}");
        assert!(matches!(parse_target(&both), Ok(Target::Magnet(_))));
    }

    #[test]
    fn what_cannot_be_verified_is_refused() {
        for text in [
            "",
            "-1",
            "hello.txt",
            "é",
            "urn:sha1:short",
            "magnet:?dn=hello",
            "http://127.0.0.1/",
            "http://127.0.0.1/get/1/hello.txt",
            "urn:tree:tiger:LWPNACQDBZRYXW3VHJVCJ64QBZNGHOHHHZWCLNQ",
        ] {
            let error = parse_target(text).map(|_| ()).unwrap_err();
            assert_eq!(error.code, Code::BadRequest, "{text}");
        }
    }
}
