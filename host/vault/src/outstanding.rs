//! One value that could still give access to a host.

use vocabulary::HostPattern;

use crate::secret::Secret;

/// A value that is about to leave the host, or that has left it.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The credential that it belongs to.
    pub credential: String,
    /// The hosts to which it could give access. If this is empty, they are unknown: it could be any host at which the credential is used.
    pub hosts: Vec<HostPattern>,
    /// When it expires, in seconds since 1970. The home keeps it until then. `None` for a value that its source keeps: such a value stays
    /// in memory as long as this process has the home.
    pub until_s: Option<u64>,
    /// The value.
    pub secret: Secret,
}
