//! A query as tables are asked for it.

use super::builder::sha1_product;
use crate::wire::qrp_hash::query_products;
use crate::wire::query::Query;

/// A query as tables are asked for it: its words hashed once for tables of every size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    words: Vec<u32>,
    urns: Vec<u32>,
}

/// The most words of one query that are looked up; more than a payload of 256 bytes holds.
pub(super) const MAX_WORDS: usize = 64;

/// The most URNs of one query that are looked up.
const MAX_URNS: usize = 8;

impl LookedUp {
    /// The words and hashes of a query.
    #[must_use]
    pub fn new(query: &Query) -> Self {
        Self {
            words: query_products(query.search_text(), MAX_WORDS),
            urns: query.sha1s().take(MAX_URNS).map(sha1_product).collect(),
        }
    }

    /// Whether nothing can be looked up, so that the query goes nowhere.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty() && self.urns.is_empty()
    }

    /// Whether enough of it is present: any of the URNs, or one or two words, or two thirds of
    /// more.
    pub(super) fn is_met(&self, mut is_present: impl FnMut(u32) -> bool) -> bool {
        if self.urns.iter().any(|&urn| is_present(urn)) {
            return true;
        }
        // How many words may be missing.
        let mut spare = self.words.len() - self.needed();
        !self.words.is_empty()
            && self.words.iter().all(|&word| {
                is_present(word) || spare.checked_sub(1).map(|left| spare = left).is_some()
            })
    }

    /// How many of the words must be present.
    pub(super) fn needed(&self) -> usize {
        match self.words.len() {
            few @ 0..3 => few,
            more => (2 * more).div_ceil(3),
        }
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    pub(super) fn urns(&self) -> &[u32] {
        &self.urns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::query_routing::{Table, TableBuilder};
    use crate::wire::urn::{Sha1, Urn};

    fn table(name: &str) -> Table {
        let mut builder = TableBuilder::default();
        builder.name(name);
        builder.build()
    }

    fn words(text: &str) -> LookedUp {
        LookedUp::new(&Query::keywords(text).unwrap())
    }

    #[test]
    fn one_or_two_words_must_be_there_of_more_two_thirds() {
        let table = table("one two three four five.ogg");
        for (text, matches) in [
            ("one", true),
            ("ONE two", true),
            ("one x", true),
            ("one lost", false),
            ("lost one two", true),
            ("lost missing one", false),
            ("one two three lost", true),
            ("one two lost missing", false),
            ("lost one two three missing", false),
            ("lost one two three missing four", true),
        ] {
            assert_eq!(table.matches(&words(text)), matches, "{text}");
        }
    }

    #[test]
    fn a_query_without_a_usable_word_goes_nowhere() {
        let mut full = crate::overlay::query_routing::slots::Bitmap::new(6);
        (0..64).for_each(|slot| full.insert(slot));
        let full = Table::from_bitmap(6, full);
        let query = words("a of xy");
        assert!(full.is_full() && query.is_empty() && !full.matches(&query));
        assert!(full.matches(&words("anything")));
    }

    #[test]
    fn a_hash_is_looked_up_as_its_urn() {
        let sha1 = Sha1::from_bytes([7; 20]);
        let query = LookedUp::new(&Query::for_urn(Urn::Sha1(sha1)));
        let mut builder = TableBuilder::default();
        builder.sha1(sha1);
        assert!(builder.build().matches(&query));
        assert!(!table("one two").matches(&query));
        let mut both = Query::for_urn(Urn::Sha1(sha1));
        both.text = "one two".to_owned();
        assert!(table("one two").matches(&LookedUp::new(&both)));
    }
}
