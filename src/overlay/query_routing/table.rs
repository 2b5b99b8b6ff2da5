//! A query routing table: which words can be found somewhere.

use std::sync::Arc;

use super::LookedUp;
use super::slots::{Bitmap, Slots};
use crate::wire::qrp_hash::slot;

/// Which words can be found somewhere, by their hashes. It does not change once it is made, and
/// clones share it. One with few words is small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table(Arc<Inner>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Inner {
    bits: u8,
    slots: Slots,
}

impl Table {
    /// The most bits of a slot: 2^21 slots.
    pub const MAX_BITS: u8 = 21;

    /// The bits of a slot in our own tables, while they have few words.
    pub const USUAL_BITS: u8 = 16;

    /// The most bits of a slot that ultrapeers take from each other.
    pub(super) const MAX_SHARED_BITS: u8 = 17;

    /// Tables of no more slots are the sign for no words at all.
    const TINY_BITS: u8 = 3;

    /// A table of 2^`bits` slots, all absent. There are at most 2^[`MAX_BITS`](Self::MAX_BITS).
    #[must_use]
    pub fn empty(bits: u8) -> Self {
        let bits = bits.min(Self::MAX_BITS);
        Self::new(bits, Slots::from_sorted(bits, &[]))
    }

    /// What the hashes of words and URNs make. It grows from the usual size while more than one
    /// slot in twenty is present, up to what ultrapeers take: telling it whole must fit into a
    /// neighbour's send queue.
    pub(super) fn of_products(mut products: Vec<u32>) -> Self {
        products.sort_unstable();
        let mut bits = Self::USUAL_BITS;
        loop {
            let mut slots: Vec<u32> = products
                .iter()
                .map(|&product| slot(product, bits))
                .collect();
            slots.dedup();
            if slots.len() * 20 <= 1 << bits || bits == Self::MAX_SHARED_BITS {
                return Self::new(bits, Slots::from_sorted(bits, &slots));
            }
            bits += 1;
        }
    }

    pub(super) fn from_bitmap(bits: u8, bitmap: Bitmap) -> Self {
        Self::new(bits, Slots::from_bitmap(bits, bitmap))
    }

    pub(super) fn to_bitmap(&self) -> Bitmap {
        self.0.slots.to_bitmap(self.0.bits)
    }

    fn new(bits: u8, slots: Slots) -> Self {
        Self(Arc::new(Inner { bits, slots }))
    }

