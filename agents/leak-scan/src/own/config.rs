//! A gitleaks configuration as it is written. Unknown keys are ignored, as in gitleaks. A rule that can't be read, or that needs a part
//! that is not supported here, is reported by its name.

use serde::Deserialize;
use toml::{Table, Value};

/// BOUND: how many rules, and allow-lists of a rule, one configuration may have.
const RULES_MAX: usize = 20_000;
const ALLOW_LISTS_MAX: usize = 256;

/// One rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawRule {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) regex: String,
    pub(super) path: String,
    pub(super) keywords: Vec<String>,
    pub(super) entropy: f64,
    pub(super) secret_group: usize,
    pub(super) allowlists: Vec<RawAllow>,
    /// The one list of older configurations.
    allowlist: Option<RawAllow>,
    /// Rules that must match beside this one; not supported here.
    required: Vec<Table>,
    pub(super) skip_report: bool,
}

/// An allow-list: hits that are not leaks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawAllow {
    pub(super) condition: String,
    pub(super) commits: Vec<String>,
    pub(super) paths: Vec<String>,
    pub(super) regexes: Vec<String>,
    pub(super) regex_target: String,
    pub(super) stopwords: Vec<String>,
    pub(super) target_rules: Vec<String>,
}

/// How this configuration extends another one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawExtend {
    pub(super) use_default: bool,
    pub(super) path: String,
    pub(super) url: String,
    pub(super) disabled_rules: Vec<String>,
}

/// One configuration file.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    pub(super) extend: RawExtend,
    pub(super) rules: Vec<RawRule>,
    pub(super) allow: Vec<RawAllow>,
    /// The parts that could not be read: the name of the rule or key, and why.
    pub(super) unread: Vec<(String, String)>,
}

impl RawConfig {
    /// Parses a configuration. Only text that is not TOML is an error.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|err: toml::de::Error| first_line(err.message()))?;
        let mut config = Self::default();
        match table.remove("extend").map(Value::try_into).transpose() {
            Ok(extend) => config.extend = extend.unwrap_or_default(),
            Err(err) => config.unread("extend", err.message()),
        }
        for (n, rule) in items(table.remove("rules")).enumerate() {
            if n >= RULES_MAX {
                config.unread("rules", &format!("more than {RULES_MAX}; the rest are left out"));
                break;
            }
            config.rule(n, rule);
        }
        for key in ["allowlist", "allowlists"] {
            for list in items(table.remove(key)).take(ALLOW_LISTS_MAX) {
                match list.try_into() {
                    Ok(list) => config.allow.push(list),
                    Err(err) => config.unread(key, err.message()),
                }
            }
        }
        Ok(config)
    }

    fn rule(&mut self, n: usize, rule: Value) {
        let named = rule.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        let name = named.clone().unwrap_or_else(|| format!("rules[{n}]"));
        match rule.try_into::<RawRule>() {
            Ok(mut rule) => {
                if named.is_none() {
                    self.unread(&name, "has no id");
                    return;
                }
                if !rule.required.is_empty() {
                    self.unread(&name, "`required` (rules that must match beside it) is not supported; the rule matches alone");
                }
                rule.allowlists.extend(rule.allowlist.take());
                if rule.allowlists.len() > ALLOW_LISTS_MAX {
                    self.unread(&name, &format!("more than {ALLOW_LISTS_MAX} allow-lists; the rest are left out"));
                    rule.allowlists.truncate(ALLOW_LISTS_MAX);
                }
                self.rules.push(rule);
            }
            Err(err) => self.unread(&name, err.message()),
        }
    }

    fn unread(&mut self, whose: &str, why: &str) {
        self.unread.push((whose.to_owned(), first_line(why)));
    }
}

/// The items of a list, or one table alone.
fn items(value: Option<Value>) -> impl Iterator<Item = Value> {
    match value {
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
        None => Vec::new(),
    }
    .into_iter()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
