//! What can be wrong with policies.

use std::path::PathBuf;

use vocabulary::SafeText;

/// BOUND: bytes of one fault.
const FAULT_BYTES_MAX: usize = 1024;

/// A fault in a policy, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", SafeText::new(&file.to_string_lossy(), 4096))]
pub struct PolicyFault {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: SafeText,
}

impl PolicyFault {
    /// A fault at this byte of a text.
    pub(super) fn at(file: &vocabulary::PolicyFile, byte: usize, what: &str) -> Self {
        let before = file.text.as_bytes().get(..byte).unwrap_or(file.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Self { file: file.path.clone(), line, what: SafeText::new(what, FAULT_BYTES_MAX) }
    }
}
