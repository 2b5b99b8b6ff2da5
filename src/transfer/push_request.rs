//! What a request for a push asks for (protocol §6.4). Pure: who is to be pushed, and where it is
//! to connect to.

use std::net::SocketAddrV4;

use percent_encoding::percent_decode_str;

use crate::net::http::HeaderMap;
use crate::wire::Guid;

/// The paths under which servents hand on pushes.
const PATHS: [&str; 3] = [
    "/gnutella/push-proxy",
    "/gnutella/pushproxy",
    "/gnet/push-proxy",
];

/// Somebody wants a servent pushed that cannot be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushRequest {
    /// The servent to push.
    pub servent: Guid,
    /// Where it is to connect to.
    pub to: SocketAddrV4,
    /// The number of the file wanted; 0 for any.
    pub index: u32,
    /// Whether it is to connect with TLS.
    pub tls: bool,
}

/// What is missing in a request for a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No servent is named, or not by its GUID.
    #[error("no servent is named by ServerId (base32) or guid (hexadecimal)")]
    Servent,
    /// No address is given.
    #[error("X-Node does not say where to connect to, IP:PORT")]
    Address,
    /// The number of the file is none.
    #[error("file is not a number")]
    Index,
}

/// What a request asks for, if it is one for a push.
pub fn push_request(
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Option<Result<PushRequest, Malformed>> {
    let asked = PATHS.iter().any(|known| path.eq_ignore_ascii_case(known));
    asked.then(|| read(query.unwrap_or_default(), headers))
}

fn read(query: &str, headers: &HeaderMap) -> Result<PushRequest, Malformed> {
    let (mut servent, mut index, mut tls) = (None, 0, false);
    for (name, value) in form(query) {
        match name.to_ascii_lowercase().as_str() {
            "serverid" | "guid" => servent = guid(&value).or(servent),
            "file" => index = value.parse().map_err(|_| Malformed::Index)?,
            "tls" => tls = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }
    let node = headers.get("x-node").and_then(|node| node.to_str().ok());
    let to: Option<SocketAddrV4> = node.and_then(|node| node.trim().parse().ok());
    Ok(PushRequest {
        servent: servent.ok_or(Malformed::Servent)?,
        to: to.ok_or(Malformed::Address)?,
        index,
        tls,
    })
}

/// The names and values of a query, without their escapes.
fn form(query: &str) -> impl Iterator<Item = (&str, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| {
        let value = percent_decode_str(value).decode_utf8_lossy();
        (name, value.into_owned())
    })
}

/// A GUID in either spelling, under whichever name it comes.
fn guid(text: &str) -> Option<Guid> {
    Guid::from_base32(text).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE32: &str = "CAIREEYUCULBOGAZDINRYHI6D4";
    const HEX: &str = "101112131415161718191a1b1c1d1e1f";

    fn ask(target: &str, node: Option<&str>) -> Option<Result<PushRequest, Malformed>> {
        let mut headers = HeaderMap::new();
        if let Some(node) = node {
            headers.insert("x-node", node.parse().unwrap());
        }
        match target.split_once('?') {
            Some((path, query)) => push_request(path, Some(query), &headers),
            None => push_request(target, None, &headers),
        }
    }

    #[test]
    fn every_spelling_names_the_servent() {
        let plain = PushRequest {
            servent: HEX.parse().unwrap(),
            to: "192.0.2.1:6346".parse().unwrap(),
            index: 0,
            tls: false,
        };
        for target in [
            format!("/gnutella/push-proxy?ServerId={BASE32}"),
            format!("/gnutella/push-proxy?ServerID={}", BASE32.to_lowercase()),
            format!("/gnutella/pushproxy?serverid={BASE32}======"),
            format!("/gnutella/push-proxy?ServerId={BASE32}%3D%3D%3D%3D%3D%3D"),
            format!("/gnet/push-proxy?guid={HEX}"),
            format!("/gnet/push-proxy?guid={}&x=1&y", HEX.to_uppercase()),
        ] {
            let asked = ask(&target, Some("192.0.2.1:6346"));
            assert_eq!(asked, Some(Ok(plain)), "{target}");
        }
        let more = format!("/gnet/push-proxy?guid={HEX}&file=7&tls=true");
        let asked = ask(&more, Some(" 192.0.2.1:6346 "));
        let (index, tls) = (7, true);
        assert_eq!(
            asked,
            Some(Ok(PushRequest {
                index,
                tls,
                ..plain
            }))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let node = Some("192.0.2.1:6346");
        let whole = format!("/gnet/push-proxy?guid={HEX}");
        for (target, node, missing) in [
            ("/gnet/push-proxy", node, Malformed::Servent),
            ("/gnet/push-proxy?guid=abc", node, Malformed::Servent),
            (&whole, None, Malformed::Address),
            (&whole, Some("192.0.2.1"), Malformed::Address),
            (&whole, Some("[::1]:6346"), Malformed::Address),
            (&format!("{whole}&file=-1"), node, Malformed::Index),
        ] {
            assert_eq!(ask(target, node), Some(Err(missing)), "{target}");
        }
        assert_eq!(ask("/uri-res/N2R?urn:sha1:x", node), None);
        assert_eq!(ask("/gnet/push-proxy/x", node), None);
    }

    proptest! {
        #[test]
        fn no_request_panics(query in ".{0,60}", node in "[ -~]{0,30}") {
            let _asked = ask(&format!("/gnet/push-proxy?{query}"), Some(&node));
        }
    }
}
