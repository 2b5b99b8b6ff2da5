//! The tables of many neighbours, and which of them a query matches.

use super::looked_up::MAX_WORDS;
use super::{LookedUp, Table};
use crate::overlay::Link;
use crate::wire::qrp_hash::slot;

/// The tables of many neighbours, so kept that a query finds those it matches without asking
/// each.
///
/// In front of the tables stands a coarse one with a row for each slot and a bit in it for each
/// neighbour: a few rows rule out nearly all neighbours, 64 at a time. The others' tables are
/// asked.
#[derive(Clone, Debug, Default)]
pub struct NeighbourTables {
    /// A place for each neighbour.
    places: Vec<Option<(Link, Table)>>,
    /// Bits of a row's number.
    bits: u8,
    /// Words of 64 neighbours in a row.
    stride: usize,
    rows: Vec<u64>,
    /// Slots present in all tables together.
    present: u64,
}

/// The fewest and the most bits of a row's number.
const BITS: std::ops::RangeInclusive<u8> = 6..=13;

/// Rows for each slot that a table has present on average, if there may be so many.
const ROWS_PER_SLOT: u64 = 16;

impl NeighbourTables {
    /// Keeps the table of a neighbour in place of the one before.
    pub fn insert(&mut self, link: Link, table: Table) {
        if self.get(link) == Some(&table) {
            return;
        }
        self.remove(link);
        self.present += u64::from(table.present());
        let place = self.places.iter().position(Option::is_none);
        let place = place.unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let table = &self.places[place].insert((link, table)).1.clone();
        if place < self.stride * 64 && self.wanted_bits() <= self.bits {
            self.mark(place, table);
        } else {
            self.rebuild();
        }
    }

    /// Forgets the table of a neighbour.
    pub fn remove(&mut self, link: Link) {
        let Some(place) = self.place(link) else {
            return;
        };
        if let Some((_, table)) = self.places[place].take() {
            self.present -= u64::from(table.present());
        }
        if self.is_empty() {
            *self = Self::default();
            return;
        }
        let (word, bit) = (place / 64, 1 << (place % 64));
        for row in self.rows.chunks_exact_mut(self.stride) {
            row[word] &= !bit;
        }
    }

    /// The table of a neighbour.
    #[must_use]
    pub fn get(&self, link: Link) -> Option<&Table> {
        let place = self.place(link)?;
        self.places[place].as_ref().map(|(_, table)| table)
    }

    /// The tables of all.
    pub fn iter(&self) -> impl Iterator<Item = (Link, &Table)> + Clone {
        self.places
            .iter()
            .flatten()
            .map(|(link, table)| (*link, table))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Hands out the neighbours whose tables a query matches.
    pub fn for_each_match(&self, query: &LookedUp, mut take: impl FnMut(Link)) {
        if query.is_empty() {
            return;
        }
        for word in 0..self.stride {
            let mut left = self.candidates(query, word);
            while left != 0 {
                let place = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some((link, table)) = &self.places[place]
                    && table.matches(query)
                {
                    take(*link);
                }
            }
        }
    }

    /// Those of 64 neighbours that the rows do not rule out.
    fn candidates(&self, query: &LookedUp, word: usize) -> u64 {
        let row = |product| self.rows[slot(product, self.bits) as usize * self.stride + word];
        let urns = query.urns().iter().fold(0, |any, &urn| any | row(urn));
        let words = match *query.words() {
            [] => 0,
            [one] => row(one),
            [one, two] => row(one) & row(two),
            ref more => {
                // Who has at least so many of the words so far.
                let mut having = [0; MAX_WORDS + 1];
                having[0] = u64::MAX;
                let needed = query.needed();
                for &product in more {
                    let row = row(product);
                    for count in (0..needed).rev() {
                        having[count + 1] |= having[count] & row;
                    }
                }
                having[needed]
            }
        };
        urns | words
    }

    fn place(&self, link: Link) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.as_ref().is_some_and(|(known, _)| *known == link))
    }

    /// The bits that suit the tables.
    fn wanted_bits(&self) -> u8 {
        let tables = u64::try_from(self.iter().count())
            .unwrap_or(u64::MAX)
            .max(1);
        let rows = (self.present / tables * ROWS_PER_SLOT).max(1);
        let bits = u8::try_from(rows.ilog2()).expect("below 64");
        bits.clamp(*BITS.start(), *BITS.end())
    }

    fn rebuild(&mut self) {
        self.bits = self.wanted_bits();
        self.stride = self.places.len().div_ceil(64);
        self.rows = vec![0; self.stride << self.bits];
        let places = std::mem::take(&mut self.places);
        for (place, entry) in places.iter().enumerate() {
            if let Some((_, table)) = entry {
                self.mark(place, table);
            }
        }
        self.places = places;
    }

    fn mark(&mut self, place: usize, table: &Table) {
        let (word, bit) = (place / 64, 1 << (place % 64));
        let (rows, stride) = (&mut self.rows, self.stride);
        table.for_each_at(self.bits, |slot| rows[slot as usize * stride + word] |= bit);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::overlay::query_routing::TableBuilder;
    use crate::wire::query::Query;

    const WORDS: [&str; 12] = [
        "linux", "debian", "music", "sunset", "overture", "blue", "moon", "sonata", "live",
        "green", "valley", "concerto",
    ];

    fn text(words: &[usize]) -> String {
        words
            .iter()
            .map(|&word| WORDS[word])
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn table(words: &[usize], bits: u8) -> Table {
        let mut builder = TableBuilder::default();
        builder.name(&text(words));
        Table::merged([&builder.build()], bits)
    }

    fn words(most: usize) -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0..WORDS.len(), 1..=most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Against asking each table, while neighbours come, change and go.
        #[test]
        fn finds_whom_asking_each_would_find(
            steps in prop::collection::vec((0..150_u32, prop::option::of((words(8), 3..=17_u8))), 1..250),
            queries in prop::collection::vec(words(6), 1..8),
        ) {
            let mut tables = NeighbourTables::default();
            let mut plain = std::collections::BTreeMap::new();
            for (link, step) in steps {
                let link = Link(link);
                match step {
                    Some((words, bits)) => {
                        tables.insert(link, table(&words, bits));
                        plain.insert(link, table(&words, bits));
                    }
                    None => {
                        tables.remove(link);
                        plain.remove(&link);
                    }
                }
                prop_assert_eq!(tables.get(link), plain.get(&link));
            }
            prop_assert_eq!(tables.is_empty(), plain.is_empty());
            for words in queries {
                let query = LookedUp::new(&Query::keywords(&text(&words)).unwrap());
                let mut found = Vec::new();
                tables.for_each_match(&query, |link| found.push(link));
                found.sort_unstable();
                let expected = plain.iter().filter(|(_, table)| table.matches(&query));
                prop_assert_eq!(found, expected.map(|(link, _)| *link).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_last_to_go_takes_the_memory_along() {
        let mut tables = NeighbourTables::default();
        tables.insert(Link(1), table(&[1, 2], 16));
        assert!(tables.rows.capacity() > 0);
        tables.remove(Link(1));
        tables.remove(Link(1));
        assert!(tables.is_empty() && tables.rows.capacity() == 0);
    }
}
