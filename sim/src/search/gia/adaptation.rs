//! Who links to whom: servents look for neighbours until those can carry what they themselves could
//! ask of them.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::settings::Spec;
use crate::calendar::Calendar;

/// Servents that choose their neighbours. They begin without any, know of everybody (the paper's
/// have a cache of hosts), and a handshake takes no time.
#[derive(Debug)]
pub(super) struct Adaptation<'a> {
    spec: &'a Spec,
    /// Queries a second that each can process.
    capacities: &'a [u32],
    neighbours: Vec<Vec<u32>>,
}

/// What a servent says to one that wants to be its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Yes.
    Accept,
    /// Yes, instead of this one.
    Drop(u32),
    /// No.
    Reject,
}

impl<'a> Adaptation<'a> {
    /// Servents without neighbours.
    pub(super) fn new(spec: &'a Spec, capacities: &'a [u32]) -> Self {
        Self {
            spec,
            capacities,
            neighbours: vec![Vec::new(); capacities.len()],
        }
    }

    /// Lets them look around until time is up, and gives the neighbours of each.
    pub(super) fn settle(mut self, rng: &mut Pcg64Mcg) -> Vec<Vec<u32>> {
        let mut calendar = Calendar::new(micros(self.spec.interval));
        for node in (0_u32..).take(self.capacities.len()) {
            calendar.push(
                rng.random_range(0..micros(self.interval(node)).max(1)),
                node,
            );
        }
        let end = micros(self.spec.settle);
        while let Some((now, node)) = calendar.pop().filter(|&(now, _)| now < end) {
            self.look_around(node, rng);
            calendar.push(now + micros(self.interval(node)).max(1), node);
        }
        self.neighbours
    }

    /// How satisfied a servent is, from 0 to 1: whether its neighbours, each of which has its own
    /// neighbours to care for, have together the capacity that it has itself.
    pub(super) fn satisfaction(&self, node: u32) -> f64 {
        let around = &self.neighbours[node as usize];
        if around.len() < self.spec.min_neighbours as usize {
            return 0.0;
        }
        if around.len() >= self.room(node) {
            return 1.0;
        }
        let share = |&near: &u32| f64::from(self.capacity(near)) / self.degree(near) as f64;
        let offered: f64 = around.iter().map(share).sum();
        (offered / f64::from(self.capacity(node))).min(1.0)
    }

    /// What a servent says to another.
    pub(super) fn verdict(&self, node: u32, comes: u32) -> Verdict {
        let around = &self.neighbours[node as usize];
        if around.len() < self.room(node) {
            return Verdict::Accept;
        }
        let no_better = around
            .iter()
            .filter(|&&near| self.capacity(near) <= self.capacity(comes));
        // Of equals the first: who has been there longest.
        let most_links = no_better.rev().max_by_key(|&&near| self.degree(near));
        let Some(&dropped) = most_links else {
            return Verdict::Reject;
        };
        let best = around.iter().map(|&near| self.capacity(near)).max();
        let is_best = best.is_none_or(|best| self.capacity(comes) > best);
        let needs_it_more =
            self.degree(dropped) > self.degree(comes) + self.spec.hysteresis as usize;
        match is_best || needs_it_more {
            true => Verdict::Drop(dropped),
            false => Verdict::Reject,
        }
    }

    /// Links two servents, if both want to. Says whether they did.
    pub(super) fn link(&mut self, one: u32, other: u32) -> bool {
        let verdicts = [(one, other), (other, one)].map(|(of, to)| (of, self.verdict(of, to)));
        if verdicts
            .iter()
            .any(|&(_, verdict)| verdict == Verdict::Reject)
        {
            return false;
        }
        for (node, verdict) in verdicts {
            if let Verdict::Drop(dropped) = verdict {
                self.neighbours[node as usize].retain(|&near| near != dropped);
                self.neighbours[dropped as usize].retain(|&near| near != node);
            }
        }
        self.neighbours[one as usize].push(other);
        self.neighbours[other as usize].push(one);
        true
    }

