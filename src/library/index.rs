//! What is shared, found by keyword, hash or number.
//!
//! A search takes the rarest of its words from a sorted table and looks at the names found there
//! only, never at all of them. The same files under the same numbers always give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::overlay::catalogue::{Catalogue, TableBuilder, Tally};
use crate::wire::query::Query;
use crate::wire::query_hit::Record;
use crate::wire::urn::{Sha1, TigerRoot};
use crate::wire::words::{canonical, words};

use super::word_table::WordTable;

/// A file that is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Its number in this servent, from 1; [`Index::insert`] gives it.
    pub index: u32,
    /// Where it lies.
    pub path: PathBuf,
    /// The name that others see and search.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Its SHA-1.
    pub sha1: Sha1,
    /// The root of its Tiger tree.
    pub tiger_root: TigerRoot,
}

/// The shared files of one servent.
///
/// A path keeps its number as long as the index lives, even while nothing is shared under it.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// The file of number `n` at `n - 1`, `None` where it is shared no more.
    entries: Vec<Option<Entry>>,
    numbers: BTreeMap<PathBuf, u32>,
    contents: BTreeSet<(Sha1, u32)>,
    /// By time of change, in milliseconds since 1970.
    ages: BTreeSet<(i64, u32)>,
    words: WordTable,
    files: usize,
    bytes: u64,
}

/// A shared file and the form of its name that searches are compared with.
#[derive(Clone, Debug)]
struct Entry {
    file: SharedFile,
    canonical: Box<str>,
}

impl Index {
    /// An index of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shares a file, in place of what was shared under its path, and gives it its number; the
    /// number that `file` came with does not count.
    pub fn insert(&mut self, mut file: SharedFile) -> u32 {
        let number = self.number_of(&file.path);
        self.withdraw(number);
        file.index = number;
        self.files += 1;
        self.bytes += file.size;
        self.contents.insert((file.sha1, number));
        self.ages.insert((file.modified_ms, number));
        let canonical = canonical(&file.name).into_boxed_str();
        for word in words(&canonical) {
            self.words.insert(word, number);
        }
        self.entries[slot(number)] = Some(Entry { file, canonical });
        number
    }

    /// Shares the file at `path` no more. Gives back what was known of it.
    pub fn remove(&mut self, path: &Path) -> Option<SharedFile> {
        let number = *self.numbers.get(path)?;
        self.withdraw(number)
    }

    /// The file at a path.
    #[must_use]
    pub fn by_path(&self, path: &Path) -> Option<&SharedFile> {
        self.by_index(*self.numbers.get(path)?)
    }

    /// The file of a number.
    #[must_use]
    pub fn by_index(&self, number: u32) -> Option<&SharedFile> {
        self.entry(number).map(|entry| &entry.file)
    }

    /// A file with this content: the one of the lowest number, if there are several.
    #[must_use]
    pub fn by_sha1(&self, sha1: &Sha1) -> Option<&SharedFile> {
        self.with_content(*sha1).next()
    }

    /// Every file, by number.
    pub fn files(&self) -> impl Iterator<Item = &SharedFile> {
        self.entries.iter().flatten().map(|entry| &entry.file)
    }

    /// Every file from this number on, by number.
    pub fn files_from(&self, number: u32) -> impl Iterator<Item = &SharedFile> {
        let entries = self.entries.get(slot(number)..).unwrap_or_default();
        entries.iter().flatten().map(|entry| &entry.file)
    }

    /// The files that match a query, at most `limit`: the newest if it asks for those, those of
    /// the contents it names, or, if it names none, those whose names have its words and that are
    /// of a kind it wants (protocol §4.5).
    #[must_use]
    pub fn search(&self, query: &Query, limit: usize) -> Vec<&SharedFile> {
        let wanted = |file: &SharedFile| query.media().is_none_or(|media| media.takes(&file.name));
        if query.asks_for_newest() {
            return self
                .newest()
                .filter(|file| wanted(file))
                .take(limit)
                .collect();
        }
        if query.wanted().next().is_some() {
            let wanted: BTreeSet<Sha1> = query.sha1s().collect();
            let files = wanted.into_iter().flat_map(|sha1| self.with_content(sha1));
            return files.take(limit).collect();
        }
        self.named(query.search_text(), wanted, limit)
    }

