//! What differs from what was trusted or accepted, for people and programs.

use serde::Serialize;
use vocabulary::{Digest, SafeText};

use super::{Authority, Code, Spelling};

/// What differs from before. There is a difference whenever the two values are not the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The component or the source as it was, if it is another one now.
    pub digest_was: Option<Digest>,
    /// What is new, one line each, safe to print.
    pub more: Vec<String>,
    /// What is gone, one line each, safe to print.
    pub less: Vec<String>,
}

impl Difference {
    /// `None` if nothing differs.
    pub fn between(was: &Authority, now: &Authority, spelling: &Spelling) -> Option<Self> {
        if was == now {
            return None;
        }
        let (was_lines, now_lines) = (was.lines(spelling), now.lines(spelling));
        let without = |these: &[String], those: &[String]| these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>();
        let (mut more, mut less) = (without(&now_lines, &was_lines), without(&was_lines, &now_lines));
        more.extend(without(&imports(now), &imports(was)));
        less.extend(without(&imports(was), &imports(now)));
        if more.is_empty() && less.is_empty() {
            more.push("the same in another order, which may mean something else".to_owned());
        }
        let digest_was = held_to(was).filter(|digest| Some(*digest) != held_to(now));
        Some(Self { digest_was, more, less })
    }
}

fn imports(authority: &Authority) -> Vec<String> {
    match &authority.component {
        Code::File { imports, .. } => imports.iter().map(|name| format!("imports {}", SafeText::new(name, 1024))).collect(),
        Code::Folder { .. } => Vec::new(),
    }
}

fn held_to(authority: &Authority) -> Option<Digest> {
    match &authority.component {
        Code::File { digest, .. } => *digest,
        Code::Folder { source, .. } => *source,
    }
}
