//! Days of the calendar, in UTC.

use std::fmt;

/// A day from 1970-01-01 to 9999-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// The day with this year, month and day of the month, if there is one.
    pub fn new(year: u64, month: u64, day: u64) -> Option<Self> {
        let could_be = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let date = Self { year, month, day };
        // The 30th of February, for example, becomes a day of March.
        (could_be && Self::of_day(date.days()) == date).then_some(date)
    }

    /// The date `days` days after 1970-01-01. By Howard Hinnant's `civil_from_days`.
    pub fn of_day(days: u64) -> Self {
        let shifted = days.saturating_add(719_468);
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self { year: year_of_era + era * 400 + u64::from(month <= 2), month, day }
    }

    /// The number of days after 1970-01-01. Years are counted from March, so that a leap day is the last day of its year.
    pub fn days(self) -> u64 {
        let Self { year, month, day } = self;
        let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = years / 4 - years / 100 + years / 400;
        (years * 365 + leap_days + (153 * months + 2) / 5 + day - 1).saturating_sub(719_468)
    }

    /// The digits, as in `20261231`.
    pub fn digits(self) -> String {
        let Self { year, month, day } = self;
        format!("{year:04}{month:02}{day:02}")
    }
}

/// Written as in `2026-12-31`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn every_day_of_four_centuries_comes_back_and_follows_the_one_before() {
        let last = Date::new(2400, 12, 31).map_or(0, Date::days);
        assert_eq!(last, 157_419);
        let mut before = Date::of_day(0);
        assert_eq!((before.to_string().as_str(), before.days()), ("1970-01-01", 0));
        for day in 1..=last {
            let date = Date::of_day(day);
            assert_eq!(date.days(), day);
            assert!(date > before && (date.day == 1 || date.day == before.day + 1), "{date}");
            before = date;
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for (year, month, day) in
            [(1969, 12, 31), (10_000, 1, 1), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 2, 29), (2100, 2, 29), (2026, 4, 31)]
        {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(Date::new(2000, 2, 29).map(Date::digits).as_deref(), Some("20000229"), "the control");
    }
}
