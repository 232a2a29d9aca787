//! The forms in which people write what they grant: host patterns and path patterns.

use std::fmt;
use std::str::FromStr;

use crate::err::ParseError;
use crate::path::percent_decode;
use crate::target::{HostName, HttpTarget};
use crate::until::Until;

/// An exact host, or `*.suffix`, which matches one or more labels before the suffix (never the suffix itself).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this host. A literal address is a grant for that address.
    Exact(HostName),
    /// Every name that ends with a dot and this suffix.
    Under(String),
}

impl HostPattern {
    /// Whether the host is covered.
    pub fn matches(&self, host: &HostName) -> bool {
        match (self, host) {
            (Self::Exact(granted), asked) => granted == asked,
            (Self::Under(suffix), HostName::Name(name)) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (Self::Under(_), HostName::V4(_) | HostName::V6(_)) => false,
        }
    }

    /// Whether this pattern covers every host that the other one covers.
    pub fn covers_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::Exact(_), Self::Under(_)) => false,
            (Self::Under(one), Self::Under(other)) => {
                one == other || other.strip_suffix(one.as_str()).is_some_and(|front| front.ends_with('.'))
            }
        }
    }

    /// The pattern of the hosts that both cover, which is one of the two. `None` if they have no host in common.
    pub fn both<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        match (self.covers_all_of(other), other.covers_all_of(self)) {
            (true, _) => Some(other),
            (false, true) => Some(self),
            (false, false) => None,
        }
    }

    /// Whether there is a host that both cover.
    pub fn overlaps(&self, other: &Self) -> bool {
        let within = |suffix: &str, other: &str| suffix == other || suffix.strip_suffix(other).is_some_and(|front| front.ends_with('.'));
        match (self, other) {
            (Self::Exact(host), pattern) | (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::Under(one), Self::Under(other)) => within(one, other) || within(other, one),
        }
    }
}

