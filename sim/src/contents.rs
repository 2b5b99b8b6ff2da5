//! What servents share: files with names, and who holds which.

use std::collections::BTreeSet;

use filbert::overlay::catalogue::{Catalogue, TableBuilder, Tally};
use filbert::wire::query::Query;
use filbert::wire::query_hit::Record;
use filbert::wire::words::{canonical, words};
use rand::seq::index;
use rand::{Rng, RngExt};

/// The files of a whole population.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The name of each file, in canonical form.
    names: Vec<Box<str>>,
    /// Where the files of each servent begin, and one more: where the last one's end.
    starts: Vec<u32>,
    /// The files of the servents, one servent after the other, each one's rising.
    held: Vec<u32>,
}

/// What one servent shares.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    names: &'a [Box<str>],
    held: &'a [u32],
}

/// Gathers [`Contents`].
#[derive(Clone, Debug, Default)]
pub struct Placement {
    names: Vec<Box<str>>,
    /// Files and their holders.
    pairs: Vec<(u32, u32)>,
}

/// Servents that share, and how much each beside the others.
#[derive(Clone, Debug)]
pub struct Sharers {
    nodes: Vec<u32>,
    /// The sums of the weights up to each, by which one is drawn; empty where all are alike.
    sums: Vec<f64>,
}

impl Sharers {
    /// Servents that share alike.
    #[must_use]
    pub const fn alike(nodes: Vec<u32>) -> Self {
        let sums = Vec::new();
        Self { nodes, sums }
    }

    /// Servents that share by these weights, of which there is one for each.
    #[must_use]
    pub fn weighted(nodes: Vec<u32>, weights: &[f64]) -> Self {
        let mut sum = 0.0;
        let sums = weights.iter().map(|weight| {
            sum += weight;
            sum
        });
        let sums = sums.collect();
        Self { nodes, sums }
    }

    /// Who they are.
    #[must_use]
    pub fn nodes(&self) -> &[u32] {
        &self.nodes
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// So many of them, or all.
    fn choose(&self, count: usize, rng: &mut impl Rng) -> Vec<u32> {
        let count = count.min(self.len());
        if self.sums.is_empty() {
            let chosen = index::sample(rng, self.len(), count);
            return chosen.into_iter().map(|place| self.nodes[place]).collect();
        }
        let mut chosen = BTreeSet::new();
        // Who has little weight may not come up for long: then the first of those left are taken.
        for _ in 0..DRAWS * count {
            if chosen.len() == count {
                break;
            }
            chosen.insert(zipf(&self.sums, rng));
        }
        let left = (0..self.len()).filter(|place| !chosen.contains(place));
        let rest: Vec<usize> = left.take(count - chosen.len()).collect();
        let places = chosen.into_iter().chain(rest);
        places.map(|place| self.nodes[place]).collect()
    }
}

impl Placement {
    /// Adds a file of this name.
    pub fn file(&mut self, name: &str) -> u32 {
        self.names.push(canonical(name).into());
        u32::try_from(self.names.len() - 1).expect("as many files fit into memory")
    }

    /// Gives a file to this servent.
    pub fn give(&mut self, file: u32, node: u32) {
        self.pairs.push((node, file));
    }

    /// How many files there are.
    #[must_use]
    pub fn files(&self) -> usize {
        self.names.len()
    }

    /// Gives a file to so many sharers, chosen at random, at most to all. Where some share more than
    /// others, they are the likelier to be chosen.
    pub fn scatter(&mut self, file: u32, copies: usize, sharers: &Sharers, rng: &mut impl Rng) {
        let chosen = sharers.choose(copies, rng);
        self.pairs
            .extend(chosen.into_iter().map(|node| (node, file)));
    }

    /// The contents of a population of `nodes` servents.
    #[must_use]
    pub fn settle(mut self, nodes: usize) -> Contents {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let mut starts = vec![0; nodes + 1];
        for &(node, _) in &self.pairs {
            starts[node as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        Contents {
            names: self.names,
            starts,
            held: self.pairs.into_iter().map(|(_, file)| file).collect(),
        }
    }
}

impl Contents {
    /// What a servent shares.
    #[must_use]
    pub fn of(&self, node: u32) -> Share<'_> {
        let held = match self.starts.get(node as usize..node as usize + 2) {
            Some(&[start, end]) => &self.held[start as usize..end as usize],
            _ => &[],
        };
        Share {
            names: &self.names,
            held,
        }
    }

    /// Who holds each of the first so many files, in order.
    #[must_use]
    pub fn all_holders(&self, files: usize) -> Vec<Vec<u32>> {
        let mut holders = vec![Vec::new(); files];
        for (node, ends) in (0..).zip(self.starts.windows(2)) {
            let held = &self.held[ends[0] as usize..ends[1] as usize];
            for &file in held.iter().take_while(|&&file| (file as usize) < files) {
                holders[file as usize].push(node);
            }
        }
        holders
    }

    /// How many files are held in all.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.held.len()
    }
}

impl Share<'_> {
    /// How many files it has.
    #[must_use]
    pub const fn files(&self) -> usize {
        self.held.len()
    }
}

