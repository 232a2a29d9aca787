//! The differences from what was trusted or accepted, for people and programs. Only the digests decide anything.

use serde::Serialize;
use serde_json::Value;
use vocabulary::{Digest, SafeText};

use super::{Authority, Code, Spelling, Whole};

/// The differences between two authorities. It is empty if they are the same value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The digest of the earlier component or source, if it has changed.
    pub digest_was: Option<Digest>,
    /// What is new, one line each, safe to print.
    pub more: Vec<String>,
    /// What is gone, one line each, safe to print.
    pub less: Vec<String>,
}

impl Difference {
    /// Compares two authorities. There is at least one line if they are not the same value.
    pub fn between(was: &Authority, now: &Authority, spelling: &Spelling) -> Self {
        if was == now {
            return Self::default();
        }
        let (was_lines, now_lines) = (was.lines(spelling), now.lines(spelling));
        let without = |these: &[String], those: &[String]| these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>();
        let (mut more, mut less) = (without(&now_lines, &was_lines), without(&was_lines, &now_lines));
        more.extend(without(&imports(now), &imports(was)));
        less.extend(without(&imports(was), &imports(now)));
        if more.is_empty() && less.is_empty() {
            more.push(format!("the same lines, but {} is written differently", place(was, now)));
        }
        let digest_was = was.component.held_to().filter(|digest| Some(*digest) != now.component.held_to());
        Self { digest_was, more, less }
    }

    /// The lines that are gone and the lines that are new, each with its sign.
    pub fn lines(&self) -> Vec<String> {
        let less = self.less.iter().map(|line| format!("- {line}"));
        less.chain(self.more.iter().map(|line| format!("+ {line}"))).collect()
    }
}

impl Whole {
    /// The differences from what the configuration allowed before, one line each with its sign and its agent. It is empty if they are the
    /// same value.
    pub fn difference_from(&self, was: &Self, spelling: &Spelling) -> Vec<String> {
        if was == self {
            return Vec::new();
        }
        let (was, now) = (told(was, spelling), told(self, spelling));
        let without = |sign: char, these: &[Told<'_>], those: &[Told<'_>]| -> Vec<String> {
            let other = these.iter().filter(|it| !those.contains(it));
            other
                .map(|(agent, line)| agent.map_or_else(|| format!("{sign} {line}"), |name| format!("{sign} {line} (agent {name})")))
                .collect()
        };
        let lines = [without('-', &was, &now), without('+', &now, &was)].concat();
        if lines.is_empty() { vec!["the same lines, but something is written differently or in another order".to_owned()] } else { lines }
    }
}

/// A line, with the agent that it is about: the same line may be new for one agent, but not for another.
type Told<'a> = (Option<&'a str>, String);

fn told<'a>(whole: &'a Whole, spelling: &Spelling) -> Vec<Told<'a>> {
    let parts = whole.parts(spelling).into_iter();
    let heading = |agent: Option<&'a str>| agent.map(|name| (None, format!("agent {name}")));
    parts.flat_map(|part| heading(part.agent).into_iter().chain(part.lines.into_iter().map(move |line| (part.agent, line)))).collect()
}

fn imports(authority: &Authority) -> Vec<String> {
    match &authority.component {
        Code::File { imports, .. } => imports.iter().map(|name| format!("imports {}", SafeText::new(name, 1024))).collect(),
        Code::Folder { .. } => Vec::new(),
    }
}

/// The first part of the value in which the two differ, for example `grants.http[0].paths`.
fn place(was: &Authority, now: &Authority) -> SafeText {
    let json = |authority: &Authority| serde_json::to_value(authority).unwrap_or_default();
    let mut at = String::new();
    descend(&json(was), &json(now), &mut at);
    SafeText::new(at.trim_start_matches('.'), 1024)
}

fn descend(was: &Value, now: &Value, at: &mut String) {
    let other = match (was, now) {
        (Value::Object(was), Value::Object(now)) => {
            let other = was.iter().find_map(|(key, was)| now.get(key).filter(|now| *now != was).map(|now| (format!(".{key}"), was, now)));
            other.filter(|_| was.keys().eq(now.keys()))
        }
        (Value::Array(was), Value::Array(now)) if was.len() == now.len() => {
            let other = was.iter().zip(now).enumerate().find(|(_, (was, now))| was != now);
            other.map(|(n, (was, now))| (format!("[{n}]"), was, now))
        }
        _ => None,
    };
    if let Some((step, was, now)) = other {
        at.push_str(&step);
        descend(was, now, at);
    }
}
