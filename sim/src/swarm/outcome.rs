//! What came of a swarm. Times are in one-copy times: what the seed needs to send the file once.

use std::time::Duration;

use serde::Serialize;

use super::member::{Member, Role};
use super::settings::Spec;

/// What came of a swarm: a row of its table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The variant.
    pub variant: String,
    /// The replica, counted from 0.
    pub replica: u32,
    /// How many wanted the file.
    pub downloaders: u64,
    /// How many of them got it in time.
    pub finished: u64,
    /// When a tenth of all had it; empty where so many never did, as are those that follow.
    pub tenth: Option<f64>,
    /// When a quarter had it.
    pub quarter: Option<f64>,
    /// When half had it.
    pub half: Option<f64>,
    /// When three quarters had it.
    pub three_quarters: Option<f64>,
    /// When 95 % had it.
    pub most: Option<f64>,
    /// When all had it.
    pub all: Option<f64>,
    /// The mean of those who got it.
    pub mean: Option<f64>,
    /// The mean of those of them who gave.
    pub givers: Option<f64>,
    /// The mean of those who gave nothing.
    pub leechers: Option<f64>,
    /// Copies that the seed sent.
    pub seed_copies: f64,
    /// The share of all bytes sent that came from those who were fetching or had fetched.
    pub peer_share: f64,
    /// Whole tiles that were of no use, for each tile wanted.
    pub wasted: f64,
}

impl Outcome {
    /// What became of the members; the first is the seed.
    pub(super) fn of(spec: &Spec, members: &[Member]) -> Self {
        let copy = spec.size as f64 / spec.seed_up as f64;
        let times = |wanted: fn(Role) -> bool| -> Vec<f64> {
            let wanted = members.iter().filter(|member| wanted(member.role));
            let done = wanted.filter_map(|member| member.done);
            done.map(|done: Duration| done.as_secs_f64() / copy)
                .collect()
        };
        let fetches = |role| matches!(role, Role::Giver | Role::Leecher);
        let wanting = members.iter().filter(|member| fetches(member.role)).count();
        let mut all = times(fetches);
        all.sort_by(f64::total_cmp);
        // So many percent of all who wanted it, rounded up.
        let when = |percent: usize| {
            all.get((wanting * percent).div_ceil(100).max(1) - 1)
                .copied()
        };
        let sent = |wanted: fn(Role) -> bool| -> u64 {
            let wanted = members.iter().filter(|member| wanted(member.role));
            wanted.map(|member| member.sent).sum()
        };
        let tiles = spec.size.div_ceil(spec.tile()) as f64 * wanting as f64;
        Self {
            downloaders: wanting as u64,
            finished: all.len() as u64,
            tenth: when(10),
            quarter: when(25),
            half: when(50),
            three_quarters: when(75),
            most: when(95),
            all: when(100),
            mean: mean(&all),
            givers: mean(&times(|role| role == Role::Giver)),
            leechers: mean(&times(|role| role == Role::Leecher)),
            seed_copies: sent(|role| role == Role::Seed) as f64 / spec.size as f64,
            peer_share: sent(fetches) as f64 / sent(|_| true).max(1) as f64,
            wasted: members.iter().map(|member| member.wasted).sum::<u64>() as f64 / tiles,
            ..Self::default()
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
