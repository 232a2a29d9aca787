//! The settings of a home: `home.toml` in it, written by the operator.
//!
//! The code that uses a setting defines its meaning. An unknown setting is an error: a misspelled one would keep or remove data against the
//! operator's intention.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::file::{self, FileError};

const NAME: &str = "home.toml";
/// BOUND: bytes of `home.toml`.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// All settings of a home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// When parts of the record are pruned.
    pub prune: Prune,
    /// When files that can be made again are removed.
    pub unused: Unused,
}

/// The `[prune]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Prune {
    /// Records that are older than this are pruned.
    pub older_than: Option<Span>,
    /// The oldest records are pruned until the record is no larger than this.
    pub larger_than: Option<Size>,
    /// What a run has sealed is removed once it was recorded longer ago than this.
    pub payloads_older_than: Option<Span>,
    /// The folder in which pruned records are archived.
    pub to: Option<PathBuf>,
    /// Whether pruned records may be dropped if they are not archived.
    pub drop: bool,
    /// Whether the acceptance of an agent that is still in force may be pruned.
    pub drop_accepted: bool,
}

/// The `[unused]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Unused {
    /// Compiled components and builds that were not used for this time are removed. 90 days by default.
    pub compiled: Span,
}

impl Default for Unused {
    fn default() -> Self {
        Self { compiled: Span(90 * 86_400) }
    }
}

/// A time in seconds, written as `90d`, `12h`, `30m` or `10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub u64);

/// A size in bytes, written as `10GiB`, `512MiB`, `64KiB` or a plain number.
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
        number(text, &units).map(Self).ok_or_else(|| format!("`{text}` is not a time: write `90d`, `12h`, `30m` or `10s`"))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
        number(text, &units).map(Self).ok_or_else(|| format!("`{text}` is not a size: write `10GiB`, `512MiB`, `64KiB` or a number"))
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
    /// The file has an error.
    #[error("`{}` has an error in the settings of the home", path.display())]
    Wrong {
        /// The settings file.
        path: PathBuf,
        /// The parse error, with its place.
        #[source]
        cause: Box<toml::de::Error>,
    },
}

impl Settings {
    /// Where the settings of a home are.
    pub fn path(home: &Path) -> PathBuf {
        home.join(NAME)
    }

    /// Reads the settings of a home. Without a file, they are the defaults.
    ///
    /// # Errors
    /// A file that can't be read, or that has an unknown setting.
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
