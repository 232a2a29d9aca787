//! The user's regular expressions: written for RE2, and matched by an engine that takes linear time as RE2 does.
//!
//! INVARIANT: an expression is parsed when it is added, so a mistake in it is known at once. It is compiled when it is first needed, and
//! the number of compiled expressions is bounded.

use regex::bytes::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// BOUND: a longer expression is refused.
const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// BOUND: how much memory one compiled expression may take, and its cache as well. With a cache that is too small, the engine discards
/// states that it needs again: an eighth of this makes the usual rules five times slower.
const COMPILED_BYTES_MAX: usize = 512 * 1024;
const CACHE_BYTES_MAX: usize = 1024 * 1024;
/// BOUND: how many compiled expressions are kept; beyond that all are dropped and compiled again when they are needed.
const COMPILED_MAX: usize = 192;
/// BOUND: how deep groups may be nested.
const NEST_MAX: u32 = 100;

/// The number of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PatternId(usize);

struct Source {
    text: String,
    /// Whether classes are Unicode. RE2's classes are ASCII only; Unicode is used if the expression can't be parsed that way.
    unicode: bool,
}

/// All expressions.
#[derive(Default)]
pub(super) struct Patterns {
    sources: Vec<Source>,
    compiled: RefCell<BTreeMap<usize, Option<Rc<Regex>>>>,
    /// The expressions that turned out to be too large, with the reason.
    failed: RefCell<BTreeMap<usize, String>>,
}

impl Patterns {
    /// Adds an expression, or returns what is wrong with it.
    pub(super) fn add(&mut self, pattern: &str) -> Result<PatternId, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("an expression of more than {PATTERN_BYTES_MAX} bytes"));
        }
        let text = translated(pattern);
        let unicode = match parsed(&text, false) {
            Ok(()) => false,
            Err(why) => parsed(&text, true).map(|()| true).map_err(|_| why)?,
        };
        self.sources.push(Source { text, unicode });
        Ok(PatternId(self.sources.len() - 1))
    }

    /// The compiled expression; `None` if it would be too large, and then `failed` has the reason.
    pub(super) fn get(&self, id: PatternId) -> Option<Rc<Regex>> {
        if let Some(regex) = self.compiled.borrow().get(&id.0) {
            return regex.clone();
        }
        if self.failed.borrow().contains_key(&id.0) {
            return None;
        }
        let source = self.sources.get(id.0)?;
        let built = RegexBuilder::new(&source.text)
            .unicode(source.unicode)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .nest_limit(NEST_MAX)
            .build();
        let regex = match built {
            Ok(regex) => Some(Rc::new(regex)),
            Err(_) => {
                self.failed.borrow_mut().insert(id.0, format!("an expression that takes more than {COMPILED_BYTES_MAX} bytes compiled"));
                None
            }
        };
        let mut compiled = self.compiled.borrow_mut();
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(id.0, regex.clone());
        regex
    }

    pub(super) fn is_match(&self, id: PatternId, text: &[u8]) -> bool {
        self.get(id).is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn failed(&self, id: PatternId) -> Option<String> {
        self.failed.borrow().get(&id.0).cloned()
    }
}

fn parsed(pattern: &str, unicode: bool) -> Result<(), String> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(unicode).utf8(false).nest_limit(NEST_MAX).build();
    match parser.parse(pattern) {
        Ok(_) => Ok(()),
        Err(regex_syntax::Error::Parse(err)) => Err(format!("not an expression: {}", err.kind())),
        Err(regex_syntax::Error::Translate(err)) => Err(format!("not an expression: {}", err.kind())),
        Err(_) => Err("not an expression".to_owned()),
    }
}

