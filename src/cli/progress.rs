//! Bars on a terminal, on stderr; nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` bytes that says what it is about; its prefix stands at the end.
pub(super) fn bar(quiet: bool, what: &str, total: u64) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = "{msg:.bold} {wide_bar} {percent}% {bytes}/{total_bytes} \
        {binary_bytes_per_sec} {eta}{prefix}";
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(super::output::plain(what));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
