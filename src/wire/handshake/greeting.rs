//! What a servent says of itself in a handshake (protocol §2.3).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Headers;
use crate::wire::{Error, Guid};

/// The most addresses to try that are taken from one block.
const MAX_TRY: usize = 20;

/// Addresses in one line, which holds them however long they are.
const LISTED: usize = 20;

/// The most neighbours of one kind that are taken from a block for crawlers.
const MAX_TOLD: usize = 500;

/// What descriptors are called in `Accept`, and those of Gnutella 2.
const PACKETS: &str = "application/x-gnutella-packets";
const OTHER_PACKETS: &str = "application/x-gnutella2";

/// What closed networks ask.
const CHALLENGES: [&str; 2] = ["FP-Auth-Challenge", "X-Auth-Challenge"];

/// What the headers of a block mean. What a block leaves open is `None`, `false` or empty; a
/// value that does not parse counts as left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// Its maker and version.
    pub agent: Option<String>,
    /// Whether it is an ultrapeer.
    pub ultrapeer: Option<bool>,
    /// Whether it, an ultrapeer, would rather have another ultrapeer than a leaf.
    pub ultrapeer_needed: Option<bool>,
    /// Where it listens, under any of the names in use.
    pub listen: Option<SocketAddr>,
    /// The address at which it sees the receiver.
    pub remote_ip: Option<IpAddr>,
    /// The largest TTL it takes in a fresh query.
    pub max_ttl: Option<u8>,
    /// How many ultrapeers it connects to.
    pub degree: Option<u32>,
    /// The version of query routing it speaks.
    pub query_routing: Option<Version>,
    /// It takes query routing tables from ultrapeers.
    pub ultrapeer_query_routing: bool,
    /// It does dynamic querying.
    pub dynamic_querying: bool,
    /// It may send a query again with a larger TTL.
    pub ext_probes: bool,
    /// The version of GUESS it speaks.
    pub guess: Option<Version>,
    /// Whether it repeats queries by itself.
    pub requeries: Option<bool>,
    /// It caches pongs.
    pub pong_caching: bool,
    /// It reads GGEP.
    pub ggep: bool,
    /// It reads vendor messages.
    pub vendor_message: bool,
    /// It may be sent a BYE.
    pub bye: bool,
    /// It can inflate what it is sent.
    pub accepts_deflate: bool,
    /// It will deflate what it sends.
    pub sends_deflate: bool,
    /// It takes TLS on its port.
    pub tls: bool,
    /// It is a crawler.
    pub crawler: bool,
    /// Whether it takes the packets of Gnutella, where it says which packets it takes: some speak
    /// Gnutella 2 only.
    pub packets: Option<bool>,
    /// It belongs to a network that asks who one is.
    pub challenges: bool,
    /// Its GUID.
    pub guid: Option<Guid>,
    /// Its neighbours that are ultrapeers, as a crawler is told.
    pub peers: Vec<SocketAddr>,
    /// Its leaves, as a crawler is told.
    pub leaves: Vec<SocketAddr>,
    /// Other servents to try.
    pub try_ultrapeers: Vec<SocketAddr>,
}

