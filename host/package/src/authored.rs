//! TOML as people wrote it, read key by key, so that each error names its file, its line and its key.
//!
//! A caller names every key that it reads. Any other key is an error: see [`Table::only`].

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vocabulary::{ParseError, SafeText};

/// BOUND: bytes of a key that an error repeats.
const KEY_BYTES_MAX: usize = 200;

/// A place in a file, and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {}{fault}", SafeText::new(&file.to_string_lossy(), 4096), key_and_colon(key))]
pub struct WrongError {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The whole key, for example `agents.x.http[0].host`. Empty if the error is not at a key.
    pub key: String,
    /// What is wrong. It is in a box so that errors which contain this one stay small.
    pub fault: Box<ConfigFault>,
}

fn key_and_colon(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// What can be wrong at a key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file is not TOML, or has a key twice.
    #[error("{0}")]
    Syntax(SafeText),
    /// The key has no meaning here.
    #[error("is not a key here; the keys are {known}")]
    UnknownKey {
        /// The keys that are valid here.
        known: String,
    },
    /// The word is not one of those that are valid here.
    #[error("is not one of: {known}")]
    UnknownChoice {
        /// The words that are valid here.
        known: String,
    },
    /// The key or value belongs to a later version.
    #[error("is not part of this version: it arrives with {0}")]
    Later(&'static str),
    /// A required key is absent.
    #[error("is missing")]
    Missing,
    /// The value has the wrong type.
    #[error("must be {wanted}, not {found}")]
    Type {
        /// The type that it must have.
        wanted: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// The value can't be parsed.
    #[error(transparent)]
    Value(#[from] ParseError),
    /// The grant makes no sense.
    #[error(transparent)]
    Grant(#[from] policy::grants::Problem),
    /// The policies have faults.
    #[error("{}", listed(.0))]
    Policies(Vec<policy::PolicyFault>),
    /// A public key can't be used.
    #[error("is not a public key that can be used: {0}")]
    Key(SafeText),
    /// The list or text is empty.
    #[error("must not be empty")]
    Empty,
    /// The list, table or text is too long.
    #[error("has more than {max} {unit}")]
    TooMuch {
        /// The largest number that is allowed.
        max: usize,
        /// The unit of `max`.
        unit: &'static str,
    },
    /// The value contradicts another one, or can't have an effect.
    #[error("{0}")]
    Impossible(&'static str),
    /// A folder or file of the host does not satisfy what the key requires.
    #[error("`{path}` {why}")]
    Path {
        /// The path, without links.
        path: SafeText,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Faults of policies in a line.
fn listed(faults: &[policy::PolicyFault]) -> String {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("names policies that can't be used: {}", faults.join("; "))
}

/// The text of a file, for errors to point into.
#[derive(Clone, Copy)]
pub(crate) struct Text<'t> {
    file: &'t Path,
    text: &'t str,
}

impl<'t> Text<'t> {
    pub(crate) fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text }
    }

    /// Parses the text. A key that occurs twice is an error.
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'t>>, WrongError> {
        DeTable::parse(self.text)
            .map_err(|err| self.wrong("", &err.span().unwrap_or(0..0), ConfigFault::Syntax(SafeText::new(err.message(), 300))))
    }

    fn wrong(self, key: &str, span: &Range<usize>, fault: ConfigFault) -> WrongError {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        WrongError { file: self.file.to_owned(), line, key: key.to_owned(), fault: Box::new(fault) }
    }
}

/// A table, with the key that leads to it.
pub(crate) struct Table<'t> {
    text: Text<'t>,
    key: String,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    pub(crate) fn root(text: Text<'t>, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self { text, key: String::new(), span: 0..0, table: table.get_ref() }
    }

    /// Refuses every key that is not in `known`. A key in `later` is refused with the version or feature that it arrives with.
    pub(crate) fn only(&self, known: &[&str], later: &[(&str, &'static str)]) -> Result<(), WrongError> {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let fault = match later.iter().find(|(known, _)| *known == name) {
                Some((_, with)) => ConfigFault::Later(with),
                None => ConfigFault::UnknownKey { known: known.join(", ") },
            };
            return Err(self.text.wrong(&self.under(name), &key.span(), fault));
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<ConfigValue<'t>> {
        let value = self.table.get(key)?;
        Some(ConfigValue { text: self.text, key: self.under(key), span: value.span(), value: value.get_ref() })
    }

    pub(crate) fn required(&self, key: &str) -> Result<ConfigValue<'t>, WrongError> {
        self.get(key).ok_or_else(|| self.text.wrong(&self.under(key), &self.span, ConfigFault::Missing))
    }

    /// Every entry, in order of the keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t str, ConfigValue<'t>)> {
        let table: &'t DeTable<'t> = self.table;
        table.iter().map(|(key, value)| {
            let name: &'t str = key.get_ref();
            (name, ConfigValue { text: self.text, key: self.under(name), span: value.span(), value: value.get_ref() })
        })
    }

    pub(crate) fn wrong(&self, fault: ConfigFault) -> WrongError {
        self.text.wrong(&self.key, &self.span, fault)
    }

    fn under(&self, key: &str) -> String {
        let key = SafeText::new(key, KEY_BYTES_MAX);
        if self.key.is_empty() { key.to_string() } else { format!("{}.{key}", self.key) }
    }
}

/// A value, with the key that leads to it.
pub(crate) struct ConfigValue<'t> {
    text: Text<'t>,
    key: String,
    span: Range<usize>,
    value: &'t DeValue<'t>,
}

