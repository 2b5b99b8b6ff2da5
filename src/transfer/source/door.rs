//! Where a source is asked, and by which words: at its own place, or where it sends us (protocol
//! §10.4). Such a word is followed once, by HTTP only, and never from elsewhere into a network that
//! is nobody else's. Pure.

use std::net::{IpAddr, SocketAddr};

use crate::transfer::mesh::is_somewhere;
use crate::transfer::slots::is_private;
use crate::transfer::web_seed::WebSeed;
use crate::wire::urn::Sha1;

/// Characters of a path that is followed.
const LONGEST_PATH: usize = 1_024;
/// The port of an address that names none.
const PORT: u16 = 80;

/// Where a source is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    /// What it is called in `Host`.
    pub(super) host: String,
    /// The path of the file.
    pub(super) path: String,
    /// Whether the source sent us here.
    pub(super) moved: bool,
    /// Whether a web server is asked, which knows nothing of Gnutella.
    pub(super) web: bool,
}

impl Door {
    /// The place of a servent.
    pub(super) fn of(address: SocketAddr, sha1: Sha1) -> Self {
        Self {
            address,
            host: address.to_string(),
            path: format!("/uri-res/N2R?urn:sha1:{sha1}"),
            moved: false,
            web: false,
        }
    }

    /// The place of a file on a web server.
    pub(super) fn of_seed(address: SocketAddr, seed: &WebSeed) -> Self {
        Self {
            address,
            host: seed.authority(),
            path: seed.path().to_owned(),
            moved: false,
            web: true,
        }
    }

    /// The server that a web server sends us to by its name, if it does.
    pub(super) fn names(&self, location: &str) -> Option<WebSeed> {
        let seed: WebSeed = location.parse().ok()?;
        (self.web && !self.moved && seed.literal().is_none()).then_some(seed)
    }

    /// That server, which is at `address`, if we go there.
    pub(super) fn go_on(&self, address: SocketAddr, seed: &WebSeed) -> Option<Self> {
        let allowed = is_near(self.address) || !is_near(address);
        (allowed && is_somewhere(address)).then(|| Self {
            moved: true,
            ..Self::of_seed(address, seed)
        })
    }

    /// Where `location` leads from here, if we go there.
    pub(super) fn follow(&self, location: &str) -> Option<Self> {
        let location = location.trim();
        let location = location.split_once('#').map_or(location, |(url, _)| url);
        let (address, host, path) = match location.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => (self.address, self.host.clone(), location),
            _ => {
                let (scheme, rest) = location.split_once("://")?;
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (host, path) = rest.split_at(end);
                let http = scheme.eq_ignore_ascii_case("http");
                let address = literal(host).filter(|_| http)?;
                (address, host.to_owned(), path)
            }
        };
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        let allowed = is_near(self.address) || !is_near(address);
        let fit = !self.moved && plain && path.len() <= LONGEST_PATH;
        (fit && allowed && is_somewhere(address)).then(|| Self {
            address,
            host,
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            },
            moved: true,
            web: self.web,
        })
    }
}

/// An address in numbers, with its port or without.
fn literal(host: &str) -> Option<SocketAddr> {
    let bare = || {
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let ip = inner.unwrap_or(host).parse::<IpAddr>().ok()?;
        Some(SocketAddr::new(ip, PORT))
    };
    host.parse().ok().or_else(bare)
}

fn is_near(address: SocketAddr) -> bool {
    is_private(address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(address: &str) -> Door {
        Door::of(address.parse().unwrap(), Sha1::from_bytes([1; 20]))
    }

    fn led(from: &str, location: &str) -> Option<(String, String)> {
        let led = door(from).follow(location)?;
        assert!(led.moved);
        Some((led.address.to_string(), led.path))
    }

    #[test]
    fn a_path_is_on_the_same_servent_and_an_address_on_another() {
        let to = |address: &str, path: &str| Some((address.to_owned(), path.to_owned()));
        let near = "1.2.3.4:5";
        assert_eq!(led(near, "/get/1/a%20b"), to(near, "/get/1/a%20b"));
        assert_eq!(
            led(near, " HTTP://5.6.7.8:9/x?y#z"),
            to("5.6.7.8:9", "/x?y")
        );
        assert_eq!(led(near, "http://5.6.7.8"), to("5.6.7.8:80", "/"));
        assert_eq!(led(near, "http://5.6.7.8?x"), to("5.6.7.8:80", "/?x"));
        assert_eq!(
            led(near, "http://[2001:db8::1]/"),
            to("[2001:db8::1]:80", "/")
        );
    }

    #[test]
    fn other_schemes_names_and_odd_places_are_not_followed() {
        for location in [
            "",
            "x",
            "//5.6.7.8/x",
            "https://5.6.7.8/x",
            "file:///etc/passwd",
            "ftp://5.6.7.8/x",
            "http://somewhere.example/x",
            "http://me@5.6.7.8/x",
            "http://0.0.0.0/x",
            "http://224.0.0.1/x",
            "http://5.6.7.8:0/x",
            "/a b",
            "/\u{e9}",
            &format!("/{}", "x".repeat(2_000)),
        ] {
            assert_eq!(led("1.2.3.4:5", location), None, "{location}");
        }
    }

    #[test]
    fn nobody_sends_us_into_a_private_network_and_nobody_twice() {
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1:80",
            "[::1]",
            "[::ffff:10.0.0.1]",
        ] {
            let location = format!("http://{inside}/x");
            assert_eq!(led("1.2.3.4:5", &location), None, "{inside}");
            assert!(led("10.0.0.9:5", &location).is_some(), "{inside}");
        }
        let moved = door("1.2.3.4:5").follow("/x").unwrap();
        assert_eq!(moved.follow("/y"), None);
    }
}
