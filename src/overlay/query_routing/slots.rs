//! Sets of slots: one to be written, one to be kept.

/// A set of slots that changes: a bit for each.
#[derive(Clone, Debug)]
pub(super) struct Bitmap(Box<[u64]>);

impl Bitmap {
    /// None of 2^`bits` slots.
    pub(super) fn new(bits: u8) -> Self {
        let words = (1_usize << bits).div_ceil(64);
        Self(vec![0; words].into())
    }

    pub(super) fn insert(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        self.0[word] |= bit;
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        self.0[word] &= !bit;
    }

    pub(super) fn flip(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        self.0[word] ^= bit;
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// A set of slots that does not change, in the form that takes the least memory. Equal sets of
/// as many slots have the same form.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Slots {
    /// Those in the set, rising.
    Narrow(Box<[u16]>),
    /// The same where slots have more than 16 bits.
    Wide(Box<[u32]>),
    /// A bit for each, and how many are set.
    Dense(Box<[u64]>, u32),
}

impl Slots {
    /// The slots of a bitmap of 2^`bits`.
    pub(super) fn from_bitmap(bits: u8, bitmap: Bitmap) -> Self {
        let len = bitmap.len();
        if is_sparse(bits, len) {
            Self::sparse(bits, ones(&bitmap.0))
        } else {
            Self::Dense(bitmap.0, len)
        }
    }

    /// Slots out of 2^`bits` that rise, each once.
    pub(super) fn from_sorted(bits: u8, slots: &[u32]) -> Self {
        let len = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        if is_sparse(bits, len) {
            return Self::sparse(bits, slots.iter().copied());
        }
        let mut bitmap = Bitmap::new(bits);
        slots.iter().for_each(|&slot| bitmap.insert(slot));
        Self::Dense(bitmap.0, len)
    }

    fn sparse(bits: u8, slots: impl Iterator<Item = u32>) -> Self {
        if bits > 16 {
            return Self::Wide(slots.collect());
        }
        let narrow = |slot| u16::try_from(slot).expect("below 2^bits");
        Self::Narrow(slots.map(narrow).collect())
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        match self {
            Self::Narrow(slots) => {
                u16::try_from(slot).is_ok_and(|slot| slots.binary_search(&slot).is_ok())
            }
            Self::Wide(slots) => slots.binary_search(&slot).is_ok(),
            Self::Dense(words, _) => {
                let (word, bit) = place(slot);
                words[word] & bit != 0
            }
        }
    }

    pub(super) fn len(&self) -> u32 {
        match self {
            Self::Narrow(slots) => u32::try_from(slots.len()).unwrap_or(u32::MAX),
            Self::Wide(slots) => u32::try_from(slots.len()).unwrap_or(u32::MAX),
            Self::Dense(_, len) => *len,
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Narrow(slots) => size_of_val(&**slots),
            Self::Wide(slots) => size_of_val(&**slots),
            Self::Dense(words, _) => size_of_val(&**words),
        }
    }

    /// The slots, rising.
    pub(super) fn for_each(&self, mut take: impl FnMut(u32)) {
        match self {
            Self::Narrow(slots) => slots.iter().for_each(|&slot| take(u32::from(slot))),
            Self::Wide(slots) => slots.iter().for_each(|&slot| take(slot)),
            Self::Dense(words, _) => ones(words).for_each(take),
        }
    }

    /// The same set to write in, which has 2^`bits` slots.
    pub(super) fn to_bitmap(&self, bits: u8) -> Bitmap {
        if let Self::Dense(words, _) = self {
            return Bitmap(words.clone());
        }
        let mut bitmap = Bitmap::new(bits);
        self.for_each(|slot| bitmap.insert(slot));
        bitmap
    }
}

/// Whether so many slots out of 2^`bits` take less memory one by one.
fn is_sparse(bits: u8, len: u32) -> bool {
    let width = if bits > 16 { 4 } else { 2 };
    u64::from(len) * width * 8 < 1 << bits
}

/// The word and the bit of a slot.
const fn place(slot: u32) -> (usize, u64) {
    (slot as usize / 64, 1 << (slot % 64))
}

fn ones(words: &[u64]) -> impl Iterator<Item = u32> {
    (0..)
        .step_by(64)
        .zip(words)
        .flat_map(|(first, &word): (u32, _)| {
            let rest = |&word: &u64| Some(word & (word - 1)).filter(|&rest| rest != 0);
            std::iter::successors(Some(word).filter(|&word| word != 0), rest)
                .map(move |word| first + word.trailing_zeros())
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smaller_form_is_taken() {
        let some: Vec<u32> = (0..4_095).map(|slot| slot * 16).collect();
        let narrow = Slots::from_sorted(16, &some);
        assert!(matches!(narrow, Slots::Narrow(_)));
        assert_eq!(narrow.bytes(), 2 * 4_095);
        assert!(matches!(Slots::from_sorted(17, &some), Slots::Wide(_)));
        let more: Vec<u32> = (0..4_096).collect();
        assert!(matches!(Slots::from_sorted(16, &more), Slots::Dense(..)));
        assert_eq!(Slots::from_sorted(16, &more).bytes(), 65_536 / 8);
        assert_eq!(Slots::from_sorted(21, &[]).bytes(), 0);
    }

    proptest! {
        #[test]
        fn every_form_is_the_same_set(
            bits in 0..=17_u8,
            seeds in prop::collection::btree_set(any::<u32>(), 0..200),
        ) {
            let set: BTreeSet<u32> = seeds.iter().map(|seed| seed % (1 << bits)).collect();
            let sorted: Vec<u32> = set.iter().copied().collect();
            let mut bitmap = Bitmap::new(bits);
            sorted.iter().for_each(|&slot| bitmap.insert(slot));
            let len = bitmap.len();
            let forms = [
                Slots::sparse(bits, sorted.iter().copied()),
                Slots::Dense(bitmap.0.clone(), len),
            ];
            for form in &forms {
                let mut slots = Vec::new();
                form.for_each(|slot| slots.push(slot));
                prop_assert_eq!(&slots, &sorted);
                prop_assert_eq!(form.len(), len);
                prop_assert_eq!(&form.to_bitmap(bits).0, &bitmap.0);
                for slot in seeds.iter().map(|seed| seed.rotate_left(7) % (1 << bits)) {
                    prop_assert_eq!(form.contains(slot), set.contains(&slot));
                }
                for &slot in &set {
                    prop_assert!(form.contains(slot));
                }
            }
            prop_assert_eq!(Slots::from_sorted(bits, &sorted), Slots::from_bitmap(bits, bitmap));
        }
    }
}