    /// Every file, the one that changed last first.
    pub fn newest(&self) -> impl Iterator<Item = &SharedFile> {
        let numbers = self.ages.iter().rev().map(|&(_, number)| number);
        numbers.filter_map(|number| self.by_index(number))
    }

    /// How much is shared.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            files: u32::try_from(self.files).unwrap_or(u32::MAX),
            kibibytes: u32::try_from(self.bytes / 1024).unwrap_or(u32::MAX),
        }
    }

    /// The size of everything shared, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nothing is shared.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files == 0
    }

    fn named(
        &self,
        text: &str,
        takes: impl Fn(&SharedFile) -> bool,
        limit: usize,
    ) -> Vec<&SharedFile> {
        let text = canonical(text);
        let mut wanted = Wanted::all_in(&text);
        let Some(rarest) = self.rarest(&wanted) else {
            return Vec::new();
        };
        // What stands under the rarest word has it once.
        wanted.retain(|other| other.times > 1 || other.word != rarest);
        // By number, as a name with several words that begin alike comes up several times.
        let mut found: BTreeMap<u32, &SharedFile> = BTreeMap::new();
        for number in self.words.under(rarest) {
            if found.len() >= limit {
                break;
            }
            if let Some(entry) = self.entry(number)
                && wanted.iter().all(|word| word.is_in(&entry.canonical))
                && takes(&entry.file)
            {
                found.insert(number, &entry.file);
            }
        }
        found.into_values().collect()
    }

    /// The word with the fewest names to look at; `None` if there is no word, or one without any
    /// name.
    fn rarest<'a>(&self, wanted: &[Wanted<'a>]) -> Option<&'a str> {
        let mut rarest = None;
        let mut fewest = usize::MAX;
        for &Wanted { word, .. } in wanted {
            match self.words.count(word, fewest) {
                0 => return None,
                count if count < fewest => (rarest, fewest) = (Some(word), count),
                _ => {}
            }
        }
        rarest
    }

    fn with_content(&self, sha1: Sha1) -> impl Iterator<Item = &SharedFile> {
        self.contents
            .range((sha1, 0)..=(sha1, u32::MAX))
            .filter_map(|&(_, number)| self.by_index(number))
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(slot(number))?.as_ref()
    }

    /// The number of a path, a new one if it has none yet.
    fn number_of(&mut self, path: &Path) -> u32 {
        if let Some(&number) = self.numbers.get(path) {
            return number;
        }
        self.entries.push(None);
        let number = u32::try_from(self.entries.len())
            .expect("the entries of 2^32 files do not fit into memory");
        self.numbers.insert(path.to_owned(), number);
        number
    }

    fn withdraw(&mut self, number: u32) -> Option<SharedFile> {
        let Entry { file, canonical } = self.entries.get_mut(slot(number))?.take()?;
        self.files -= 1;
        self.bytes -= file.size;
        self.contents.remove(&(file.sha1, number));
        self.ages.remove(&(file.modified_ms, number));
        for word in words(&canonical) {
            self.words.remove(word, number);
        }
        Some(file)
    }
}

impl Catalogue for Index {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn answer(&self, query: &Query, limit: usize) -> Vec<Record> {
        self.search(query, limit)
            .into_iter()
            .map(SharedFile::record)
            .collect()
    }

    fn tally(&self) -> Tally {
        self.tally()
    }

    fn describe(&self, table: &mut TableBuilder) {
        for file in self.files() {
            table.name(&file.name);
            table.sha1(file.sha1);
        }
    }
}

impl SharedFile {
    /// The file as a query hit tells of it.
    #[must_use]
    pub fn record(&self) -> Record {
        let (sha1, tiger_root) = (Some(self.sha1), Some(self.tiger_root));
        let record = Record::new(self.index, self.size, self.name.clone(), sha1, tiger_root);
        match u64::try_from(self.modified_ms / 1000) {
            Ok(seconds @ 1..) => record.with_created(seconds),
            _ => record,
        }
    }
}

/// Where the file of a number stands; beyond the end for 0, which is the number of none.
const fn slot(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

/// A word of a search, and how often the search has it.
#[derive(Debug)]
struct Wanted<'a> {
    word: &'a str,
    times: usize,
}

