//! Tiger of several leaves of a tree at once (R. Anderson, E. Biham: *Tiger: A Fast New Hash
//! Function*, 1996; protocol §11.2).
//!
//! A round of Tiger waits for eight look-ups in tables that hang on the round before. Leaves do not
//! hang on each other, so that the look-ups of one are made while those of another are awaited. All
//! else that is hashed with Tiger is hashed by the `tiger` crate.

use std::sync::LazyLock;

use super::tiger_tree::Node;

/// Leaves that are hashed at once. With more of them it is slower again: what they need no longer
/// fits the processor.
const LANES: usize = 4;

/// Bytes of a leaf that is whole.
const LEAF: usize = 1_024;

/// Bytes that are mixed in at once.
const BLOCK: usize = 64;

type Tables = [[u64; 256]; 4];
type State = [u64; 3];
type Words = [u64; 8];

const START: State = [
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
    0xf096_a5b4_c3b2_e187,
];

static TABLES: LazyLock<Box<Tables>> = LazyLock::new(|| {
    let text = b"Tiger - A Fast New Hash Function, by Ross Anderson and Eli Biham";
    generate(text, 5)
});

/// The nodes over whole leaves, given one after the other.
pub(super) fn nodes(data: &[u8; LANES * LEAF]) -> [Node; LANES] {
    let tables: &Tables = &TABLES;
    let leaves: &[[u8; LEAF]; LANES] = data
        .as_chunks()
        .0
        .try_into()
        .expect("as many leaves as lanes");
    let mut states = [START; LANES];
    // A zero byte comes before each leaf and moves all others by one.
    let first = leaves.each_ref().map(|leaf| {
        let mut block = [0; BLOCK];
        block[1..].copy_from_slice(&leaf[..BLOCK - 1]);
        words(&block)
    });
    compress(tables, &mut states, first);
    for at in (BLOCK - 1..LEAF - 1).step_by(BLOCK) {
        let next = leaves.each_ref().map(|leaf| words(&leaf[at..at + BLOCK]));
        compress(tables, &mut states, next);
    }
    // The last byte, the bit after the end, and the length in bits.
    let bits: u64 = (LEAF as u64 + 1) * 8;
    let last = leaves.each_ref().map(|leaf| {
        [
            u64::from_le_bytes([leaf[LEAF - 1], 1, 0, 0, 0, 0, 0, 0]),
            0,
            0,
            0,
            0,
            0,
            0,
            bits,
        ]
    });
    compress(tables, &mut states, last);
    states.map(|state| {
        let mut node = [0; 24];
        for (word, bytes) in state.iter().zip(node.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        node
    })
}

/// The words of a block.
#[inline(always)]
fn words(block: &[u8]) -> Words {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// Mixes a block into each state.
#[inline(always)]
fn compress<const N: usize>(tables: &Tables, states: &mut [State; N], mut words: [Words; N]) {
    let [mut a, mut b, mut c] = [0, 1, 2].map(|place| std::array::from_fn(|n| states[n][place]));
    pass::<N, 5>(tables, &mut a, &mut b, &mut c, &words);
    words.iter_mut().for_each(schedule);
    pass::<N, 7>(tables, &mut c, &mut a, &mut b, &words);
    words.iter_mut().for_each(schedule);
    pass::<N, 9>(tables, &mut b, &mut c, &mut a, &words);
    for (n, state) in states.iter_mut().enumerate() {
        state[0] ^= a[n];
        state[1] = b[n].wrapping_sub(state[1]);
        state[2] = c[n].wrapping_add(state[2]);
    }
}

/// Eight rounds in each lane.
#[inline(always)]
fn pass<const N: usize, const BY: u64>(
    tables: &Tables,
    a: &mut [u64; N],
    b: &mut [u64; N],
    c: &mut [u64; N],
    words: &[Words; N],
) {
    round::<N, BY>(tables, a, b, c, words, 0);
    round::<N, BY>(tables, b, c, a, words, 1);
    round::<N, BY>(tables, c, a, b, words, 2);
    round::<N, BY>(tables, a, b, c, words, 3);
    round::<N, BY>(tables, b, c, a, words, 4);
    round::<N, BY>(tables, c, a, b, words, 5);
    round::<N, BY>(tables, a, b, c, words, 6);
    round::<N, BY>(tables, b, c, a, words, 7);
}

#[inline(always)]
fn round<const N: usize, const BY: u64>(
    tables: &Tables,
    a: &mut [u64; N],
    b: &mut [u64; N],
    c: &mut [u64; N],
    words: &[Words; N],
    word: usize,
) {
    for n in 0..N {
        c[n] ^= words[n][word];
        let at = c[n].to_le_bytes().map(usize::from);
        let even = tables[0][at[0]] ^ tables[1][at[2]] ^ tables[2][at[4]] ^ tables[3][at[6]];
        let odd = tables[3][at[1]] ^ tables[2][at[3]] ^ tables[1][at[5]] ^ tables[0][at[7]];
        a[n] = a[n].wrapping_sub(even);
        b[n] = b[n].wrapping_add(odd).wrapping_mul(BY);
    }
}

/// The words of a block for the next pass.
#[inline(always)]
fn schedule(x: &mut Words) {
    x[0] = x[0].wrapping_sub(x[7] ^ 0xa5a5_a5a5_a5a5_a5a5);
    x[1] ^= x[0];
    x[2] = x[2].wrapping_add(x[1]);
    x[3] = x[3].wrapping_sub(x[2] ^ (!x[1] << 19));
    x[4] ^= x[3];
    x[5] = x[5].wrapping_add(x[4]);
    x[6] = x[6].wrapping_sub(x[5] ^ (!x[4] >> 23));
    x[7] ^= x[6];
    x[0] = x[0].wrapping_add(x[7]);
    x[1] = x[1].wrapping_sub(x[0] ^ (!x[7] << 19));
    x[2] ^= x[1];
    x[3] = x[3].wrapping_add(x[2]);
    x[4] = x[4].wrapping_sub(x[3] ^ (!x[2] >> 23));
    x[5] ^= x[4];
    x[6] = x[6].wrapping_add(x[5]);
    x[7] = x[7].wrapping_sub(x[6] ^ 0x0123_4567_89ab_cdef);
}

/// Tiger's tables, as its authors made them: each column of bytes a permutation, shuffled by Tiger
/// itself with the tables as they are so far.
fn generate(text: &[u8; BLOCK], passes: usize) -> Box<Tables> {
    let mut tables: Box<Tables> = Box::new([[0; 256]; 4]);
    for table in tables.iter_mut() {
        for (byte, entry) in (0..=u8::MAX).zip(table) {
            *entry = u64::from_le_bytes([byte; 8]);
        }
    }
    let (mut state, mut word) = ([START], 2);
    for _ in 0..passes {
        for place in 0..256 {
            for number in 0..4 {
                word += 1;
                if word == 3 {
                    word = 0;
                    compress(&tables, &mut state, [words(text)]);
                }
                for (column, with) in state[0][word].to_le_bytes().into_iter().enumerate() {
                    let mask = 0xff << (8 * column);
                    let table = &mut tables[number];
                    let differ = (table[place] ^ table[usize::from(with)]) & mask;
                    table[place] ^= differ;
                    table[usize::from(with)] ^= differ;
                }
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tiger::{Digest, Tiger};

    use super::*;

    #[test]
    fn all_lanes_give_the_known_answer() {
        let root = data_encoding::BASE32_NOPAD
            .decode(b"L66Q4YVNAFWVS23X2HJIRA5ZJ7WXR3F26RSASFA")
            .unwrap();
        for node in nodes(&[b'A'; LANES * LEAF]) {
            assert_eq!(node[..], root);
        }
    }

    proptest! {
        #[test]
        fn each_lane_hashes_its_own_leaf(data in proptest::collection::vec(any::<u8>(), LANES * LEAF)) {
            let hashed = nodes(data.as_slice().try_into().unwrap());
            for (leaf, node) in data.chunks(LEAF).zip(hashed) {
                let one: Node = Tiger::new_with_prefix([0]).chain_update(leaf).finalize().into();
                prop_assert_eq!(node, one);
            }
        }
    }
}
