//! What an ask is about, as on the record: parsed, bounded, escaped, and without anything that may be secret. Lines for people are made
//! from it. Such a line is never parsed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::method::Method;
use crate::step::{CredentialAsk, StepKind};
use crate::target::{HttpTarget, Scheme};
use crate::text::SafeText;

/// BOUND: bytes of each text of a resource. A path that may be asked for is shorter, so two paths are never the same on the record.
const TEXT_BYTES_MAX: usize = 8192;
/// BOUND: bytes of the name of a credential, of a file, or of something that could not be parsed.
const NAME_BYTES_MAX: usize = 1024;

/// What an ask is about, for each capability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// A step with a credential.
    Credential(CredentialResource),
    /// A request.
    Http(HttpResource),
    /// A path of a mount, as the guest writes it.
    Path(SafeText),
    /// Several resources, which the record names one by one.
    Several,
    /// The guest's own words. They could not be parsed, or they ask for something that is not served.
    Words(SafeText),
}

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpResource {
    /// The name or the literal address. An IPv6 address is in brackets.
    pub host: SafeText,
    /// The method, as sent.
    pub method: SafeText,
    /// The path as sent, without the query.
    pub path: SafeText,
    /// The port, even if it is the default port of the scheme.
    pub port: u16,
    /// The names in the query, separated by `&`, without values. Absent if the request has no query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<SafeText>,
    /// The scheme.
    pub scheme: Scheme,
}

/// A step with a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialResource {
    /// The name of the credential. Absent if the ask is about all credentials for which the step is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SafeText>,
    /// The kind of the step.
    pub step: StepKind,
}

impl HttpResource {
    /// The resource of a method and a target.
    pub fn new(method: &Method, target: &HttpTarget) -> Self {
        let text = |text: &str| SafeText::new(text, TEXT_BYTES_MAX);
        Self {
            host: text(&target.host.to_string()),
            method: text(method.as_str()),
            path: text(&target.path),
            port: target.port,
            query: target.query_names().map(|names| text(&names)),
            scheme: target.scheme,
        }
    }

    /// The port, if it is not the default port of the scheme.
    pub fn other_port(&self) -> Option<u16> {
        (self.port != self.scheme.default_port()).then_some(self.port)
    }

    /// Whether a person who writes `host` or `host:port` means the target of this request.
    pub fn is_at(&self, said: &str) -> bool {
        said == self.host.as_str() || said == format!("{}:{}", self.host, self.port)
    }

    fn map(&self, change: &impl Fn(&SafeText) -> SafeText) -> Self {
        let Self { host, method, path, port, query, scheme } = self;
        let query = query.as_ref().map(change);
        Self { host: change(host), method: change(method), path: change(path), port: *port, query, scheme: *scheme }
    }
}

impl From<&CredentialAsk> for Resource {
    fn from(ask: &CredentialAsk) -> Self {
        let text = |text: &str| SafeText::new(text, NAME_BYTES_MAX);
        let name = (!ask.step.is_for_all()).then(|| text(&ask.name));
        Self::Credential(CredentialResource { name, step: ask.step.kind() })
    }
}

impl Resource {
    /// A path of a mount.
    pub fn path(text: &str, bytes_max: usize) -> Self {
        Self::Path(SafeText::new(text, bytes_max))
    }

    /// The request; `None` for anything else.
    pub fn http(&self) -> Option<&HttpResource> {
        match self {
            Self::Http(http) => Some(http),
            Self::Credential(_) | Self::Path(_) | Self::Several | Self::Words(_) => None,
        }
    }

    /// One line for people.
    pub fn line(&self) -> SafeText {
        SafeText::of_safe(self.to_string())
    }

    /// Each text in it, in no particular order.
    pub fn texts(&self) -> impl Iterator<Item = &SafeText> {
        let texts = match self {
            Self::Credential(CredentialResource { name, .. }) => [name.as_ref(), None, None, None],
            Self::Http(HttpResource { host, method, path, query, .. }) => [Some(host), Some(method), Some(path), query.as_ref()],
            Self::Path(text) | Self::Words(text) => [Some(text), None, None, None],
            Self::Several => [None; 4],
        };
        texts.into_iter().flatten()
    }

    /// The same resource with each of its texts changed.
    #[must_use]
    pub fn map_texts(&self, change: &impl Fn(&SafeText) -> SafeText) -> Self {
        match self {
            Self::Credential(CredentialResource { name, step }) => {
                Self::Credential(CredentialResource { name: name.as_ref().map(change), step: *step })
            }
            Self::Http(http) => Self::Http(http.map(change)),
            Self::Path(text) => Self::Path(change(text)),
            Self::Several => Self::Several,
            Self::Words(text) => Self::Words(change(text)),
        }
    }

