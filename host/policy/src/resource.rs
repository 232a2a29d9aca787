//! Headers that name another resource than the request's own. They are judged as a request for that resource, under the same credential.

use std::borrow::Cow;

use vocabulary::{Grants, Header, HostName, HttpAsk, HttpTarget, Method, Reason, SafeText};

use crate::coverage::covers;
use crate::facts::Facts;
use crate::header_names::NameForm;

/// The grants, the facts and the credential of a request.
pub(crate) struct RequestView<'a> {
    pub(crate) grants: &'a Grants,
    pub(crate) facts: &'a Facts,
    /// The credential that is sent with the request.
    pub(crate) credential: Option<&'a str>,
}

impl RequestView<'_> {
    /// Whether this would be granted with the same credential, by both a grant and the binding.
    fn may(&self, method: &Method, target: &HttpTarget) -> bool {
        let RequestView { grants, facts, credential } = self;
        let bound = credential.is_none_or(|name| grants.credentials.iter().any(|binding| binding.covers(name, method, target)));
        let granted =
            grants.http.iter().any(|grant| grant.credential.as_deref() == *credential && covers(grant, facts, (method, target)).is_ok());
        bound && granted
    }
}

/// SECURITY: a resource that is copied or moved is read with the authority of the credential, so reading it must be granted as well.
/// Removing or writing a resource must be granted with the request's own method.
pub(crate) fn check(asking: &RequestView<'_>, form: NameForm, header: &Header, ask: &HttpAsk) -> Result<(), Reason> {
    let not_granted = || {
        let value = String::from_utf8_lossy(&header.value);
        let shown = value.split('?').next().unwrap_or_default();
        Reason::ResourceNotGranted(SafeText::new(&format!("{}: {shown}", header.name), 512))
    };
    let value = str::from_utf8(&header.value).map_err(|_| not_granted())?;
    let target = target(form, value, &ask.target).ok_or_else(not_granted)?;
    let read = Method::new("GET").map_err(|_| not_granted())?;
    let methods = match form {
        NameForm::Object | NameForm::Url => vec![&read],
        NameForm::Moved => vec![&read, &ask.method],
        NameForm::Written => vec![&ask.method],
    };
    let is_same_host = target.host == ask.target.host && target.port == ask.target.port && target.scheme == ask.target.scheme;
    let granted = is_same_host && methods.into_iter().all(|method| asking.may(method, &target));
    if granted { Ok(()) } else { Err(not_granted()) }
}

/// The resource that a header names. `None` if that is not certain.
fn target(form: NameForm, value: &str, own: &HttpTarget) -> Option<HttpTarget> {
    match form {
        NameForm::Object => object(value, own),
        NameForm::Moved => on_the_same_host(value, own),
        NameForm::Url | NameForm::Written if value.starts_with('/') => on_the_same_host(value, own),
        NameForm::Url | NameForm::Written => value.parse().ok(),
    }
}

fn on_the_same_host(path: &str, own: &HttpTarget) -> Option<HttpTarget> {
    path.starts_with('/').then(|| HttpTarget::parse(own.scheme, &own.authority(), path).ok()).flatten()
}

/// `/BUCKET/KEY` or `BUCKET/KEY`, where the server decodes the key: it must mean the same either way.
///
/// SECURITY: at `BUCKET.s3.…` a path is a key of that bucket, so a source in another bucket can't be expressed as a path there. At other
/// hosts the bucket is the first segment.
fn object(value: &str, own: &HttpTarget) -> Option<HttpTarget> {
    let path = if value.starts_with('/') { Cow::Borrowed(value) } else { Cow::Owned(format!("/{value}")) };
    // An ARN can name resources in other accounts and regions.
    if path.to_ascii_lowercase().contains("arn:") || path.contains("%2F") || path.contains("%2f") {
        return None;
    }
    match bucket_of(&own.host) {
        None => on_the_same_host(&path, own),
        Some(bucket) => {
            let (source, key) = path.strip_prefix('/')?.split_once('/')?;
            if source == bucket { on_the_same_host(&format!("/{key}"), own) } else { None }
        }
    }
}

/// The bucket in the name of a host, as in S3: the part before the label `s3`, or before a label that begins with `s3-`.
fn bucket_of(host: &HostName) -> Option<&str> {
    let HostName::Name(name) = host else { return None };
    let end = name.match_indices('.').map(|(at, _)| at).find(|at| {
        let label = name.get(at + 1..).and_then(|rest| rest.split('.').next()).unwrap_or_default();
        label == "s3" || label.starts_with("s3-")
    })?;
    name.get(..end)
}
