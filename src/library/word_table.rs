//! Which numbers stand under a word, or under any word that begins with given letters.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A sorted table of words, each with the sorted numbers it was entered for.
#[derive(Clone, Debug, Default)]
pub(super) struct WordTable {
    numbers: BTreeMap<Box<str>, Vec<u32>>,
}

impl WordTable {
    /// Enters a number under a word; entering it twice is the same as once.
    pub(super) fn insert(&mut self, word: &str, number: u32) {
        match self.numbers.get_mut(word) {
            Some(numbers) => {
                if let Err(place) = numbers.binary_search(&number) {
                    numbers.insert(place, number);
                }
            }
            None => {
                self.numbers.insert(word.into(), vec![number]);
            }
        }
    }

    /// Takes a number out from under a word.
    pub(super) fn remove(&mut self, word: &str, number: u32) {
        let Some(numbers) = self.numbers.get_mut(word) else {
            return;
        };
        if let Ok(place) = numbers.binary_search(&number) {
            numbers.remove(place);
        }
        if numbers.is_empty() {
            self.numbers.remove(word);
        }
    }

    /// The numbers under words that begin with `prefix`, in the order of the words; a number
    /// comes once for each such word.
    pub(super) fn under(&self, prefix: &str) -> impl Iterator<Item = u32> {
        self.lists(prefix).flatten().copied()
    }

    /// How many numbers [`under`](Self::under) gives, counted only until there are more than
    /// `enough`.
    pub(super) fn count(&self, prefix: &str, enough: usize) -> usize {
        let mut count = 0;
        for list in self.lists(prefix) {
            count += list.len();
            if count > enough {
                break;
            }
        }
        count
    }

    fn lists(&self, prefix: &str) -> impl Iterator<Item = &Vec<u32>> {
        self.numbers
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(word, _)| word.starts_with(prefix))
            .map(|(_, numbers)| numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> WordTable {
        let mut table = WordTable::default();
        for (word, number) in [
            ("linux", 3),
            ("linux", 1),
            ("lint", 3),
            ("lin", 2),
            ("lj", 4),
        ] {
            table.insert(word, number);
            table.insert(word, number);
        }
        table
    }

    fn under(table: &WordTable, prefix: &str) -> Vec<u32> {
        table.under(prefix).collect()
    }

    #[test]
    fn a_prefix_stands_for_every_word_it_begins() {
        let table = table();
        assert_eq!(under(&table, "lin"), [2, 3, 1, 3]);
        assert_eq!(under(&table, "linu"), [1, 3]);
        assert_eq!(under(&table, "inux"), []);
        assert_eq!(under(&table, "linuxes"), []);
        assert_eq!(under(&table, ""), [2, 3, 1, 3, 4]);
    }

    #[test]
    fn counting_stops_when_it_is_enough() {
        let table = table();
        assert_eq!(table.count("l", usize::MAX), 5);
        assert_eq!(table.count("l", 1), 2);
        assert_eq!(table.count("x", 1), 0);
    }

    #[test]
    fn what_is_removed_leaves_no_word_behind() {
        let mut table = table();
        table.remove("lj", 4);
        table.remove("lint", 1);
        table.remove("nothing", 1);
        assert_eq!(under(&table, "l"), [2, 3, 1, 3]);
        assert_eq!(table.numbers.len(), 3);
    }
}
