//! Byte ranges of HTTP, as asked and as answered. Pure.

use std::str::FromStr;

/// What a request asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// These bytes, both ends included and inside the file.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Nothing that the file has.
    Unsatisfiable,
}

impl Asked {
    /// What the `Range` header asks of a file of `size` bytes.
    ///
    /// One range only, as everywhere on Gnutella: several, and those that make no sense, are
    /// unsatisfiable. A unit other than bytes is ignored, as HTTP wants it.
    pub(super) fn new(header: Option<&str>, size: u64) -> Self {
        let Some(range) = header.map(str::trim).and_then(after_unit) else {
            return Self::Whole;
        };
        let Some((first, last)) = range.split_once('-') else {
            return Self::Unsatisfiable;
        };
        let (first, last) = match (first.trim(), last.trim()) {
            ("", suffix) => match number(suffix) {
                Some(count) => (size.saturating_sub(count), size.wrapping_sub(1)),
                None => return Self::Unsatisfiable,
            },
            (first, "") => match number(first) {
                Some(first) => (first, u64::MAX),
                None => return Self::Unsatisfiable,
            },
            (first, last) => match (number(first), number(last)) {
                (Some(first), Some(last)) => (first, last),
                _ => return Self::Unsatisfiable,
            },
        };
        if first >= size || last < first {
            return Self::Unsatisfiable;
        }
        let last = last.min(size - 1);
        Self::Part { first, last }
    }
}

/// The bytes an answer says it carries: `bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// First byte.
    pub(super) first: u64,
    /// Last byte, not before the first.
    pub(super) last: u64,
    /// Size of the whole file, if the answerer knows it.
    pub(super) total: Option<u64>,
}

impl FromStr for ContentRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (range, total) = after_unit(text.trim())
            .ok_or(())?
            .split_once('/')
            .ok_or(())?;
        let (first, last) = range.split_once('-').ok_or(())?;
        let (first, last) = (
            number(first.trim()).ok_or(())?,
            number(last.trim()).ok_or(())?,
        );
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total).ok_or(())?),
        };
        if last < first || total.is_some_and(|total| last >= total) {
            return Err(());
        }
        Ok(Self { first, last, total })
    }
}

/// What follows the unit; both `bytes=` and `bytes ` are met, on either side.
fn after_unit(text: &str) -> Option<&str> {
    let (unit, rest) = text.split_at_checked(5)?;
    let rest = rest.trim_start();
    unit.eq_ignore_ascii_case("bytes")
        .then(|| rest.strip_prefix('=').unwrap_or(rest).trim_start())
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More digits than fit is beyond every file.
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_range() {
        let part = |first, last| Asked::Part { first, last };
        for (header, expected) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=10-", part(10, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=99-99", part(99, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=90-99999999999999999999999", part(90, 99)),
            ("Bytes 0-9", part(0, 9)),
            (" bytes = 0 - 9 ", part(0, 9)),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=100-200", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=9-0", Asked::Unsatisfiable),
            ("bytes=0-9,20-29", Asked::Unsatisfiable),
            ("bytes=-", Asked::Unsatisfiable),
            ("bytes=", Asked::Unsatisfiable),
            ("bytes=a-b", Asked::Unsatisfiable),
            ("bytes=+1-2", Asked::Unsatisfiable),
            ("pages=1-2", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(Asked::new(Some(header), 100), expected, "{header:?}");
        }
        assert_eq!(Asked::new(None, 100), Asked::Whole);
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(
                Asked::new(Some(header), 0),
                Asked::Unsatisfiable,
                "{header:?}"
            );
        }
    }

    #[test]
    fn content_ranges() {
        let range = |first, last, total| Ok(ContentRange { first, last, total });
        for (header, expected) in [
            ("bytes 0-9/100", range(0, 9, Some(100))),
            ("bytes=0-9/100", range(0, 9, Some(100))),
            ("bytes 5-5/*", range(5, 5, None)),
            ("bytes */100", Err(())),
            ("bytes 9-0/100", Err(())),
            ("bytes 0-100/100", Err(())),
            ("bytes 0-9", Err(())),
            ("0-9/100", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(header.parse(), expected, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_parts_lie_inside(header in ".{0,40}", size in 0_u64..4) {
            let _ = header.parse::<ContentRange>();
            for header in [header.clone(), format!("bytes={header}")] {
                if let Asked::Part { first, last } = Asked::new(Some(&header), size) {
                    prop_assert!(first <= last && last < size);
                }
            }
        }
    }
}
