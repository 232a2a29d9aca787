//! Days on which something ends, as people write them.

use std::fmt;
use std::str::FromStr;

use crate::err::ParseError;

/// The last day on which a grant or an agent is good, written `2026-12-31`; it ends with that day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Until {
    /// Seconds since 1970 of the midnight after the day.
    pub unix_s: u64,
    day: (u16, u8, u8),
}

/// The date of a day, counted in days since 1970-01-01: year, month, day. By Howard Hinnant's `civil_from_days`.
pub fn date_of_day(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Milliseconds since 1970 as `2026-10-02 14:07:31`, in UTC.
pub fn utc(unix_ms: u64) -> String {
    let s = unix_ms / 1000;
    let (year, month, day) = date_of_day(s / 86_400);
    let rest = s % 86_400;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60)
}

impl FromStr for Until {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a date", text, "year-month-day, for instance 2026-12-31");
        let mut parts = text.splitn(3, '-');
        let mut number = |width: usize| {
            let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()));
            part.and_then(|part| part.parse::<u16>().ok()).ok_or_else(bad)
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let longest = match month {
            2 => 28 + u16::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(bad()),
        };
        if year < 1970 || day == 0 || day > longest {
            return Err(bad());
        }
        let narrow = |number: u16| u8::try_from(number).map_err(|_| bad());
        Ok(Self { unix_s: (days_since_1970(year, month, day) + 1) * 86_400, day: (year, narrow(month)?, narrow(day)?) })
    }
}

/// Days from 1970-01-01, by the usual count of years that begin in March.
fn days_since_1970(year: u16, month: u16, day: u16) -> u64 {
    let (year, month, day) = (u64::from(year), u64::from(month), u64::from(day));
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = years / 4 - years / 100 + years / 400;
    (years * 365 + leap_days + (153 * months + 2) / 5 + day - 1).saturating_sub(719_468)
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.day;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Until;

    #[test]
    fn what_is_no_day_is_refused() {
        for bad in ["2026-13-01", "2026-02-29", "26-1-1", "2026-1-01", "2026-12-31T00:00:00Z", "1969-12-31", "2026-00-10", "2026-01-00"] {
            assert!(bad.parse::<Until>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_ends_at_the_next_midnight() {
        assert_eq!("1970-01-01".parse::<Until>().unwrap().unix_s, 86_400);
        assert_eq!("2026-12-31".parse::<Until>().unwrap().unix_s, 1_798_761_600);
        assert_eq!("2024-02-29".parse::<Until>().unwrap().to_string(), "2024-02-29");
    }
}
