//! Recordings of live servents as a workload: who asked, in which order, and what for.
//!
//! Each recording is one servent's, node by node. What its user searched is asked again by its node;
//! searches for the same words are for the same file, which has as many copies as there were hits.
//! Hashes of one recording mean nothing in another, so files of different recordings are different
//! files. The records themselves are described in [`filbert::overlay::recording`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use filbert::overlay::recording::{Event, Record, parse};
use filbert::wire::Kind;

use crate::Error;

/// What recorded servents did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// All searches, by time.
    pub searches: Vec<Recorded>,
    /// How many copies each file has.
    pub copies: Vec<usize>,
}

/// One search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// When it was made, in microseconds.
    pub at: u64,
    /// Which recording it is from.
    pub servent: u32,
    /// Which file it is for.
    pub file: usize,
}

impl Workload {
    /// Reads recordings, the first of which is node 0's.
    ///
    /// # Errors
    /// When one cannot be read or is none.
    pub fn read(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, Error> {
        let mut workload = Self::default();
        for (servent, path) in (0..).zip(paths) {
            let path = path.as_ref();
            let text = fs::read_to_string(path).map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
            let records = parse(&text).map_err(|source| Error::Recording {
                path: path.to_owned(),
                source,
            })?;
            workload.add(servent, &records);
        }
        workload.searches.sort_unstable();
        Ok(workload)
    }

    /// Adds what one servent did.
    fn add(&mut self, servent: u32, records: &[Record]) {
        let mut files = BTreeMap::new();
        // The file that each of its own queries is for, and the hits for each.
        let (mut queries, mut hits) = (BTreeMap::new(), BTreeMap::new());
        let mut asked = None;
        for Record { at, event } in records {
            match event {
                Event::Asked(words) => {
                    let file = *files.entry(words.clone()).or_insert_with(|| {
                        self.copies.push(0);
                        self.copies.len() - 1
                    });
                    asked = Some(file);
                    self.searches.push(Recorded {
                        at: *at,
                        servent,
                        file,
                    });
                }
                Event::Sent { descriptor, .. }
                    if descriptor.kind == Kind::Query.code() && descriptor.hops == 0 =>
                {
                    if let Some(file) = asked.take() {
                        queries.insert(descriptor.guid, file);
                    }
                }
                Event::Got { descriptor, .. } if descriptor.kind == Kind::QueryHit.code() => {
                    *hits.entry(descriptor.guid).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        for (guid, file) in queries {
            let found = hits.get(&guid).copied().unwrap_or(0);
            self.copies[file] = self.copies[file].max(found);
        }
    }
}

/// How many different queries of others came to a servent.
#[must_use]
pub fn count_heard(records: &[Record]) -> usize {
    let own: BTreeSet<u64> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Sent { descriptor, .. }
                if descriptor.kind == Kind::Query.code() && descriptor.hops == 0 =>
            {
                Some(descriptor.guid)
            }
            _ => None,
        })
        .collect();
    let heard: BTreeSet<u64> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Got { descriptor, .. } if descriptor.kind == Kind::Query.code() => {
                Some(descriptor.guid)
            }
            _ => None,
        })
        .collect();
    heard.difference(&own).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_for_the_same_words_are_for_one_file() {
        let text = "filbert-recording 1\n\
            0 begin ultrapeer\n\
            5 asked 0000000000000001\n\
            5 sent 2 80 7 0 40 00000000000000aa\n\
            6 got 1 81 5 2 90 00000000000000aa -\n\
            7 got 1 81 5 2 90 00000000000000aa -\n\
            8 got 0 80 5 2 40 00000000000000aa 0000000000000001\n\
            8 got 0 80 5 2 40 00000000000000bb 0000000000000001\n\
            9 asked 0000000000000002\n\
            9 sent 2 80 7 0 40 00000000000000cc\n\
            10 asked 0000000000000001\n";
        let records = parse(text).unwrap();
        let mut workload = Workload::default();
        workload.add(3, &records);
        let files: Vec<usize> = workload.searches.iter().map(|one| one.file).collect();
        assert_eq!(files, [0, 1, 0]);
        assert_eq!(workload.copies, [2, 0]);
        assert_eq!(count_heard(&records), 1);
    }
}
