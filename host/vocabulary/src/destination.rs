//! Where the value of a credential may be sent. Its owner sets this together with the value: `https://api.example.com`,
//! `https://*.example.com:8443/api/**`.

use std::fmt;
use std::str::FromStr;

use crate::credential::Binding;
use crate::err::ParseError;
use crate::grant::HttpGrant;
use crate::pattern::{HostPattern, PathPattern, written_as_text};
use crate::step::CredentialStep;
use crate::target::{HttpTarget, Scheme};

/// BOUND: destinations of one value.
pub const DESTINATIONS_MAX: usize = 32;
/// BOUND: bytes of all destinations of one value, as people write them.
pub const DESTINATIONS_BYTES_MAX: usize = 2048;

/// One destination: a scheme, hosts, a port, and optionally only some of their paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    scheme: Scheme,
    host: HostPattern,
    /// The port. `None` for any port, which is written as `*`.
    port: Option<u16>,
    /// The paths. `None` for all paths, if no path is written.
    path: Option<PathPattern>,
}

impl Destination {
    /// Whether a request to this target goes to the destination.
    pub fn covers(&self, target: &HttpTarget) -> bool {
        self.scheme == target.scheme
            && self.host.matches(&target.host)
            && self.port.is_none_or(|port| port == target.port)
            && self.path.as_ref().is_none_or(|path| path.matches(&target.path))
    }

    /// Its hosts.
    pub fn host(&self) -> &HostPattern {
        &self.host
    }

    /// Whether a binding could send anything there. If this is false, it certainly can't. If it is true, it may.
    pub fn meets(&self, binding: &Binding) -> bool {
        let paths = |path: &PathPattern| binding.paths.is_empty() || binding.paths.iter().any(|other| path.may_meet(other));
        self.scheme == binding.scheme
            && self.port.is_none_or(|port| binding.port.is_none_or(|other| port == other))
            && binding.hosts.iter().any(|host| self.host.overlaps(host))
            && self.path.as_ref().is_none_or(paths)
    }

    /// The destinations to which a binding sends a value, including the endpoint for its tokens. The value's owner is asked to confirm
    /// them.
    pub fn of_binding(binding: &Binding) -> Vec<Self> {
        let port = binding.port.unwrap_or(binding.scheme.default_port());
        let paths: Vec<Option<PathPattern>> =
            if binding.paths.is_empty() { vec![None] } else { binding.paths.iter().cloned().map(Some).collect() };
        let at = |host: &HostPattern, path: &Option<PathPattern>| Self {
            scheme: binding.scheme,
            host: host.clone(),
            port: Some(port),
            path: path.clone(),
        };
        let hosts = binding.hosts.iter().flat_map(|host| paths.iter().map(move |path| at(host, path)));
        hosts.chain(binding.endpoint().map(Self::of_target)).collect()
    }

    /// The destinations that a value needs so that requests of these grants can carry it: what a grant and the binding both cover, the
    /// endpoint for tokens, and the requests of a rotation. If no grant carries it, or there are too many destinations, these are the
    /// destinations of the binding.
    pub fn of_grants(binding: &Binding, grants: &[&HttpGrant]) -> Vec<Self> {
        let mut places: Vec<Self> = grants.iter().flat_map(|grant| Self::of_grant(binding, grant)).collect();
        let steps = [CredentialStep::Set, CredentialStep::Test].into_iter().filter_map(|step| binding.requests(&step)).flatten();
        let fixed: Vec<Self> =
            binding.endpoint().into_iter().chain(steps.map(|(_, target)| target).collect::<Vec<_>>().iter()).map(Self::of_target).collect();
        if places.is_empty() {
            places = Self::of_binding(binding);
        }
        for place in fixed {
            if !places.iter().any(|known| known.covers_all_of(&place)) {
                places.push(place);
            }
        }
        let mut narrowed: Vec<Self> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            let is_in = |(other_at, other): (usize, &Self)| {
                other_at != at && other.covers_all_of(place) && (other_at < at || !place.covers_all_of(other))
            };
            if !places.iter().enumerate().any(is_in) {
                narrowed.push(place.clone());
            }
        }
        if narrowed.len() > DESTINATIONS_MAX { Self::of_binding(binding) } else { narrowed }
    }

    /// The destinations to which requests of one grant carry a value under a binding. Empty if the grant names another credential, or if
    /// the two have nothing in common.
    pub fn of_grant(binding: &Binding, grant: &HttpGrant) -> Vec<Self> {
        let port = grant.port();
        let is_there = grant.credential.as_ref() == Some(&binding.name)
            && grant.scheme == binding.scheme
            && binding.port.is_none_or(|bound| bound == port);
        let hosts: Vec<HostPattern> = binding.hosts.iter().filter_map(|host| host.both(&grant.host)).cloned().collect();
        if !is_there {
            return Vec::new();
        }
        let granted = grant.paths.iter();
        let paths: Vec<PathPattern> = if binding.paths.is_empty() {
            granted.cloned().collect()
        } else {
            granted
                .flat_map(|path| binding.paths.iter().filter(|bound| bound.may_meet(path)).map(|bound| path.narrower(bound).clone()))
                .collect()
        };
        let at = |host: &HostPattern, path: PathPattern| Self {
            scheme: grant.scheme,
            host: host.clone(),
            port: Some(port),
            path: Some(path).filter(|path| path.to_string() != "/**"),
        };
        hosts.iter().flat_map(|host| paths.iter().map(move |path| at(host, path.clone()))).collect()
    }

    fn of_target(target: &HttpTarget) -> Self {
        Self {
            scheme: target.scheme,
            host: HostPattern::Exact(target.host.clone()),
            port: Some(target.port),
            path: target.path.parse().ok(),
        }
    }

    /// Whether this destination covers everything that the other one covers. Returns false if that is hard to decide.
    pub fn covers_all_of(&self, other: &Self) -> bool {
        let paths = match (&self.path, &other.path) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(path), Some(other)) => path.covers_all_of(other),
        };
        self.scheme == other.scheme && self.host.covers_all_of(&other.host) && (self.port.is_none() || self.port == other.port) && paths
    }

    /// Whether something could go to both. If this is false, nothing can. If it is true, something may.
    pub fn overlaps(&self, other: &Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let paths = self.path.as_ref().zip(other.path.as_ref()).is_none_or(|(one, other)| one.may_meet(other));
        self.scheme == other.scheme && self.host.overlaps(&other.host) && ports && paths
    }
}

