//! Completion curves of a swarm: which share of it had the file when.

use serde::{Deserialize, Serialize};

use super::file::Side;
use super::findings::Finding;
use super::measure::{Instead, Row};
use crate::swarm::{Outcome, SHARES, Who};

/// When more and more of some members had the file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Curve {
    /// Of whom: `all`, `givers` or `leechers`.
    pub of: String,
    /// Percent of them, and when so many had it in one-copy times, in the mean over replicas; only
    /// where so many had it in each.
    pub points: Vec<(u8, Finding)>,
}

/// The curves of a variant. Those of givers and leechers only where there are both.
pub(super) fn curves(rows: &[Row], side: &Side) -> Vec<Curve> {
    let ours = rows.iter().filter(|row| row.variant == side.variant);
    let swarms: Vec<&Outcome> = ours
        .filter_map(|row| match row.instead.as_deref() {
            Some(Instead::Swarm(outcome)) => Some(outcome),
            _ => None,
        })
        .collect();
    let mixed = swarms.iter().any(|swarm| swarm.leechers.is_some())
        && swarms.iter().any(|swarm| swarm.givers.is_some());
    let kinds: &[(&str, Who)] = match mixed {
        true => &[("givers", Who::Givers), ("leechers", Who::Leechers)],
        false => &[("all", Who::All)],
    };
    let curve = |&(of, who): &(&str, Who)| {
        let points = (0..SHARES.len()).filter_map(|place| {
            let times: Option<Vec<f64>> = swarms.iter().map(|one| one.curve(who)[place]).collect();
            Some((SHARES[place], Finding::of(&times?)?))
        });
        Curve {
            of: of.to_owned(),
            points: points.collect(),
        }
    };
    let curves = kinds.iter().map(curve);
    curves.filter(|curve| !curve.points.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_there_where_so_many_had_it_in_every_replica() {
        let row = |half, all| {
            Row::swarmed(Outcome {
                half: Some(half),
                all,
                ..Outcome::default()
            })
        };
        let side = Side {
            variant: String::new(),
            file: String::new(),
        };
        let curves = curves(&[row(1.0, Some(2.0)), row(3.0, None)], &side);
        assert_eq!((curves.len(), &*curves[0].of), (1, "all"));
        let points: Vec<(u8, f64)> = curves[0]
            .points
            .iter()
            .map(|(at, f)| (*at, f.mean))
            .collect();
        assert_eq!(points, [(50, 2.0)]);
    }
}
