//! The facts on which a decision depends besides the grants and the ask.

use crate::choice::Choice;

/// What is true at the moment of asking, apart from the ask itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// For a request: the credential that the guest chose.
    pub chosen: Option<Choice>,
    /// An earlier time than `now_unix_s`, in seconds since 1970, if the clock was set. Something that begins at a moment must have begun by
    /// both times.
    pub earliest_unix_s: Option<u64>,
    /// The present time in seconds since 1970. A grant is valid before its end.
    pub now_unix_s: u64,
    /// For an ask of a file: the number of its mount in [`vocabulary::Grants::files`]. `None` if the broker does not know it.
    pub mount: Option<usize>,
}
