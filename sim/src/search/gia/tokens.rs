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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_capacity_gets_more_turns_and_who_uses_none_leaves_its_own() {
        // The first gives; the last does nothing.
        let links = vec![vec![1, 2, 3], vec![0], vec![0], vec![0]];
        let net = Net::of(vec![5, 100, 10, 1_000], links);
        let mut tokens = Tokens::new(&net, 1);
        for node in [1, 2] {
            tokens.spend(&net, node, 0);
            assert_eq!(tokens.usable(node), 0);
        }
        let mut turns = [0; 4];
        for _ in 0..1_100 {
            let place = tokens.grant(&net, 0).unwrap();
            let taker = net.neighbour(net.end(0, place));
            turns[taker as usize] += 1;
            assert_eq!(tokens.usable(taker), 1);
            tokens.spend(&net, taker, 0);
        }
        assert_eq!(turns[3], 0);
        assert!((95..=105).contains(&turns[2]), "{turns:?}");
    }

    #[test]
    fn nobody_gets_a_token_who_has_all_that_it_may_have() {
        let net = Net::of(vec![5, 10], vec![vec![1], vec![0]]);
        let mut tokens = Tokens::new(&net, 2);
        assert_eq!(tokens.grant(&net, 0), None);
        tokens.spend(&net, 1, 0);
        tokens.spend(&net, 1, 0);
        assert_eq!(tokens.usable(1), 0);
        assert_eq!(tokens.grant(&net, 0), Some(0));
        assert_eq!(tokens.grant(&net, 0), Some(0));
        assert_eq!(tokens.grant(&net, 0), None);
    }
}
