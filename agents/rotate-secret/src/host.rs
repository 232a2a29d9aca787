//! The host's functions for credentials. Tests put something else in their place, because there is no host outside of the sandbox.

use bailiwick_sdk::Refusal;
use bailiwick_sdk::credentials::{self, Identified, Rotated, Tried};

/// What the host does with credentials.
pub(crate) trait Credentials {
    fn identify(&mut self, value: &str) -> Result<Option<Identified>, Refusal>;
    fn create(&mut self, name: &str) -> Result<u64, Refusal>;
    fn set(&mut self, name: &str) -> Result<Tried, Refusal>;
    fn test(&mut self, name: &str) -> Result<Tried, Refusal>;
    fn finish(&mut self, name: &str) -> Result<Rotated, Refusal>;
}

/// The host itself.
pub(crate) struct Sandboxed;

impl Credentials for Sandboxed {
    fn identify(&mut self, value: &str) -> Result<Option<Identified>, Refusal> {
        credentials::identify(value)
    }

    fn create(&mut self, name: &str) -> Result<u64, Refusal> {
        credentials::rotation_create(name)
    }

    fn set(&mut self, name: &str) -> Result<Tried, Refusal> {
        credentials::rotation_set(name)
    }

    fn test(&mut self, name: &str) -> Result<Tried, Refusal> {
        credentials::rotation_test(name)
    }

    fn finish(&mut self, name: &str) -> Result<Rotated, Refusal> {
        credentials::rotation_finish(name)
    }
}
