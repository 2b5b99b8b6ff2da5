//! How far a long run is, for whoever waits for it.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Tells on stderr how much is done and how long the rest will take, once a run takes longer than
/// two seconds.
#[derive(Debug)]
pub struct Progress {
    what: String,
    all: usize,
    start: Instant,
    /// How many are done, and when that was told last.
    done: Mutex<(usize, Instant)>,
    quiet: bool,
}

impl Progress {
    /// So many pieces of work are to be done.
    #[must_use]
    pub fn new(what: &str, all: usize) -> Self {
        let start = Instant::now();
        Self {
            what: what.to_owned(),
            all,
            start,
            done: Mutex::new((0, start)),
            quiet: false,
        }
    }

    /// Says nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::new("", 0)
        }
    }

    /// One more piece is done.
    pub fn advance(&self) {
        if self.quiet {
            return;
        }
        let mut state = self
            .done
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += 1;
        if state.0 < self.all && state.1.elapsed() >= PATIENCE {
            state.1 = Instant::now();
            let line = line(&self.what, state.0, self.all, self.start.elapsed());
            // Nothing is lost when nobody reads this.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

fn line(what: &str, done: usize, all: usize, elapsed: Duration) -> String {
    let left = elapsed.as_secs_f64() / done.max(1) as f64 * all.saturating_sub(done) as f64;
    let share = 100 * done / all.max(1);
    format!(
        "{what}: {done} of {all} ({share} %), {:.0} s so far, about {left:.0} s left",
        elapsed.as_secs_f64()
    )
}

/// How long nothing is told, at the beginning and in between.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let line = line("swept", 25, 100, Duration::from_secs(10));
        assert_eq!(
            line,
            "swept: 25 of 100 (25 %), 10 s so far, about 30 s left"
        );
    }
}
