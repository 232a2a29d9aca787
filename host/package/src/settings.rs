//! The settings of a home: `home.toml` in it, written by the operator.
//!
//! What they mean is for those who use them. A setting that is not known is an error: a typing error would keep, or take away, what nobody
//! meant.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::file::{self, FileError};

const NAME: &str = "home.toml";
/// BOUND: bytes of that file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// All settings of a home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// When the record is taken away.
    pub prune: Prune,
    /// When what can be made again is removed.
    pub unused: Unused,
}

/// `[prune]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Prune {
    /// What was recorded longer ago than this goes.
    pub older_than: Option<Span>,
    /// The oldest goes until the record is no larger than this.
    pub larger_than: Option<Size>,
    /// What runs have sealed is forgotten when they were recorded longer ago than this.
    pub payloads_older_than: Option<Span>,
    /// The folder in which what is taken away is archived.
    pub to: Option<PathBuf>,
    /// What is taken away is dropped, if it is not archived.
    pub drop: bool,
    /// The acceptance of an agent that stands may go.
    pub drop_accepted: bool,
}

/// `[unused]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Unused {
    /// Compiled components and builds that nothing has used for so long are removed; 90 days.
    pub compiled: Span,
}

impl Default for Unused {
    fn default() -> Self {
        Self { compiled: Span(90 * 86_400) }
    }
}

/// A time, in seconds: `90d`, `12h`, `30m`, `10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub u64);

/// A size, in bytes: `10GiB`, `512MiB`, `64KiB`, or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(factor)
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
        number(text, &units).map(Self).ok_or_else(|| format!("`{text}` is no time: write `90d`, `12h`, `30m` or `10s`"))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
        number(text, &units).map(Self).ok_or_else(|| format!("`{text}` is no size: write `10GiB`, `512MiB`, `64KiB` or a number of bytes"))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is in it.
    #[error("`{}` is no settings of a home", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        cause: Box<toml::de::Error>,
    },
}

impl Settings {
    /// Where the settings of a home are.
    pub fn path(home: &Path) -> PathBuf {
        home.join(NAME)
    }

    /// The settings of a home; the defaults where it has none.
    ///
    /// # Errors
    /// A file that can't be read, or says what is not known.
    pub fn of(home: &Path) -> Result<Self, SettingsError> {
        let path = Self::path(home);
        let bytes = match file::read_here(&path, FILE_BYTES_MAX) {
            Err(err) if err.is_absence() => return Ok(Self::default()),
            bytes => bytes?,
        };
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(|cause| SettingsError::Wrong { path, cause: Box::new(cause) })
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_not_known_is_an_error() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        let text = "[prune]\nolder-than = \"180d\"\nlarger-than = \"10GiB\"\npayloads-older-than = \"30d\"\nto = \"/archive\"\n";
        let settings = Settings::parse(text).unwrap().prune;
        assert_eq!((settings.older_than, settings.larger_than), (Some(Span(180 * 86_400)), Some(Size(10 << 30))));
        assert_eq!((settings.payloads_older_than, settings.to), (Some(Span(30 * 86_400)), Some(PathBuf::from("/archive"))));
        for wrong in [
            "[prune]\nolder = \"1d\"",
            "[prune]\nolder-than = \"1w\"",
            "[prune]\nlarger-than = \"-1\"",
            "[purne]",
            "[prune]\nolder-than = 3",
        ] {
            assert!(Settings::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_or_size_that_overflows_or_is_none_is_refused() {
        for text in ["", "d", "1", "+1d", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "GiB", "1GB", "18446744073709551615GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!("7".parse::<Size>(), Ok(Size(7)));
    }
}