impl Catalogue for Share<'_> {
    fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn answer(&self, query: &Query, limit: usize) -> Vec<Record> {
        let text = canonical(query.search_text());
        if text.is_empty() {
            return Vec::new();
        }
        let matching = self.held.iter().filter(|&&file| {
            let name = &self.names[file as usize];
            words(&text).all(|wanted| words(name).any(|word| word.starts_with(wanted)))
        });
        let record = |&file: &u32| {
            let name = self.names[file as usize].to_string();
            Record::new(file, FILE_BYTES, name, None, None)
        };
        matching.take(limit).map(record).collect()
    }

    fn tally(&self) -> Tally {
        let files = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let kibibytes = u64::from(files) * FILE_BYTES / 1024;
        Tally {
            files,
            kibibytes: u32::try_from(kibibytes).unwrap_or(u32::MAX),
        }
    }

    fn describe(&self, table: &mut TableBuilder) {
        for &file in self.held {
            table.name(&self.names[file as usize]);
        }
    }
}

/// The name of a file: two words that no other has.
#[must_use]
pub fn name(file: u32) -> String {
    format!("{} {}", word(2 * file), word(2 * file + 1))
}

/// A made-up word that no other number has: syllables, so that it looks like one and is long
/// enough to be routed by.
#[must_use]
pub fn word(number: u32) -> String {
    const CONSONANTS: &[u8] = b"bdfghklmnprstvwz";
    const VOWELS: &[u8] = b"aeiou";
    const SYLLABLES: u32 = 80;
    let mut left = number;
    let mut word = String::new();
    while left > 0 || word.len() < 6 {
        let syllable = (left % SYLLABLES) as usize;
        word.push(char::from(CONSONANTS[syllable % CONSONANTS.len()]));
        word.push(char::from(VOWELS[syllable / CONSONANTS.len()]));
        left /= SYLLABLES;
    }
    word
}

/// A rank, from 0, by Zipf's law: as often as its part of the [`power_sums`].
pub fn zipf(sums: &[f64], rng: &mut impl Rng) -> usize {
    let whole = sums.last().copied().unwrap_or(0.0);
    let drawn = rng.random::<f64>() * whole;
    let place = sums.partition_point(|&sum| sum <= drawn);
    place.min(sums.len().saturating_sub(1))
}

/// The sums of 1 / r to the power of `exponent`, up to each rank, which [`zipf`] draws by.
#[must_use]
pub fn power_sums(ranks: u32, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    (1..=ranks)
        .map(|rank| {
            sum += 1.0 / libm::pow(f64::from(rank), exponent);
            sum
        })
        .collect()
}

/// How many draws there are for each servent that is to be chosen.
const DRAWS: usize = 64;

/// The size of every file, in bytes.
const FILE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn who_holds_a_file_answers_for_it() {
        let mut placement = Placement::default();
        let (one, two) = (
            placement.file("Blue Moon.ogg"),
            placement.file("green valley"),
        );
        placement.give(one, 2);
        placement.give(two, 2);
        placement.give(two, 0);
        placement.give(two, 0);
        let contents = placement.settle(4);
        assert_eq!(contents.copies(), 3);
        let names = |node, text: &str| -> Vec<String> {
            let records = contents.of(node).answer(&Query::keywords(text).unwrap(), 9);
            records.into_iter().map(|record| record.name).collect()
        };
        assert_eq!(names(2, "moon blu"), ["blue moon ogg"]);
        assert_eq!(names(2, "valley"), ["green valley"]);
        assert!(names(0, "moon").is_empty() && names(3, "valley").is_empty());
        assert!(contents.of(3).is_empty() && !contents.of(0).is_empty());
    }

    #[test]
    fn words_are_their_own_and_long_enough() {
        let words: BTreeSet<String> = (0..100_000).map(word).collect();
        assert_eq!(words.len(), 100_000);
        assert!(words.iter().all(|word| word.len() >= 6));
    }

    #[test]
    fn the_first_ranks_are_drawn_most() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let sums = power_sums(100, 1.0);
        let mut drawn = [0; 100];
        (0..100_000).for_each(|_| drawn[zipf(&sums, &mut rng)] += 1);
        // The whole is 5.187.
        assert!((18_700..19_900).contains(&drawn[0]), "{}", drawn[0]);
        assert!((9_200..10_100).contains(&drawn[1]), "{}", drawn[1]);
        assert!((130..260).contains(&drawn[99]), "{}", drawn[99]);
    }
}
