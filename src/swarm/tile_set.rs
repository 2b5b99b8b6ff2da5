//! Which tiles of a file somebody has: one bit each.

use std::ops::Range;

/// A set of tiles of a file that is cut into tiles of one length, the last perhaps shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileSet {
    bits: Box<[u64]>,
    count: u32,
}

impl TileSet {
    /// None of `count` tiles.
    #[must_use]
    pub fn none(count: u32) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            bits: vec![0; words].into(),
            count,
        }
    }

    /// The tiles that lie wholly inside one of these ranges of bytes, of a file of `size` bytes in
    /// tiles of `tile_len`.
    #[must_use]
    pub fn inside(ranges: &[Range<u64>], size: u64, tile_len: u64) -> Self {
        let count = u32::try_from(size.div_ceil(tile_len)).unwrap_or(u32::MAX);
        let mut set = Self::none(count);
        for range in ranges {
            let first = range.start.div_ceil(tile_len);
            let end = match range.end >= size {
                true => u64::from(count),
                false => range.end / tile_len,
            };
            for tile in first..end {
                set.insert(u32::try_from(tile).unwrap_or(u32::MAX));
            }
        }
        set
    }

    /// Adds a tile; one that the file does not have is left out.
    pub fn insert(&mut self, tile: u32) {
        if tile < self.count {
            let (word, bit) = place(tile);
            self.bits[word] |= bit;
        }
    }

    /// Takes a tile away.
    pub fn remove(&mut self, tile: u32) {
        if tile < self.count {
            let (word, bit) = place(tile);
            self.bits[word] &= !bit;
        }
    }

    /// Whether a tile is in it.
    #[must_use]
    pub fn has(&self, tile: u32) -> bool {
        let (word, bit) = place(tile);
        tile < self.count && self.bits[word] & bit != 0
    }

    /// How many tiles are in it.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether no tile is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    /// The tiles in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        ones(self.bits.iter().copied())
    }

    /// The tiles that are in it and in another, in order.
    pub fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        ones(
            self.bits
                .iter()
                .zip(&other.bits)
                .map(|(one, other)| one & other),
        )
    }

    /// Whether a tile is in both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let mut words = self.bits.iter().zip(&other.bits);
        words.any(|(one, other)| one & other != 0)
    }

    /// The tiles that are in it and not in another, in order.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let others = other.bits.iter().copied().chain(std::iter::repeat(0));
        ones(
            self.bits
                .iter()
                .zip(others)
                .map(|(one, other)| one & !other),
        )
    }

    /// The runs of neighbouring tiles in it, in order.
    #[must_use]
    pub fn runs(&self) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for tile in self.iter() {
            match runs.last_mut() {
                Some(run) if run.end == tile => run.end += 1,
                _ => runs.push(tile..tile + 1),
            }
        }
        runs
    }

    /// The set as bytes, the first tile in the lowest bit of the first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bits
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// The set of `count` tiles that [`to_bytes`](Self::to_bytes) wrote; what other bytes do not
    /// tell is not in it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], count: u32) -> Self {
        let mut set = Self::none(count);
        let whole = bytes.chunks(8).zip(&mut set.bits);
        for (chunk, word) in whole {
            let mut padded = [0; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(padded);
        }
        // Nothing beyond the last tile.
        if let (Some(last), rest @ 1..) = (set.bits.last_mut(), count % 64) {
            *last &= (1 << rest) - 1;
        }
        set
    }
}

/// The places of the bits that are set in words.
fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = u32> {
    (0..).step_by(64).zip(words).flat_map(|(first, mut word)| {
        std::iter::from_fn(move || {
            let next = (word != 0).then(|| first + word.trailing_zeros())?;
            word &= word - 1;
            Some(next)
        })
    })
}

fn place(tile: u32) -> (usize, u64) {
    let word = usize::try_from(tile / 64).unwrap_or(usize::MAX);
    (word, 1 << (tile % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_tiles_count_and_the_last_may_be_short() {
        let inside = |ranges: &[(u64, u64)]| {
            let ranges: Vec<_> = ranges.iter().map(|(start, end)| *start..*end).collect();
            let set = TileSet::inside(&ranges, 95, 10);
            set.iter().collect::<Vec<_>>()
        };
        assert_eq!(inside(&[(0, 10)]), [0]);
        assert_eq!(inside(&[(1, 29)]), [1]);
        assert_eq!(inside(&[(80, 95), (5, 21)]), [1, 8, 9]);
        assert_eq!(inside(&[(90, 1_000)]), [9]);
        assert_eq!(inside(&[(90, 94), (200, 300)]), [0; 0]);
        assert_eq!(inside(&[(0, u64::MAX)]).len(), 10);
    }

    proptest! {
        #[test]
        fn it_is_a_set_and_its_bytes_tell_it(
            count in 0_u32..200,
            tiles in proptest::collection::vec(0_u32..300, 0..60),
        ) {
            let mut set = TileSet::none(count);
            for tile in &tiles {
                set.insert(*tile);
            }
            let expected: std::collections::BTreeSet<u32> =
                tiles.into_iter().filter(|tile| *tile < count).collect();
            prop_assert!(set.iter().eq(expected.iter().copied()));
            prop_assert_eq!(usize::try_from(set.len()).unwrap(), expected.len());
            prop_assert_eq!(set.is_empty(), expected.is_empty());
            prop_assert!(set.runs().into_iter().flatten().eq(expected.iter().copied()));
            prop_assert_eq!(&TileSet::from_bytes(&set.to_bytes(), count), &set);
            let mut third = TileSet::none(count);
            (0..count).step_by(3).for_each(|tile| third.insert(tile));
            let (both, rest): (Vec<u32>, Vec<u32>) =
                expected.iter().partition(|tile| third.has(**tile));
            prop_assert_eq!(set.meets(&third), !both.is_empty());
            prop_assert!(set.common(&third).eq(both));
            prop_assert!(set.beyond(&third).eq(rest));
            let more = TileSet::from_bytes(&[0xff; 40], count);
            prop_assert_eq!(more.len(), count);
            for tile in expected {
                set.remove(tile);
            }
            prop_assert!(set.is_empty());
        }
    }
}