impl Greeting {
    /// What the headers mean.
    #[must_use]
    pub fn from_headers(headers: &Headers) -> Self {
        const LISTEN: [&str; 5] = ["Listen-IP", "X-Listen-IP", "X-My-Address", "X-Node", "Node"];
        let has = |name| value::<Version>(headers, name).is_some_and(|version| version > NONE);
        let lists = |name, wanted: &str| {
            headers
                .items(name)
                .any(|item| item.eq_ignore_ascii_case(wanted))
        };
        Self {
            agent: headers.get("User-Agent").map(|agent| agent.into_owned()),
            ultrapeer: truth(headers, "X-Ultrapeer"),
            ultrapeer_needed: truth(headers, "X-Ultrapeer-Needed"),
            listen: LISTEN
                .iter()
                .flat_map(|name| addresses(headers, name))
                .next(),
            remote_ip: headers.items("Remote-IP").find_map(ip),
            max_ttl: value(headers, "X-Max-TTL"),
            degree: value(headers, "X-Degree"),
            query_routing: value(headers, "X-Query-Routing"),
            ultrapeer_query_routing: has("X-Ultrapeer-Query-Routing"),
            dynamic_querying: has("X-Dynamic-Querying"),
            ext_probes: has("X-Ext-Probes"),
            guess: value(headers, "X-Guess"),
            requeries: truth(headers, "X-Requeries"),
            pong_caching: has("Pong-Caching"),
            ggep: has("GGEP"),
            vendor_message: has("Vendor-Message"),
            bye: has("Bye-Packet"),
            accepts_deflate: lists("Accept-Encoding", "deflate"),
            sends_deflate: lists("Content-Encoding", "deflate"),
            tls: lists("X-Features", "tls/1.0"),
            crawler: has("Crawler"),
            packets: match (lists("Accept", PACKETS), lists("Accept", OTHER_PACKETS)) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            },
            challenges: CHALLENGES.iter().any(|name| headers.contains(name)),
            guid: value(headers, "GUID"),
            peers: addresses(headers, "Peers").take(MAX_TOLD).collect(),
            leaves: addresses(headers, "Leaves").take(MAX_TOLD).collect(),
            try_ultrapeers: ["X-Try-Ultrapeers", "X-Try"]
                .iter()
                .flat_map(|name| addresses(headers, name))
                .take(MAX_TRY)
                .collect(),
        }
    }

    /// The headers that say so, in the versions of today and in an order that every servent is
    /// used to.
    #[must_use]
    pub fn to_headers(&self) -> Headers {
        let truth = |value: bool| if value { "True" } else { "False" }.to_owned();
        let version = |version: Option<Version>| version.map(|version| version.to_string());
        let when = |said: bool, value: &str| said.then(|| value.to_owned());
        let headers = [
            ("User-Agent", self.agent.clone()),
            ("Listen-IP", self.listen.map(|address| address.to_string())),
            ("Remote-IP", self.remote_ip.map(|ip| ip.to_string())),
            ("X-Ultrapeer", self.ultrapeer.map(truth)),
            ("X-Ultrapeer-Needed", self.ultrapeer_needed.map(truth)),
            ("X-Query-Routing", version(self.query_routing)),
            (
                "X-Ultrapeer-Query-Routing",
                when(self.ultrapeer_query_routing, "0.1"),
            ),
            ("X-Dynamic-Querying", when(self.dynamic_querying, "0.1")),
            ("X-Ext-Probes", when(self.ext_probes, "0.1")),
            ("X-Guess", version(self.guess)),
            ("X-Degree", self.degree.map(|degree| degree.to_string())),
            ("X-Max-TTL", self.max_ttl.map(|ttl| ttl.to_string())),
            ("X-Requeries", self.requeries.map(truth)),
            ("Pong-Caching", when(self.pong_caching, "0.1")),
            ("GGEP", when(self.ggep, "0.5")),
            ("Vendor-Message", when(self.vendor_message, "0.2")),
            ("Bye-Packet", when(self.bye, "0.1")),
            ("Accept-Encoding", when(self.accepts_deflate, "deflate")),
            ("Content-Encoding", when(self.sends_deflate, "deflate")),
            ("X-Features", when(self.tls, "tls/1.0")),
            ("Crawler", when(self.crawler, "0.1")),
            ("Accept", when(self.packets == Some(true), PACKETS)),
            ("Content-Type", when(self.packets == Some(true), PACKETS)),
            ("GUID", self.guid.map(|guid| guid.to_string())),
        ];
        let lists = [
            ("Peers", &self.peers),
            ("Leaves", &self.leaves),
            ("X-Try-Ultrapeers", &self.try_ultrapeers),
        ];
        let lines = lists.into_iter().flat_map(|(name, addresses)| {
            let lines = addresses.chunks(LISTED);
            lines.map(move |some| {
                let texts: Vec<String> = some.iter().map(SocketAddr::to_string).collect();
                (name, Some(texts.join(",")))
            })
        });
        headers
            .into_iter()
            .chain(lines)
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// A version such as 0.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The number before the dot.
    pub major: u8,
    /// The number behind it.
    pub minor: u8,
}

/// The version of what is not spoken at all.
const NONE: Version = Version { major: 0, minor: 0 };

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |text: &str| text.parse().map_err(|_| Error::new(0, "not a version"));
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

/// The first item of a header, when it parses.
fn value<T: FromStr>(headers: &Headers, name: &str) -> Option<T> {
    headers.items(name).next()?.parse().ok()
}

fn truth(headers: &Headers, name: &str) -> Option<bool> {
    let item = headers.items(name).next()?;
    let is = |word| item.eq_ignore_ascii_case(word);
    if is("true") {
        Some(true)
    } else {
        is("false").then_some(false)
    }
}