impl FromStr for Destination {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || {
            ParseError::new(
                "a valid destination",
                text,
                "`https://HOST` or `http://HOST`, with `:PORT` and `/PATH/**` if needed; HOST may begin with `*.`",
            )
        };
        let (scheme, rest) = match text.split_once("://").ok_or_else(bad)? {
            ("https", rest) => (Scheme::Https, rest),
            ("http", rest) => (Scheme::Http, rest),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None => Some(scheme.default_port()),
            Some("*") => None,
            Some(digits) => {
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
                Some(digits.parse().ok().filter(|_| plain).ok_or_else(bad)?)
            }
        };
        // A URL with `/` and a URL without a path are the same (RFC 3986 section 6.2.3).
        let path = if path.is_empty() || path == "/" { None } else { Some(path.parse().map_err(|_| bad())?) };
        Ok(Self { scheme, host: host.parse().map_err(|_| bad())?, port, path })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        match self.port {
            None => f.write_str(":*")?,
            Some(port) if port == self.scheme.default_port() => {}
            Some(port) => write!(f, ":{port}")?,
        }
        self.path.as_ref().map_or(Ok(()), |path| path.fmt(f))
    }
}

written_as_text!(Destination);

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::Destination;
    use crate::{Binding, Placement, Source};

    #[test]
    fn a_destination_is_written_as_a_url_and_covers_what_it_says() {
        let covers = |destination: &str, url: &str| destination.parse::<Destination>().unwrap().covers(&url.parse().unwrap());
        for (destination, url, expected) in [
            ("https://api.test", "https://api.test/x", true),
            ("https://api.test/", "https://api.test/x?y", true),
            ("https://api.test", "http://api.test/x", false),
            ("https://api.test", "https://api.test:8443/x", false),
            ("https://api.test:8443", "https://api.test:8443/x", true),
            ("https://api.test:*", "https://api.test:8443/x", true),
            ("https://api.test", "https://evil.test/x", false),
            ("https://api.test", "https://api.test.evil.test/x", false),
            ("https://*.example.test", "https://a.example.test/", true),
            ("https://*.example.test", "https://example.test/", false),
            ("https://api.test/v1/**", "https://api.test/v1/a", true),
            ("https://api.test/v1/**", "https://api.test/v2/a", false),
            ("https://api.test/v1/**", "https://api.test/v1%2F..a", false),
            ("http://127.0.0.1:8200", "http://127.0.0.1:8200/", true),
            ("http://[::1]:8200", "http://[::1]:8200/", true),
            ("http://[::1]", "http://[::1]/", true),
        ] {
            assert_eq!(covers(destination, url), expected, "{destination} {url}");
        }
        for text in ["https://api.test", "https://*.example.test:8443/api/**", "http://[::1]:*/x"] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "api.test",
            "https://",
            "https://*",
            "https://*.test",
            "ftp://a.test",
            "https://a.test:0",
            "https://a.test:99999",
            "https://a.test:",
            "https://u@a.test",
            "https://a.test/x?y",
            "https://a.test/#x",
            "https://A.test",
            "HTTPS://a.test",
            "https://a.test/a**",
        ] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_binding_meets_a_destination_where_both_could_be_meant() {
        let meets = |destination: &str, hosts: &[&str], change: &dyn Fn(&mut Binding)| {
            let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
            let mut binding = Binding::new("key", hosts, Placement::Bearer, Source::Local);
            change(&mut binding);
            destination.parse::<Destination>().unwrap().meets(&binding)
        };
        let as_is = |_: &mut Binding| ();
        assert!(meets("https://a.example.test", &["a.example.test"], &as_is));
        assert!(meets("https://a.example.test", &["*.example.test"], &as_is));
        assert!(meets("https://*.example.test", &["b.test", "a.example.test"], &as_is));
        assert!(meets("https://*.example.test", &["*.a.example.test"], &as_is));
        assert!(!meets("https://*.example.test", &["*.evilexample.test"], &as_is));
        assert!(!meets("https://a.example.test", &["evil.test"], &as_is));
        assert!(!meets("http://a.example.test", &["a.example.test"], &as_is));
        assert!(!meets("https://a.example.test", &["a.example.test"], &|binding| binding.port = Some(8443)));
        let on = |path: &'static str| move |binding: &mut Binding| binding.paths = vec![path.parse().unwrap()];
        assert!(meets("https://a.example.test/v1/**", &["a.example.test"], &on("/v1/x/*")));
        assert!(meets("https://a.example.test/v1/**", &["a.example.test"], &on("/**")));
        assert!(!meets("https://a.example.test/v1/**", &["a.example.test"], &on("/v2/**")));
    }

    fn places(texts: &[&str]) -> Vec<Destination> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_destination_covers_all_of_another_only_where_nothing_of_that_one_is_outside() {
        for (one, other, expected) in [
            ("https://a.test", "https://a.test/v1/**", true),
            ("https://a.test/v1/**", "https://a.test", false),
            ("https://a.test/**", "https://a.test/v1/**", true),
            ("https://a.test/v1/**", "https://a.test/v1/**", true),
            ("https://a.test/v1/**", "https://a.test/v1/*/x", true),
            ("https://a.test/v1/*", "https://a.test/v1/**", false),
            ("https://a.test/v1/**/x", "https://a.test/v1/**", false),
            ("https://a.test/v1*", "https://a.test/v*", false),
            ("https://a.test/v*", "https://a.test/v1*", true),
            ("https://a.test:*", "https://a.test:8443", true),
            ("https://a.test:8443", "https://a.test:*", false),
            ("http://a.test", "https://a.test", false),
            ("https://*.e.test", "https://a.e.test", true),
            ("https://*.e.test", "https://*.a.e.test", true),
            ("https://*.a.e.test", "https://*.e.test", false),
            ("https://a.e.test", "https://*.e.test", false),
            ("https://*.e.test", "https://*.ae.test", false),
        ] {
            assert_eq!(places(&[one])[0].covers_all_of(&places(&[other])[0]), expected, "{one} {other}");
        }
    }

    #[test]
    fn what_grants_need_is_what_they_and_the_binding_both_cover() {
        let grant = |host: &str, port: Option<u16>, paths: &[&str]| crate::HttpGrant {
            credential: Some("key".to_owned()),
            addresses: Vec::new(),
            headers: Vec::new(),
            host: host.parse().unwrap(),
            methods: Vec::new(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            port,
            scheme: crate::Scheme::Https,
            until: None,
            within: crate::HttpBounds::default(),
        };
        let needs = |change: &dyn Fn(&mut Binding), grants: &[crate::HttpGrant]| {
            let mut binding = Binding::new("key", vec!["*.e.test".parse().unwrap()], Placement::Bearer, Source::Local);
            change(&mut binding);
            let places = Destination::of_grants(&binding, &grants.iter().collect::<Vec<_>>());
            places.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let as_is = |_: &mut Binding| ();
        let on = |path: &'static str| move |binding: &mut Binding| binding.paths = vec![path.parse().unwrap()];
        assert_eq!(needs(&as_is, &[grant("a.e.test", Some(8443), &["/api/**"])]), ["https://a.e.test:8443/api/**"]);
        assert_eq!(needs(&on("/api/v1/**"), &[grant("a.e.test", None, &["/api/**"])]), ["https://a.e.test/api/v1/**"]);
        assert_eq!(needs(&on("/**"), &[grant("*.a.e.test", None, &["/x"])]), ["https://*.a.e.test/x"]);
        let two = [grant("a.e.test", None, &["/x/y"]), grant("a.e.test", None, &["/x/**", "/x/**"]), grant("b.test", None, &["/**"])];
        assert_eq!(needs(&as_is, &two), ["https://a.e.test/x/**"], "other places, and what the binding does not cover, are left out");
        let other = crate::HttpGrant { credential: None, ..grant("a.e.test", None, &["/**"]) };
        assert_eq!(needs(&as_is, &[other]), ["https://*.e.test"], "if no grant carries it, the destinations of the binding");
        assert_eq!(needs(&|binding| binding.port = Some(1), &[grant("a.e.test", Some(2), &["/"])]), ["https://*.e.test:1"]);
    }
}
