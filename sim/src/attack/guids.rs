//! Who takes the answers to other people's searches by their GUIDs: hits go where a GUID came from first.

use std::collections::BTreeSet;
use std::convert::Infallible;

use filbert::overlay::Recipients;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::TryRng;
use rand_pcg::Pcg64Mcg;

use super::actor::{Actor, Heard, Sends, next};

/// Servents that take a search for the last of a series: they ask under the GUID of the next one before its
/// owner does.
#[derive(Debug)]
pub(super) struct Guesser {
    max_ttl: u8,
    /// What each took note of.
    seen: BTreeSet<(u32, Guid)>,
    guessed: BTreeSet<Guid>,
}

impl Guesser {
    pub(super) const fn new(max_ttl: u8) -> Self {
        Self {
            max_ttl,
            seen: BTreeSet::new(),
            guessed: BTreeSet::new(),
        }
    }
}

impl Actor for Guesser {
    fn hear(&mut self, heard: &Heard<'_>, _: &mut Pcg64Mcg, sends: &mut Sends) -> bool {
        let Descriptor { header, payload } = heard.descriptor;
        match header.kind {
            Kind::QueryHit => !self.guessed.contains(&header.guid),
            // What another attacker guessed is no search.
            Kind::Query
                if !self.guessed.contains(&header.guid)
                    && self.seen.insert((heard.node, header.guid)) =>
            {
                let guid = next(header.guid);
                self.guessed.insert(guid);
                // Words nobody has would do; those of the last search look better.
                let header = fresh(guid, self.max_ttl);
                let payload = payload.clone();
                sends.push((Recipients::All, Descriptor { header, payload }));
                true
            }
            _ => true,
        }
    }
}

/// Servents that pass on queries as if they were their own, so that they go as far as any and the answers
/// come back to them, and keep those.
#[derive(Debug)]
pub(super) struct Swallower {
    max_ttl: u8,
    seen: BTreeSet<(u32, Guid)>,
}

impl Swallower {
    pub(super) const fn new(max_ttl: u8) -> Self {
        Self {
            max_ttl,
            seen: BTreeSet::new(),
        }
    }
}

impl Actor for Swallower {
    fn hear(&mut self, heard: &Heard<'_>, _: &mut Pcg64Mcg, sends: &mut Sends) -> bool {
        let Descriptor { header, payload } = heard.descriptor;
        match header.kind {
            Kind::Query => {
                if self.seen.insert((heard.node, header.guid)) {
                    let header = fresh(header.guid, self.max_ttl);
                    let payload = payload.clone();
                    let onward = Descriptor { header, payload };
                    sends.push((Recipients::AllBut(heard.link), onward));
                }
                false
            }
            Kind::QueryHit => false,
            _ => true,
        }
    }
}

/// The header of a query that has not travelled yet.
const fn fresh(guid: Guid, ttl: u8) -> Header {
    Header {
        guid,
        kind: Kind::Query,
        ttl,
        hops: 0,
    }
}

/// What an honest servent draws its GUIDs from that only counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted(Guid);

impl Counted {
    /// One that begins anywhere.
    pub(super) fn new(rng: &mut Pcg64Mcg) -> Self {
        Self(Guid::random(rng))
    }
}

impl TryRng for Counted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0 = next(self.0);
        let drawn = self.0.as_bytes().iter().cycle();
        for (byte, drawn) in bytes.iter_mut().zip(drawn) {
            *byte = *drawn;
        }
        Ok(())
    }
}
