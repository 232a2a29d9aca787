//! Patterns for paths that are left out: `?` is one character, `*` any number within a name, `**` any number across folders.

/// BOUND: how many patterns there may be, and how long each.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 256;

/// Why a pattern is invalid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GlobError {
    TooMany,
    Empty,
    TooLong,
    /// `**` stands beside other characters; it must be a whole segment.
    Stars(String),
}

impl std::fmt::Display for GlobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {PATTERNS_MAX} patterns"),
            Self::Empty => write!(f, "an empty pattern"),
            Self::TooLong => write!(f, "a pattern of more than {PATTERN_BYTES_MAX} bytes"),
            Self::Stars(pattern) => write!(f, "`{pattern}` has `**` beside other characters"),
        }
    }
}

/// A set of patterns; a path that any of them matches is left out.
pub(crate) struct Globs(Vec<Vec<String>>);

impl Globs {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, GlobError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(GlobError::TooMany);
        }
        patterns.iter().map(|pattern| segments(pattern)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `path`, relative and with slashes, is left out.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.0.iter().any(|pattern| across(pattern, &names))
    }
}

fn segments(pattern: &str) -> Result<Vec<String>, GlobError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(GlobError::TooLong);
    }
    let inner = pattern.trim_end_matches('/');
    let mut segments: Vec<String> = inner.trim_start_matches('/').split('/').map(str::to_owned).collect();
    if segments.iter().any(String::is_empty) {
        return Err(GlobError::Empty);
    }
    if segments.iter().any(|segment| segment.contains("**") && segment != "**") {
        return Err(GlobError::Stars(pattern.to_owned()));
    }
    if !inner.contains('/') {
        segments.insert(0, "**".to_owned());
    }
    // `a/**/**/b` means the same as `a/**/b`, and without this, trying every split would take exponential time.
    segments.dedup_by(|later, earlier| later == "**" && earlier == "**");
    Ok(segments)
}

/// Matches greedily with one place to go back to, so the cost is at most the product of the two lengths.
fn across(pattern: &[String], names: &[&str]) -> bool {
    wild(pattern, names, |segment| segment == "**", |segment, name| within(segment, name))
}

fn within(segment: &str, name: &str) -> bool {
    if !segment.contains(['*', '?']) {
        return segment == name;
    }
    let segment: Vec<char> = segment.chars().collect();
    let name: Vec<char> = name.chars().collect();
    wild(&segment, &name, |part| *part == '*', |part, character| *part == '?' || part == character)
}

/// Whether `pattern` matches the whole `text`. A part for which `any` is true matches any number of items.
fn wild<P, T>(pattern: &[P], text: &[T], any: impl Fn(&P) -> bool, one: impl Fn(&P, &T) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (Some(part), _) if any(part) => {
                back = Some((p + 1, t));
                p += 1;
            }
            (Some(part), Some(item)) if one(part, item) => {
                p += 1;
                t += 1;
            }
            (None, None) => return true,
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((after, from)) = back else { return false };
                back = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{GlobError, Globs, PATTERN_BYTES_MAX, PATTERNS_MAX};

    fn matches(pattern: &str, path: &str) -> bool {
        Globs::new(&[pattern.to_owned()]).unwrap().matches(path)
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, path) in [
            ("*.lock", "Cargo.lock"),
            ("*.lock", "a/b/yarn.lock"),
            ("target", "a/target"),
            ("target/", "target"),
            ("/target", "target"),
            ("a/*/c", "a/b/c"),
            ("a/**", "a/b/c"),
            ("a/**/z", "a/z"),
            ("a/**/z", "a/b/c/z"),
            ("**/*.p?m", "keys/x.pem"),
            ("a*b*c", "aXbYbZc"),
            ("ä?", "äö"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_match_nothing_else() {
        for (pattern, path) in [
            ("*.lock", "Cargo.lock.bak"),
            ("target", "targets"),
            ("/target", "a/target"),
            ("a/*/c", "a/b/b/c"),
            ("a/**/z", "b/a/z"),
            ("a/**/z", "a/b/zz"),
            ("a/?", "a/bc"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn pattern_that_means_nothing_is_an_error() {
        let error = |patterns: &[&str]| Globs::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).err();
        assert_eq!(error(&[""]), Some(GlobError::Empty));
        assert_eq!(error(&["a//b"]), Some(GlobError::Empty));
        assert_eq!(error(&["a**"]), Some(GlobError::Stars("a**".to_owned())));
        assert_eq!(error(&[&"a".repeat(PATTERN_BYTES_MAX + 1)]), Some(GlobError::TooLong));
        assert_eq!(error(&["a"; PATTERNS_MAX + 1]), Some(GlobError::TooMany));
    }

    #[test]
    fn hostile_pattern_ends() {
        // With exponential time, each of these would never end.
        assert!(!matches(&["*a"; 127].concat(), &"ab".repeat(2_000)));
        assert!(!matches(&["**/a"; 50].join("/"), &["a", "b"].repeat(1_000).join("/")));
    }
}
