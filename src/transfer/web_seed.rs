//! Web servers that have a file: what a link names with `as=` or `xs=` beside servents
//! (protocol §11.5). They know nothing of Gnutella; every tile that comes from them is verified as
//! any other.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use thiserror::Error;

/// Web servers that are asked for one file, at most.
pub const MOST: usize = 16;
/// Characters of the path of a file.
const LONGEST_PATH: usize = 1_024;
/// Characters of the name of a server.
const LONGEST_HOST: usize = 253;
/// The port of a server that names none.
const PORT: u16 = 80;
/// What no path has as it is.
const RAW: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// Why a text does not name a file on a web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is of another scheme.
    #[error("it is not http://")]
    Scheme,
    /// It has no name or number of a server, or one that cannot be.
    #[error("it names no server")]
    Server,
    /// Its path is too long, or has characters that no path has.
    #[error("its path cannot be asked for")]
    Path,
}

/// A file on a web server. Written as its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSeed {
    host: String,
    port: u16,
    path: String,
}

impl WebSeed {
    /// The name or number of the server.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What to ask for: begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the server is called in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match (self.host.contains(':'), self.port) {
            (false, PORT) => self.host.clone(),
            (true, PORT) => format!("[{}]", self.host),
            (false, port) => format!("{}:{port}", self.host),
            (true, port) => format!("[{}]:{port}", self.host),
        }
    }

    /// Where it is, if it is named by a number.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl FromStr for WebSeed {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        let url = text.split_once('#').map_or(text, |(url, _)| url);
        let (scheme, rest) = url.split_once("://").ok_or(Unfit::Scheme)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(Unfit::Scheme);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (server, path) = rest.split_at(end);
        let (host, port) = named(server).ok_or(Unfit::Server)?;
        // What people copy has its spaces and accents as they are.
        let path = utf8_percent_encode(path, RAW).to_string();
        if path.len() > LONGEST_PATH || url.contains(char::is_control) {
            return Err(Unfit::Path);
        }
        let path = match path.starts_with('/') {
            true => path,
            false => format!("/{path}"),
        };
        Ok(Self { host, port, path })
    }
}

impl Display for WebSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

/// The server and the port in `HOST`, `HOST:PORT`, `[ADDRESS]` and `[ADDRESS]:PORT`.
fn named(server: &str) -> Option<(String, u16)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            ip.parse::<std::net::Ipv6Addr>().ok()?;
            (
                ip,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some("")),
            )
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, Some("")),
        },
    };
    let port = match port? {
        "" => PORT,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let named = host.parse::<IpAddr>().is_ok() || host.bytes().all(plain);
    let fit = named && !host.is_empty() && host.len() <= LONGEST_HOST;
    fit.then(|| (host.to_ascii_lowercase(), port))
}

/// The web servers of a download that were found, by their addresses. One server is asked for one
/// path.
#[derive(Debug, Default)]
pub struct WebSeeds(Mutex<HashMap<SocketAddr, WebSeed>>);

impl WebSeeds {
    /// The server of a file is at `address`.
    pub fn note(&self, address: SocketAddr, seed: WebSeed) {
        let mut table = self.table();
        if table.len() < MOST || table.contains_key(&address) {
            table.insert(address, seed);
        }
    }

    /// The file that the server at `address` has.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Option<WebSeed> {
        self.table().get(&address).cloned()
    }

    /// Whether a web server, and no servent, is asked there.
    #[must_use]
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.table().contains_key(&address)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SocketAddr, WebSeed>> {
        // Every change is whole by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, u16, String), Unfit> {
        let seed: WebSeed = text.parse()?;
        let again: WebSeed = seed.to_string().parse()?;
        assert_eq!(again, seed, "{text}");
        Ok((seed.host, seed.port, seed.path))
    }

    #[test]
    fn urls_of_http_are_read() {
        let is = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            read("http://A.example/x%20y?z#w"),
            is("a.example", 80, "/x%20y?z")
        );
        assert_eq!(read(" HTTP://a.example:8080"), is("a.example", 8080, "/"));
        assert_eq!(read("http://1.2.3.4?x"), is("1.2.3.4", 80, "/?x"));
        assert_eq!(
            read("http://a.example/a b/\u{e9}%20c?d \"e\""),
            is("a.example", 80, "/a%20b/%C3%A9%20c?d%20%22e%22")
        );
        assert_eq!(
            read("http://[2001:db8::1]:81/x"),
            is("2001:db8::1", 81, "/x")
        );
        assert_eq!(read("http://[2001:db8::1]/"), is("2001:db8::1", 80, "/"));
        let seed: WebSeed = "http://[::1]:9/".parse().unwrap();
        assert_eq!(seed.literal(), Some("[::1]:9".parse().unwrap()));
        assert_eq!("http://a/".parse::<WebSeed>().unwrap().literal(), None);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (text, why) in [
            ("", Unfit::Scheme),
            ("a.example/x", Unfit::Scheme),
            ("https://a.example/x", Unfit::Scheme),
            ("http:///x", Unfit::Server),
            ("http://me@a.example/x", Unfit::Server),
            ("http://a b/x", Unfit::Server),
            ("http://a:0/x", Unfit::Server),
            ("http://a:x/x", Unfit::Server),
            ("http://[a]/x", Unfit::Server),
            ("http://[::1]9/x", Unfit::Server),
            ("http://a.example/a\nb", Unfit::Path),
            ("http://a.example/a\tb", Unfit::Path),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
        let long = format!("http://a/{}", "x".repeat(2_000));
        assert_eq!(read(&long), Err(Unfit::Path));
        let long = format!("http://{}/", "x".repeat(300));
        assert_eq!(read(&long), Err(Unfit::Server));
    }

    #[test]
    fn no_more_servers_are_kept_than_are_asked() {
        let seeds = WebSeeds::default();
        let seed: WebSeed = "http://a/".parse().unwrap();
        for port in 1..100 {
            seeds.note(SocketAddr::from(([1, 2, 3, 4], port)), seed.clone());
        }
        assert_eq!(seeds.table().len(), MOST);
    }
}
