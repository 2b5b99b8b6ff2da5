//! Where a source is asked, and by which words: at its own place, or where it sends us (protocol
//! §10.4). Such a word is followed once, by HTTP only, and never from elsewhere into a network that
//! is nobody else's. Pure.

use std::net::SocketAddr;

use crate::transfer::mesh::is_somewhere;
use crate::transfer::web_seed::WebSeed;
use crate::wire::address::is_private;
use crate::wire::urn::Sha1;

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

    /// The file that `location` names, and where its server is, unless its name has to be looked up:
    /// nothing where we do not go. Only web servers send us to others by name.
    pub(super) fn led(&self, location: &str) -> Option<(WebSeed, Option<SocketAddr>)> {
        let location = location.trim();
        let here = location.starts_with('/') && !location.starts_with("//");
        let seed: WebSeed = match here {
            true => format!("http://{}{location}", self.host).parse(),
            false => location.parse(),
        }
        .ok()?;
        let address = match here {
            true => Some(self.address),
            false => seed.literal(),
        };
        (!self.moved && (self.web || address.is_some())).then_some((seed, address))
    }

    /// The place of that file on a server at `address`, if we go there.
    pub(super) fn follow(&self, seed: &WebSeed, address: SocketAddr) -> Option<Self> {
        let allowed = is_near(self.address) || !is_near(address);
        (allowed && is_somewhere(address)).then(|| Self {
            moved: true,
            web: self.web,
            ..Self::of_seed(address, seed)
        })
    }
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
        let door = door(from);
        let (seed, address) = door.led(location)?;
        let led = door.follow(&seed, address?)?;
        assert!(led.moved && !led.web);
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
            "/a\tb",
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
        let door = door("1.2.3.4:5");
        let (seed, address) = door.led("/x").unwrap();
        let moved = door.follow(&seed, address.unwrap()).unwrap();
        assert_eq!(moved.led("/y"), None);
    }

    #[test]
    fn only_a_web_server_sends_us_to_a_name() {
        let named = "http://a.example/x";
        assert_eq!(door("1.2.3.4:5").led(named), None);
        let seed = "http://b.example:81/y".parse().unwrap();
        let web = Door::of_seed("1.2.3.4:81".parse().unwrap(), &seed);
        let (seed, address) = web.led(named).unwrap();
        assert_eq!((seed.host(), address), ("a.example", None));
        let there = web.follow(&seed, "5.6.7.8:80".parse().unwrap()).unwrap();
        assert!(there.web && there.host == "a.example");
        assert_eq!(web.follow(&seed, "10.0.0.1:80".parse().unwrap()), None);
        // The same server is not looked up again, and keeps its name.
        let (seed, address) = web.led("/z").unwrap();
        assert_eq!(address, Some(web.address));
        assert_eq!(seed.to_string(), "http://b.example:81/z");
    }
}
