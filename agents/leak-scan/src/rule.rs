//! Rules that say what a leaked credential looks like: a keyword that is searched for, and what must be around it.
//!
//! The shapes are those that issuers document, or that public scanners agree on. A shape alone proves nothing, and the agent does not test
//! whether a credential works. Placeholders are not reported: one or two different characters, and words like `example`.

mod check;
mod code;
mod lines;
mod named;
mod services;
mod shape;

pub(crate) use check::{contains, entropy};

use bailiwick_sdk::findings::Severity;
use check::{Check, Place, placeholder, stopped};
use shape::{Part, begins, end_of};
use std::ops::Range;

/// One kind of credential.
pub(crate) struct Rule {
    /// Stable: reports, suppressions and fingerprints refer to it.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    /// Texts of which one must be there literally. No keyword of a rule is the beginning of another keyword of the rule.
    pub(crate) keywords: &'static [&'static str],
    pub(crate) form: Form,
    pub(crate) check: Check,
}

/// The positions of the keyword and the credential.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// The keyword begins the credential, and no character of a word stands before it.
    Token(&'static [Part]),
    /// The keyword is part of a URL; any text may stand before it.
    Url(&'static [Part]),
    /// The keyword stands within the credential: parts before it (one run, or several of fixed length), and parts after it.
    Within(&'static [Part], &'static [Part]),
    /// The credential is the value of a name that contains the keyword and a word like `key` or `token`.
    Named(&'static [Part]),
    /// The keyword begins a PEM block.
    PrivateKey,
    /// User and password in the address of a database.
    Login,
}

/// All rules.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [code::RULES, services::RULES, named::RULES].into_iter().flatten()
}

impl Rule {
    pub(crate) const fn new(
        id: &'static str,
        title: &'static str,
        severity: Severity,
        keywords: &'static [&'static str],
        form: Form,
        check: Check,
    ) -> Self {
        Self { id, title, severity, keywords, form, check }
    }

    /// Whether the rule depends on a name beside the credential, and so is more often wrong.
    pub(crate) const fn is_weak(&self) -> bool {
        matches!(self.form, Form::Named(_) | Form::Login)
    }

    /// The texts to search for. Names are written in several ways.
    pub(crate) fn searched(&self) -> Vec<String> {
        let mut words: Vec<String> = match self.form {
            Form::Named(_) => self.keywords.iter().flat_map(|word| lines::spellings(word)).collect(),
            _ => self.keywords.iter().map(|word| (*word).to_owned()).collect(),
        };
        words.sort();
        words.dedup();
        words
    }

    /// The place of the credential, given the place of a keyword.
    pub(crate) fn found(&self, text: &[u8], key: &Range<usize>) -> Option<Found> {
        let Place { at, public } = match self.form {
            Form::Token(parts) => token(text, key, parts)?,
            Form::Url(parts) => Place { at: key.start..end_of(text, key.end, parts)?, public: key.len() },
            Form::Within(before, after) => within(text, key, before, after)?,
            Form::Named(parts) => Place { at: lines::named(text, key, parts)?, public: 0 },
            Form::PrivateKey => return lines::private_key(text, key).map(|at| Found { public: at.len(), at, proven: false }),
            Form::Login => Place { at: lines::login(text, key)?, public: 0 },
        };
        let token = text.get(at.clone())?;
        let secret = token.get(public..)?;
        let proven = self.check.proves(token, public);
        let fits = !placeholder(secret) && self.check.holds(token, public) && (proven || !stopped(secret));
        fits.then_some(Found { at, public, proven })
    }

    /// The shape of the credential, for people.
    #[cfg(test)]
    pub(crate) fn describe(&self) -> String {
        let words = self.keywords.iter().map(|word| format!("`{}`", word.replace('|', "\\|"))).collect::<Vec<_>>().join("/");
        let list = |parts: &[Part]| parts.iter().map(Part::describe).collect::<Vec<_>>().join(", ");
        let shape = match self.form {
            Form::Token(parts) | Form::Url(parts) => format!("{words}, {}", list(parts)),
            Form::Within(before, after) => format!("{}, {words}, {}", list(before), list(after)),
            Form::Named(parts) => format!("a secret's name with {words}, given {}", list(parts)),
            Form::PrivateKey => "the first line of a PEM or PGP private key, followed by text that looks like a key".to_owned(),
            Form::Login => format!("{words}, a user, `:`, a password, `@` and a host"),
        };
        shape + &self.check.describe()
    }
}

/// A credential that was found.
pub(crate) struct Found {
    /// The place, in bytes.
    pub(crate) at: Range<usize>,
    /// How many bytes at the beginning are not secret.
    pub(crate) public: usize,
    /// Whether a checksum proves that it is a credential.
    pub(crate) proven: bool,
}

/// The keyword and the parts after it, if this text stands alone.
fn token(text: &[u8], key: &Range<usize>, parts: &[Part]) -> Option<Place> {
    if !begins(text, key.start) {
        return None;
    }
    Some(Place { at: key.start..end_of(text, key.end, parts)?, public: key.len() })
}

/// As `token`, from the only place where the parts before the keyword can begin.
fn within(text: &[u8], key: &Range<usize>, before: &[Part], after: &[Part]) -> Option<Place> {
    let start = key.start.checked_sub(length_before(text.get(..key.start)?, before))?;
    let head = text.get(start..key.start)?;
    if !begins(text, start) || end_of(head, 0, before)? != head.len() {
        return None;
    }
    Some(Place { at: start..end_of(text, key.end, after)?, public: 0 })
}

/// How long the parts at the end of `text` are: a single run may have any length, several have a fixed length each.
fn length_before(text: &[u8], parts: &[Part]) -> usize {
    match parts {
        [Part::Run(alphabet, _, to)] => text.iter().rev().take(*to).take_while(|byte| alphabet.has(**byte)).count(),
        several => several.iter().map(|part| if let Part::Run(_, _, length) = part { *length } else { 0 }).sum(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
