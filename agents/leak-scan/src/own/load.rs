//! Finds the user's configuration below the root, with those that it extends, and makes rules from it.

use super::allow::Allow;
use super::config::{RawConfig, RawRule};
use super::{Own, OwnRule};
use crate::input::stays_below;
use crate::output::Unsupported;
use crate::read::small;
use crate::rule;
use bailiwick_sdk::Failure;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Where a configuration is looked for when none is named.
const NAMES: [&str; 2] = [".gitleaks.toml", "gitleaks.toml"];
/// BOUND: how large a configuration may be.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// BOUND: how long a chain of configurations that extend each other may be; gitleaks has the same bound.
const EXTENDS_MAX: usize = 2;
/// BOUND: how many keywords a rule may have, and how long each.
const KEYWORDS_MAX: usize = 1_000;
const KEYWORD_BYTES_MAX: usize = 128;
/// BOUND: how much of a description and of an id is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Reads the configuration that was asked for, or else one in the root. A configuration that was asked for must exist.
pub(crate) fn load(root: &Path, asked: Option<&str>) -> Result<Own, Failure> {
    let mut loader = Loader { root, own: Own::default(), rules: BTreeMap::new(), order: Vec::new() };
    let names = match asked {
        Some("") => return Ok(loader.own),
        Some(path) => vec![path],
        None => NAMES.to_vec(),
    };
    for name in names {
        match small(&root.join(name), CONFIG_BYTES_MAX) {
            Ok(content) => {
                loader.file(name, &content, 0);
                return Ok(loader.finished());
            }
            Err(err) if asked.is_none() && err.kind() == io::ErrorKind::NotFound => {}
            Err(err) if asked.is_none() => loader.own.complain(name, format!("can't be read: {err}")),
            Err(err) => return Err(Failure::new("gitleaks-config", format!("`{name}` can't be read: {err}"))),
        }
    }
    Ok(loader.own)
}

struct Loader<'r> {
    root: &'r Path,
    own: Own,
    /// Each rule as read so far, by its id.
    rules: BTreeMap<String, RawRule>,
    order: Vec<String>,
}

