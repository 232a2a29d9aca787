//! What policies may know besides the act itself.

use std::collections::BTreeSet;

use vocabulary::RunId;

/// What the host knows at the moment of an ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFacts {
    /// How many acts of the run were permitted before.
    pub acts: u64,
    /// How many more calls the run may make.
    pub calls_left: u64,
    /// The time in seconds since 1970.
    pub now_unix_s: u64,
    /// The credentials that this run rotated, and whose old value it then proved to be refused.
    pub proved: BTreeSet<String>,
    /// The run.
    pub run: Option<RunId>,
}
