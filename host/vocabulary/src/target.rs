//! The target of a request: scheme, host, port and path. It is parsed once, and never interpreted as text again.
//!
//! The target is judged exactly as it is sent: nothing here rewrites a path. A form that two programs could read differently is refused
//! instead (WHATWG URL for hosts; for paths see `path.rs`).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::err::ParseError;
use crate::path;

/// BOUND: longest query of a request, in bytes.
pub const QUERY_BYTES_MAX: usize = 8192;

/// `http` or `https`. No other scheme leaves this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Clear text, which a grant must name.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The default port: 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme as written in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host as it was asked for: a name to be resolved, or a literal address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// A name in lower case and ASCII (internationalised names in their `xn--` form), without a dot at the end.
    Name(String),
    /// A literal IPv4 address in its usual four-number form.
    V4(Ipv4Addr),
    /// A literal IPv6 address without a zone.
    V6(Ipv6Addr),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl FromStr for HostName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a host", text, "a name, or an address in its usual form (127.0.0.1, [::1])");
        // SECURITY: characters that parsers treat differently are refused before any parser reads them.
        if text.is_empty() || text.len() > 300 || text.bytes().any(|byte| byte <= b' ' || b"%@\\/?#<>^|`{}\"'".contains(&byte)) {
            return Err(bad());
        }
        match url::Host::parse(text).map_err(|_| bad())? {
            // SECURITY: `127.1`, `0x7f.1`, `2130706433` and the like are addresses to some resolvers and names to others.
            url::Host::Ipv4(address) if address.to_string() == text => Ok(Self::V4(address)),
            url::Host::Ipv4(_) => Err(bad()),
            url::Host::Ipv6(address) => Ok(Self::V6(address)),
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                if is_name(name) { Ok(Self::Name(name.to_owned())) } else { Err(bad()) }
            }
        }
    }
}

/// Names of RFC 1123: labels of letters, digits and inner hyphens. The last label must not be all digits.
fn is_name(name: &str) -> bool {
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    name.len() <= 253 && name.split('.').all(label_is_good) && !last_is_number
}

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpTarget {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: HostName,
    /// The port. If the guest gave none, the default port of the scheme.
    pub port: u16,
    /// The path, byte for byte as it will be sent. It begins with `/`.
    pub path: String,
    /// The query without its `?`, byte for byte as it will be sent.
    pub query: Option<String>,
}

impl HttpTarget {
    /// Parses the pieces that a guest passes, as in `wasi:http`.
    ///
    /// # Errors
    /// A [`ParseError`] that names the piece: anything that is not plainly one host, one port or one path.
    pub fn parse(scheme: Scheme, authority: &str, path_with_query: &str) -> Result<Self, ParseError> {
        let (host, port) = split_authority(authority)?;
        let (path, query) = match path_with_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_with_query, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        path::check(path)?;
        if let Some(query) = query {
            check_query(query)?;
        }
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()), path: path.to_owned(), query: query.map(str::to_owned) })
    }

    /// `host`, or `host:port` if the port is not the default port of the scheme: the value of the `Host` header.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The path and the query as they are sent.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The target for the record: everything except for the values in the query, of which only the names are kept. A query often carries
    /// data that must not be kept.
    pub fn redacted(&self) -> String {
        let query = self.query_names().map_or_else(String::new, |names| format!("?{names}"));
        format!("{}://{}{}{query}", self.scheme.as_str(), self.authority(), self.path)
    }

    /// The names in the query, at most 32, separated by `&`. `None` if there is no query.
    pub fn query_names(&self) -> Option<String> {
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let names = |query: &String| query.split('&').take(32).map(name).collect::<Vec<_>>().join("&");
        self.query.as_ref().map(names)
    }
}

/// Parses a URL as people write it: `https://host/path`, without a user, a fragment, or anything that [`HttpTarget::parse`] would refuse.
impl FromStr for HttpTarget {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a URL", text, "`https://` or `http://`, a host, and optionally a port and a path");
        let (scheme, rest) = match text.split_once("://").ok_or_else(bad)? {
            ("http", rest) => (Scheme::Http, rest),
            ("https", rest) => (Scheme::Https, rest),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Self::parse(scheme, authority, path)
    }
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path_and_query())
    }
}

fn split_authority(authority: &str) -> Result<(HostName, Option<u16>), ParseError> {
    let bad_port = || ParseError::new("a port", authority, "a number from 1 to 65535 after the host");
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(after_bracket..).and_then(|rest| rest.rfind(':')) {
        Some(at) => authority.split_at(after_bracket + at),
        None => (authority, ""),
    };
    let port = match port.strip_prefix(':') {
        None => None,
        Some(digits) => {
            if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad_port());
            }
            Some(digits.parse::<u16>().map_err(|_| bad_port())?)
        }
    };
    Ok((host.parse()?, port))
}

