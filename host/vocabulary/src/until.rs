//! Last days, as people write them.

use std::fmt;
use std::str::FromStr;

use crate::date::Date;
use crate::err::ParseError;

/// The last day on which a grant or an agent is valid, written `2026-12-31`. It ends at the end of that day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Until {
    /// Seconds since 1970 of the midnight after the day.
    pub unix_s: u64,
    day: Date,
}

/// Milliseconds since 1970 as `2026-10-02 14:07:31`, in UTC.
pub fn utc(unix_ms: u64) -> String {
    let s = unix_ms / 1000;
    let (date, rest) = (Date::of_day(s / 86_400), s % 86_400);
    format!("{date} {:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60)
}

impl FromStr for Until {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a date", text, "year-month-day, for instance 2026-12-31");
        let mut parts = text.splitn(3, '-');
        let mut number = |width: usize| {
            let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()));
            part.and_then(|part| part.parse::<u64>().ok()).ok_or_else(bad)
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let day = Date::new(year, month, day).ok_or_else(bad)?;
        Ok(Self { unix_s: (day.days() + 1) * 86_400, day })
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.day.fmt(f)
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