    /// The same resource with stars in place of known secrets.
    ///
    /// SECURITY: a secret may extend over two of its texts, where only the line shows it. Then everything after the host, or the whole
    /// resource, is replaced by stars.
    #[must_use]
    pub fn starred(&self, star: &impl Fn(&SafeText) -> SafeText) -> Self {
        let (line, starred) = (self.line(), star(&self.line()));
        if starred == line {
            return self.clone();
        }
        let parts = self.map_texts(star);
        let is_starred = |resource: &Self| star(&resource.line()) == resource.line();
        if is_starred(&parts) {
            return parts;
        }
        let stars = SafeText::of_safe("*".repeat(STARS));
        let without_path = match parts {
            Self::Http(http) => Self::Http(HttpResource { path: stars.clone(), query: None, ..http }),
            other => other,
        };
        if is_starred(&without_path) { without_path } else { self.map_texts(&|_| stars.clone()) }
    }
}

/// The number of stars, which is the length of a short secret.
const STARS: usize = 8;

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(of) => of.fmt(f),
            Self::Http(http) => http.fmt(f),
            Self::Path(text) | Self::Words(text) => text.fmt(f),
            Self::Several => f.write_str("*"),
        }
    }
}

impl fmt::Display for HttpResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}", self.method, self.scheme.as_str(), self.host)?;
        if let Some(port) = self.other_port() {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

impl fmt::Display for CredentialResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.step),
            None => write!(f, "{} *", self.step),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn http(method: &str, url: &str) -> Resource {
        Resource::Http(HttpResource::new(&Method::new(method).unwrap(), &url.parse().unwrap()))
    }

    #[test]
    fn a_request_is_shown_with_the_names_of_its_query_and_only_with_a_port_of_its_own() {
        for (url, line) in [
            ("https://a.test:443/x?token=1&b", "GET https://a.test/x?token&b"),
            ("http://127.0.0.1:8080/", "GET http://127.0.0.1:8080/"),
            ("http://[::1]/a", "GET http://[::1]/a"),
            ("http://a.test/?", "GET http://a.test/?"),
        ] {
            assert_eq!(http("GET", url).to_string(), line);
            assert_eq!(http("GET", url).line(), SafeText::new(line, 100));
        }
    }

    #[test]
    fn a_host_is_meant_with_and_without_its_port_and_never_by_a_part_of_it() {
        let at = |url: &str, said: &str| http("GET", url).http().unwrap().is_at(said);
        assert!(at("https://a.test/", "a.test") && at("https://a.test/", "a.test:443") && at("http://[::1]:8080/", "[::1]:8080"));
        for (url, other) in [("https://a.test/", "a.test:80"), ("https://a.test/b.test", "b.test"), ("https://a.test/", "a")] {
            assert!(!at(url, other), "{other}");
        }
    }

    #[test]
    fn it_reads_back_as_it_was_written_and_in_the_canonical_order_of_fields() {
        let of = |name| Resource::Credential(CredentialResource { name, step: StepKind::Set });
        let all = [
            http("POST", "https://a.test/x?y=1"),
            of(Some(SafeText::new("key", 9))),
            of(None),
            Resource::path("/src/a", 9),
            Resource::Several,
            Resource::Words(SafeText::new("udp", 9)),
        ];
        for resource in all {
            let bytes = crate::canon::to_vec(&resource);
            assert_eq!(serde_json::from_slice::<Resource>(&bytes).unwrap(), resource);
            assert_eq!(serde_json::to_vec(&resource).unwrap(), bytes);
        }
    }

    #[test]
    fn a_secret_is_starred_also_where_it_lies_across_two_parts() {
        let star =
            |secret: &'static str| move |text: &SafeText| SafeText::of_safe(text.as_str().replace(secret, &"*".repeat(secret.len())));
        let resource = http("GET", "https://a.test/x/hunter2?hunter2&b");
        assert_eq!(resource.starred(&star("nowhere")), resource);
        assert_eq!(resource.starred(&star("hunter2")).to_string(), "GET https://a.test/x/*******?*******&b");
        let across = resource.starred(&star("2?h"));
        assert_eq!((across.to_string().as_str(), across.http().unwrap().is_at("a.test")), ("GET https://a.test********", true));
        let everywhere = resource.starred(&star("GET https://a.test"));
        assert!(!everywhere.to_string().contains("a.test"), "{everywhere}");
        let credential = Resource::Credential(CredentialResource { name: Some(SafeText::new("hunter2", 9)), step: StepKind::Set });
        assert_eq!(credential.starred(&star("hunter2")).to_string(), "set *******");
    }
}
