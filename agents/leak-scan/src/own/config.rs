//! A configuration as gitleaks has it, as it is written. Unknown keys are passed over, as gitleaks does; what a rule can't be
//! read for, or asks for that does not exist here, is said by the rule's name.

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
    /// As older configurations have it.
    allowlist: Option<RawAllow>,
    /// Rules that must hold beside this one; nothing here does that.
    required: Vec<Table>,
    pub(super) skip_report: bool,
}

/// What is known to be no leak.
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

/// What another configuration is taken over with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawExtend {
    pub(super) use_default: bool,
    pub(super) path: String,
    pub(super) url: String,
    pub(super) disabled_rules: Vec<String>,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    pub(super) extend: RawExtend,
    pub(super) rules: Vec<RawRule>,
    pub(super) allow: Vec<RawAllow>,
    /// What could not be read: whose it is, and why.
    pub(super) unread: Vec<(String, String)>,
}

impl RawConfig {
    /// Only what is no TOML at all is an error.
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
                    self.unread(&name, "`required`, rules that must hold beside it, is not done here; it holds alone");
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

/// A list, or one table by itself.
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
