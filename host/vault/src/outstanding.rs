//! One value that could still let somebody in.

use vocabulary::HostPattern;

use crate::secret::Secret;

/// A value that is about to leave the host, or was given out.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The credential that it belongs to.
    pub credential: String,
    /// The hosts where it could let somebody in. If this is empty, nobody knows: it could be any host at which the credential is used.
    pub hosts: Vec<HostPattern>,
    /// When it expires, in seconds since 1970. The home keeps it until then. `None` for a value that its source keeps: it stays in memory
    /// while the home is held.
    pub until_s: Option<u64>,
    /// The value.
    pub secret: Secret,
}