/// Translates what RE2 reads differently: `\<` is a character there and the beginning of a word here, `\Q…\E` is literal, and a brace that
/// does not begin a repetition is a character.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '\\' if rest.starts_with("\\Q") => {
                let literal = rest.get(2..).unwrap_or_default();
                let end = literal.find("\\E").unwrap_or(literal.len());
                out.push_str(&regex_syntax::escape(literal.get(..end).unwrap_or_default()));
                taken = (2 + end + 2).min(rest.len());
            }
            '\\' => {
                let second = rest.get(1..).and_then(|rest| rest.chars().next());
                match second {
                    Some(escaped @ ('<' | '>')) => out.push(escaped),
                    Some('p' | 'P' | 'x') if rest.get(2..).is_some_and(|rest| rest.starts_with('{')) => {
                        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                        out.push_str(rest.get(..end).unwrap_or_default());
                        rest = rest.get(end..).unwrap_or_default();
                        continue;
                    }
                    Some(escaped) => out.extend(['\\', escaped]),
                    None => out.push('\\'),
                }
                taken += second.map_or(0, char::len_utf8);
            }
            '[' if in_class && !rest.starts_with("[:") => out.push_str("\\["),
            '[' => {
                in_class = true;
                // A bracket that comes first in a class is a character.
                let head = ["[^]", "[]"].into_iter().find(|head| rest.starts_with(head)).unwrap_or("[");
                out.push_str(&head.replace(']', "\\]"));
                taken = head.len();
                if rest.starts_with("[:") && !out.ends_with("[[") {
                    taken = class_name(rest, &mut out, &mut in_class);
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', first]),
            '{' if !in_class && !repeats(rest) => out.push_str("\\{"),
            '}' if !in_class && !closes(&out) => out.push_str("\\}"),
            other => out.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Copies `[:alpha:]` within a class as it is; a plain class that begins with a colon stays a plain class.
fn class_name(rest: &str, out: &mut String, in_class: &mut bool) -> usize {
    let end = rest
        .find(":]")
        .map(|end| end + 2)
        .filter(|end| rest.get(2..*end - 2).is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '^')));
    match end {
        Some(end) => {
            out.pop();
            out.push_str(rest.get(..end).unwrap_or_default());
            *in_class = true;
            end
        }
        None => 1,
    }
}

/// Whether a brace begins `{n}`, `{n,}` or `{n,m}`.
fn repeats(rest: &str) -> bool {
    let Some((inner, _)) = rest.get(1..).and_then(|rest| rest.split_once('}')) else { return false };
    let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
    !from.is_empty() && [from, to].iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a brace ends a repetition that was written to `out`.
fn closes(out: &str) -> bool {
    let Some((before, inner)) = out.rsplit_once('{') else { return false };
    !before.ends_with('\\') && inner.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Patterns;

    fn finds(pattern: &str, text: &str) -> bool {
        let mut patterns = Patterns::default();
        let id = patterns.add(pattern).unwrap();
        patterns.is_match(id, text.as_bytes())
    }

    #[test]
    fn what_re2_writes_is_understood() {
        for (pattern, text) in [
            (r"\<a\>", "<a>"),
            (r"\Qa.b(\E+", "a.b(("),
            (r"a{2}b{1,}c{0,1}", "aab"),
            (r"\${env}", "${env}"),
            (r"{{\s*x}}", "{{ x}}"),
            (r"[[:alpha:]]+_[[:digit:]_]+", "ab_1_"),
            (r"[[a]x", "[x"),
            (r"[]a]x", "]x"),
            (r"[a&&b]x", "&x"),
            (r"[^:]x", "ax"),
            (r"\p{Lu}|\pL|\x{3bb}", "λ"),
            (r"(?i)(?P<name>ABC)", "xabc"),
            (r"(?s)a.b", "a\nb"),
            ("[\\x60'\"\\s=]{0,5}\\b([a-z]{3})(?:[\\x60'\"\\s;]|\\\\[nr]|$)", "= 'abc'"),
            ("[ä-ü]x", "öx"),
        ] {
            assert!(finds(pattern, text), "{pattern} in {text}");
        }
        for (pattern, text) in [(r"\w", "ä"), (r"\d", "٣"), (r"[a&&b]x", "cx"), (r"\<a", "a")] {
            assert!(!finds(pattern, text), "{pattern} in {text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_said() {
        let mut patterns = Patterns::default();
        for pattern in ["(", "a**b(", "(?=a)b", "(a)\\1", "[z-a]", &"(".repeat(1000), &"a".repeat(10_000)] {
            assert!(patterns.add(pattern).unwrap_err().contains("expression"));
        }
    }

    #[test]
    fn an_expression_that_is_too_large_is_refused_when_it_is_compiled() {
        let mut patterns = Patterns::default();
        let id = patterns.add("(((a{100}){100}){100}){100}").unwrap();
        assert!(!patterns.is_match(id, b"a"));
        assert!(patterns.failed(id).unwrap().contains("compiled"));
    }

    #[test]
    fn a_catastrophic_expression_ends() {
        assert!(!finds(r"^(a+)+$", &("a".repeat(100_000) + "!")));
        assert!(!finds(r"(x+x+)+y", &"x".repeat(20_000)));
    }
}
