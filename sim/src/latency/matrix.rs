//! Latencies that somebody measured between places.

use std::fs;
use std::path::{Path, PathBuf};

/// Round-trip times between places, measured or made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Where it was read.
    pub(super) path: PathBuf,
    places: usize,
    /// One-way microseconds from place to place, row by row.
    times: Vec<u32>,
}

impl Matrix {
    /// Reads a file: a line for each place with its round-trip times to all places, in
    /// milliseconds with blanks between. Blank lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// Says what is wrong: it cannot be read, is no square, or has a time that is none.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let (places, times) = parse(&text)?;
        Ok(Self {
            path: path.to_owned(),
            places,
            times,
        })
    }

    /// Microseconds from a node to another: node k is in place k, and begins anew with the first
    /// place behind the last.
    pub(super) fn between(&self, from: u32, to: u32) -> u64 {
        let (from, to) = (from as usize % self.places, to as usize % self.places);
        self.times[from * self.places + to].into()
    }

    pub(super) fn shortest(&self) -> u64 {
        self.times.iter().copied().min().unwrap_or(0).into()
    }

    pub(super) fn longest(&self) -> u64 {
        self.times.iter().copied().max().unwrap_or(0).into()
    }
}

fn parse(text: &str) -> Result<(usize, Vec<u32>), String> {
    let rows = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let mut times = Vec::new();
    let mut places = 0;
    let mut count = 0;
    for (number, row) in rows {
        let before = times.len();
        for word in row.split_ascii_whitespace() {
            let time = one_way(word).ok_or_else(|| {
                format!("line {number}: {word:.20?} is no round-trip time of 0 to {LONGEST} ms")
            })?;
            times.push(time);
            if times.len() - before > MAX_PLACES {
                return Err(format!("has more than {MAX_PLACES} places"));
            }
        }
        let width = times.len() - before;
        places = if count == 0 { width } else { places };
        count += 1;
        if width != places || count > places {
            return Err(format!("line {number}: not as many rows as columns"));
        }
    }
    if count != places || places == 0 {
        return Err(format!("has {count} rows of {places} columns"));
    }
    Ok((places, times))
}

/// Half of a round trip, to the microsecond.
fn one_way(word: &str) -> Option<u32> {
    let round: f64 = word.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10,000,000"
    )]
    let half = (round * 500.0).round() as u32;
    (0.0..=LONGEST).contains(&round).then_some(half)
}

/// The longest round trip, in milliseconds.
const LONGEST: f64 = 20_000.0;

/// The most places: 64 MiB of times.
const MAX_PLACES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_of_round_trips_is_halved() {
        let (places, times) = parse("# two places\n0 31.5\n\n30 0\n").unwrap();
        assert_eq!((places, times), (2, vec![0, 15_750, 15_000, 0]));
    }

    #[test]
    fn whatever_is_no_square_of_times_is_refused() {
        for (text, complaint) in [
            ("", "has 0 rows"),
            ("1 2", "has 1 rows of 2 columns"),
            ("1 2\n3", "line 2: not as many"),
            ("1\n2", "line 2: not as many"),
            ("-1", "line 1: \"-1\" is no round-trip time"),
            ("NaN", "is no round-trip time"),
            ("20001", "is no round-trip time"),
            ("1 x\n", "\"x\" is no"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
        let wide = "1 ".repeat(MAX_PLACES + 1);
        assert!(parse(&wide).unwrap_err().contains("more than"));
    }
}
