//! An undirected simple graph in compressed sparse rows.

use super::Error;

/// The most nodes that a graph may have.
pub const MAX_NODES: usize = 1 << 28;

/// The most edges that a graph may have.
pub const MAX_EDGES: usize = 1 << 30;

/// An undirected graph without self-loops or repeated edges. Nodes are numbered from 0; the id
/// that a node had in its file is kept beside.
///
/// A node's neighbours stand in ascending order. The place of a neighbour in that order is a
/// *slot*, and [`mirrors`](Self::mirrors) tells which slot the same edge has at its other end: a
/// simulator's links are slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The ids in ascending order; empty when each node's id is its number.
    ids: Vec<u64>,
    /// Where each node's neighbours begin, and one more: where the last one's end.
    starts: Vec<u32>,
    neighbours: Vec<u32>,
    mirrors: Vec<u32>,
    /// The first node that is a leaf of a two-tier graph; all behind it are leaves too.
    first_leaf: u32,
}

impl Graph {
    /// The graph of these edges between ids. Nodes are numbered by ascending id. Self-loops are
    /// dropped, though their node stays, and repeated edges are merged.
    ///
    /// # Errors
    /// When there are more than [`MAX_NODES`] ids or [`MAX_EDGES`] pairs.
    pub fn from_edges(pairs: &[(u64, u64)]) -> Result<Self, Error> {
        let mut ids: Vec<u64> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        let number = |id| {
            let place = ids
                .binary_search(&id)
                .expect("every id of the pairs was collected");
            u32::try_from(place).map_err(|_| Error::TooLarge)
        };
        let edges = pairs
            .iter()
            .map(|&(a, b)| Ok((number(a)?, number(b)?)))
            .collect::<Result<Vec<_>, _>>()?;
        let graph = Self::numbered(ids.len(), &edges)?;
        let consecutive = ids.iter().zip(0..).all(|(&id, number)| id == number);
        Ok(Self {
            ids: if consecutive { Vec::new() } else { ids },
            ..graph
        })
    }

    /// The graph of `nodes` nodes, all with their number as id, and these edges, whose ends must
    /// be below `nodes`.
    pub(super) fn numbered(nodes: usize, edges: &[(u32, u32)]) -> Result<Self, Error> {
        if nodes > MAX_NODES || edges.len() > MAX_EDGES {
            return Err(Error::TooLarge);
        }
        let (mut starts, mut neighbours) = rows(nodes, edges);
        sort_and_merge(&mut starts, &mut neighbours);
        let mirrors = mirrors(&starts, &neighbours);
        Ok(Self {
            ids: Vec::new(),
            starts,
            neighbours,
            mirrors,
            first_leaf: u32::MAX,
        })
    }

    /// The same graph in two tiers: the nodes from `first` on are leaves.
    pub(super) fn with_leaves_from(self, first: u32) -> Self {
        Self {
            first_leaf: first,
            ..self
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many edges there are.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// The id of a node.
    ///
    /// # Panics
    /// When there is no such node, as all methods that take one.
    #[must_use]
    pub fn id(&self, node: u32) -> u64 {
        if self.ids.is_empty() {
            u64::from(node)
        } else {
            self.ids[node as usize]
        }
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: u64) -> Option<u32> {
        let place = if self.ids.is_empty() {
            usize::try_from(id)
                .ok()
                .filter(|&place| place < self.nodes())
        } else {
            self.ids.binary_search(&id).ok()
        };
        place.and_then(|place| u32::try_from(place).ok())
    }

    /// The neighbours of a node, in ascending order: slot by slot.
    #[must_use]
    #[inline]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        &self.neighbours[self.row(node)]
    }

    /// For each slot of a node, the slot of the same edge at the neighbour.
    #[must_use]
    #[inline]
    pub fn mirrors(&self, node: u32) -> &[u32] {
        &self.mirrors[self.row(node)]
    }

    /// How many slots the nodes before this one have: its own follow in a list of all.
    #[must_use]
    #[inline]
    pub fn slots_before(&self, node: u32) -> usize {
        self.row(node).start
    }

    /// How many neighbours a node has.
    #[must_use]
    #[inline]
    pub fn degree(&self, node: u32) -> usize {
        self.row(node).len()
    }

    /// Whether a node is a leaf in a graph of two tiers; in other graphs none is.
    #[must_use]
    #[inline]
    pub const fn is_leaf(&self, node: u32) -> bool {
        node >= self.first_leaf
    }

    /// Whether there are two tiers with anybody in the lower one.
    #[must_use]
    pub const fn has_leaves(&self) -> bool {
        (self.first_leaf as usize) < self.starts.len() - 1
    }

    /// The upper tier alone, nodes and their numbers kept.
    pub(super) fn without_leaves(&self) -> Self {
        let tops = || self.iter().filter(|&node| !self.is_leaf(node));
        let edges: Vec<(u32, u32)> = tops()
            .flat_map(|node| self.neighbours(node).iter().map(move |&end| (node, end)))
            .filter(|&(node, end)| node < end && !self.is_leaf(end))
            .collect();
        Self::numbered(tops().count(), &edges).expect("smaller than the whole")
    }

    /// The same nodes with their ids and numbers, without the edges of those that are `gone`.
    #[must_use]
    pub fn without_links_of(&self, gone: impl Fn(u32) -> bool) -> Self {
        let staying = || self.iter().filter(|&node| !gone(node));
        let edges: Vec<(u32, u32)> = staying()
            .flat_map(|node| self.neighbours(node).iter().map(move |&end| (node, end)))
            .filter(|&(node, end)| node < end && !gone(end))
            .collect();
        let left = Self::numbered(self.nodes(), &edges).expect("no larger than the whole");
        Self {
            ids: self.ids.clone(),
            first_leaf: self.first_leaf,
            ..left
        }
    }

    /// All nodes in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.nodes()).expect("MAX_NODES fits")
    }