fn check_query(query: &str) -> Result<(), ParseError> {
    if query.len() > QUERY_BYTES_MAX || query.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err(ParseError::new("a query", query, "at most 8192 bytes of visible ASCII without `#`"));
    }
    Ok(())
}

/// The scheme if a configuration names none.
pub(crate) fn https() -> Scheme {
    Scheme::Https
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{HostName, HttpTarget, Scheme};

    #[test]
    fn hosts_that_parsers_read_differently_are_refused() {
        let bad = [
            "",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "good@evil",
            "a b",
            "a\tb",
            "good.com%00.evil",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "1.2.3.4.5",
            "256.256.256.256",
            "foo.0x4",
            "foo.09",
            "a..b",
            "-a.test",
            "a_b.test",
            "127。0。0。1",
            "١٢٧.0.0.1",
            "[[good.com]]",
            "[good.com]",
            "0",
            ".example.com",
            "a..",
        ];
        for text in bad {
            assert!(text.parse::<HostName>().is_err(), "{text:?} was read as {:?}", text.parse::<HostName>());
        }
    }

    #[test]
    fn names_are_folded_to_one_form() {
        for (text, name) in [("EXAMPLE.test", "example.test"), ("example.test.", "example.test"), ("bücher.test", "xn--bcher-kva.test")] {
            assert_eq!(text.parse::<HostName>().unwrap(), HostName::Name(name.to_owned()));
        }
        assert_eq!("[::1]".parse::<HostName>().unwrap().to_string(), "[::1]");
        assert_eq!("127.0.0.1".parse::<HostName>().unwrap().to_string(), "127.0.0.1");
    }

    #[test]
    fn ports_are_numbers_in_range() {
        for bad in
            ["a.test:0", "a.test:65536", "a.test:-12", "a.test:https", "a.test:007", "a.test:", ":443", "a.test:1:2", "a.test\r\nHost: x"]
        {
            assert!(HttpTarget::parse(Scheme::Http, bad, "/").is_err(), "{bad}");
        }
        assert_eq!(HttpTarget::parse(Scheme::Http, "[::1]:8080", "/").unwrap().port, 8080);
    }

    /// If the address were split at its first colon, an IPv6 address would become another host.
    #[test]
    fn the_port_of_an_ipv6_address_stands_behind_its_bracket() {
        for (authority, host, port) in [
            ("[::1]:8080", "[::1]", 8080),
            ("[::1]", "[::1]", 80),
            ("[fd12::9:8080]", "[fd12::9:8080]", 80),
            ("[fd12::9]:443", "[fd12::9]", 443),
            ("[2001:db8:1:2:3:4:5:6]:7", "[2001:db8:1:2:3:4:5:6]", 7),
        ] {
            let target = HttpTarget::parse(Scheme::Http, authority, "/").unwrap();
            assert_eq!((target.host.to_string().as_str(), target.port), (host, port), "{authority}");
        }
        for bad in
            ["::1", "::1:8080", "fd12::9:8080", "[::1]8080", "[::1]:", "[::1]:80:80", "[::1:80", "::1]:80", "[::1]:[::1]:80", "[]:80"]
        {
            assert!(HttpTarget::parse(Scheme::Http, bad, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_that_servers_fold_are_refused() {
        let bad = [
            "/public/../secret",
            "/%2e%2e",
            "/%2E%2E/",
            "/..;",
            "/..;x/y",
            "/%2e%2e;",
            "//a//../b",
            "/a%2F..%2Fb",
            "/a%252F",
            "/..",
            "/%00",
            "/%0a",
            "/%0d",
            "/%7f",
            "/a#b",
            "/ä",
            "http://other/x",
            "/a b",
            "/a\\b",
            "/%",
            "/%g0",
            "//evil.test/x",
            "x",
            "/./a",
            "/a%5cb",
        ];
        for path in bad {
            assert!(HttpTarget::parse(Scheme::Http, "a.test", path).is_err(), "{path}");
        }
        assert!(HttpTarget::parse(Scheme::Http, "a.test", &format!("/{}", "a".repeat(4096))).is_err());
        for good in ["/", "/a/b/", "/a%20b", "/a?x=../..", "/.git/config", "/...", "/a;v=1", "/100%25", "?q=1", ""] {
            assert!(HttpTarget::parse(Scheme::Http, "a.test", good).is_ok(), "{good}");
        }
    }

    #[test]
    fn values_in_a_query_are_not_kept_for_the_record() {
        let target = HttpTarget::parse(Scheme::Https, "a.test:8443", "/x?token=abc&page=2").unwrap();
        assert_eq!(target.redacted(), "https://a.test:8443/x?token&page");
    }
}
