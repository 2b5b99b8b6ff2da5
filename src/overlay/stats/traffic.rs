//! What came and went, by kind, direction and hops.

use super::{Stats, slot};
use crate::overlay::output::{Output, Recipients};
use crate::wire::{Descriptor, HEADER_LEN, Header, Kind};

/// Hops counted each for itself; the last place is for all above.
const HOPS: usize = 9;

const KINDS: usize = Stats::KINDS.len();

/// Which way a descriptor went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It came from a neighbour.
    In,
    /// It was put before a neighbour; when the neighbour is slow it may still be dropped.
    Out,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What came and went, with the hops and the lengths in its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    descriptors: [[[u64; HOPS]; KINDS]; 2],
    bytes: [[u64; KINDS]; 2],
    /// Queries that came for the first time, by hops.
    fresh: [u64; HOPS],
    /// The largest TTL + hops among them.
    horizon: u8,
}

impl Traffic {
    /// How many descriptors: way, name of the kind, hops (8 stands for all above 7), number.
    /// Where nothing came or went there is no row.
    pub fn descriptors(&self) -> impl Iterator<Item = (Way, &'static str, usize, u64)> {
        Way::ALL.into_iter().flat_map(move |way| {
            let kinds = Stats::KINDS
                .into_iter()
                .zip(&self.descriptors[way as usize]);
            kinds.flat_map(move |(kind, by_hops)| {
                let counted = by_hops.iter().enumerate().filter(|(_, count)| **count > 0);
                counted.map(move |(hops, count)| (way, kind, hops, *count))
            })
        })
    }

    /// How many bytes, headers included: way, name of the kind, number. Where nothing came or
    /// went there is no row.
    pub fn bytes(&self) -> impl Iterator<Item = (Way, &'static str, u64)> {
        Way::ALL.into_iter().flat_map(move |way| {
            let kinds = Stats::KINDS.into_iter().zip(&self.bytes[way as usize]);
            let counted = kinds.filter(|(_, bytes)| **bytes > 0);
            counted.map(move |(kind, bytes)| (way, kind, *bytes))
        })
    }

    /// Queries that came for the first time, by hops; 8 stands for all above 7.
    #[must_use]
    pub const fn fresh_queries(&self) -> &[u64; HOPS] {
        &self.fresh
    }

    /// The largest TTL + hops of a query that came: nobody further away was heard.
    #[must_use]
    pub const fn horizon(&self) -> u8 {
        self.horizon
    }

    /// Counts a query that came for the first time.
    pub(in crate::overlay) fn count_fresh(&mut self, header: &Header) {
        self.fresh[usize::from(header.hops).min(HOPS - 1)] += 1;
        self.horizon = self.horizon.max(header.ttl.saturating_add(header.hops));
    }

    /// Counts copies of one descriptor.
    pub(in crate::overlay) fn count(
        &mut self,
        way: Way,
        (kind, hops): (Kind, u8),
        payload: usize,
        copies: usize,
    ) {
        let (kind, hops) = (slot(kind), usize::from(hops).min(HOPS - 1));
        self.descriptors[way as usize][kind][hops] += copies as u64;
        self.bytes[way as usize][kind] += ((HEADER_LEN + payload) * copies) as u64;
    }

    /// Counts what goes out, of a servent with so many neighbours; `received` is the kind and the
    /// payload's length of what is passed on.
    pub(in crate::overlay) fn count_out(
        &mut self,
        outputs: &[Output],
        received: Option<(Kind, usize)>,
        neighbours: usize,
    ) {
        let copies = |to: &Recipients| match to {
            Recipients::One(_) => 1,
            Recipients::AllBut(_) => neighbours.saturating_sub(1),
            Recipients::All => neighbours,
            Recipients::Some(links) => links.len(),
        };
        for output in outputs {
            match output {
                Output::Forward { to, hops, .. } => {
                    if let Some((kind, payload)) = received {
                        self.count(Way::Out, (kind, *hops), payload, copies(to));
                    }
                }
                Output::Send { to, descriptor } => {
                    let Descriptor { header, payload } = descriptor;
                    let kind = (header.kind, header.hops);
                    self.count(Way::Out, kind, payload.len(), copies(to));
                }
                Output::Datagram { descriptor, .. } => {
                    let Descriptor { header, payload } = descriptor;
                    self.count(Way::Out, (header.kind, header.hops), payload.len(), 1);
                }
                _ => {}
            }
        }
    }
}
