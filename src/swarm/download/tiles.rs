//! The tiles of a file that is being fetched: which are there, who is asked for which, and which
//! come next.

use std::ops::Range;

use rand::{Rng, RngExt};

use super::settings::Order;
use crate::swarm::tile_set::TileSet;

/// Who gave a tile: a number of [`super::Download`]'s own; [`INHERITED`] for an earlier run.
pub(super) type Giver = u32;
pub(super) const INHERITED: Giver = Giver::MAX;

/// What is known of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is not there.
    Missing,
    /// It is there as this source gave it, and nothing says that it is right.
    Present(Giver),
    /// It is there and being compared with the tree.
    Checking(Giver),
    /// It is there and right.
    Verified,
}

#[derive(Clone, Copy, Debug)]
struct Tile {
    state: State,
    /// Sources that are asked for it.
    holders: u8,
    /// Partial sources that have it.
    owners: u16,
}

#[derive(Debug)]
pub(super) struct Tiles {
    size: u64,
    tile_len: u64,
    tiles: Box<[Tile]>,
    /// Tiles that are [`State::Missing`], and how many.
    missing_tiles: TileSet,
    missing: u32,
    verified: u32,
    verified_tiles: TileSet,
    /// Tiles that are missing and that nobody is asked for.
    free: TileSet,
}

impl Tiles {
    pub(super) fn new(size: u64, tile_len: u64) -> Self {
        let count = usize::try_from(size.div_ceil(tile_len)).unwrap_or(usize::MAX);
        let tile = Tile {
            state: State::Missing,
            holders: 0,
            owners: 0,
        };
        let missing = u32::try_from(count).unwrap_or(u32::MAX);
        let mut all = TileSet::none(missing);
        (0..missing).for_each(|tile| all.insert(tile));
        Self {
            size,
            tile_len,
            tiles: vec![tile; count].into(),
            missing_tiles: all.clone(),
            missing,
            verified: 0,
            verified_tiles: TileSet::none(missing),
            free: all,
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.tiles.len()).unwrap_or(u32::MAX)
    }

    pub(super) const fn tile_len(&self) -> u64 {
        self.tile_len
    }

    pub(super) const fn missing(&self) -> u32 {
        self.missing
    }

    /// Whether somebody who has these could give one that is missing.
    pub(super) fn lacks_any(&self, has: &TileSet) -> bool {
        self.missing_tiles.meets(has)
    }

    pub(super) const fn verified(&self) -> u32 {
        self.verified
    }

    pub(super) const fn verified_tiles(&self) -> &TileSet {
        &self.verified_tiles
    }

    pub(super) const fn all_verified(&self) -> bool {
        self.verified as usize == self.tiles.len()
    }

    /// The bytes of a run of tiles.
    pub(super) fn bytes(&self, run: &Range<u32>) -> Range<u64> {
        let start = u64::from(run.start) * self.tile_len;
        start.min(self.size)..(u64::from(run.end) * self.tile_len).min(self.size)
    }

