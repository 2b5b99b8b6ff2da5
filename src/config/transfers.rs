//! What transfers may take: `[transfers]` of the settings file.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What transfers may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfers {
    /// Bytes a second of all uploads together.
    pub upload_limit: Limit,
    /// Of each.
    pub upload_limit_each: Limit,
    /// Bytes a second of all downloads together.
    pub download_limit: Limit,
    /// Of each.
    pub download_limit_each: Limit,
    /// Bytes that downloads leave free on their disk.
    pub keep_free: Limit,
    /// Uploads at once.
    pub slots: usize,
    /// Of these, to one public address.
    pub slots_per_address: usize,
    /// Those who wait for a slot at once.
    pub places: usize,
    /// Of these, of one public address.
    pub places_per_address: usize,
    /// Bytes a second that a peer must take of an upload, or it loses its slot.
    pub least_rate: Limit,
    /// Whether who gave something is served first.
    pub credit: bool,
    /// Whether others may see the list of what is shared.
    pub browse: bool,
    /// Whether others get what is fetched.
    pub give_back: GiveBack,
    /// Other limits for parts of the day, local time.
    pub schedule: Vec<Span>,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            upload_limit: Limit(None),
            upload_limit_each: Limit(None),
            download_limit: Limit(None),
            download_limit_each: Limit(None),
            keep_free: Limit(Some(64 << 20)),
            slots: 20,
            slots_per_address: 3,
            places: 200,
            places_per_address: 5,
            least_rate: Limit(Some(1_024)),
            credit: true,
            browse: true,
            give_back: GiveBack::Auto,
            schedule: Vec::new(),
        }
    }
}

/// Whether others get what is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GiveBack {
    /// Always on private ground, else while it is fetched.
    Auto,
    /// While it is fetched, and as long as the daemon runs.
    Always,
    /// While it is fetched.
    WhileDownloading,
    /// Not at all.
    Never,
}

/// A part of the day in which other limits hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends; where that is earlier, on the next day.
    pub to: TimeOfDay,
    /// As for all the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_limit: Option<Limit>,
    /// As for all the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_limit_each: Option<Limit>,
    /// As for all the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_limit: Option<Limit>,
    /// As for all the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_limit_each: Option<Limit>,
}

/// Bytes a second, as a number or such as `"500k"`; `"none"` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Limit(pub Option<u64>);

/// A minute of the day, `"08:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(pub u16);

/// A limit as people write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Limit {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let limit = match written {
            Written::Number(number) => number,
            Written::Text(text) if text == "none" => return Ok(Self(None)),
            Written::Text(text) => parse_size(&text)?,
        };
        match limit {
            0 => Err("a limit of 0 would stop everything; \"none\" is no limit".to_owned()),
            limit => Ok(Self(Some(limit))),
        }
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.to_string()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(limit) = self.0 else {
            return f.write_str("none");
        };
        let units = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "k")];
        match units
            .iter()
            .find(|(size, _)| limit % size == 0 && limit > 0)
        {
            Some((size, unit)) => write!(f, "{}{unit}", limit / size),
            None => write!(f, "{limit}"),
        }
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let part = |part: &str, most: u16| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let number = part.parse::<u16>().ok().filter(|_| digits)?;
            (number < most).then_some(number)
        };
        let minute = text.split_once(':').and_then(|(hour, minute)| {
            let (hour, minute) = (part(hour, 24)?, part(minute, 60)?);
            Some(Self(hour * 60 + minute))
        });
        minute.ok_or_else(|| format!("`{text}` is no time of day, such as 08:30"))
    }
}

impl From<TimeOfDay> for String {
    fn from(TimeOfDay(minute): TimeOfDay) -> Self {
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }
}

/// Reads a size: digits, then nothing, or one of `k`, `M`, `G`, `T` in any case, with or without
/// `iB` or `B`. All count in powers of 1024.
///
/// # Errors
/// When it is none, in words.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let step = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(format!("\"{unit}\" is no unit: k, M, G or T")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a size begins with a number".to_owned())?;
    number
        .checked_mul(1 << (10 * step))
        .ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Transfers, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_and_schedules_are_read_and_shown() {
        let text = "upload_limit = \"1M\"\ndownload_limit_each = 1500\nleast_rate = \"none\"\n\
            give_back = \"while-downloading\"\n\
            [[schedule]]\nfrom = \"08:00\"\nto = \"18:30\"\nupload_limit = \"100k\"\n\
            download_limit = \"none\"\n";
        let transfers = read(text).unwrap();
        assert_eq!(transfers.upload_limit, Limit(Some(1 << 20)));
        assert_eq!(transfers.download_limit_each, Limit(Some(1_500)));
        assert_eq!(transfers.least_rate, Limit(None));
        assert_eq!(transfers.give_back, GiveBack::WhileDownloading);
        let span = &transfers.schedule[0];
        assert_eq!((span.from, span.to), (TimeOfDay(480), TimeOfDay(1_110)));
        assert_eq!(span.upload_limit, Some(Limit(Some(100 << 10))));
        assert_eq!(span.download_limit, Some(Limit(None)));
        assert_eq!(span.upload_limit_each, None);
        let shown = toml::to_string(&transfers).unwrap();
        assert_eq!(read(&shown).unwrap(), transfers, "{shown}");
        assert!(shown.contains("download_limit = \"none\""), "{shown}");
    }

    #[test]
    fn what_is_no_limit_and_no_time_is_told() {
        for (text, part) in [
            ("upload_limit = \"fast\"", "upload_limit"),
            ("give_back = \"often\"", "give_back"),
            ("upload_limit = 0", "\"none\" is no limit"),
            ("[[schedule]]\nfrom = \"8\"\nto = \"09:00\"", "time of day"),
            (
                "[[schedule]]\nfrom = \"24:00\"\nto = \"09:00\"",
                "time of day",
            ),
            ("[[schedule]]\nfrom = \"08:00\"", "to"),
            (
                "[[schedule]]\nfrom = \"08:00\"\nto = \"09:00\"\nspeed = 1",
                "speed",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
