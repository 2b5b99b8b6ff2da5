//! Query flooders: who asks for the sake of asking, or to make others' searches look repeated.

use std::collections::BTreeMap;

use filbert::wire::query::Query;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::actor::{Actor, next};
use super::cast::query;
use crate::contents::word;

/// Servents that send queries at an even pace: each for other words, so that no rule on repeated texts meets
/// them, or for what others search for, so that it meets these.
#[derive(Debug)]
pub(super) struct Flooder {
    per_minute: u32,
    hops: u8,
    ttl: u8,
    /// Where they ask for files: how many there are, and the next.
    files: Option<(u32, u32)>,
    /// Where their GUIDs only count up: the last of each.
    last: Option<BTreeMap<u32, Guid>>,
}

impl Flooder {
    /// Flooders with so many queries a minute, that claim to have come from so many hops away.
    pub(super) fn new(
        per_minute: u32,
        (hops, max_ttl): (u8, u8),
        counted: bool,
        files: Option<u32>,
    ) -> Self {
        Self {
            per_minute,
            hops,
            ttl: max_ttl.saturating_sub(hops).max(1),
            files: files.map(|files| (files, 0)),
            last: counted.then(BTreeMap::new),
        }
    }
}

impl Actor for Flooder {
    fn pause(&self) -> Option<u64> {
        Some((60_000_000 / u64::from(self.per_minute)).max(1))
    }

    fn act(&mut self, node: u32, rng: &mut Pcg64Mcg) -> Option<Descriptor> {
        let fresh = Guid::random(rng);
        let guid = match &mut self.last {
            None => fresh,
            Some(last) => {
                let guid = last.get(&node).map_or(fresh, |guid| next(*guid));
                last.insert(node, guid);
                guid
            }
        };
        let asked = match &mut self.files {
            Some((files, file)) => {
                *file = (*file + 1) % *files;
                query(*file)
            }
            None => {
                // Two words beyond those of any file.
                let words = [(); 2].map(|()| word(rng.random_range(1 << 24..1 << 28)));
                Query::keywords(&words.join(" ")).ok()?
            }
        };
        let header = Header {
            guid,
            kind: Kind::Query,
            ttl: self.ttl,
            hops: self.hops,
        };
        Some(Descriptor {
            header,
            payload: asked.encode(),
        })
    }
}
