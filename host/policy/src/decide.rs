//! The decision: the first grant that covers an ask, or how near the nearest one came.

use vocabulary::{
    Ask, Bound, Bounds, ClosedAsk, CredentialAsk, Decision, FileAsk, FilesMode, Grants, HostName, HttpAsk, HttpBounds, HttpGrant,
    HttpTarget, Method, Reason, Rule, SafeText,
};

use crate::credential::Choice;
use crate::resource::RequestView;
use crate::{address, credential, headers, meaning, scope};

/// What is true at the moment of asking, apart from the ask itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// For a request: the credential that the guest chose, by [`crate::choose`].
    pub chosen: Option<Choice>,
    /// Seconds since 1970, where that may be an earlier moment than `now_unix_s`: somebody has set the clock, and what is good from a moment on
    /// must have begun by both.
    pub earliest_unix_s: Option<u64>,
    /// Seconds since 1970: a grant is good before its end.
    pub now_unix_s: u64,
    /// For an ask of a file: the mount it is in, counted as in [`Grants::files`], where the broker knows it.
    pub mount: Option<usize>,
}

/// Judges one ask.
///
/// A refusal names how far the nearest grant reached: host, then scheme, port, method, path, and last that it ended.
pub fn decide(grants: &Grants, facts: &Facts, ask: &Ask) -> Decision {
    decision(match ask {
        Ask::Http(http) => http_bounds(grants, facts, http),
        Ask::Credential(credential) => credential::use_bounds(grants, facts, credential),
        Ask::File(file) => file_bounds(grants, facts, file),
        Ask::Closed(closed) => Err(closed_reason(closed)),
    })
}

/// The same for a request.
pub fn decide_http(grants: &Grants, facts: &Facts, ask: &HttpAsk) -> Decision {
    decision(http_bounds(grants, facts, ask))
}

/// The same for a step with a credential.
pub fn decide_credential(grants: &Grants, facts: &Facts, ask: &CredentialAsk) -> Decision {
    decision(credential::use_bounds(grants, facts, ask))
}

/// The same for a look at a mount, of which there may be many.
pub fn decide_file(grants: &Grants, facts: &Facts, ask: &FileAsk) -> Decision {
    decision(file_bounds(grants, facts, ask))
}

fn decision(judged: Result<Bounds, Reason>) -> Decision {
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
    scope::within(grants.engagement.as_ref(), facts, (&ask.target.host, &ask.method))?;
    let chosen = facts.chosen.as_ref().map(Choice::name);
    let mut nearest = Miss::Host;
    for (n, grant) in grants.http.iter().enumerate() {
        match covers(grant, facts, (&ask.method, &ask.target)) {
            Ok(()) if chosen.is_some() && grant.credential.as_deref() != chosen => nearest = Miss::Credential,
            Ok(()) => {
                let credential = credential::judge(grants, grant, facts, ask)?;
                headers::check(&RequestView { grants, facts, credential: credential.as_deref() }, grant, ask)?;
                meaning::check(ask, credential.is_some())?;
                let HttpBounds { pins, rate, request_bytes, response_bytes } = grant.within.clone();
                if request_bytes.is_some_and(|most| ask.body.len() as u64 > most) {
                    return Err(Reason::OverLimit(Bound::RequestBytes(Rule::Http(n))));
                }
                let (addresses, rule) = (grant.addresses.clone(), Rule::Http(n));
                let until_unix_s = scope::end(grants, grant.until, credential.as_deref());
                return Ok(Bounds { addresses, credential, pins, rate, response_bytes, rule, until_unix_s });
            }
            Err(miss) => nearest = nearest.max(miss),
        }
    }
    match (nearest, &facts.chosen) {
        (Miss::Credential, Some(chosen)) => Err(chosen.not_granted()),
        (nearest, _) => Err(nearest.reason()),
    }
}

/// SECURITY: no grant opens these, so they are refused before any is looked at, and before any name is resolved.
pub(crate) fn never_host(host: &HostName) -> Result<(), Reason> {
    let never = match host {
        HostName::Name(name) => address::is_metadata_name(name),
        HostName::V4(literal) => address::is_metadata((*literal).into()),
        HostName::V6(literal) => address::is_metadata((*literal).into()),
    };
    if never { Err(Reason::AddressNever(SafeText::new(address::METADATA, 64))) } else { Ok(()) }
}

/// How far a grant that does not cover an ask reached; the later, the nearer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Miss {
    Host,
    Scheme,
    Port,
    Method,
    Path,
    Ended,
    /// It covers the request, with another credential than the chosen one, or none.
    Credential,
}

impl Miss {
    fn reason(self) -> Reason {
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

/// Whether the rule that permitted a request would also permit it with another method or target.
pub fn still_covers(grants: &Grants, bounds: &Bounds, method: &Method, target: &HttpTarget) -> bool {
    let Rule::Http(n) = bounds.rule else { return false };
    let covers = |grant: &HttpGrant| grant.paths.iter().any(|path| path.matches(&target.path));
    let is_bound = |name: &String| grants.credentials.iter().any(|binding| binding.covers(name, method, target));
    grants.http.get(n).is_some_and(covers) && bounds.credential.as_ref().is_none_or(is_bound)
}

fn file_bounds(grants: &Grants, facts: &Facts, ask: &FileAsk) -> Result<Bounds, Reason> {
    if grants.files.is_empty() {
        return Err(Reason::NothingGranted);
    }
    let (mode, rule) = match facts.mount {
        None => (FilesMode::Read, Rule::Files(None)),
        Some(n) => (grants.files.get(n).ok_or(Reason::NothingGranted)?.mode, Rule::Files(Some(n))),
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