impl<'t> ConfigValue<'t> {
    pub(crate) fn wrong(&self, fault: ConfigFault) -> WrongError {
        self.text.wrong(&self.key, &self.span, fault)
    }

    fn kind(&self, wanted: &'static str) -> WrongError {
        self.wrong(ConfigFault::Type { wanted, found: self.value.type_str() })
    }

    /// A text that is not empty and at most `max` bytes long.
    pub(crate) fn text(&self, max: usize) -> Result<&'t str, WrongError> {
        let text = self.value.as_str().ok_or_else(|| self.kind("a string"))?;
        if text.is_empty() {
            return Err(self.wrong(ConfigFault::Empty));
        }
        self.bounded(text.len(), max, "bytes")?;
        Ok(text)
    }

    /// A text in one line, without characters that mislead a reader.
    pub(crate) fn line(&self, max: usize) -> Result<String, WrongError> {
        let text = self.text(max)?;
        // Apart from its backslashes, the escape of a plain line is the line itself.
        if SafeText::new(&text.replace('\\', ""), max).as_str() != text.replace('\\', "") {
            return Err(self.wrong(ConfigFault::Impossible("must be one line without control or invisible characters")));
        }
        Ok(text.to_owned())
    }

    pub(crate) fn parse<T>(&self) -> Result<T, WrongError>
    where
        T: FromStr<Err = ParseError>,
    {
        self.text(4096)?.parse().map_err(|err: ParseError| self.wrong(err.into()))
    }

    pub(crate) fn bool(&self) -> Result<bool, WrongError> {
        self.value.as_bool().ok_or_else(|| self.kind("true or false"))
    }

    /// A whole number from 1.
    pub(crate) fn count(&self) -> Result<u64, WrongError> {
        let number = self.value.as_integer().ok_or_else(|| self.kind("a number"))?;
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| self.wrong(ConfigFault::Impossible("must be a whole number from 1")))
    }

    /// A number or a text, as text.
    pub(crate) fn scalar(&self) -> Result<String, WrongError> {
        match self.value {
            DeValue::Integer(_) => Ok(self.count()?.to_string()),
            DeValue::String(_) => self.text(4096).map(str::to_owned),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Err(self.kind("a string or a number"))
            }
        }
    }

    pub(crate) fn table(&self, max: usize) -> Result<Table<'t>, WrongError> {
        let table = self.value.as_table().ok_or_else(|| self.kind("a table"))?;
        self.bounded(table.len(), max, "entries")?;
        Ok(Table { text: self.text, key: self.key.clone(), span: self.span.clone(), table })
    }

    /// The items of a list of at most `max`.
    pub(crate) fn items(&self, max: usize) -> Result<Vec<ConfigValue<'t>>, WrongError> {
        let array = self.value.as_array().ok_or_else(|| self.kind("a list"))?;
        self.bounded(array.len(), max, "entries")?;
        let item = |(n, value): (usize, &'t Spanned<DeValue<'t>>)| ConfigValue {
            text: self.text,
            key: format!("{}[{n}]", self.key),
            span: value.span(),
            value: value.get_ref(),
        };
        Ok(array.iter().enumerate().map(item).collect())
    }

    /// The items of a list of at least one and at most `max`.
    pub(crate) fn some_items(&self, max: usize) -> Result<Vec<ConfigValue<'t>>, WrongError> {
        let items = self.items(max)?;
        if items.is_empty() { Err(self.wrong(ConfigFault::Empty)) } else { Ok(items) }
    }

    fn bounded(&self, len: usize, max: usize, unit: &'static str) -> Result<(), WrongError> {
        if len > max { Err(self.wrong(ConfigFault::TooMuch { max, unit })) } else { Ok(()) }
    }
}

/// The fault of a path of the host.
pub(crate) fn path_fault(path: impl Display, why: &'static str) -> ConfigFault {
    ConfigFault::Path { path: SafeText::new(&path.to_string(), 4096), why }
}
