//! The hash of query routing tables, and which words enter it (protocol §7.1, §7.5).

use super::words::{canonical, words};

/// Words shorter than this are neither told nor looked up, in bytes.
pub const SHORTEST: usize = 3;

/// Words of at least so many letters are told in shorter forms too.
const CUT_FROM: usize = 5;

/// The hash of a word, or of the whole text of a URN, before it is cut to the size of a table.
/// Case does not matter.
#[must_use]
pub fn product(word: &str) -> u32 {
    let mut folded = 0;
    let mut shift = 0;
    let mut take = |unit: u16| {
        folded ^= u32::from(unit & 0xff) << shift;
        shift = (shift + 8) & 24;
    };
    for char in word.chars().flat_map(char::to_lowercase) {
        char.encode_utf16(&mut [0; 2])
            .iter()
            .for_each(|&unit| take(unit));
    }
    folded.wrapping_mul(0x4f1b_bcdc)
}

/// The slot of a [`product`] in a table of 2^`bits` slots, of which there are at most 2^32.
#[must_use]
pub const fn slot(product: u32, bits: u8) -> u32 {
    match product.checked_shr(32 - bits as u32) {
        Some(slot) => slot,
        None => 0,
    }
}

/// Hands out the [`product`]s under which a file of this name is found: those of its words, and
/// of the shorter forms of long ones. Some may come more than once.
pub fn name_products(name: &str, mut take: impl FnMut(u32)) {
    let form = canonical(name);
    for word in words(&form).filter(|word| word.len() >= SHORTEST) {
        take(product(word));
        if word.chars().nth(CUT_FROM - 1).is_some() {
            let mut ends = word.char_indices().rev().map(|(end, _)| end);
            ends.by_ref()
                .take(2)
                .for_each(|end| take(product(&word[..end])));
        }
    }
}

/// The [`product`]s that a search for `text` looks up, each once, at most `limit`.
#[must_use]
pub fn query_products(text: &str, limit: usize) -> Vec<u32> {
    let form = canonical(text);
    let mut products = Vec::new();
    for word in words(&form).filter(|word| word.len() >= SHORTEST) {
        let product = product(word);
        if products.len() < limit && !products.contains(&product) {
            products.push(product);
        }
    }
    products
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_the_published_ones() {
        for (bits, answers) in [
            (
                13,
                &[
                    ("", 0),
                    ("eb", 6791),
                    ("ebc", 7082),
                    ("ebck", 6698),
                    ("ebckl", 3179),
                    ("ebcklm", 3235),
                    ("ebcklme", 6438),
                    ("ebcklmen", 1062),
                    ("ebcklmenq", 3527),
                ][..],
            ),
            (
                16,
                &[
                    ("n", 65003),
                    ("nd", 54193),
                    ("ndf", 4953),
                    ("ndfl", 58201),
                    ("ndfla", 34830),
                    ("ndflal", 36910),
                    ("ndflale", 34586),
                    ("ndflalem", 37658),
                    ("ndflaleme", 45559),
                ],
            ),
            (
                10,
                &[
                    ("ol2j34lj", 318),
                    ("asdfas23", 503),
                    ("a3f", 767),
                    ("3nja9", 581),
                    ("3NJA9", 581),
                    ("2459345938032343", 146),
                    ("asdfjklkj3k", 861),
                    ("9um3o34fd", 758),
                    ("a234d", 281),
                    ("adfk32l", 1011),
                    ("zzzzzzzzzzz", 944),
                    ("7777a88a8a8a8", 342),
                ],
            ),
            (3, &[("test", 2), ("qrp", 7)]),
        ] {
            for &(word, expected) in answers {
                assert_eq!(slot(product(word), bits), expected, "{word} at {bits} bits");
            }
        }
    }

    #[test]
    fn products_are_the_noted_ones() {
        const URN: &str = "urn:sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ";
        for (word, expected, slots) in [
            ("gnutella", 0x532d_31b8, [332, 2661, 21293, 42586, 340_691]),
            ("music", 0x13a8_e008, [78, 629, 5032, 10065, 80526]),
            ("mp3", 0x7143_a9ac, [453, 3624, 28995, 57991, 463_930]),
            ("ogg", 0x7287_6764, [458, 3664, 29319, 58638, 469_110]),
            ("linux", 0x4128_fd30, [260, 2085, 16680, 33361, 266_895]),
            ("debian", 0x44e0_244c, [275, 2204, 17632, 35264, 282_114]),
            ("iso", 0xcb9b_4a3c, [814, 6515, 52123, 104_246, 833_972]),
            ("test", 0x50e8_5fb0, [323, 2589, 20712, 41424, 331_397]),
            ("qrp", 0xe598_551c, [918, 7347, 58776, 117_552, 940_421]),
            ("good", 0xae70_6084, [697, 5582, 44656, 89312, 714_502]),
            ("bad", 0x911d_a838, [580, 4643, 37149, 74299, 594_394]),
            ("book", 0x26e5_b038, [155, 1244, 9957, 19915, 159_323]),
            (URN, 0x3210_5914, [200, 1602, 12816, 25632, 205_061]),
            ("caf\u{e9}", 0x95f1_6514, [599, 4798, 38385, 76770, 614_166]),
            ("東京", 0x8e22_2d1c, [568, 4548, 36386, 72772, 582_178]),
            (
                "\u{1f600}",
                0xd99c_006c,
                [870, 6963, 55708, 111_416, 891_328],
            ),
        ] {
            assert_eq!(product(word), expected, "{word}");
            assert_eq!([10, 13, 16, 17, 20].map(|bits| slot(expected, bits)), slots);
        }
        assert_eq!(slot(u32::MAX, 0), 0);
        assert_eq!(slot(u32::MAX, 32), u32::MAX);
    }

    #[test]
    fn eyeball_slots() {
        for (word, expected) in [("linux", 4), ("linu", 7), ("lin", 14), ("iso", 12)] {
            assert_eq!(slot(product(word), 4), expected);
        }
    }

    fn told(name: &str) -> Vec<u32> {
        let mut products = Vec::new();
        name_products(name, |product| products.push(product));
        products
    }

    #[test]
    fn a_name_is_told_by_its_words_and_their_shorter_forms() {
        let expected = [
            "overture", "overtur", "overtu", "live", "sunny", "sunn", "sun", "ogg",
        ];
        assert_eq!(
            told("Overture (Live) - a.b Sunny.ogg"),
            expected.map(product)
        );
        assert_eq!(told("ŝlößé a"), ["slosse", "sloss", "slos"].map(product));
        assert_eq!(told("東"), [product("東")]);
        assert!(told("a bb ?").is_empty());
    }

    #[test]
    fn a_search_looks_up_its_whole_words_once() {
        assert_eq!(
            query_products("The OVERTURE, the a of Sunny", 9),
            ["the", "overture", "sunny"].map(product)
        );
        assert_eq!(query_products("one two three", 2).len(), 2);
        assert!(query_products("a of", 9).is_empty());
    }

    proptest! {
        /// So that tables of different sizes can be compared.
        #[test]
        fn a_smaller_table_keeps_the_upper_bits(product: u32, bits in 1..=32_u8) {
            prop_assert_eq!(slot(product, bits) >> 1, slot(product, bits - 1));
        }

        /// Whatever is found by its whole words is told.
        #[test]
        fn a_search_for_a_name_finds_it(name in "\\PC{0,40}") {
            let told = told(&name);
            for product in query_products(&name, usize::MAX) {
                prop_assert!(told.contains(&product));
            }
        }
    }
}
