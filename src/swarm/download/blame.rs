//! Whose fault it is.
//!
//! With a tree that is vouched for, a wrong tile shows its sender. With one that is not, whoever
//! disagrees with it is set aside until the whole decides between the two. Without a tree only the
//! whole can be judged: when it is wrong, half of those who gave it are benched and their tiles
//! fetched from others, again and again; each time either the whole becomes right, or fewer are
//! left who may have lied, until it is one.

use std::collections::BTreeMap;

use super::source::{Activity, Reason, Source};
use super::tiles::{Giver, INHERITED, State};
use super::{Download, Output, Surroundings, Trust};

impl Download {
    /// A source sent a tile that the tree does not have.
    pub(super) fn disagrees(&mut self, place: usize, tile: u32, around: &mut Surroundings<'_>) {
        self.release(place);
        if self.trust == Trust::Proven {
            self.convict(place, Some(tile), around.settings.liars, around.out);
            return;
        }
        let source = &mut self.sources[place];
        source.rest(self.now, self.now);
        (source.benched, source.doubted) = (true, true);
        let doubted = self.sources.iter().filter(|source| source.doubted).count();
        let agree = |source: &&Source| source.gave > 0 && !source.doubted;
        if doubted > self.sources.iter().filter(agree).count().max(1) {
            self.distrust(around.out);
        }
    }

    /// The tree is not the file's: all begins anew, without one.
    pub(super) fn distrust(&mut self, out: &mut Vec<Output>) {
        out.push(Output::Distrust);
        self.suspect = None;
        self.trust = Trust::Without;
        self.forget_tiles(|_| true);
        for source in &mut self.sources {
            (source.benched, source.doubted) = (false, false);
        }
        self.stirred = true;
    }

    /// The whole is right: those who disagreed with its tree lied, and the one without whose tiles
    /// it became right.
    pub(super) fn convict_doubted(&mut self, out: &mut Vec<Output>) {
        for place in 0..self.sources.len() {
            let source = &self.sources[place];
            if source.doubted || self.suspect == Some(source.id) {
                self.convict(place, None, usize::MAX, out);
            }
        }
    }

    /// The whole is wrong, and there is no tree to tell why.
    pub(super) fn blame(&mut self, around: &mut Surroundings<'_>) {
        self.stirred = true;
        self.suspect = None;
        let mut shares: BTreeMap<Giver, u32> = BTreeMap::new();
        for (_, state) in self.tiles.states() {
            if let State::Present(giver) = state {
                *shares.entry(self.known(giver)).or_default() += 1;
            }
        }
        let addresses = self.sources.iter();
        let givers = addresses.filter(|source| shares.contains_key(&source.id));
        let rejected = givers.map(|source| source.address).collect();
        around.out.push(Output::Rejected(rejected));
        // What an earlier run left goes first, as it may be of anybody.
        if shares.contains_key(&INHERITED) {
            self.forget_tiles(|giver| giver == INHERITED);
            return;
        }
        let mut shares: Vec<(u32, Giver)> = shares
            .into_iter()
            .map(|(giver, tiles)| (tiles, giver))
            .collect();
        shares.sort_unstable();
        match shares.as_slice() {
            // An empty file that is not the one asked for.
            [] => {
                around.out.push(Output::Contradiction);
                self.phase = super::Phase::Over;
            }
            [(_, liar)] => {
                self.forget_tiles(|_| true);
                let place = self.sources.iter().position(|source| source.id == *liar);
                if let Some(place) = place {
                    self.convict(place, None, around.settings.liars, around.out);
                }
                for source in &mut self.sources {
                    source.benched = false;
                }
            }
            many => {
                // Those that gave least, so that least is fetched again.
                let half: Vec<Giver> = many[..many.len() / 2].iter().map(|(_, id)| *id).collect();
                self.forget_tiles(|giver| half.contains(&giver));
                self.suspect = match half[..] {
                    [one] => Some(one),
                    _ => None,
                };
                for source in &mut self.sources {
                    source.benched |= half.contains(&source.id);
                }
            }
        }
    }

    /// Nobody is left but those who are set aside: takes some back, if that can help.
    pub(super) fn recall(&mut self, out: &mut Vec<Output>) -> bool {
        let benched = |source: &&mut Source| source.benched && !source.is_out();
        if self.sources.iter_mut().filter(benched).count() == 0 {
            return false;
        }
        if self.trust != Trust::Without {
            // They may be right, and the tree wrong.
            self.distrust(out);
            return true;
        }
        self.suspect = None;
        // One alone gives the whole, so that there is no doubt whose it is.
        self.forget_tiles(|_| true);
        let best = self
            .sources
            .iter_mut()
            .filter(benched)
            .max_by_key(|source| source.gave);
        if let Some(best) = best {
            best.benched = false;
        }
        true
    }

    fn convict(&mut self, place: usize, tile: Option<u32>, most: usize, out: &mut Vec<Output>) {
        let source = &mut self.sources[place];
        source.doubted = false;
        source.activity = Activity::Out(self.now, Reason::Lied);
        let address = source.address;
        self.note_has(address, None);
        if self.liars.len() >= most {
            self.liars.pop_front();
        }
        self.liars.push_back(address);
        out.push(Output::Blamed {
            source: address,
            tile,
        });
    }

    /// Tiles that are there are missing again, where their giver is one of `these`.
    fn forget_tiles(&mut self, these: impl Fn(Giver) -> bool) {
        let there: Vec<_> = self.tiles.states().collect();
        for (tile, state) in there {
            let giver = match state {
                State::Missing => continue,
                State::Present(giver) | State::Checking(giver) => self.known(giver),
                State::Verified => INHERITED,
            };
            if these(giver) {
                self.tiles.set(tile, State::Missing);
            }
        }
    }

    /// A giver, as far as it is still known who that was.
    fn known(&self, giver: Giver) -> Giver {
        let known = self.sources.iter().any(|source| source.id == giver);
        if known { giver } else { INHERITED }
    }
}
