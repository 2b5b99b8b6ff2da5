//! What queries would reach and cost.

use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::node::{Estimate, Forecast, MAX_TTL};

/// TTLs, written `A-B`, or `A` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttls(RangeInclusive<u8>);

/// Which TTLs are asked about; without it 1 to 7.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhatIfRequest {
    /// The TTLs, as `A-B`.
    pub ttl: Option<String>,
}

/// What a query with one TTL would do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct WhatIf {
    /// The TTL.
    pub ttl: u8,
    /// Servents that it would reach.
    pub reach: Likely,
    /// Copies of it that would be sent.
    pub cost: Likely,
}

/// A number that is not known exactly: nine times of ten it is between `low` and `high`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Likely {
    /// The mean of what it may be.
    pub mean: f64,
    /// One in twenty is below.
    pub low: f64,
    /// One in twenty is above.
    pub high: f64,
}

impl Ttls {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        self.0.clone()
    }
}

impl Default for Ttls {
    fn default() -> Self {
        Self(1..=7)
    }
}

impl FromStr for Ttls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| {
            text.trim()
                .parse()
                .map_err(|error: ParseIntError| error.to_string())
        };
        let (low, high): (u8, u8) = (number(low)?, number(high)?);
        if low < 1 || low > high || high > MAX_TTL {
            return Err(format!("TTLs are A-B, from 1 to {MAX_TTL}"));
        }
        Ok(Self(low..=high))
    }
}

impl From<Forecast> for WhatIf {
    fn from(forecast: Forecast) -> Self {
        Self {
            ttl: forecast.ttl,
            reach: forecast.reach.into(),
            cost: forecast.cost.into(),
        }
    }
}

impl From<Estimate> for Likely {
    /// In whole servents and copies: nobody knows it better.
    fn from(Estimate { mean, low, high }: Estimate) -> Self {
        Self {
            mean: mean.round(),
            low: low.floor(),
            high: high.ceil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_a_range() {
        let all = |text: &str| {
            text.parse::<Ttls>()
                .map(|ttls| ttls.iter().collect::<Vec<u8>>())
        };
        assert_eq!(all("2-4"), Ok(vec![2, 3, 4]));
        assert_eq!(all("5"), Ok(vec![5]));
        for wrong in ["", "0-3", "4-2", "1-16", "a-b", "1-2-3", "999"] {
            assert!(all(wrong).is_err(), "{wrong}");
        }
    }
}
