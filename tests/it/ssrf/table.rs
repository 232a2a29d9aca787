//! The corpus as data: rows `input => verdict` in sections, with Rust's escapes.

use serde_json::{Value, json};

pub(crate) const ADDRESSES: &str = include_str!("addresses.txt");
pub(crate) const AUTHORITIES: &str = include_str!("authorities.txt");
pub(crate) const DNS: &str = include_str!("dns.txt");
pub(crate) const HEADERS: &str = include_str!("headers.txt");
pub(crate) const NETWORKS: &str = include_str!("networks.txt");
pub(crate) const PATHS: &str = include_str!("paths.txt");
pub(crate) const PATTERNS: &str = include_str!("patterns.txt");
pub(crate) const REDIRECTS: &str = include_str!("redirects.txt");
pub(crate) const SCHEMES: &str = include_str!("schemes.txt");

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) input: String,
    pub(crate) verdict: String,
}

/// The names of a file's sections, in order.
pub(crate) fn sections(file: &str) -> Vec<&str> {
    file.lines().filter_map(section_of).collect()
}

fn section_of(line: &str) -> Option<&str> {
    Some(line.strip_prefix("# [")?.split_once(']')?.0)
}

/// The rows of a section. Panics if there is none, or if a row has no verdict.
pub(crate) fn rows(file: &str, section: &str) -> Vec<Row> {
    let after = file.lines().skip_while(|line| section_of(line) != Some(section)).skip(1);
    let lines = after.take_while(|line| section_of(line).is_none()).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| {
        let (input, verdict) = line.rsplit_once(" =>").unwrap_or_else(|| panic!("`{line}` has no verdict"));
        Row { input: unescaped(input), verdict: verdict.trim().to_owned() }
    };
    let rows: Vec<_> = lines.map(row).collect();
    assert!(!rows.is_empty(), "there is no `{section}`");
    rows
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some('0') => '\0',
                Some('u') => {
                    let hex: String = letters.by_ref().skip(1).take_while(|letter| *letter != '}').collect();
                    char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
                }
                other => other.unwrap(),
            },
            plain => plain,
        });
    }
    plain
}

/// Parses a header field of the table: `name: value`. The name may begin with a colon or be empty.
pub(crate) fn header(line: &str) -> (&str, &str) {
    let at = line.match_indices(':').find(|(at, _)| *at > 0 || line.starts_with(": ")).unwrap().0;
    let value = &line[at + 1..];
    (&line[..at], value.strip_prefix(' ').unwrap_or(value))
}

/// A request, for the guest `asks_listed`.
pub(crate) fn request(scheme: &str, authority: &str, path: &str) -> Value {
    json!({ "scheme": scheme, "authority": authority, "path": path })
}

#[test]
fn rows_are_read_as_they_stand() {
    let file = "# [a] XX: words\n# more\nx\\t\\u{20}y => permit\n => malformed\n\n# [b] YY\n\\\\ => no(t)\n";
    assert_eq!(sections(file), ["a", "b"]);
    let row = |input: &str, verdict: &str| Row { input: input.to_owned(), verdict: verdict.to_owned() };
    assert_eq!(rows(file, "a"), [row("x\t y", "permit"), row("", "malformed")]);
    assert_eq!(rows(file, "b"), [row("\\", "no(t)")]);
    assert_eq!((header("a: b:c"), header(":a: b"), header(": a"), header("a:")), (("a", "b:c"), (":a", "b"), ("", "a"), ("a", "")));
}
