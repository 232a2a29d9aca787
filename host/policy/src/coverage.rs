//! Whether a grant covers a request, and how close it comes.

use vocabulary::{HostName, HttpGrant, HttpTarget, Method, Reason, SafeText};

use crate::address;
use crate::facts::Facts;

/// SECURITY: no grant allows these hosts. So they are refused before any grant is checked, and before any name is resolved.
pub(crate) fn never_host(host: &HostName) -> Result<(), Reason> {
    let never = match host {
        HostName::Name(name) => address::is_metadata_name(name),
        HostName::V4(literal) => address::is_metadata((*literal).into()),
        HostName::V6(literal) => address::is_metadata((*literal).into()),
    };
    if never { Err(Reason::AddressNever(SafeText::new(address::METADATA, 64))) } else { Ok(()) }
}

/// The first check that failed of a grant that does not cover an ask. A later variant is closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Miss {
    Host,
    Scheme,
    Port,
    Method,
    Path,
    Ended,
    /// The grant covers the request, but with another credential than the chosen one, or with none.
    Credential,
}

impl Miss {
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::Host => Reason::HostNotGranted,
            Self::Scheme => Reason::SchemeNotGranted,
            Self::Port => Reason::PortNotGranted,
            Self::Method => Reason::MethodNotGranted,
            Self::Path => Reason::PathNotGranted,
            Self::Ended | Self::Credential => Reason::GrantExpired,
        }
    }
}

pub(crate) fn covers(grant: &HttpGrant, facts: &Facts, (method, target): (&Method, &HttpTarget)) -> Result<(), Miss> {
    if !grant.host.matches(&target.host) {
        return Err(Miss::Host);
    }
    if grant.scheme != target.scheme {
        return Err(Miss::Scheme);
    }
    if grant.port() != target.port {
        return Err(Miss::Port);
    }
    if !grant.methods.contains(method) {
        return Err(Miss::Method);
    }
    if !grant.paths.iter().any(|path| path.matches(&target.path)) {
        return Err(Miss::Path);
    }
    if grant.until.is_some_and(|until| facts.now_unix_s >= until.unix_s) {
        return Err(Miss::Ended);
    }
    Ok(())
}