    /// A servent that is not satisfied asks the best of a few whether it wants to be its neighbour.
    fn look_around(&mut self, node: u32, rng: &mut Pcg64Mcg) {
        if self.satisfaction(node) >= 1.0 {
            return;
        }
        let mut drawn = Vec::new();
        for _ in 0..self.spec.candidates {
            let other = rng.random_range(0..self.capacities.len());
            let other = u32::try_from(other).expect("nodes have 32-bit numbers");
            if other != node && !self.neighbours[node as usize].contains(&other) {
                drawn.push(other);
            }
        }
        let best = drawn.iter().copied().rev();
        let best = best.max_by_key(|&other| self.capacity(other));
        // Where none has more than it has itself, any will do; the first is as good as drawn.
        let better = best.filter(|&other| self.capacity(other) > self.capacity(node));
        if let Some(other) = better.or_else(|| drawn.first().copied()) {
            self.link(node, other);
        }
    }

    /// Seconds until a servent looks around again: T K^-(1 - S).
    fn interval(&self, node: u32) -> f64 {
        let unsatisfied = 1.0 - self.satisfaction(node);
        self.spec.interval * libm::pow(self.spec.eagerness, -unsatisfied)
    }

    /// How many neighbours a servent may have.
    fn room(&self, node: u32) -> usize {
        let fair = self.capacity(node) / self.spec.min_share;
        fair.clamp(self.spec.min_neighbours, self.spec.max_neighbours) as usize
    }

    fn capacity(&self, node: u32) -> u32 {
        self.capacities[node as usize]
    }

    fn degree(&self, node: u32) -> usize {
        self.neighbours[node as usize].len()
    }
}

/// Seconds in whole microseconds.
pub(super) fn micros(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "settings bound it; beyond them it saturates"
    )]
    let micros = (seconds * 1e6) as u64;
    micros
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::search::gia::capacities;

    fn spec() -> Spec {
        toml::from_str("replication = 0.1\nvariant = [{ name = \"a\" }]").unwrap()
    }

    #[test]
    fn high_capacity_comes_to_high_degree() {
        let spec = spec();
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let capacities = capacities::draw(&spec.capacities, 1_000, rng);
        let links = Adaptation::new(&spec, &capacities).settle(rng);
        let mean = |capacity| {
            let of = |node: &usize| capacities[*node] == capacity;
            let degrees: Vec<usize> = (0..1_000).filter(of).map(|n| links[n].len()).collect();
            degrees.iter().sum::<usize>() as f64 / degrees.len() as f64
        };
        assert!(mean(1) < 3.1 && mean(10) < 3.1, "{} {}", mean(1), mean(10));
        assert!(mean(100) > 8.0 && mean(100) <= 25.0, "{}", mean(100));
        assert!(
            mean(1_000) > 64.0 && mean(10_000) > mean(1_000),
            "{}",
            mean(1_000)
        );
        for (node, around) in (0_u32..).zip(&links) {
            let both_ways = |&near: &u32| links[near as usize].contains(&node);
            assert!(around.iter().all(both_ways) && !around.contains(&node));
        }
    }

    #[test]
    fn who_has_room_takes_anybody_and_who_has_none_takes_better() {
        let spec = spec();
        // The first has room for three.
        let capacities = [10, 1, 100, 10, 10, 1, 1_000];
        let mut servents = Adaptation::new(&spec, &capacities);
        assert_eq!(servents.satisfaction(0), 0.0);
        for other in [1, 2, 3] {
            assert_eq!(servents.verdict(0, other), Verdict::Accept);
            assert!(servents.link(0, other));
        }
        assert_eq!(servents.satisfaction(0), 1.0);
        // One of no more capacity, that has as few links as who is there.
        assert_eq!(servents.verdict(0, 4), Verdict::Reject);
        // One that is better than all takes the place of who has most links, here all have one.
        assert_eq!(servents.verdict(0, 6), Verdict::Drop(1));
        assert!(servents.link(6, 0));
        assert!(servents.neighbours[1].is_empty());
        // Now nobody there is as poor as the last one.
        assert_eq!(servents.verdict(0, 5), Verdict::Reject);
    }

    #[test]
    fn who_is_less_satisfied_looks_around_more_often() {
        let spec = spec();
        let capacities = [1_000, 100, 100, 100];
        let mut servents = Adaptation::new(&spec, &capacities);
        let alone = servents.interval(0);
        assert!((alone - 10.0 / 256.0).abs() < 1e-9);
        for other in 1..4 {
            servents.link(0, other);
        }
        // Three of 100, who have no other neighbour, offer 0.3 of its capacity.
        assert!((servents.satisfaction(0) - 0.3).abs() < 1e-9);
        assert!(servents.interval(0) > 2.0 * alone);
    }
}
