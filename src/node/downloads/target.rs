//! What can be fetched: by its number, by a link, by its hash.

use std::net::SocketAddr;

use crate::node::Node;
use crate::node::error::Error;
use crate::node::ground::{is_private, is_reachable};
use crate::node::state::Source;
use crate::transfer::web_seed::{self, Unfit, WebSeed};
use crate::wire::magnet::Magnet;
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// Sources kept of a download.
const SOURCES: usize = 256;

/// What to fetch.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A result of a search, by its number.
    Number(u64),
    /// A magnet link with a SHA-1.
    Magnet(Magnet),
    /// A content.
    Urn(Urn),
}

impl Target {
    /// Web servers that a link names and that are not asked, and why not.
    #[must_use]
    pub fn passed_over(&self) -> Vec<(String, Unfit)> {
        let Self::Magnet(magnet) = self else {
            return Vec::new();
        };
        let unfit = |url: &str| Some((url.to_owned(), url.parse::<WebSeed>().err()?));
        magnet.web_sources().filter_map(unfit).collect()
    }
}

/// What is known of a file that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) sha1: Sha1,
    pub(super) name: Option<String>,
    /// In bytes, once somebody told it.
    pub(super) size: Option<u64>,
    pub(super) root: Option<TigerRoot>,
    /// Whether the user gave the root together with the SHA-1.
    pub(super) proven: bool,
    pub(super) sources: Vec<SocketAddr>,
    /// Files on web servers.
    pub(super) web_seeds: Vec<WebSeed>,
}

impl Wanted {
    /// Nothing but what it must hash to.
    const fn new(sha1: Sha1) -> Self {
        Self {
            sha1,
            name: None,
            size: None,
            root: None,
            proven: false,
            sources: Vec::new(),
            web_seeds: Vec::new(),
        }
    }

    /// Takes note of who may have it; says whether that is new.
    pub(super) fn add(&mut self, source: SocketAddr) -> bool {
        let new = self.sources.len() < SOURCES && !self.sources.contains(&source);
        if new {
            self.sources.push(source);
        }
        new
    }

    /// Keeps the sources that are known now, before those that were; says whether any are new.
    pub(super) fn put_first(&mut self, now: &[SocketAddr]) -> bool {
        let before = std::mem::take(&mut self.sources);
        for source in now.iter().chain(&before) {
            self.add(*source);
        }
        self.sources != before
    }
}

impl Node {
    pub(super) fn wanted(&self, target: &Target) -> Result<Wanted, Error> {
        match target {
            Target::Number(number) => {
                let found = self.0.core().searches.numbered(*number).cloned();
                let found = found.ok_or(Error::NoSuchResult(*number))?;
                self.0.heed(std::slice::from_ref(&found));
                let sha1 = found
                    .sha1
                    .ok_or_else(|| Error::Unverifiable(found.name.clone()))?;
                Ok(Wanted {
                    name: Some(found.name.clone()),
                    size: Some(found.size),
                    root: found.tiger_root,
                    sources: addresses(&found.sources),
                    ..Wanted::new(sha1)
                })
            }
            Target::Urn(urn) => {
                let sha1 = urn.sha1();
                Ok(Wanted {
                    root: urn.tiger_root(),
                    proven: urn.tiger_root().is_some(),
                    ..Wanted::new(sha1.ok_or_else(|| Error::Unverifiable(urn.to_string()))?)
                })
            }
            Target::Magnet(magnet) => {
                let sha1 = magnet.topics.iter().find_map(Urn::sha1);
                let sha1 = sha1.ok_or_else(|| Error::Unverifiable("the magnet link".to_owned()))?;
                let root = magnet.topics.iter().find_map(Urn::tiger_root);
                let named = magnet.web_sources();
                Ok(Wanted {
                    name: magnet.name.clone(),
                    size: magnet.length,
                    root,
                    proven: root.is_some(),
                    web_seeds: named
                        .clone()
                        .filter(|url| direct_source(url, sha1).is_none())
                        .filter_map(|url| url.parse().ok())
                        .take(web_seed::MOST)
                        .collect(),
                    sources: named
                        .filter_map(|url| direct_source(url, sha1))
                        .take(SOURCES)
                        .collect(),
                    ..Wanted::new(sha1)
                })
            }
        }
    }
}

/// Where these sources are.
pub(super) fn addresses(sources: &[Source]) -> Vec<SocketAddr> {
    let addresses = sources.iter().map(|source| source.address);
    addresses.take(SOURCES).collect()
}

/// A source that a link names outright: `http://ADDRESS:PORT/uri-res/N2R?urn:sha1:…`.
fn direct_source(url: &str, sha1: Sha1) -> Option<SocketAddr> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let urn = path.strip_prefix("uri-res/N2R?")?.parse::<Urn>().ok()?;
    let address: SocketAddr = host.parse().ok()?;
    // The user gave the link: any address somebody could be at is fine.
    let private = is_private(address.ip());
    (urn.sha1() == Some(sha1) && is_reachable(address, private)).then_some(address)
}