impl Loader<'_> {
    /// Reads one file. The configuration that it extends is read first, so that this file can change it.
    fn file(&mut self, name: &str, content: &[u8], depth: usize) {
        let config = match std::str::from_utf8(content).map_err(|err| err.to_string()).and_then(RawConfig::parse) {
            Ok(config) => config,
            Err(why) => {
                // A typing mistake in the configuration must not switch off all rules.
                self.own.with_ours |= depth == 0;
                return self.own.complain(name, format!("is not TOML: {why}"));
            }
        };
        for (whose, why) in config.unread {
            self.own.complain(&whose, why);
        }
        let (extend, alone) = (config.extend, config.rules.is_empty());
        if !extend.url.is_empty() {
            self.own.complain("extend", "`url` is not followed: this agent has no network".to_owned());
        }
        if !extend.path.is_empty() {
            self.extend(&extend.path, depth);
        }
        // A configuration with only allow-lists is meant for our rules: without them nothing would be found, and nothing would say so.
        self.own.with_ours |= extend.use_default || (depth == 0 && alone && extend.path.is_empty());
        for id in extend.disabled_rules {
            let known = self.rules.remove(&id).is_some() || rule::all().any(|rule| rule.id == id);
            if !known {
                self.own.complain(&id, "can't be disabled: there is no such rule here".to_owned());
            }
            self.own.disabled.insert(id);
        }
        for rule in config.rules {
            self.merge(rule);
        }
        for list in config.allow {
            let mut complaints = Vec::new();
            self.own.allow.extend(Allow::new(list, &mut self.own.patterns, &mut complaints));
            complaints.into_iter().for_each(|why| self.own.complain("allowlist", why));
        }
    }

    fn extend(&mut self, path: &str, depth: usize) {
        if depth >= EXTENDS_MAX {
            return self.own.complain("extend", format!("`{path}` is not read: more than {EXTENDS_MAX} in a row"));
        }
        let path = path.trim_start_matches("./");
        if !stays_below(path) {
            return self.own.complain("extend", format!("`{path}` does not lie below the root"));
        }
        match small(&self.root.join(path), CONFIG_BYTES_MAX) {
            Ok(content) => self.file(path, &content, depth + 1),
            Err(err) => self.own.complain("extend", format!("`{path}` can't be read: {err}")),
        }
    }

    /// Merges a rule: what a later configuration says replaces what an earlier one said.
    fn merge(&mut self, rule: RawRule) {
        let Some(earlier) = self.rules.get_mut(&rule.id) else {
            self.order.push(rule.id.clone());
            self.rules.insert(rule.id.clone(), rule);
            return;
        };
        for (old, new) in [(&mut earlier.description, rule.description), (&mut earlier.regex, rule.regex), (&mut earlier.path, rule.path)] {
            if !new.is_empty() {
                *old = new;
            }
        }
        if rule.entropy > 0.0 {
            earlier.entropy = rule.entropy;
        }
        if rule.secret_group > 0 {
            earlier.secret_group = rule.secret_group;
        }
        earlier.keywords.extend(rule.keywords);
        earlier.allowlists.extend(rule.allowlists);
        earlier.skip_report |= rule.skip_report;
    }

    fn finished(mut self) -> Own {
        for id in std::mem::take(&mut self.order) {
            if let Some(raw) = self.rules.remove(&id) {
                self.add(raw);
            }
        }
        self.own.ready();
        self.own
    }

    fn add(&mut self, raw: RawRule) {
        let mut complaints = Vec::new();
        let id = shown(&raw.id);
        let patterns = &mut self.own.patterns;
        let allow = raw.allowlists.into_iter().filter_map(|list| Allow::new(list, patterns, &mut complaints)).collect();
        let mut pattern = |text: &str| (!text.is_empty()).then(|| patterns.add(text)).transpose();
        let made = pattern(&raw.regex).and_then(|regex| Ok((regex, pattern(&raw.path)?)));
        let ours = rule::all().any(|rule| rule.id == raw.id);
        match made {
            _ if raw.skip_report => complaints.push("`skipReport` (a rule that only other rules use) is not supported".to_owned()),
            Ok((None, None)) if ours && self.own.with_ours => self.own.amend(&id, allow),
            Ok((None, None)) => complaints.push("has neither a regex nor a path, and there is no rule of that name here".to_owned()),
            Ok((regex, path)) => {
                self.own.disabled.insert(raw.id);
                let keywords = keywords(raw.keywords, &mut complaints);
                let title = if raw.description.is_empty() { id.clone() } else { shown(&raw.description) };
                let (entropy, group) = (raw.entropy, raw.secret_group);
                self.own.rules.push(OwnRule { id: id.clone(), title, regex, path, keywords, entropy, group, allow });
            }
            Err(why) => complaints.push(why),
        }
        complaints.into_iter().for_each(|why| self.own.complain(&id, why));
    }
}

fn keywords(asked: Vec<String>, complaints: &mut Vec<String>) -> Vec<String> {
    let count = asked.len();
    let fits = |word: &String| !word.is_empty() && word.len() <= KEYWORD_BYTES_MAX;
    let taken: Vec<String> = asked.into_iter().filter(fits).take(KEYWORDS_MAX).map(|word| word.to_lowercase()).collect();
    if taken.len() < count {
        // With fewer keywords the rule would find less than was meant; without keywords, it is tried on every text.
        complaints.push("has keywords that are empty, too long or too many; it is tried without keywords".to_owned());
        return Vec::new();
    }
    taken
}

/// The text for reports: one line, and not too long.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

impl Own {
    fn complain(&mut self, whose: &str, why: String) {
        self.unsupported.push(Unsupported { rule: shown(whose), why: shown(&why) });
    }
}
