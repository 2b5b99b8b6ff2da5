//! Requests that are under way, by number; the numbers of those that are over are used again.

use std::ops::{Index, IndexMut, Range};

use filbert::swarm::download::Trouble;
use filbert::swarm::tile_set::TileSet;
use filbert::swarm::upload_queue::Id;

/// What one member asked of another, once.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) giver: u32,
    pub(super) taker: u32,
    /// Tiles that have not come yet.
    pub(super) left: Range<u32>,
    /// Bytes that are still to be sent.
    pub(super) unsent: u64,
    /// Bytes that came of the first of the tiles.
    pub(super) came: u64,
    /// The head of the answer.
    pub(super) head: Head,
    pub(super) slot: Option<Id>,
    pub(super) weight: u32,
    /// Whether the taker wants no more of it.
    pub(super) over: bool,
    /// Events to come of it: as long as there are any, its number is not another's.
    pending: u32,
}

/// What an answer says beside the bytes.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) has: Option<TileSet>,
    pub(super) others: Vec<u32>,
    pub(super) trouble: Option<Trouble>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    all: Vec<Transfer>,
    /// Numbers of those that are over and done with.
    spare: Vec<u32>,
}

impl Transfers {
    /// A new one, for so many bytes; says its number.
    pub(super) fn open(&mut self, giver: u32, taker: u32, tiles: Range<u32>, bytes: u64) -> u32 {
        let transfer = Transfer {
            giver,
            taker,
            left: tiles,
            unsent: bytes,
            came: 0,
            head: Head::default(),
            slot: None,
            weight: 1,
            over: false,
            pending: 0,
        };
        match self.spare.pop() {
            Some(id) => {
                self[id] = transfer;
                id
            }
            None => {
                self.all.push(transfer);
                u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    /// One more event of it is to come.
    pub(super) fn expect(&mut self, id: u32) {
        self[id].pending += 1;
    }

    /// One of these has happened.
    pub(super) fn happened(&mut self, id: u32) {
        self[id].pending -= 1;
        self.settle(id);
    }

    /// The taker wants no more of it; gives back its slot.
    pub(super) fn end(&mut self, id: u32) -> Option<Id> {
        self[id].over = true;
        self.settle(id);
        self[id].slot.take()
    }

    fn settle(&mut self, id: u32) {
        if self[id].over && self[id].pending == 0 {
            self.spare.push(id);
        }
    }
}

impl Index<u32> for Transfers {
    type Output = Transfer;

    fn index(&self, id: u32) -> &Transfer {
        &self.all[id as usize]
    }
}

impl IndexMut<u32> for Transfers {
    fn index_mut(&mut self, id: u32) -> &mut Transfer {
        &mut self.all[id as usize]
    }
}
