//! How unequally searches load servents.

/// What a number of searches brought to all servents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Descriptors that came, for each search, to the servent to which most did.
    pub busiest: f64,
    /// Gini's coefficient of what came to each: 0 where all got as many, near 1 where one got all.
    pub gini: f64,
}

impl Load {
    /// Of the descriptors that came to each servent in so many searches.
    #[must_use]
    pub fn of(mut loads: Vec<u64>, searches: usize) -> Self {
        loads.sort_unstable();
        let count = loads.len() as f64;
        let (mut whole, mut weighted) = (0.0, 0.0);
        for (place, &load) in loads.iter().enumerate() {
            whole += load as f64;
            weighted += (place + 1) as f64 * load as f64;
        }
        let busiest = loads.last().copied().unwrap_or(0) as f64;
        let gini = match whole > 0.0 {
            true => 2.0 * weighted / (count * whole) - (count + 1.0) / count,
            false => 0.0,
        };
        Self {
            busiest: busiest / searches.max(1) as f64,
            gini,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_loads_have_none_and_one_who_bears_all_nearly_one() {
        let equal = Load::of(vec![7; 10], 7);
        assert_eq!((equal.busiest, equal.gini.abs() < 1e-12), (1.0, true));
        let alone = Load::of([vec![0; 99], vec![50]].concat(), 10);
        assert_eq!(alone.busiest, 5.0);
        assert!((alone.gini - 0.99).abs() < 1e-12);
        // Of 1, 2, 3 and 4: the mean difference of two is 10/8, twice the mean 5.
        assert!((Load::of(vec![4, 2, 1, 3], 1).gini - 0.25).abs() < 1e-12);
        assert_eq!(Load::of(vec![0; 3], 0).gini, 0.0);
    }
}
