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
    /// When a tenth of those who gave had it, and so on.
    pub givers_tenth: Option<f64>,
    /// A quarter of them.
    pub givers_quarter: Option<f64>,
    /// Half of them.
    pub givers_half: Option<f64>,
    /// Three quarters.
    pub givers_three_quarters: Option<f64>,
    /// 95 %.
    pub givers_most: Option<f64>,
    /// All.
    pub givers_all: Option<f64>,
    /// The mean of those who gave nothing.
    pub leechers: Option<f64>,
    /// When a tenth of those who gave nothing had it, and so on.
    pub leechers_tenth: Option<f64>,
    /// A quarter of them.
    pub leechers_quarter: Option<f64>,
    /// Half of them.
    pub leechers_half: Option<f64>,
    /// Three quarters.
    pub leechers_three_quarters: Option<f64>,
    /// 95 %.
    pub leechers_most: Option<f64>,
    /// All.
    pub leechers_all: Option<f64>,
    /// Copies that the seed sent.
    pub seed_copies: f64,
    /// The share of all bytes sent that came from those who were fetching or had fetched.
    pub peer_share: f64,
    /// Whole tiles that were of no use, for each tile wanted.
    pub wasted: f64,
    /// The share of those who wanted it that took a wrong file for it.
    pub corrupt: f64,
}

/// Whose times are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Those of all who wanted the file.
    All,
    /// Of those of them who gave.
    Givers,
    /// Of those who gave nothing.
    Leechers,
}

/// The shares of a completion curve, in percent.
pub const SHARES: [u8; 6] = [10, 25, 50, 75, 95, 100];

impl Outcome {
    /// When so many percent of some had the file, for each of [`SHARES`].
    #[must_use]
    pub const fn curve(&self, who: Who) -> [Option<f64>; 6] {
        match who {
            Who::All => [
                self.tenth,
                self.quarter,
                self.half,
                self.three_quarters,
                self.most,
                self.all,
            ],
            Who::Givers => [
                self.givers_tenth,
                self.givers_quarter,
                self.givers_half,
                self.givers_three_quarters,
                self.givers_most,
                self.givers_all,
            ],
            Who::Leechers => [
                self.leechers_tenth,
                self.leechers_quarter,
                self.leechers_half,
                self.leechers_three_quarters,
                self.leechers_most,
                self.leechers_all,
            ],
        }
    }

    /// What became of the members; the first is the seed.
    pub(super) fn of(spec: &Spec, members: &[Member]) -> Self {
        let copy = spec.size as f64 / spec.seed_up as f64;
        let fetches = |role| matches!(role, Role::Giver | Role::Leecher);
        let times = |wanted: fn(Role) -> bool| {
            let wanted = members.iter().filter(|member| wanted(member.role));
            Times::of(wanted.map(|member| member.done), copy)
        };
        let all = times(fetches);
        let givers = times(|role| role == Role::Giver);
        let leechers = times(|role| role == Role::Leecher);
        let [tenth, quarter, half, three_quarters, most, when_all] = all.curve();
        let given = givers.curve();
        let leeched = leechers.curve();
        let wrong = |member: &&Member| member.done.is_some() && !member.wrong.is_empty();
        let sent = |wanted: fn(Role) -> bool| -> u64 {
            let wanted = members.iter().filter(|member| wanted(member.role));
            wanted.map(|member| member.sent).sum()
        };
        let tiles = spec.size.div_ceil(spec.tile()) as f64 * all.wanting as f64;
        Self {
            downloaders: all.wanting as u64,
            finished: all.done.len() as u64,
            tenth,
            quarter,
            half,
            three_quarters,
            most,
            all: when_all,
            mean: all.mean(),
            givers: givers.mean(),
            givers_tenth: given[0],
            givers_quarter: given[1],
            givers_half: given[2],
            givers_three_quarters: given[3],
            givers_most: given[4],
            givers_all: given[5],
            leechers: leechers.mean(),
            leechers_tenth: leeched[0],
            leechers_quarter: leeched[1],
            leechers_half: leeched[2],
            leechers_three_quarters: leeched[3],
            leechers_most: leeched[4],
            leechers_all: leeched[5],
            seed_copies: sent(|role| role == Role::Seed) as f64 / spec.size as f64,
            peer_share: sent(fetches) as f64 / sent(|_| true).max(1) as f64,
            wasted: members.iter().map(|member| member.wasted).sum::<u64>() as f64 / tiles,
            corrupt: members.iter().filter(wrong).count() as f64 / all.wanting as f64,
            ..Self::default()
        }
    }
}

/// When some of those who wanted the file had it.
struct Times {
    wanting: usize,
    /// In order.
    done: Vec<f64>,
}

impl Times {
    fn of(times: impl Iterator<Item = Option<Duration>>, copy: f64) -> Self {
        let times: Vec<Option<Duration>> = times.collect();
        let done = times.iter().flatten();
        let mut done: Vec<f64> = done.map(|time| time.as_secs_f64() / copy).collect();
        done.sort_by(f64::total_cmp);
        Self {
            wanting: times.len(),
            done,
        }
    }

    /// When so many percent of all who wanted it had it, rounded up.
    fn curve(&self) -> [Option<f64>; 6] {
        SHARES.map(|percent| {
            let many = (self.wanting * usize::from(percent)).div_ceil(100);
            self.done.get(many.max(1) - 1).copied()
        })
    }

    fn mean(&self) -> Option<f64> {
        let many = self.done.len();
        (many > 0).then(|| self.done.iter().sum::<f64>() / many as f64)
    }
}
