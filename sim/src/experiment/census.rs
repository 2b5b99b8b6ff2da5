//! How unequal servents share.

use crate::contents::Contents;

/// Who shares how much of all, as shares of servents and of files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Census {
    /// Servents that share nothing.
    pub free_riders: f64,
    /// Servents that share ten files or fewer, or nothing.
    pub at_most_ten: f64,
    /// Files of the hundredth of all servents that shares most.
    pub of_top_1: f64,
    /// Files of the fifth that shares most.
    pub of_top_20: f64,
}

impl Census {
    /// What these servents share.
    #[must_use]
    pub fn of(contents: &Contents, among: &[u32]) -> Self {
        let mut files: Vec<usize> = among
            .iter()
            .map(|&node| contents.of(node).files())
            .collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        let servents = |most: usize| {
            let such = files.iter().filter(|&&files| files <= most).count();
            such as f64 / files.len().max(1) as f64
        };
        let whole: usize = files.iter().sum();
        let of_first = |of: usize| {
            let first: usize = files.iter().take(files.len().div_ceil(of)).sum();
            first as f64 / whole.max(1) as f64
        };
        Self {
            free_riders: servents(0),
            at_most_ten: servents(10),
            of_top_1: of_first(100),
            of_top_20: of_first(5),
        }
    }
}