impl<'a> Wanted<'a> {
    /// The words of a text in canonical form, the longest first, as those are mostly the rarest.
    fn all_in(text: &'a str) -> Vec<Self> {
        let mut all: Vec<&str> = words(text).collect();
        all.sort_unstable_by_key(|word| (std::cmp::Reverse(word.len()), *word));
        let alike = all.chunk_by(|one, other| one == other);
        alike
            .map(|alike| Self {
                word: alike[0],
                times: alike.len(),
            })
            .collect()
    }

    /// Whether a name in canonical form has the word, at the beginning of as many of its words.
    fn is_in(&self, name: &str) -> bool {
        let begun = words(name).filter(|word| word.starts_with(self.word));
        begun.take(self.times).count() == self.times
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::wire::query::Media;
    use crate::wire::urn::Urn;

    use super::*;

    fn sha1(byte: u8) -> Sha1 {
        Sha1::from_bytes([byte; 20])
    }

    fn file(name: &str, content: u8) -> SharedFile {
        SharedFile {
            index: 0,
            path: Path::new("/shared").join(name),
            name: name.to_owned(),
            size: 1000,
            modified_ms: 0,
            sha1: sha1(content),
            tiger_root: TigerRoot::from_bytes([content; 24]),
        }
    }

    fn index(names: &[&str]) -> Index {
        let mut index = Index::new();
        for (name, content) in names.iter().zip(1..) {
            index.insert(file(name, content));
        }
        index
    }

    fn names<'a>(index: &'a Index, text: &str) -> Vec<&'a str> {
        let query = Query {
            text: text.to_owned(),
            ..Query::for_urn(Urn::Sha1(sha1(0)))
        };
        let query = Query {
            urns: Vec::new(),
            ..query
        };
        let found = index.search(&query, usize::MAX);
        found.into_iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn every_word_must_begin_a_word_of_the_name() {
        let index = index(&["Linux Kernel.tar.gz", "Red_Sunset (Overture).ogg", "linen"]);
        assert_eq!(names(&index, "linux"), ["Linux Kernel.tar.gz"]);
        assert_eq!(names(&index, "KERN lin"), ["Linux Kernel.tar.gz"]);
        assert_eq!(names(&index, "lin"), ["Linux Kernel.tar.gz", "linen"]);
        assert_eq!(names(&index, "sunset ogg"), ["Red_Sunset (Overture).ogg"]);
        for none in ["inux", "linux ogg", "kernels", "shared", "", " -- "] {
            assert!(names(&index, none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_word_twice_must_be_there_twice() {
        let index = index(&["new york new york.mp3", "new york.mp3"]);
        assert_eq!(names(&index, "new york new"), ["new york new york.mp3"]);
        assert_eq!(names(&index, "new york").len(), 2);
        assert_eq!(names(&index, "n n n"), [""; 0]);
    }

    #[test]
    fn contents_are_found_whatever_the_text() {
        let mut index = index(&["one", "two"]);
        index.insert(file("copy of one", 1));
        let named = |urn| {
            let found = index.search(&Query::for_urn(urn), 9);
            let names = found.into_iter().map(|file| file.name.as_str());
            names.collect::<Vec<_>>()
        };
        assert_eq!(named(Urn::Sha1(sha1(1))), ["one", "copy of one"]);
        let root = TigerRoot::from_bytes([9; 24]);
        assert_eq!(named(Urn::Bitprint(sha1(2), root)), ["two"]);
        assert_eq!(named(Urn::Sha1(sha1(3))), [""; 0]);
        assert_eq!(index.by_sha1(&sha1(1)).unwrap().index, 1);

        let mut several = Query::for_urn(Urn::Sha1(sha1(2)));
        several
            .urns
            .extend([Urn::Sha1(sha1(1)), Urn::Sha1(sha1(2))]);
        assert_eq!(index.search(&several, 9).len(), 3);
        assert_eq!(index.search(&several, 2).len(), 2);
    }

    #[test]
    fn the_newest_come_first_and_kinds_are_kept_apart() {
        let mut index = Index::new();
        for (name, modified_ms) in [("old.ogg", 1_000), ("new.ogg", 9_000), ("mid.txt", 5_000)] {
            index.insert(SharedFile {
                modified_ms,
                ..file(name, 1)
            });
        }
        let found = |query: &Query, limit| {
            let found = index.search(query, limit);
            let names = found.into_iter().map(|file| file.name.clone());
            names.collect::<Vec<_>>()
        };
        let newest = Query::for_newest();
        assert_eq!(found(&newest, 2), ["new.ogg", "mid.txt"]);
        let sound = newest.with_media(Media::AUDIO);
        assert_eq!(found(&sound, 9), ["new.ogg", "old.ogg"]);
        let named = Query::keywords("ogg").unwrap();
        assert_eq!(found(&named.clone().with_media(Media::AUDIO), 9).len(), 2);
        assert_eq!(found(&named.with_media(Media::VIDEO), 9), [""; 0]);
        let record = index.by_index(2).unwrap().record();
        assert_eq!(record.created(), Some(9));
        index.remove(Path::new("/shared/new.ogg"));
        assert_eq!(index.newest().count(), 2);
    }

    #[test]
    fn a_path_keeps_its_number() {
        let mut index = index(&["one", "two"]);
        let path = Path::new("/shared/one");
        assert_eq!(index.remove(path).unwrap().index, 1);
        assert_eq!(index.remove(path), None);
        assert_eq!((index.by_index(1), index.by_sha1(&sha1(1))), (None, None));
        assert!(names(&index, "one").is_empty());
        assert_eq!(index.insert(file("three", 3)), 3);
        assert_eq!(index.insert(file("one", 4)), 1);
        assert_eq!(index.by_path(path).unwrap().sha1, sha1(4));
        assert_eq!(index.by_index(0), None);
        assert_eq!(index.by_index(4), None);
    }

    #[test]
    fn a_changed_file_takes_the_place_of_the_old_one() {
        let mut index = index(&["one"]);
        index.insert(SharedFile {
            size: 5000,
            ..file("one", 2)
        });
        assert_eq!(index.by_sha1(&sha1(1)), None);
        assert_eq!(index.files().count(), 1);
        let tally = Tally {
            files: 1,
            kibibytes: 4,
        };
        assert_eq!(index.tally(), tally);
        assert!(!index.is_empty());
    }

    #[test]
    fn records_tell_both_hashes() {
        let index = index(&["one"]);
        let records = index.answer(&Query::keywords("one").unwrap(), 10);
        let [record] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(
            (record.index, record.size, &record.name[..]),
            (1, 1000, "one")
        );
        assert_eq!(record.sha1(), Some(sha1(1)));
        assert_eq!(record.tiger_root(), Some(TigerRoot::from_bytes([1; 24])));
    }

    /// §4.5 as it is written, word by word.
    fn matches(query: &str, name: &str) -> bool {
        let (query, name) = (canonical(query), canonical(name));
        let begun = |wanted: &str| words(&name).filter(|word| word.starts_with(wanted)).count();
        let asked = |wanted: &str| words(&query).filter(|word| *word == wanted).count();
        words(&query).next().is_some() && words(&query).all(|word| begun(word) >= asked(word))
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_look_at_every_name_finds(
            names in prop::collection::vec("[abA\u{e9}]{1,3}([ _.-][abA\u{e9}]{0,3}){0,4}", 0..40),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            query in "[abA\u{e9}]{0,2}( [abA\u{e9}]{0,2}){0,3}",
            limit in 0_usize..50,
        ) {
            let mut index = Index::new();
            for name in &names {
                index.insert(file(name, 1));
            }
            for gone in gone {
                if !names.is_empty() {
                    index.remove(&Path::new("/shared").join(gone.get(&names)));
                }
            }
            let query = Query { text: query, urns: Vec::new(), ..Query::for_urn(Urn::Sha1(sha1(1))) };
            let naive: BTreeSet<u32> = index
                .files()
                .filter(|file| matches(&query.text, &file.name))
                .map(|file| file.index)
                .collect();
            let found = index.search(&query, limit);
            let numbers: BTreeSet<u32> = found.iter().map(|file| file.index).collect();
            prop_assert_eq!(found.len(), naive.len().min(limit));
            prop_assert_eq!(numbers.len(), found.len());
            prop_assert!(numbers.is_subset(&naive));
        }
    }
}
