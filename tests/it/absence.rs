//! The source must not decide by text that is made for people, and must not have names of limits, functions and capabilities as strings.
//!
//! These tests look for both in the code of the host, without its tests. Allowed places are listed with their reasons; an entry that is
//! not needed any more has to be removed.

use std::fs;

use tests::tools::root;

/// Calls that make text from a typed value.
const MAKES_TEXT: &[&str] = &[".to_string()", ".as_str()", ".line()"];

/// Calls that decide by a text.
const DECIDES: &[&str] = &[
    ".contains(",
    ".starts_with(",
    ".ends_with(",
    ".find(",
    ".split(",
    ".split_once(",
    ".splitn(",
    ".rsplit(",
    ".rsplit_once(",
    ".strip_prefix(",
    ".strip_suffix(",
];

/// Comparisons with a text that is made in place, and the quotes around names in sentences.
const COMPARES: &[&str] =
    &["== format!(", "!= format!(", "== *format!(", "== &format!(", ".to_string() ==", ".to_string() !=", "split('`')"];

/// Where that is allowed: the file, a part of the line, and why.
const MAY_DECIDE: &[(&str, &str, &str)] = &[
    ("host/broker/src/files.rs", "path.as_str().ends_with('/')", "a path of the guest: its end has a meaning in POSIX"),
    ("host/cli/src/report.rs", "resolved.as_str().strip_prefix(mount", "a path of the guest and the mount that it lies in"),
    ("host/journal/src/note.rs", "key.to_string() == text", "a key is read only in the one form in which it is written"),
    ("host/vocabulary/src/destination.rs", "path.to_string() != \"/**\"", "a pattern of paths, as it is written"),
    ("host/vocabulary/src/function.rs", "self.as_str().rsplit('#')", "a constant of that file"),
    ("host/vocabulary/src/pattern.rs", "host.to_string() == text", "a host is read only in the one form in which it is written"),
    ("host/vocabulary/src/resource.rs", "said == format!(\"{}:{}\", self.host, self.port)", "compares what a person wrote with the parts"),
    ("host/vocabulary/src/target.rs", "address.to_string() == text", "an address is read only in the one form in which it is written"),
    ("host/sandbox/src/engine_words.rs", "said.", "the engine has no types for these: the only place that reads its messages"),
];

/// A field or a parameter with one of these names is a limit, a function, a capability, a rule, or how something ended.
const TYPED: &[&str] = &["limit", "function", "capability", "rule", "outcome", "fault", "step"];

const TEXTS: &[&str] = &["String", "&str", "&'static str", "SafeText", "Option<String>", "Option<&str>", "Vec<String>"];

const MAY_BE_TEXT: &[(&str, &str, &str)] =
    &[("host/vocabulary/src/claim.rs", "rule: SafeText", "a rule of the agent's own, in a finding: a claim")];

/// The code of the host, a line for each chain of calls: without comments, without tests.
fn code() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("host")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be listed").map(|entry| entry.expect("it is there")) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !["tests", "benches", "target", "static"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "build.rs" {
                let shown = path.strip_prefix(root()).expect("it lies below").display().to_string();
                found.push((shown, lines(&fs::read_to_string(&path).expect("it can be read"))));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "the code was found");
    found
}

fn lines(text: &str) -> Vec<String> {
    let of_tests = |at: usize| {
        let mut after = text.get(at..).unwrap_or_default().lines().skip(1).skip_while(|line| line.starts_with("#["));
        after.next().is_some_and(|line| line.starts_with("mod "))
    };
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| of_tests(*at));
    let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        match lines.last_mut() {
            Some(last) if line.starts_with('.') => last.push_str(line),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn decides_by_text(line: &str) -> bool {
    let chained = MAKES_TEXT.iter().any(|makes| DECIDES.iter().any(|decides| line.contains(&format!("{makes}{decides}"))));
    chained || COMPARES.iter().any(|compares| line.contains(compares))
}

fn names_by_text(line: &str) -> bool {
    let is_it = |name: &&str, text: &&str| {
        let field = format!("{name}: {text}");
        line.match_indices(&field).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let after = line.get(at + field.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
                && !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
        })
    };
    TYPED.iter().any(|name| TEXTS.iter().any(|text| is_it(name, text)))
}

/// Checks that every line for which `is_it` is true is allowed, and that every allowed line exists.
fn check(what: &str, is_it: fn(&str) -> bool, allowed: &[(&str, &str, &str)]) {
    let mut needed = vec![false; allowed.len()];
    let mut found = Vec::new();
    for (path, lines) in code() {
        for line in lines {
            let place = allowed.iter().position(|(file, part, _)| *file == path && line.contains(part));
            if let Some(place) = place {
                needed[place] = true;
            } else if is_it(&line) {
                found.push(format!("{path}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
    let unneeded: Vec<_> =
        allowed.iter().zip(needed).filter(|(_, needed)| !needed).map(|((file, part, _), _)| format!("{file}: {part}")).collect();
    assert!(unneeded.is_empty(), "nothing needs these any more:\n  {}", unneeded.join("\n  "));
}

#[test]
fn nothing_is_decided_by_a_text_that_is_made_for_people() {
    check("these decide by a text; the value has a type", decides_by_text, MAY_DECIDE);
}

#[test]
fn limits_functions_capabilities_and_rules_are_types() {
    check("these have a type", names_by_text, MAY_BE_TEXT);
}

#[test]
fn both_are_found_where_they_stand() {
    for line in [
        "if ask.resource.as_str().starts_with(\"GET\") {",
        "let host = http.line().split_once(\"://\");",
        "if format!(\"http[{n}]\") == bounds.rule { Some(1) == format!(\"x\") }",
        "words.split('`').nth(1)",
    ] {
        assert!(decides_by_text(line), "{line}");
    }
    assert_eq!(lines("let a = err\n    .to_string()\n    // why\n    .contains(\"x\");").len(), 1, "over several lines too");
    for line in ["pub rule: String,", "fn f(limit: &str, n: u64)", "Limit { limit: &'static str }", "function: Option<String>,"] {
        assert!(names_by_text(line), "{line}");
    }
    for line in ["pub rule: Rule,", "the_limit: String,", "limit: Limit,", "pub rules: StringList,", "limit: &structure"] {
        assert!(!names_by_text(line), "{line}");
    }
}
