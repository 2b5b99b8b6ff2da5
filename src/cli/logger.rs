//! Logs, to stderr.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use env_logger::Env;
use log::LevelFilter;

/// Starts the logger. The environment variable `FILBERT_LOG` overrides the level, for single
/// rooms too (`FILBERT_LOG=filbert::net=trace`).
pub(super) fn start(quiet: bool, verbose: u8) {
    let level = match verbose {
        _ if quiet => LevelFilter::Error,
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    env_logger::Builder::new()
        .filter_module("filbert", level)
        .parse_env(Env::new().filter("FILBERT_LOG"))
        .format(|out, record| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let time = timestamp(since.unwrap_or_default().as_secs());
            let level = record.level();
            let style = out.default_level_style(level);
            let room = record
                .target()
                .strip_prefix("filbert::")
                .unwrap_or("filbert");
            writeln!(
                out,
                "{time} {style}{level:<5}{style:#} {room}: {}",
                record.args()
            )
        })
        .init();
}

/// Seconds since 1970 as `2026-11-20T19:24:12Z`.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from 0000-03-01, so that leap days end the years (H. Hinnant's civil_from_days).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_202_652, "2026-11-20T19:24:12Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
