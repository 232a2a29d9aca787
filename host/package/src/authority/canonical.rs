//! The canonical bytes of an authority. Trust, acceptance and the lock compare only the digest of these bytes.
//!
//! The bytes are one JSON object in the canonical form of RFC 8785: UTF-8, no space between tokens, the keys of each object in order, whole
//! numbers below 2^53 only. It has three keys: `authority` is the value, `form` is [`FORM`], and `of` says which kind of value it is.
//! Because of `of`, an agent never has the bytes of a whole configuration.
//!
//! INVARIANT: two values that differ have different bytes. Every field that is written can be read back (`tests.rs` does so), and a list
//! keeps its order. Lists in which the order means nothing are sorted when a configuration is read (`config/set.rs`).

use serde::Serialize;
use serde_json::json;
use vocabulary::{Digest, canon};

use super::{Authority, Whole};
use crate::config::ConfigError;

/// The form of the bytes. It must get a new number whenever the same bytes would mean something else: if a field gets another meaning, or a
/// field that may be left out gets another default. Then everything has to be trusted and accepted again. A limit that is left out means
/// the default of the version that runs, whatever it is (decision 0050).
pub const FORM: u32 = 1;

impl Authority {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`ConfigError::Inexact`] for a number of 2^53 or more.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, ConfigError> {
        bytes("agent", self)
    }

    /// The digest of the canonical bytes.
    ///
    /// # Errors
    /// As for [`Authority::canonical_bytes`].
    pub fn digest(&self) -> Result<Digest, ConfigError> {
        self.canonical_bytes().map(|bytes| Digest::of(&bytes))
    }
}

impl Whole {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`ConfigError::Inexact`] for a number of 2^53 or more.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, ConfigError> {
        bytes("configuration", self)
    }

    /// The digest of the canonical bytes.
    ///
    /// # Errors
    /// As for [`Whole::canonical_bytes`].
    pub fn digest(&self) -> Result<Digest, ConfigError> {
        self.canonical_bytes().map(|bytes| Digest::of(&bytes))
    }
}

fn bytes<T: Serialize>(of: &str, value: &T) -> Result<Vec<u8>, ConfigError> {
    let authority = serde_json::to_value(value).map_err(|_| ConfigError::Inexact)?;
    canon::of_json(&json!({ "authority": authority, "form": FORM, "of": of })).ok_or(ConfigError::Inexact)
}
