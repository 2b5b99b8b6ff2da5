//! Dates as handshakes write them: `Fri, 20 Nov 2026 17:14:17 +0000` (protocol §2.3).

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAY: u64 = 86_400;

/// The end of the year 9999: nobody writes a later date.
const LAST: u64 = 253_402_300_799;

/// The date of a time in seconds since 1970.
pub(super) fn write(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (days, time) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date_of(days);
    let weekday = DAYS[usize::try_from(days % 7).unwrap_or(0)];
    let month = MONTHS[month];
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// The time of a date, in seconds since 1970. The day of the week may be left out, and what is no
/// offset from Greenwich counts as none.
pub(super) fn read(text: &str) -> Option<u64> {
    let text = text.split_once(',').map_or(text, |(_, date)| date);
    let mut words = text.split_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    let year: u64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':');
    let mut next = |most: u64| -> Option<u64> {
        let number = time.next()?.parse().ok()?;
        (number <= most).then_some(number)
    };
    let (hour, minute, second) = (next(23)?, next(59)?, next(60)?);
    if !(1970..=9999).contains(&year) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 });
    let months = (0..month).map(|month| days_in(year, month));
    let days = years.chain(months).sum::<u64>() + day - 1;
    let there = days * DAY + hour * 3_600 + minute * 60 + second;
    there.checked_add_signed(-offset(words.next().unwrap_or_default()))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> i64 {
    let sign = match zone.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return 0,
    };
    match zone[1..].parse::<u16>() {
        Ok(number) => sign * (i64::from(number / 100) * 3_600 + i64::from(number % 100) * 60),
        Err(_) => 0,
    }
}

/// Year, month from 0 and day of so many days since 1970.
fn date_of(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 0;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // date -u -d '...' +%s
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (1_795_194_857, "Fri, 20 Nov 2026 17:14:17 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(write(seconds), text);
            assert_eq!(read(text), Some(seconds), "{text}");
        }
        let noon = read("20 nov 2026 12:00:00");
        for same in [
            "Fri, 20 Nov 2026 12:00:00 GMT",
            "Fri, 20 Nov 2026 13:30:00 +0130",
            "Fri, 20 Nov 2026 07:00:00 -0500",
        ] {
            assert_eq!(read(same), noon, "{same}");
        }
        for nonsense in [
            "",
            "Fri, 31 Nov 2026 12:00:00 +0000",
            "Fri, 29 Feb 2025 12:00:00 +0000",
            "Fri, 20 Nov 1969 12:00:00 +0000",
            "Fri, 20 Nov 2026 24:00:00 +0000",
            "Fri, 20 Nov 2026",
            "Thu, 01 Jan 1970 00:00:00 +0100",
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..=LAST) {
            prop_assert_eq!(read(&write(seconds)), Some(seconds));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", date in "[0-9]{1,3} (Jan|Feb|x) [0-9]{1,5} [0-9:]{0,9} [+-].{0,6}") {
            let _read = (read(&text), read(&date));
        }
    }
}