/// The addresses in a header, without what some servents write behind them.
fn addresses<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
    headers.items(name).filter_map(|item| {
        let address = item.split([' ', ';', '&']).next()?;
        address
            .parse()
            .ok()
            .filter(|address: &SocketAddr| address.port() != 0)
    })
}

/// An address that may stand in brackets and have a port.
fn ip(item: &str) -> Option<IpAddr> {
    let with_port = || item.parse().ok().map(|address: SocketAddr| address.ip());
    let bare = item
        .strip_prefix('[')
        .and_then(|item| item.strip_suffix(']'))
        .unwrap_or(item);
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(headers: &[(&str, &str)]) -> Greeting {
        Greeting::from_headers(&headers.iter().copied().collect())
    }

    #[test]
    fn spellings_in_use_are_understood() {
        let said = greeting(&[
            ("x-ultrapeer", "TRUE"),
            ("Node", "192.0.2.10:6346"),
            ("Remote-IP", "198.51.100.7:6346"),
            ("X-Query-Routing", "0.2"),
            ("X-Dynamic-Querying", "0.1"),
            ("X-Ext-Probes", "0.0"),
            ("X-Degree", "many"),
            ("Accept-Encoding", "gzip, Deflate"),
            ("X-Features", "browse/1.0, tls/1.0, sflag/0.1"),
            (
                "X-Try-Ultrapeers",
                "192.0.2.1:6346, 192.0.2.2:0,junk, [2001:db8::1]:7,",
            ),
            ("X-Try", "192.0.2.3:6347 TLS"),
        ]);
        let expected = Greeting {
            ultrapeer: Some(true),
            listen: Some("192.0.2.10:6346".parse().unwrap()),
            remote_ip: Some("198.51.100.7".parse().unwrap()),
            query_routing: Some(Version { major: 0, minor: 2 }),
            dynamic_querying: true,
            accepts_deflate: true,
            tls: true,
            try_ultrapeers: ["192.0.2.1:6346", "[2001:db8::1]:7", "192.0.2.3:6347"]
                .map(|address| address.parse().unwrap())
                .to_vec(),
            ..Greeting::default()
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn who_speaks_another_protocol_says_so() {
        for (accept, packets) in [
            ("application/x-gnutella-packets", Some(true)),
            (
                "application/x-gnutella2,application/x-gnutella-packets",
                Some(true),
            ),
            ("application/x-gnutella2", Some(false)),
            ("text/plain", None),
        ] {
            let said = greeting(&[("Accept", accept)]);
            assert_eq!(said.packets, packets, "{accept}");
        }
        assert!(greeting(&[("FP-Auth-Challenge", "abc")]).challenges);
        assert!(!greeting(&[]).challenges);
    }

    #[test]
    fn addresses_come_in_every_shape() {
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:6346"] {
            let said = greeting(&[("Remote-IP", text)]);
            assert_eq!(
                said.remote_ip,
                Some("2001:db8::1".parse().unwrap()),
                "{text}"
            );
        }
        let many = "192.0.2.1:6346,".repeat(100);
        assert_eq!(greeting(&[("X-Try", &many)]).try_ultrapeers.len(), MAX_TRY);
    }

    #[test]
    fn what_is_said_is_heard() {
        let leaf = Greeting {
            agent: Some("Filbert/0.1".to_owned()),
            ultrapeer: Some(false),
            listen: Some("192.0.2.10:6346".parse().unwrap()),
            remote_ip: Some("2001:db8::1".parse().unwrap()),
            max_ttl: Some(3),
            degree: Some(32),
            query_routing: Some(Version { major: 0, minor: 2 }),
            ultrapeer_query_routing: true,
            dynamic_querying: true,
            requeries: Some(false),
            pong_caching: true,
            ggep: true,
            vendor_message: true,
            bye: true,
            accepts_deflate: true,
            tls: true,
            guid: Some(Guid::from_bytes([7; 16])),
            try_ultrapeers: vec!["192.0.2.1:6346".parse().unwrap()],
            ..Greeting::default()
        };
        assert_eq!(Greeting::from_headers(&leaf.to_headers()), leaf);
        assert!(Greeting::default().to_headers().is_empty());
        let all = Greeting {
            ultrapeer_needed: Some(true),
            ext_probes: true,
            guess: Some(Version { major: 0, minor: 2 }),
            sends_deflate: true,
            crawler: true,
            packets: Some(true),
            ..leaf
        };
        assert_eq!(Greeting::from_headers(&all.to_headers()), all);
        assert!(all.to_headers().iter().count() <= 25);
    }
}
