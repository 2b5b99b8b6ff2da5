//! Limits that depend on the time of day.

/// Bytes a second; without one as many as go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of all uploads together.
    pub upload: Option<u64>,
    /// Of each.
    pub upload_each: Option<u64>,
    /// Of all downloads together.
    pub download: Option<u64>,
    /// Of each.
    pub download_each: Option<u64>,
}

/// A part of each day in which other limits hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The minute of the day at which it begins.
    pub from: u16,
    /// The minute at which it ends; where that is earlier, on the next day.
    pub to: u16,
    /// The limits, where they are others than usual; `Some(None)` lifts one.
    pub upload: Option<Option<u64>>,
    /// As for uploads.
    pub upload_each: Option<Option<u64>>,
    /// As for uploads.
    pub download: Option<Option<u64>>,
    /// As for uploads.
    pub download_each: Option<Option<u64>>,
}

impl Span {
    /// Whether a minute of the day is in it.
    #[must_use]
    pub const fn holds(&self, minute: u16) -> bool {
        match self.from <= self.to {
            true => self.from <= minute && minute < self.to,
            false => minute >= self.from || minute < self.to,
        }
    }
}

impl Rates {
    /// What holds at a minute of the day, where usually these do: what the first span of that
    /// minute says of each limit.
    #[must_use]
    pub fn at(self, minute: u16, spans: &[Span]) -> Self {
        let spans = spans.iter().filter(|span| span.holds(minute));
        let first = |usual, pick: fn(&Span) -> Option<Option<u64>>| {
            spans.clone().find_map(pick).unwrap_or(usual)
        };
        Self {
            upload: first(self.upload, |span| span.upload),
            upload_each: first(self.upload_each, |span| span.upload_each),
            download: first(self.download, |span| span.download),
            download_each: first(self.download_each, |span| span.download_each),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_span_of_the_minute_decides_each_limit_by_itself() {
        let usual = Rates {
            upload: Some(100),
            download_each: Some(7),
            ..Rates::default()
        };
        let day = Span {
            from: 8 * 60,
            to: 18 * 60,
            upload: Some(Some(10)),
            ..Span::default()
        };
        let noon = Span {
            from: 12 * 60,
            to: 13 * 60,
            upload: Some(Some(1)),
            download_each: Some(None),
            ..Span::default()
        };
        let night = Span {
            from: 23 * 60,
            to: 6 * 60,
            upload: Some(None),
            ..Span::default()
        };
        let at = |minute| {
            let rates = usual.at(minute, &[day, noon, night]);
            (rates.upload, rates.download_each)
        };
        for (minute, expected) in [
            (7 * 60 + 59, (Some(100), Some(7))),
            (8 * 60, (Some(10), Some(7))),
            (12 * 60, (Some(10), None)),
            (17 * 60 + 59, (Some(10), Some(7))),
            (18 * 60, (Some(100), Some(7))),
            (23 * 60, (None, Some(7))),
            (0, (None, Some(7))),
            (6 * 60, (Some(100), Some(7))),
        ] {
            assert_eq!(at(minute), expected, "{minute}");
        }
    }
}
