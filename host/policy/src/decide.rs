//! The decision: the first grant that covers an ask, or how near the nearest one came.

use effect::{Ask, Bounds, ClosedAsk, Decision, FileAsk, FilesMode, Grants, Host, HttpAsk, HttpGrant, Placement, Reason, SafeText};

use crate::{address, headers};

/// What is true at the moment of asking, apart from the ask itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Seconds since 1970: a grant is good before its end.
    pub now_unix_s: u64,
    /// For an ask of a file: the mount it is in, counted as in [`Grants::files`], where the broker knows it.
    pub mount: Option<usize>,
}

/// Judges one ask.
///
/// A refusal names how far the nearest grant reached: host, then scheme, port, method, path, and last that it ended.
pub fn decide(grants: &Grants, facts: &Facts, ask: &Ask) -> Decision {
    let judged = match ask {
        Ask::Http(http) => http_bounds(grants, facts, http),
        Ask::File(file) => file_bounds(grants, facts, file),
        Ask::Closed(closed) => Err(closed_reason(closed)),
    };
    match judged {
        Ok(bounds) => Decision::Permit(bounds),
        Err(reason) => Decision::Refuse(reason),
    }
}

fn http_bounds(grants: &Grants, facts: &Facts, ask: &HttpAsk) -> Result<Bounds, Reason> {
    if grants.http.is_empty() {
        return Err(Reason::NothingGranted);
    }
    never_host(&ask.target.host)?;
    let mut nearest = Miss::Host;
    for (n, grant) in grants.http.iter().enumerate() {
        match covers(grant, facts, ask) {
            Ok(()) => {
                headers::check(ask)?;
                let credential = credential(grants, grant, facts, ask)?;
                return Ok(Bounds { addresses: grant.addresses.clone(), credential, rule: format!("http[{n}]") });
            }
            Err(miss) => nearest = nearest.max(miss),
        }
    }
    Err(nearest.reason())
}

/// SECURITY: the binding is its operator's, wherever the credential is granted: both must cover the request. A request with a place of its own for
/// what the host will put there is none that the host may finish.
fn credential(grants: &Grants, grant: &HttpGrant, facts: &Facts, ask: &HttpAsk) -> Result<Option<String>, Reason> {
    let Some(name) = &grant.credential else { return Ok(None) };
    let shown = || SafeText::new(name, 64);
    let bound = grants.credentials.iter().find(|binding| binding.covers(name, &ask.target));
    let binding = bound.ok_or_else(|| Reason::CredentialNotBound(shown()))?;
    if binding.until.is_some_and(|until| facts.now_unix_s >= until.unix_s) {
        return Err(Reason::CredentialExpired(shown()));
    }
    match &binding.placement {
        Placement::Header { name, .. } if headers::has(ask, name) => Err(Reason::HeaderNotYours(SafeText::new(name, 64))),
        Placement::Query { name } if has_in_query(ask, name) => Err(Reason::HeaderNotYours(SafeText::new(&format!("?{name}="), 64))),
        Placement::Bearer | Placement::Basic { .. } | Placement::Header { .. } | Placement::Query { .. } => Ok(Some(name.clone())),
    }
}

/// However it is written: servers decode names, and some fold their case.
fn has_in_query(ask: &HttpAsk, name: &str) -> bool {
    let query = ask.target.query.as_deref().unwrap_or_default();
    query.split(['&', ';']).filter_map(|pair| pair.split('=').next()).any(|written| decoded(written).eq_ignore_ascii_case(name.as_bytes()))
}

fn decoded(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        out.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

/// SECURITY: no grant opens these, so they are refused before any is looked at, and before any name is resolved.
fn never_host(host: &Host) -> Result<(), Reason> {
    let never = match host {
        Host::Name(name) => address::is_metadata_name(name),
        Host::V4(literal) => address::is_metadata((*literal).into()),
        Host::V6(literal) => address::is_metadata((*literal).into()),
    };
    if never { Err(Reason::AddressNever(SafeText::new(address::METADATA, 64))) } else { Ok(()) }
}

/// How far a grant that does not cover an ask reached; the later, the nearer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Host,
    Scheme,
    Port,
    Method,
    Path,
    Ended,
}

impl Miss {
    fn reason(self) -> Reason {
        match self {
            Self::Host => Reason::HostNotGranted,
            Self::Scheme => Reason::SchemeNotGranted,
            Self::Port => Reason::PortNotGranted,
            Self::Method => Reason::MethodNotGranted,
            Self::Path => Reason::PathNotGranted,
            Self::Ended => Reason::GrantExpired,
        }
    }
}

fn covers(grant: &HttpGrant, facts: &Facts, ask: &HttpAsk) -> Result<(), Miss> {
    let target = &ask.target;
    if !grant.host.matches(&target.host) {
        return Err(Miss::Host);
    }
    if grant.scheme != target.scheme {
        return Err(Miss::Scheme);
    }
    if grant.port() != target.port {
        return Err(Miss::Port);
    }
    if !grant.methods.contains(&ask.method) {
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

fn file_bounds(grants: &Grants, facts: &Facts, ask: &FileAsk) -> Result<Bounds, Reason> {
    if grants.files.is_empty() {
        return Err(Reason::NothingGranted);
    }
    let (mode, rule) = match facts.mount {
        None => (FilesMode::Read, "files".to_owned()),
        Some(n) => (grants.files.get(n).ok_or(Reason::NothingGranted)?.mode, format!("files[{n}]")),
    };
    match (mode, ask) {
        (FilesMode::Read, FileAsk::Change { .. }) => Err(Reason::WriteNotGranted),
        (
            FilesMode::Read,
            FileAsk::Open(_)
            | FileAsk::Read { .. }
            | FileAsk::Stat { .. }
            | FileAsk::StatAt { .. }
            | FileAsk::List { .. }
            | FileAsk::ReadLink { .. }
            | FileAsk::Close { .. },
        ) => Ok(Bounds { rule, ..Bounds::default() }),
    }
}

fn closed_reason(ask: &ClosedAsk) -> Reason {
    if ask.malformed { Reason::Malformed(ask.what.clone()) } else { Reason::NotServed }
}
