//! What a part sends within a window, and the order of what all parts sent.

use filbert::wire::Descriptor;
use rand_pcg::Pcg64Mcg;

/// What one part sent within one window.
#[derive(Debug)]
pub(super) struct Sent {
    /// Whether the window went region by region, so that there is no need to say when what was
    /// sent.
    pub(super) by_region: bool,
    /// Otherwise what made servents send, in the order in which it happened.
    pub(super) senders: Vec<Sender>,
    /// Copies for each part, in the order in which they were sent.
    pub(super) copies: Vec<Vec<Outgoing>>,
    /// How many there are in all.
    pub(super) count: u32,
    /// Descriptors that were first sent now.
    pub(super) fresh: Vec<Descriptor>,
    /// The generator of latencies, from where the search began, before the first draw.
    pub(super) draws: Option<Pcg64Mcg>,
}

/// An event that made a servent send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// When.
    pub(super) at: u64,
    /// The number of the copy that arrived then.
    pub(super) number: u64,
    /// Who sent.
    pub(super) from: u32,
    /// How many copies.
    pub(super) copies: u32,
}

/// One copy of a descriptor that begins its way over a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    /// To whom.
    pub(super) to: u32,
    /// The receiver's link.
    pub(super) link: u32,
    /// Its place among all copies that the part sent in the window.
    pub(super) place: u32,
    /// What it is a copy of.
    pub(super) copy: Copied,
}

/// What travels, and the two bytes in which a copy differs from the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    /// Its place among the descriptors that the part below was the first to send.
    pub(super) descriptor: u32,
    /// That part.
    pub(super) origin: u16,
    pub(super) ttl: u8,
    pub(super) hops: u8,
}

impl Sent {
    /// Nothing, for so many parts.
    pub(super) fn new(parts: usize) -> Self {
        Self {
            by_region: false,
            senders: Vec::new(),
            copies: vec![Vec::new(); parts],
            count: 0,
            fresh: Vec::new(),
            draws: None,
        }
    }

    /// Forgets all for the next window, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.by_region = false;
        self.senders.clear();
        for copies in &mut self.copies {
            copies.clear();
        }
        self.count = 0;
        self.fresh.clear();
        self.draws = None;
    }
}

/// Calls `visit` for each sender of all parts in the order of the whole network: by time, then by
/// the number of what arrived. It is given the part, the sender, and the place of the sender's
/// first copy among those of the part.
pub(super) fn in_order(lists: &[&[Sender]], mut visit: impl FnMut(usize, &Sender, u32)) {
    let mut heads: Vec<Head<'_>> = lists
        .iter()
        .enumerate()
        .filter(|(_, list)| !list.is_empty())
        .map(|(part, list)| Head {
            part,
            list,
            place: 0,
        })
        .collect();
    while let Some(least) = (0..heads.len()).min_by_key(|&one| heads[one].key()) {
        let head = &mut heads[least];
        let Some((sender, rest)) = head.list.split_first() else {
            return;
        };
        visit(head.part, sender, head.place);
        head.place += sender.copies;
        head.list = rest;
        if rest.is_empty() {
            heads.swap_remove(least);
        }
    }
}

/// What is left of one part's list.
#[derive(Clone, Copy, Debug)]
struct Head<'s> {
    part: usize,
    list: &'s [Sender],
    place: u32,
}

impl Head<'_> {
    #[inline]
    fn key(&self) -> (u64, u64) {
        self.list
            .first()
            .map_or((u64::MAX, u64::MAX), |sender| (sender.at, sender.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_of_all_parts_come_by_time_and_number() {
        let sender = |at, number| Sender {
            at,
            number,
            from: 0,
            copies: 2,
        };
        let first = [sender(1, 5), sender(3, 2), sender(3, 9)];
        let third = [sender(1, 4), sender(3, 8), sender(7, 0)];
        let mut found = Vec::new();
        in_order(&[&first, &[], &third], |part, sender, place| {
            found.push((part, sender.at, sender.number, place));
        });
        let expected = [
            (2, 1, 4, 0),
            (0, 1, 5, 0),
            (0, 3, 2, 2),
            (2, 3, 8, 2),
            (0, 3, 9, 4),
            (2, 7, 0, 4),
        ];
        assert_eq!(found, expected);
    }
}
