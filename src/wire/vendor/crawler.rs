//! LIME/5 and LIME/6: which neighbours a servent has, asked and told over UDP.

use std::net::SocketAddrV4;

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{le_u16, u8 as byte};

use crate::wire::parse::{self, fixed};
use crate::wire::zlib::{deflate, inflate};
use crate::wire::{Error, address};

/// The most bytes that the user agents of one answer may inflate to.
const MAX_AGENTS: usize = 65_535;

/// What a crawler wants told of every neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrawlerWish(pub u8);

impl CrawlerWish {
    /// For how many minutes it has been connected.
    pub const MINUTES: Self = Self(0x01);
    /// Two letters of its locale.
    pub const LOCALE: Self = Self(0x02);
    /// None but those that can be crawled themselves.
    pub const CRAWLABLE: Self = Self(0x04);
    /// Its user agent.
    pub const AGENTS: Self = Self(0x08);

    /// Whether all of `other` is wished for.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// LIME/5: asks for neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrawlerPing {
    /// How many ultrapeers; 255 for all.
    pub ultrapeers: u8,
    /// How many leaves; 255 for all.
    pub leaves: u8,
    /// What to tell of each.
    pub wish: CrawlerWish,
}

impl CrawlerPing {
    pub(super) fn decode(body: &Bytes) -> Result<Self, Error> {
        let front = (byte, byte, byte);
        let (_, (ultrapeers, leaves, wish)) = fixed(body, front, "crawler ping too short")?;
        Ok(Self {
            ultrapeers,
            leaves,
            wish: CrawlerWish(wish),
        })
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        out.put_slice(&[self.ultrapeers, self.leaves, self.wish.0]);
    }
}

/// A neighbour that a crawler is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrawledHost {
    /// Its address.
    pub address: SocketAddrV4,
    /// For how many minutes it has been connected; 0 when that is not told.
    pub minutes: u16,
    /// Two letters of its locale; zeros when that is not told.
    pub locale: [u8; 2],
}

/// LIME/6: the neighbours, ultrapeers first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrawlerPong {
    /// What is told of each.
    pub told: CrawlerWish,
    /// The ultrapeers, at most 255.
    pub ultrapeers: Vec<CrawledHost>,
    /// The leaves, at most 255.
    pub leaves: Vec<CrawledHost>,
    /// The user agents in the same order, perhaps followed by the servent's own; none when they
    /// are not told.
    pub agents: Vec<String>,
}

impl CrawlerPong {
    pub(super) fn decode(body: &Bytes) -> Result<Self, Error> {
        let front = (byte, byte, byte);
        let (mut rest, (ultrapeers, leaves, told)) = fixed(body, front, "crawler pong too short")?;
        let told = CrawlerWish(told);
        let mut host = |_| {
            let (after, (ip, port)) =
                fixed(&rest, (parse::ipv4, le_u16), "crawled hosts cut short")?;
            rest = after;
            let mut host = CrawledHost {
                address: SocketAddrV4::new(ip, port),
                minutes: 0,
                locale: [0; 2],
            };
            if told.has(CrawlerWish::MINUTES) {
                (rest, host.minutes) = fixed(&rest, le_u16, "crawled hosts cut short")?;
            }
            if told.has(CrawlerWish::LOCALE) {
                let letters = le_u16.map(u16::to_le_bytes);
                (rest, host.locale) = fixed(&rest, letters, "crawled hosts cut short")?;
            }
            Ok(host)
        };
        let at = |error: Error| Error::new(3, error.what);
        let ultrapeers = (0..ultrapeers)
            .map(&mut host)
            .collect::<Result<_, _>>()
            .map_err(at)?;
        let leaves = (0..leaves)
            .map(&mut host)
            .collect::<Result<_, _>>()
            .map_err(at)?;
        let agents = match told.has(CrawlerWish::AGENTS) && !rest.is_empty() {
            false => Vec::new(),
            true => {
                let at = body.len() - rest.len();
                let broken = Error::new(at, "user agents that do not inflate");
                let text = inflate(&rest, MAX_AGENTS).whole().ok_or(broken)?;
                split(&String::from_utf8_lossy(&text))
            }
        };
        Ok(Self {
            told,
            ultrapeers,
            leaves,
            agents,
        })
    }

    pub(super) fn put(&self, out: &mut BytesMut) {
        let counted = |hosts: &[CrawledHost]| u8::try_from(hosts.len()).unwrap_or(u8::MAX);
        let (ultrapeers, leaves) = (counted(&self.ultrapeers), counted(&self.leaves));
        out.put_slice(&[ultrapeers, leaves, self.told.0]);
        let ultrapeers = self.ultrapeers.iter().take(usize::from(ultrapeers));
        for host in ultrapeers.chain(self.leaves.iter().take(usize::from(leaves))) {
            address::put(out, host.address);
            if self.told.has(CrawlerWish::MINUTES) {
                out.put_u16_le(host.minutes);
            }
            if self.told.has(CrawlerWish::LOCALE) {
                out.put_slice(&host.locale);
            }
        }
        if self.told.has(CrawlerWish::AGENTS) && !self.agents.is_empty() {
            let escape = |agent: &String| agent.replace('\\', "\\\\").replace(';', "\\;");
            let agents: Vec<String> = self.agents.iter().map(escape).collect();
            out.put_slice(&deflate(agents.join(";").as_bytes()));
        }
    }
}

/// The strings that semicolons divide; a backslash takes the meaning of the character behind it.
fn split(text: &str) -> Vec<String> {
    let mut strings = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            ';' => strings.push(String::new()),
            '\\' => strings
                .last_mut()
                .into_iter()
                .for_each(|s| s.extend(chars.next())),
            char => strings.last_mut().into_iter().for_each(|s| s.push(char)),
        }
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_each_host_depends_on_the_wish() {
        let host = CrawledHost {
            address: "198.51.100.7:6346".parse().unwrap(),
            minutes: 5,
            locale: *b"en",
        };
        for (told, minutes, locale, agents) in [
            (0x00, 0, [0; 2], false),
            (0x01, 5, [0; 2], false),
            (0x02, 0, *b"en", false),
            (0x0f, 5, *b"en", true),
        ] {
            let pong = CrawlerPong {
                told: CrawlerWish(told),
                ultrapeers: vec![host],
                leaves: vec![host, host],
                agents: vec!["A/1 (x; y\\z)".to_owned(), String::new()],
            };
            let mut out = BytesMut::new();
            pong.put(&mut out);
            let read = CrawlerPong::decode(&out.freeze()).unwrap();
            assert_eq!(
                read.leaves[1],
                CrawledHost {
                    minutes,
                    locale,
                    ..host
                }
            );
            assert_eq!(read.agents == pong.agents, agents);
        }
    }

    #[test]
    fn counts_that_lie_and_bombs_are_refused() {
        let decode = |bytes: &[u8]| CrawlerPong::decode(&Bytes::copy_from_slice(bytes));
        assert!(decode(&[255, 255, 0]).is_err());
        assert!(decode(&[1, 0, 1, 1, 2, 3, 4, 5, 6, 7]).is_err());
        assert!(decode(&[0, 0, 8, 1, 2]).is_err());
        let bomb = deflate(&vec![b'a'; MAX_AGENTS + 1]);
        assert!(decode(&[&[0, 0, 8][..], &bomb].concat()).is_err());
        assert!(
            decode(&[&[0, 0, 0][..], &bomb].concat())
                .unwrap()
                .agents
                .is_empty()
        );
    }
}
