//! Who may send to whom: a token is one query that a servent is willing to take from a neighbour.
//!
//! A servent hands out a token whenever it has processed a query, so that it hands them out as fast as
//! it processes, and never more is waiting for it than it has handed out. Among the neighbours that
//! have used up a token the next one goes round by start-time fair queueing (Goyal, Vin and Cheng,
//! SIGCOMM 1996), weighted by capacity, as in the paper: one that does not use its tokens
//! leaves its part to the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::net::Net;
use super::query::Places;

/// The tokens of all servents.
#[derive(Debug)]
pub(super) struct Tokens {
    /// For each end of a link, how many tokens of the other end it holds.
    held: Vec<u8>,
    /// For each servent, the neighbours that it holds one of.
    usable: Vec<Places>,
    /// For each end of a link, when the other end's turn is over that it last asked for.
    finish: Vec<u64>,
    givers: Vec<Giver>,
}

/// A servent that hands out tokens.
#[derive(Clone, Debug, Default)]
struct Giver {
    /// Its virtual time: the start of the turn that it gave last.
    time: u64,
    /// Turns to come by their start, with the place of the neighbour.
    turns: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Tokens {
    /// Everybody holds so many tokens of each neighbour.
    pub(super) fn new(net: &Net, each: u8) -> Self {
        Self {
            held: vec![each; net.ends()],
            usable: net.nodes().map(|node| net.places(node)).collect(),
            finish: vec![0; net.ends()],
            givers: vec![Giver::default(); net.len()],
        }
    }

    /// The neighbours that a servent may send to.
    pub(super) fn usable(&self, node: u32) -> Places {
        self.usable[node as usize]
    }

    /// A servent sends to the neighbour at a place, for which it holds a token: that neighbour will
    /// give it another.
    pub(super) fn spend(&mut self, net: &Net, node: u32, place: u32) {
        let end = net.end(node, place);
        self.held[end] -= 1;
        if self.held[end] == 0 {
            self.usable[node as usize] &= !(1 << place);
        }
        let there = net.mirror(end);
        let giver = net.neighbour(end);
        let queue = &mut self.givers[giver as usize];
        let start = queue.time.max(self.finish[there]);
        self.finish[there] = start + TURN / u64::from(net.capacity(node));
        queue.turns.push(Reverse((start, net.place(giver, there))));
    }

    /// A servent has processed a query: it gives the next token, to the neighbour at this place.
    pub(super) fn grant(&mut self, net: &Net, giver: u32) -> Option<u32> {
        let queue = &mut self.givers[giver as usize];
        let Reverse((start, place)) = queue.turns.pop()?;
        queue.time = start;
        let end = net.end(giver, place);
        let there = net.mirror(end);
        let taker = net.neighbour(end);
        self.held[there] += 1;
        self.usable[taker as usize] |= 1 << net.place(taker, there);
        Some(place)
    }
}

/// The virtual time that a turn of a neighbour of capacity 1 takes.
const TURN: u64 = 1_000_000_000;
