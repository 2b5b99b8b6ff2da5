//! What servents tell each other in headers beside the bytes: who else has the file, which part of
//! it they have, where its tree is, which place they keep in their queue (protocol §10.5-10.7,
//! §11.4). Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;
use std::time::Duration;

use crate::net::http::HeaderMap;
use crate::net::sniff::is_place;
use crate::swarm::download::QueuePlace;
use crate::wire::urn::TigerRoot;

/// Alternates taken from one answer (protocol §10.6).
const MOST_ALTERNATES: usize = 20;
/// Push proxies taken from one answer.
const MOST_PROXIES: usize = 4;
/// Ranges taken from one answer.
const MOST_RANGES: usize = 1_024;
/// The port of an address that names none.
const PORT: u16 = 6346;

/// A place in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1, if it was told, and how many wait.
    pub(super) place: QueuePlace,
    /// When to ask again at the earliest, if it was told.
    pub(super) poll: Option<Duration>,
    /// The number by which the newer scheme knows the place.
    pub(super) id: Option<String>,
}

/// The place that a busy answer keeps for us: of the older scheme (`X-Queue`) or the newer
/// (`X-Queued`), of which the version alone is no place.
pub(super) fn place_in_queue(headers: &HeaderMap) -> Option<Place> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let text = value("x-queued").or_else(|| value("x-queue"))?;
    let mut place = Place::default();
    let mut found = false;
    for item in text.split([',', ';']) {
        let Some((name, value)) = item.split_once('=') else {
            continue;
        };
        let number = value.trim().parse::<u32>().ok();
        match name.trim().to_ascii_lowercase().as_str() {
            "position" => (place.place.position, found) = (number, true),
            "length" => place.place.length = number,
            "pollmin" => {
                // A moment later than the earliest, which a clock may see too early.
                place.poll = number.map(|seconds| Duration::from_secs(u64::from(seconds) + 1));
                found = true;
            }
            "id" => (place.id, found) = (ticket(value), true),
            _ => {}
        }
    }
    found.then_some(place)
}

/// The number of a place, as it is sent back: nothing in it may end the header's item.
fn ticket(value: &str) -> Option<String> {
    let id = value.trim().trim_matches('"');
    is_place(id).then(|| id.to_owned())
}

/// Which bytes a partial source of a file of `size` bytes says it has; nothing where it says
/// nothing, and so has all.
pub(super) fn available(headers: &HeaderMap, size: u64) -> Option<Vec<Range<u64>>> {
    let text = headers.get("x-available-ranges")?.to_str().ok()?;
    let text = text.trim();
    let ranges = text.strip_prefix("bytes").unwrap_or(text);
    let ranges = ranges
        .trim_start_matches(['=', ' '])
        .split(',')
        .take(MOST_RANGES);
    let range = |range: &str| {
        let (first, last) = range.trim().split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && first < size).then(|| first..last.saturating_add(1).min(size))
    };
    Some(ranges.filter_map(range).collect())
}

/// Who hands on pushes to the servent that answers, as it says (protocol §6.6): nothing where it says
/// nothing. The names are of several ages.
pub(super) fn push_proxies(headers: &HeaderMap) -> Vec<SocketAddrV4> {
    let names = ["x-push-proxy", "x-push-proxies", "x-pushproxies"];
    let all = names.iter().flat_map(|name| alternates(headers, name));
    let ipv4 = all.filter_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    ipv4.take(MOST_PROXIES).collect()
}

/// The addresses in the headers `name`: in `X-Alt` who else has the file, in `X-NAlt` who failed.
pub(super) fn alternates(headers: &HeaderMap, name: &str) -> Vec<SocketAddr> {
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let items = texts.flat_map(|text| text.split(','));
    items
        .filter_map(|item| alternate(item.trim()))
        .take(MOST_ALTERNATES)
        .collect()
}

fn alternate(item: &str) -> Option<SocketAddr> {
    let bare = || {
        item.parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, PORT))
    };
    let address = item.parse::<SocketAddr>().ok().or_else(bare)?;
    is_somewhere(address).then_some(address)
}

/// Whether somebody could be at an address.
pub(super) fn is_somewhere(address: SocketAddr) -> bool {
    let ip = address.ip();
    let nowhere = ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST;
    !nowhere && address.port() != 0
}