impl FromStr for HostPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a host pattern", text, "a host, or `*.` and a name of at least two labels");
        match text.strip_prefix("*.") {
            Some(suffix) => match suffix.parse::<HostName>().map_err(|_| bad())? {
                // A wildcard over a whole top-level domain is a mistake and not a grant.
                HostName::Name(name) if name.contains('.') && name == suffix => Ok(Self::Under(name)),
                HostName::Name(_) | HostName::V4(_) | HostName::V6(_) => Err(bad()),
            },
            // A name that would be folded to another one is refused when the configuration is read, so that people write what they mean.
            None => match text.parse::<HostName>().map_err(|_| bad())? {
                host if host.to_string() == text => Ok(Self::Exact(host)),
                HostName::V6(address) if text.parse() == Ok(address) => Ok(Self::Exact(HostName::V6(address))),
                _ => Err(bad()),
            },
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Under(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A path. `*` matches characters within one segment, and a segment `**` matches any number of whole segments.
///
/// SECURITY: servers disagree whether an encoded slash ends a segment, and some end a path at an encoded `?` or `#`. So neither kind of
/// star matches `%2F`: a pattern covers a `%2F` only if it contains one itself. A path with `%3F` or `%23` is covered only if the part
/// before it is covered too, or if the pattern itself contains one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: String,
    /// The number of bytes of whole segments before the first star. Every path that is covered begins with them.
    fixed: usize,
    /// Whether it has an encoded character that can be spelled in two ways.
    is_encoded: bool,
}

impl PathPattern {
    /// Whether the path is covered. Case and percent-encoding count, except for the case of `%2F`, `%3F` and `%23`, because the path is
    /// judged as it is sent.
    ///
    /// Nothing is allocated for a plain path. Matching only goes back to the last `**`, because a longer match of an earlier one covers
    /// nothing more.
    pub fn matches(&self, path: &str) -> bool {
        // Most patterns differ from a path here, so this check comes first.
        if !self.is_encoded && !self.begins(path) {
            return false;
        }
        if !path.contains('%') {
            return self.covers(path);
        }
        let path = one_spelling(path);
        let cut = path.find("%3F").into_iter().chain(path.find("%23")).min();
        let is_named = self.text.contains("%3F") || self.text.contains("%23");
        self.covers(&path) && (is_named || cut.is_none_or(|end| path.get(..end).is_some_and(|front| self.covers(front))))
    }

    /// Whether there may be a path that both patterns cover. If this is false, there is certainly none. If it is true, there may be one.
    pub fn may_meet(&self, other: &Self) -> bool {
        let (one, two) = (self.text.get(..self.fixed).unwrap_or_default(), other.text.get(..other.fixed).unwrap_or_default());
        one.starts_with(two) || two.starts_with(one)
    }

    /// Whether this pattern covers every path that the other one covers. Returns false if that is hard to decide.
    pub fn covers_all_of(&self, other: &Self) -> bool {
        // A star of the other pattern is replaced by a character that no pattern names, and `**` by no segment, one, and two.
        let as_path = |segments: &[&str]| {
            let parts = other.text.split('/').flat_map(|part| if part == "**" { segments.to_vec() } else { vec![part] });
            parts.collect::<Vec<_>>().join("/").replace('*', "\u{1}")
        };
        let path = [&[][..], &["*"], &["*", "*"]].map(as_path);
        *self == *other || self.text == "/**" || path.iter().all(|path| self.matches(if path.is_empty() { "/" } else { path }))
    }

    /// Of two patterns that may meet, the one with more text before its first star. It covers every path that both cover.
    pub fn narrower<'a>(&'a self, other: &'a Self) -> &'a Self {
        match (self.covers_all_of(other), other.covers_all_of(self)) {
            (true, false) => other,
            (false, true) => self,
            _ if other.fixed > self.fixed => other,
            _ => self,
        }
    }

    fn begins(&self, path: &str) -> bool {
        self.text.as_bytes().get(..self.fixed).is_some_and(|fixed| path.as_bytes().starts_with(fixed))
    }

    fn covers(&self, path: &str) -> bool {
        if !self.begins(path) {
            return false;
        }
        let (mut pattern, mut text) = (self.text.split('/'), path.split('/'));
        let mut open = None;
        loop {
            let mut rest = text.clone();
            let Some(segment) = rest.next() else { return pattern.all(|part| part == "**") };
            let mut parts = pattern.clone();
            match parts.next() {
                Some("**") => {
                    pattern = parts;
                    open = Some((pattern.clone(), text.clone()));
                }
                Some(part) if segment_matches(part, segment) => {
                    pattern = parts;
                    text = rest;
                }
                _ => {
                    let Some((after, from)) = &mut open else { return false };
                    if from.next().is_some_and(|passed| passed.contains(SLASH)) {
                        return false;
                    }
                    (pattern, text) = (after.clone(), from.clone());
                }
            }
        }
    }
}

/// An encoded slash, which is a character of its segment.
const SLASH: &str = "%2F";

/// The path with the characters that may end a segment or a path in one spelling.
fn one_spelling(path: &str) -> String {
    path.replace("%2f", SLASH).replace("%3f", "%3F")
}

/// `*` matches any run of characters without an encoded slash. Every other character matches itself. The time is linear, because matching
/// only goes back to the last star.
fn segment_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            if text.get(from..).is_some_and(|passed| passed.starts_with(SLASH.as_bytes())) {
                return false;
            }
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

impl FromStr for PathPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a path pattern", text, "`/`, then segments; `*` within one, `**` as a whole one; `%` as `%25`");
        let doubled = text.split('/').any(|segment| segment != "**" && segment.contains("**"));
        if !text.starts_with('/')
            || doubled
            || text.len() > 1024
            || text.bytes().any(|byte| !byte.is_ascii_graphic() || b"?#\\".contains(&byte))
            || percent_decode(text).is_none()
        {
            return Err(bad());
        }
        let text = one_spelling(text);
        let fixed = text.find('*').map_or(text.len(), |star| text.get(..star).and_then(|before| before.rfind('/')).unwrap_or(0));
        Ok(Self { fixed, is_encoded: text.contains('%'), text })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Serializes types in the form in which people write them.
macro_rules! written_as_text {
    ($($form:ty),+) => {$(
        impl serde::Serialize for $form {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $form {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use written_as_text;

written_as_text!(HostPattern, PathPattern, Until, HostName, HttpTarget);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{HostPattern, PathPattern};

    #[track_caller]
    fn host(pattern: &str, host: &str) -> bool {
        pattern.parse::<HostPattern>().unwrap().matches(&host.parse().unwrap())
    }

    #[test]
    fn patterns_share_a_host_or_they_do_not() {
        for (one, other, share) in [
            ("a.test", "a.test", true),
            ("a.test", "b.test", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "*.sandbox.example.com", true),
            ("*.example.com", "*.example.org", false),
            ("*.example.com", "*.another-example.com", false),
            ("127.0.0.1", "127.0.0.1", true),
        ] {
            let (one, other): (HostPattern, HostPattern) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (share, share), "{one} {other}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_and_never_for_the_suffix() {
        assert!(host("*.example.com", "a.example.com"));
        assert!(host("*.example.com", "a.b.example.com"));
        assert!(!host("*.example.com", "example.com"));
        assert!(!host("*.example.com", "evilexample.com"));
        assert!(!host("*.example.com", "example.com.evil.test"));
        assert!(host("api.example.com", "API.example.com."));
        assert!(host("127.0.0.1", "127.0.0.1"));
        assert!(!host("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused_at_load() {
        for bad in [
            "*",
            "*.com",
            "ex*ample.com",
            "api.*.example.com",
            "example.*",
            "éxämple.com",
            "*.127.0.0.1",
            "**.a.b",
            "",
            "A.test",
            "a.test.",
            "127.1",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        for bad in ["", "a", "/a**", "/**a/b", "/a?b", "/a b", "/a%*", "/a%2*", "/100%"] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_cross() {
        let yes = [
            ("/**", "/"),
            ("/**", "/a/b"),
            ("/api/*", "/api/x"),
            ("/api/**", "/api/x/y"),
            ("/api/**/end", "/api/end"),
            ("/api/**/end", "/api/a/b/end"),
            ("/a*c", "/abbc"),
            ("/", "/"),
            ("/api/**", "/api"),
            ("/api/v*/x", "/api/v1/x"),
        ];
        let no = [
            ("/api/*", "/api/x/y"),
            ("/api/**", "/apix"),
            ("/api", "/api/"),
            ("/a*c", "/ab/c"),
            ("/api/**/end", "/api/endx"),
            ("/", "/a"),
            ("/API", "/api"),
        ];
        for (pattern, path) in yes {
            assert!(pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
        for (pattern, path) in no {
            assert!(!pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
    }

    #[test]
    fn an_encoded_slash_is_covered_where_the_pattern_has_one_and_by_no_star() {
        let yes = [
            ("/api/queues/%2F/q", "/api/queues/%2F/q"),
            ("/api/queues/%2f/*", "/api/queues/%2F/q"),
            ("/api/queues/%2F/**", "/api/queues/%2f/q/get"),
            ("/projects/group%2F*", "/projects/group%2Fproject"),
            ("/projects/group%2F*/**", "/projects/group%2fproject/issues"),
            ("/projects/*%2F*", "/projects/a%2Fb"),
            ("/**/x%2Fy", "/a/b/x%2Fy"),
            ("/files/*", "/files/a%20b"),
        ];
        let no = [
            ("/**", "/a%2Fb"),
            ("/**", "/a%2fb"),
            ("/**", "/a/%2F/b"),
            ("/a/**/b", "/a/x%2Fy/b"),
            ("/api/queues/*/q", "/api/queues/%2F/q"),
            ("/public/*", "/public/a%2Fb"),
            ("/public*", "/public%2Fa"),
            ("/projects/group%2F*", "/projects/group%2Fsub%2Fproject"),
            ("/projects/group%2F*", "/projects/group/project"),
            ("/projects/group/project", "/projects/group%2Fproject"),
            ("/projects/group%2F*", "/projects/other%2Fproject"),
        ];
        for (pattern, path) in yes {
            assert!(pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
        for (pattern, path) in no {
            assert!(!pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_path_that_a_server_may_cut_short_is_covered_in_both_lengths() {
        let yes = [
            ("/search/**", "/search/c%23"),
            ("/wiki/*", "/wiki/what%3f"),
            ("/wiki/C%23", "/wiki/C%23"),
            ("/wiki/*%3F/talk", "/wiki/what%3f/talk"),
        ];
        let no = [("/api/*/read", "/api/x%3f/read"), ("/api/*/read", "/api/x%23/read"), ("/wiki/x%23", "/wiki/x"), ("/a*c", "/ab%3Fc")];
        for (pattern, path) in yes {
            assert!(pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
        for (pattern, path) in no {
            assert!(!pattern.parse::<PathPattern>().unwrap().matches(path), "{pattern} {path}");
        }
    }
}
