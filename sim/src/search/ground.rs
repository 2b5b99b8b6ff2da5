//! What a search goes over: a graph, who holds the file, and who has heard of it.

use std::mem;

use filbert::topology::Graph;

use super::Trace;

/// A graph on which one file is searched for at a time. Nothing is cleared between searches: marks
/// carry the number of the search that made them.
#[derive(Debug)]
pub struct Ground<'a> {
    graph: &'a Graph,
    holds: Vec<bool>,
    visits: Vec<u32>,
    /// Copies that came to each node since somebody last asked.
    loads: Vec<u64>,
    search: u32,
    /// The neighbour of highest degree that each node has, once somebody wants to know.
    favourites: Vec<u32>,
    /// Nodes of the present hop and of the next, kept for their memory.
    pub(super) front: Vec<(u32, u32)>,
    pub(super) next: Vec<(u32, u32)>,
}

impl<'a> Ground<'a> {
    /// A graph on which nobody holds anything.
    #[must_use]
    pub fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            holds: vec![false; graph.nodes()],
            visits: vec![0; graph.nodes()],
            loads: vec![0; graph.nodes()],
            search: 0,
            favourites: Vec::new(),
            front: Vec::new(),
            next: Vec::new(),
        }
    }

    /// From now on these hold what is searched for.
    pub fn hold(&mut self, holders: &[u32]) {
        self.holds.fill(false);
        for &holder in holders {
            self.holds[holder as usize] = true;
        }
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// Whether this node holds what is searched for.
    #[must_use]
    pub fn holds(&self, node: u32) -> bool {
        self.holds[node as usize]
    }

    /// Nobody has heard of the search that begins.
    pub(super) fn begin(&mut self) {
        if self.search == u32::MAX {
            self.visits.fill(0);
            self.search = 0;
        }
        self.search += 1;
    }

    /// Whether one of two neighbours is the favourite of the other: its neighbour of highest degree,
    /// of equals the first.
    pub(super) fn in_tree(&mut self, one: u32, other: u32) -> bool {
        let graph = self.graph;
        if self.favourites.is_empty() {
            let favourite = |node| {
                let around = graph.neighbours(node).iter().copied();
                let best = around.max_by_key(|&near| (graph.degree(near), u32::MAX - near));
                best.unwrap_or(node)
            };
            self.favourites = graph.iter().map(favourite).collect();
        }
        let favourite = |node: u32| self.favourites[node as usize];
        favourite(one) == other || favourite(other) == one
    }

    /// A copy is sent to a node.
    pub(super) fn send(&mut self, to: u32, trace: &mut Trace) {
        trace.copies += 1;
        self.loads[to as usize] += 1;
    }

    /// Copies that came to each node since this was last asked.
    pub fn take_loads(&mut self) -> Vec<u64> {
        mem::replace(&mut self.loads, vec![0; self.graph.nodes()])
    }

    /// Whether a node has heard of it.
    pub(super) fn visited(&self, node: u32) -> bool {
        self.visits[node as usize] == self.search
    }

    /// A node hears of it. Says whether for the first time.
    pub(super) fn visit(&mut self, node: u32) -> bool {
        let mark = &mut self.visits[node as usize];
        let first = *mark != self.search;
        *mark = self.search;
        first
    }
}
