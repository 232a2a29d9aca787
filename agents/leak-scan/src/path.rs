//! What a path says about a file: made by a program, other people's code, or a test.
//!
//! No file is left out because of its path: a path only lowers the severity of doubtful hits. A hit that a checksum proves keeps its
//! severity.

use bailiwick_sdk::findings::Severity;

/// Lists of digests, which look like keys.
const LOCKS: &[&str] = &[
    "cargo.lock",
    "composer.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "yarn.lock",
];
/// Files whose names end like this are made by programs.
const MADE: &[&str] = &[".min.js", ".min.css", ".map", ".lock", ".svg"];
/// Folders of other people's code.
const VENDORED: &[&str] = &["node_modules", "vendor", "third_party", "third-party", "bower_components", "site-packages"];
/// Folders of tests and of their data.
const TESTS: &[&str] =
    &["test", "tests", "testdata", "test_data", "test-data", "fixtures", "fixture", "__tests__", "spec", "mocks", "examples", "benches"];

/// The properties of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Made by a program: rules that need a name beside the credential do not apply here.
    pub(crate) made: bool,
    vendored: bool,
    test: bool,
}

impl Standing {
    /// The properties of a path below the root, with slashes.
    pub(crate) fn of(relative: &str) -> Self {
        let lower = relative.to_ascii_lowercase();
        let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
        let within = |known: &[&str]| folders.split('/').any(|folder| known.contains(&folder));
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        let test_name = stem.starts_with("test_") || stem.ends_with("_test") || stem.ends_with("_tests") || stem == "tests";
        Self {
            made: LOCKS.contains(&name) || MADE.iter().any(|ending| name.ends_with(ending)),
            vendored: within(VENDORED),
            test: within(TESTS) || test_name || name.contains(".test.") || name.contains(".spec."),
        }
    }

    /// The severity of a finding at this path: one step lower in other people's code, two in tests.
    pub(crate) fn weakened(self, severity: Severity) -> Severity {
        let once = if self.vendored || self.test { less(severity) } else { severity };
        if self.test { less(once) } else { once }
    }
}

const fn less(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use bailiwick_sdk::findings::Severity::{Critical, High, Medium};

    #[test]
    fn a_path_says_how_bad_a_finding_there_is() {
        for (path, severity) in [
            ("src/main.rs", Critical),
            ("node_modules/a/index.js", High),
            ("a/Vendor/x.go", High),
            ("tests/a.rs", Medium),
            ("a/fixtures/key.pem", Medium),
            ("a/login_test.go", Medium),
            ("src/tests.rs", Medium),
            ("a/login.test.ts", Medium),
            ("latest/a.rs", Critical),
            ("contest.rs", Critical),
        ] {
            assert_eq!(Standing::of(path).weakened(Critical), severity, "{path}");
        }
    }

    #[test]
    fn what_programs_make_is_known_by_its_name() {
        for path in ["Cargo.lock", "a/package-lock.json", "a/b.min.js", "go.sum", "a/app.js.map"] {
            assert!(Standing::of(path).made, "{path}");
        }
        assert!(["a/lock.rs", "package.json", "min.js"].iter().all(|path| !Standing::of(path).made));
    }
}
