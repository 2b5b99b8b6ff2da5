//! What goes to stdout and stderr.

use std::io::{self, Write};

use serde::Serialize;

use super::exit::{Exit, Failure};

/// Prints a line of data.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_output(&error))
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::new(Exit::Error, format!("no JSON for the output: {error}")))?;
    line(&text)
}

/// Tells the user something that is not data.
pub(super) fn tell(text: &str) {
    // There is nobody to tell when stderr is closed.
    let _closed = writeln!(io::stderr(), "{text}");
}

/// Where a column's text stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    Left,
    Right,
}

/// Prints a table with a head; nothing when it has no rows.
pub(super) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, (head, _))| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.max().unwrap_or(0).max(head.chars().count())
        })
        .collect();
    let head: Vec<String> = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(columns).zip(&widths);
        let cells = cells.map(|((cell, (_, align)), &width)| pad(cell, width, *align));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// `text` with spaces up to `width`.
pub(super) fn pad(text: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{text:<width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

/// A stranger's text made harmless for a terminal: nothing that moves the cursor, changes colours
/// or turns the direction of what follows.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_cannot_steer_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\r\n\u{202e}c\u{9b}é"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}é"
        );
    }

    #[test]
    fn cells_are_padded_by_characters() {
        assert_eq!(pad("é", 3, Align::Right), "  é");
        assert_eq!(pad("é", 3, Align::Left), "é  ");
    }
}