    pub(super) fn state(&self, tile: u32) -> State {
        self.tile(tile).map_or(State::Verified, |tile| tile.state)
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (u32, State)> {
        (0..).zip(self.tiles.iter().map(|tile| tile.state))
    }

    pub(super) fn set(&mut self, tile: u32, state: State) {
        let Some(known) = self.tile_mut(tile) else {
            return;
        };
        let before = std::mem::replace(&mut known.state, state);
        let is = |wanted: State, state: State| u32::from(wanted == state);
        self.missing += is(State::Missing, state);
        self.missing -= is(State::Missing, before);
        self.verified += is(State::Verified, state);
        self.verified -= is(State::Verified, before);
        for (kind, tiles) in [
            (State::Missing, &mut self.missing_tiles),
            (State::Verified, &mut self.verified_tiles),
        ] {
            match state == kind {
                true => tiles.insert(tile),
                false => tiles.remove(tile),
            }
        }
        self.settle(tile);
    }

    /// Takes note whether a tile that changed is free.
    fn settle(&mut self, number: u32) {
        let free = |tile: &Tile| tile.state == State::Missing && tile.holders == 0;
        match self.tile(number).is_some_and(free) {
            true => self.free.insert(number),
            false => self.free.remove(number),
        }
    }

    pub(super) fn hold(&mut self, run: Range<u32>) {
        for number in run {
            if let Some(tile) = self.tile_mut(number) {
                tile.holders = tile.holders.saturating_add(1);
            }
            self.settle(number);
        }
    }

    pub(super) fn release(&mut self, run: Range<u32>) {
        for number in run {
            if let Some(tile) = self.tile_mut(number) {
                tile.holders = tile.holders.saturating_sub(1);
            }
            self.settle(number);
        }
    }

    pub(super) fn holders(&self, tile: u32) -> u8 {
        self.tile(tile).map_or(0, |tile| tile.holders)
    }

    /// A partial source came to have other tiles than before.
    pub(super) fn note_owner(&mut self, before: Option<&TileSet>, after: Option<&TileSet>) {
        let none = TileSet::none(0);
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        for tile in before.beyond(after) {
            if let Some(tile) = self.tile_mut(tile) {
                tile.owners = tile.owners.saturating_sub(1);
            }
        }
        for tile in after.beyond(before) {
            if let Some(tile) = self.tile_mut(tile) {
                tile.owners = tile.owners.saturating_add(1);
            }
        }
    }

    /// The next run of at most `most` tiles that nobody is asked for, out of what a source `has`:
    /// everything if it does not say.
    pub(super) fn choose(
        &self,
        has: Option<&TileSet>,
        most: u32,
        order: Order,
        rng: &mut dyn Rng,
    ) -> Option<Range<u32>> {
        let mut all = self.free.common(has.unwrap_or(&self.free));
        let first = match order {
            Order::Sequential => all.next()?,
            Order::Rarest => {
                let (mut fewest, mut equals, mut chosen) = (u16::MAX, 0_u32, None);
                for number in all {
                    let owners = self.tile(number).map_or(0, |tile| tile.owners);
                    if owners < fewest {
                        (fewest, equals) = (owners, 0);
                    }
                    if owners == fewest {
                        equals += 1;
                        if rng.random_range(0..equals) == 0 {
                            chosen = Some(number);
                        }
                    }
                }
                chosen?
            }
        };
        self.run_from(first, has, most)
    }

    /// The run of at most `most` tiles from `first` on that nobody is asked for.
    pub(super) fn run_from(
        &self,
        first: u32,
        has: Option<&TileSet>,
        most: u32,
    ) -> Option<Range<u32>> {
        let most = first..first.saturating_add(most.max(1));
        let run = most.take_while(|tile| self.is_free(*tile, has));
        Some(first..run.last()? + 1)
    }

    fn is_free(&self, number: u32, has: Option<&TileSet>) -> bool {
        self.free.has(number) && has.is_none_or(|has| has.has(number))
    }

    fn tile(&self, number: u32) -> Option<&Tile> {
        self.tiles.get(usize::try_from(number).ok()?)
    }

    fn tile_mut(&mut self, number: u32) -> Option<&mut Tile> {
        self.tiles.get_mut(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;

    #[test]
    fn the_rarest_come_first_and_a_run_ends_where_somebody_else_is() {
        let mut tiles = Tiles::new(95, 10);
        let mut rng = Pcg32::seed_from_u64(1);
        let mut some = TileSet::none(10);
        for tile in [0, 1, 2, 4, 5, 6, 7, 8, 9] {
            some.insert(tile);
        }
        tiles.note_owner(None, Some(&some));
        assert_eq!(tiles.choose(None, 1, Order::Rarest, &mut rng), Some(3..4));
        tiles.hold(3..4);
        assert_eq!(
            tiles.choose(None, 9, Order::Sequential, &mut rng),
            Some(0..3)
        );
        for _ in 0..50 {
            let run = tiles
                .choose(Some(&some), 2, Order::Rarest, &mut rng)
                .unwrap();
            assert!(
                !run.contains(&3) && !run.is_empty() && run.len() <= 2,
                "{run:?}"
            );
        }
        tiles.note_owner(Some(&some), None);
        tiles.release(3..4);
        let runs: std::collections::BTreeSet<u32> = (0..300)
            .map(|_| {
                tiles
                    .choose(None, 1, Order::Rarest, &mut rng)
                    .unwrap()
                    .start
            })
            .collect();
        assert_eq!(runs.len(), 10, "any of equals");
        assert_eq!(tiles.bytes(&(8..10)), 80..95);
        for tile in 0..10 {
            tiles.set(tile, State::Verified);
        }
        assert!(tiles.all_verified() && tiles.missing() == 0);
        assert_eq!(tiles.choose(None, 1, Order::Rarest, &mut rng), None);
    }
}