    #[inline]
    fn row(&self, node: u32) -> std::ops::Range<usize> {
        self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize
    }
}

/// Both directions of every edge that is no self-loop, grouped by node in the order given.
fn rows(nodes: usize, edges: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let proper = || edges.iter().filter(|(a, b)| a != b);
    let mut starts = vec![0_u32; nodes + 1];
    for &(a, b) in proper() {
        starts[a as usize] += 1;
        starts[b as usize] += 1;
    }
    let mut total = 0;
    for start in &mut starts {
        total += *start;
        *start = total;
    }
    // Each start now stands at its row's end and walks back as the row is filled.
    let mut neighbours = vec![0_u32; total as usize];
    for &(a, b) in proper() {
        for (from, to) in [(a, b), (b, a)] {
            starts[from as usize] -= 1;
            neighbours[starts[from as usize] as usize] = to;
        }
    }
    (starts, neighbours)
}

/// Puts every row in ascending order and closes the gaps that merged repeats leave.
fn sort_and_merge(starts: &mut [u32], neighbours: &mut Vec<u32>) {
    let mut kept = 0;
    let mut begin = 0;
    for boundary in starts.iter_mut().skip(1) {
        let end = *boundary as usize;
        neighbours[begin..end].sort_unstable();
        let row = kept;
        for slot in begin..end {
            let neighbour = neighbours[slot];
            if kept == row || neighbours[kept - 1] != neighbour {
                neighbours[kept] = neighbour;
                kept += 1;
            }
        }
        *boundary = u32::try_from(kept).expect("at most as many as before");
        begin = end;
    }
    neighbours.truncate(kept);
    neighbours.shrink_to_fit();
}

/// The slot of each edge at its other end. Rows are ascending, so visiting the nodes in order
/// meets the slots of every other row in order, too.
fn mirrors(starts: &[u32], neighbours: &[u32]) -> Vec<u32> {
    let mut met = vec![0_u32; starts.len() - 1];
    neighbours
        .iter()
        .map(|&neighbour| {
            let met = &mut met[neighbour as usize];
            *met += 1;
            *met - 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Graph {
        // A triangle 5-7-9 with a tail 9-20, a repeat, its reverse and two self-loops.
        let pairs = [
            (7, 5),
            (5, 7),
            (9, 5),
            (9, 7),
            (20, 9),
            (9, 20),
            (7, 7),
            (100, 100),
        ];
        Graph::from_edges(&pairs).unwrap()
    }

    #[test]
    fn loops_are_dropped_repeats_merged_and_ids_kept() {
        let graph = example();
        assert_eq!((graph.nodes(), graph.edges()), (5, 4));
        let ids: Vec<u64> = graph.iter().map(|node| graph.id(node)).collect();
        assert_eq!(ids, [5, 7, 9, 20, 100]);
        assert_eq!(graph.neighbours(2), [0, 1, 3]);
        assert_eq!(graph.degree(4), 0);
        assert_eq!((graph.node(20), graph.node(6)), (Some(3), None));
    }

    #[test]
    fn a_mirror_of_a_mirror_is_the_slot_itself() {
        let graph = example();
        for node in graph.iter() {
            for (slot, (&neighbour, &mirror)) in graph
                .neighbours(node)
                .iter()
                .zip(graph.mirrors(node))
                .enumerate()
            {
                assert_eq!(graph.neighbours(neighbour)[mirror as usize], node);
                assert_eq!(graph.mirrors(neighbour)[mirror as usize] as usize, slot);
            }
        }
    }

    #[test]
    fn consecutive_ids_are_the_numbers() {
        let graph = Graph::from_edges(&[(0, 1), (1, 2)]).unwrap();
        assert_eq!(
            (graph.id(2), graph.node(2), graph.node(3)),
            (2, Some(2), None)
        );
        assert_eq!(Graph::from_edges(&[]).unwrap().nodes(), 0);
    }
}