/// Where the tree is, and its root: `<path>;<root>`.
pub(super) fn tree_at(value: &str) -> Option<(String, TigerRoot)> {
    let (path, root) = value.split_once(';')?;
    let (path, root) = (path.trim(), root.trim().parse().ok()?);
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    (path.starts_with('/') && plain && path.len() <= 1_024).then(|| (path.to_owned(), root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::{HeaderName, HeaderValue};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(value).unwrap();
        headers.append(HeaderName::from_static(name), value);
        headers
    }

    #[test]
    fn places_of_both_schemes() {
        let place = |name, value: &str| {
            let place = place_in_queue(&headers(name, value))?;
            let QueuePlace { position, length } = place.place;
            Some((position, length, place.poll.map(|poll| poll.as_secs())))
        };
        let old = "position=2,length=5,limit=4,pollMin=45,pollMax=120";
        assert_eq!(place("x-queue", old), Some((Some(2), Some(5), Some(46))));
        assert_eq!(place("x-queue", "pollMin=10"), Some((None, None, Some(11))));
        let new = "position=14; length=4300; ETA=2100; lifetime=350; ID=0123456789abcdef";
        assert_eq!(place("x-queued", new), Some((Some(14), Some(4_300), None)));
        assert_eq!(place("x-queue", "1.0"), None);
        assert_eq!(
            place("x-queue", "position=99999999999"),
            Some((None, None, None))
        );
    }

    #[test]
    fn the_number_of_a_place_is_plain() {
        let id = |value: &str| place_in_queue(&headers("x-queued", value)).unwrap().id;
        assert_eq!(
            id("position=1; ID=0123456789ABCDEF").as_deref(),
            Some("0123456789ABCDEF")
        );
        assert_eq!(id("id=\"ab-1\"; position=1").as_deref(), Some("ab-1"));
        for wrong in ["", "a b", "a:b", &"f".repeat(65)] {
            assert_eq!(id(&format!("position=1; ID={wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn ranges_that_make_sense_are_taken() {
        let ranges = |value: &str| available(&headers("x-available-ranges", value), 100).unwrap();
        assert_eq!(ranges("bytes 0-9, 20-29"), [0..10, 20..30]);
        assert_eq!(
            ranges("bytes=90-1000,9-1,x-y,200-300,-5,1-1"),
            [90..100, 1..2]
        );
        assert_eq!(ranges("bytes").len(), 0);
        assert_eq!(available(&HeaderMap::new(), 100), None);
        let endless = format!("bytes {}", "0-1,".repeat(5_000));
        assert_eq!(ranges(&endless).len(), MOST_RANGES);
    }

    #[test]
    fn alternates_are_addresses_somebody_could_be_at() {
        let text =
            "tls=8, 1.2.3.4, 1.2.3.4:99,[2001:db8::1]:7, 0.0.0.0:1, 224.0.0.1:1, 1.2.3.4:0, x";
        let found: Vec<String> = alternates(&headers("x-alt", text), "x-alt")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["1.2.3.4:6346", "1.2.3.4:99", "[2001:db8::1]:7"]);
        let endless = "1.2.3.4,".repeat(2_000);
        assert_eq!(
            alternates(&headers("x-alt", &endless), "x-alt").len(),
            MOST_ALTERNATES
        );
    }

    #[test]
    fn push_proxies_go_by_several_names() {
        for name in ["x-push-proxy", "x-push-proxies", "x-pushproxies"] {
            let found = push_proxies(&headers(name, "1.2.3.4:5, [::1]:6, 0.0.0.0:1,7.8.9.1:2"));
            let expected = ["1.2.3.4:5", "7.8.9.1:2"].map(|text| text.parse().unwrap());
            assert_eq!(found, expected, "{name}");
        }
        let endless = "1.2.3.4:5,".repeat(1_000);
        let found = push_proxies(&headers("x-push-proxy", &endless));
        assert_eq!(found.len(), MOST_PROXIES);
        assert_eq!(push_proxies(&HeaderMap::new()), []);
    }

    #[test]
    fn a_tree_is_somewhere_on_the_same_servent() {
        let root = "LLTYMD44GDGDDDRGZIPI7D34UE64AZVR6SWL2IQ";
        let (path, found) = tree_at(&format!("/uri-res/N2X?urn:sha1:X; {root}")).unwrap();
        assert_eq!(
            (path.as_str(), found.to_string().as_str()),
            ("/uri-res/N2X?urn:sha1:X", root)
        );
        for wrong in ["", "/x", "x;", "http://elsewhere/x;", "/a b;"] {
            assert_eq!(tree_at(&format!("{wrong}{root}")), None, "{wrong}");
        }
    }
}
