//! Who has what, who searches, and for which words: settled before anything runs.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use super::Error;
use crate::library::index::{Index, SharedFile};
use crate::topology::Graph;
use crate::wire::query::Query;
use crate::wire::urn::Sha1;
use crate::wire::words::{canonical, words};

/// A holder is at least this many links away from who searches.
pub const FAR: u32 = 3;

/// The same where the servents chose their links: in two tiers nobody is far from anybody.
pub(super) const NEAR: u32 = 2;

/// How many searches a devnet makes, where there are files for so many.
const SEARCHES: usize = 3;

/// A file with its holder.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Where the original lies.
    pub(super) path: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// What it hashes to.
    pub(super) sha1: Sha1,
    /// The servent that shares it.
    pub(super) holder: u32,
}

/// One search to make, and what must come of it.
#[derive(Clone, Debug)]
pub(super) struct Quest {
    /// Who searches.
    pub(super) searcher: u32,
    /// The words of one file's name.
    pub(super) words: String,
    /// The files that match, by their place among all; the first is the one to fetch.
    pub(super) expected: Vec<usize>,
    /// Links from the searcher to the nearest holder.
    pub(super) distance: u32,
}

/// Deals files out to so many servents, each to one.
pub(super) fn place(servents: u32, files: Vec<SharedFile>) -> Vec<Placed> {
    let holders = (0..servents).cycle();
    files
        .into_iter()
        .zip(holders)
        .map(|(file, holder)| Placed {
            path: file.path,
            name: file.name,
            size: file.size,
            sha1: file.sha1,
            holder,
        })
        .collect()
}

/// Chooses what is searched: words of a file's name such that every holder of a matching file is
/// at least `least` links from the searcher and within `reach`.
///
/// # Errors
/// When there is no such file.
pub(super) fn quests(
    graph: &Graph,
    files: &[Placed],
    least: u32,
    reach: u32,
) -> Result<Vec<Quest>, Error> {
    let mut index = Index::new();
    for file in files {
        // Numbers rise from 1 in this order: a number tells the place.
        index.insert(SharedFile {
            index: 0,
            path: file.path.clone(),
            name: file.name.clone(),
            size: file.size,
            modified_ms: 0,
            sha1: file.sha1,
            tiger_root: crate::wire::urn::TigerRoot::from_bytes([0; 24]),
        });
    }
    let distances: BTreeMap<u32, Vec<Option<u32>>> = graph
        .iter()
        .map(|node| (node, distances(graph, node)))
        .collect();
    let mut quests: Vec<Quest> = Vec::new();
    for (place, file) in files.iter().enumerate() {
        let canonical = canonical(&file.name);
        let text: Vec<&str> = words(&canonical).collect();
        let Ok(query) = Query::keywords(&text.join(" ")) else {
            continue;
        };
        let others = index.search(&query, files.len());
        let mut expected: Vec<usize> = others
            .iter()
            .map(|other| other.index as usize - 1)
            .filter(|other| *other != place)
            .collect();
        expected.sort_unstable();
        expected.insert(0, place);
        let holders: Vec<u32> = expected.iter().map(|file| files[*file].holder).collect();
        let fresh = |node: &u32| quests.iter().all(|quest| quest.searcher != *node);
        let searchers = graph.iter().filter(fresh).chain(graph.iter());
        let found = searchers.into_iter().find_map(|searcher| {
            let away = |holder: &u32| distances[&searcher][*holder as usize];
            let away: Option<Vec<u32>> = holders.iter().map(away).collect();
            let away = away?;
            let (near, far) = (away.iter().min()?, away.iter().max()?);
            (*near >= least && *far <= reach).then_some((searcher, *near))
        });
        if let Some((searcher, distance)) = found {
            quests.push(Quest {
                searcher,
                words: query.search_text().to_owned(),
                expected,
                distance,
            });
        }
        if quests.len() == SEARCHES {
            break;
        }
    }
    if quests.is_empty() {
        Err(Error::NothingToSearch)
    } else {
        Ok(quests)
    }
}

/// Links from `from` to every node, where there is a way.
fn distances(graph: &Graph, from: u32) -> Vec<Option<u32>> {
    let mut distances = vec![None; graph.nodes()];
    distances[from as usize] = Some(0);
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((node, distance)) = queue.pop_front() {
        for next in graph.neighbours(node) {
            if distances[*next as usize].is_none() {
                distances[*next as usize] = Some(distance + 1);
                queue.push_back((*next, distance + 1));
            }
        }
    }
    distances
}

/// Whether there is a way from every node to every other.
pub(super) fn is_connected(graph: &Graph) -> bool {
    distances(graph, 0).iter().all(Option::is_some)
}