    /// What an ultrapeer tells other ultrapeers: its own table or any of its leaves'. It has the
    /// size of the largest, from the usual up to what ultrapeers take.
    #[must_use]
    pub fn aggregate<'a>(tables: impl IntoIterator<Item = &'a Self, IntoIter: Clone>) -> Self {
        let tables = tables.into_iter().filter(|table| !table.is_tiny());
        let largest = tables.clone().map(Self::bits).max();
        let bits = largest.map_or(Self::USUAL_BITS, |bits| {
            bits.clamp(Self::USUAL_BITS, Self::MAX_SHARED_BITS)
        });
        Self::merged(tables, bits)
    }

    /// A table of 2^`bits` slots with what is present in any of `tables`, whatever their sizes.
    #[must_use]
    pub fn merged<'a>(tables: impl IntoIterator<Item = &'a Self>, bits: u8) -> Self {
        let bits = bits.min(Self::MAX_BITS);
        let mut bitmap = Bitmap::new(bits);
        for table in tables {
            table.for_each_at(bits, |slot| bitmap.insert(slot));
        }
        Self::from_bitmap(bits, bitmap)
    }

    /// The bits of a slot's number.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.0.bits
    }

    /// How many slots it has.
    #[must_use]
    pub fn slots(&self) -> u32 {
        1 << self.0.bits
    }

    /// How many slots are present.
    #[must_use]
    pub fn present(&self) -> u32 {
        self.0.slots.len()
    }

    /// The share of slots that are present, from 0 to 1.
    #[must_use]
    pub fn fill(&self) -> f64 {
        f64::from(self.present()) / f64::from(self.slots())
    }

    /// Whether every slot is present, so that it says nothing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.present() == self.slots()
    }

    /// Whether it is of a size that stands for no words at all.
    #[must_use]
    pub fn is_tiny(&self) -> bool {
        self.0.bits <= Self::TINY_BITS
    }

    /// Bytes of memory that it takes, shared by its clones.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Inner>() + self.0.slots.bytes()
    }

    /// Whether the word or URN of this [`product`](crate::wire::qrp_hash::product) can be there.
    #[must_use]
    pub fn contains(&self, product: u32) -> bool {
        self.0.slots.contains(slot(product, self.0.bits))
    }

    /// Whether a query is to go where this table came from (protocol §7.7).
    #[must_use]
    pub fn matches(&self, query: &LookedUp) -> bool {
        query.is_met(|product| self.contains(product))
    }

    /// The present slots, rising.
    pub(super) fn for_each(&self, take: impl FnMut(u32)) {
        self.0.slots.for_each(take);
    }

    pub(super) fn has_slot(&self, slot: u32) -> bool {
        self.0.slots.contains(slot)
    }

    /// The present slots as they stand in a table of 2^`bits` slots; some may come more than
    /// once.
    pub(super) fn for_each_at(&self, bits: u8, mut take: impl FnMut(u32)) {
        if let Some(fewer) = self.0.bits.checked_sub(bits) {
            self.for_each(|slot| take(slot >> fewer));
        } else {
            let more = bits - self.0.bits;
            self.for_each(|slot| (slot << more..(slot + 1) << more).for_each(&mut take));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::overlay::query_routing::TableBuilder;
    use crate::wire::qrp_hash::product;

    fn table(names: &[&str]) -> Table {
        let mut builder = TableBuilder::default();
        names.iter().for_each(|name| builder.name(name));
        builder.build()
    }

    #[test]
    fn a_small_share_takes_little_memory() {
        let table = table(&["Red Sunset Overture.ogg"]);
        assert_eq!((table.slots(), table.present()), (65_536, 8));
        assert!(table.bytes() < 64, "{}", table.bytes());
        assert!(table.contains(product("OVERTU")) && !table.contains(product("overt")));
    }

    #[test]
    fn a_table_grows_with_its_words() {
        let products =
            |count: u32| -> Vec<u32> { (0..count).map(|n| n.wrapping_mul(0x9e37_79b9)).collect() };
        assert_eq!(Table::of_products(products(3_276)).bits(), 16);
        let larger = Table::of_products(products(3_400));
        assert_eq!((larger.bits(), larger.present()), (17, 3_400));
        assert_eq!(Table::of_products(products(300_000)).bits(), 17);
        assert_eq!(Table::of_products(Vec::new()), Table::empty(16));
    }

    #[test]
    fn an_aggregate_leaves_out_what_stands_for_nothing() {
        let tiny = Table::merged([&table(&["linux iso"])], 3);
        let (one, two) = (
            table(&["linux iso"]),
            Table::merged([&table(&["music mp3"])], 14),
        );
        let both = Table::aggregate([&tiny, &one, &two]);
        assert_eq!(both.bits(), 16);
        assert_eq!(both.present(), one.present() + 4 * two.present());
        assert_eq!(Table::aggregate([&tiny]), Table::empty(16));
        assert_eq!(Table::aggregate([&Table::empty(21)]).bits(), 17);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_merging(
            products in prop::collection::vec(any::<u32>(), 0..60),
            sizes in prop::collection::vec(0..=18_u8, 1..5),
            bits in 0..=18_u8,
        ) {
            let parts: Vec<Table> = sizes
                .iter()
                .enumerate()
                .map(|(n, &size)| {
                    let own = products.iter().skip(n).step_by(sizes.len()).copied().collect();
                    Table::merged([&Table::of_products(own)], size)
                })
                .collect();
            let merged = Table::merged(&parts, bits);
            prop_assert_eq!(merged.bits(), bits);
            for &product in &products {
                prop_assert!(merged.contains(product));
            }
            // A merged slot is present exactly where one of those it stands for is.
            for slot in 0..merged.slots().min(4_096) {
                let product = |bits: u8| slot.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                let any = parts.iter().any(|part| {
                    let (from, fewer) = (product(bits), part.bits().saturating_sub(bits));
                    (0..1_u32 << fewer).any(|low| {
                        let low = low.checked_shl(32 - u32::from(part.bits())).unwrap_or(0);
                        part.contains(from | low)
                    })
                });
                prop_assert_eq!(merged.has_slot(slot), any);
            }
        }
    }
}
