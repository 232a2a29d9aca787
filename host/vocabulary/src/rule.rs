//! Names of grants: the rule that allowed something, and what a rate is counted for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rule that allowed something: its place in [`crate::Grants`], counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The permission to do something with this credential besides sending it.
    Credential(String),
    /// The permission to have values identified.
    Credentials,
    /// A mount. `None` if it is not known which one.
    Files(Option<usize>),
    /// A grant of requests.
    Http(usize),
    /// None of the grants. The host asks on its own behalf, within what an act of the agent was allowed.
    #[default]
    Own,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credentials.{name}"),
            Self::Credentials => f.write_str("credentials"),
            Self::Files(None) => f.write_str("files"),
            Self::Files(Some(place)) => write!(f, "files[{place}]"),
            Self::Http(place) => write!(f, "http[{place}]"),
            Self::Own => f.write_str("own"),
        }
    }
}

/// What a rate is counted for, over all runs of a home.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateOf {
    /// Everything that is asked with a credential.
    Credential(String),
    /// Everything that is asked in an engagement.
    Engagement(String),
    /// Values that an agent wants identified.
    Identify {
        /// The agent.
        agent: String,
    },
    /// More rates than can be counted at the same time.
    Others,
    /// What one rule allows an agent.
    Rule {
        /// The agent.
        agent: String,
        /// The rule of the agent.
        rule: Rule,
    },
}

impl fmt::Display for RateOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Engagement(name) => write!(f, "engagement {name}"),
            Self::Identify { agent } => write!(f, "identify by {agent}"),
            Self::Others => f.write_str("something beyond the number of rates that can be counted at the same time"),
            Self::Rule { agent, rule } => write!(f, "{rule} of {agent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn a_rule_is_named_by_its_place_in_the_configuration() {
        let all =
            [Rule::Http(0), Rule::Files(Some(1)), Rule::Files(None), Rule::Credentials, Rule::Credential("key".to_owned()), Rule::Own];
        assert_eq!(all.map(|rule| rule.to_string()), ["http[0]", "files[1]", "files", "credentials", "credentials.key", "own"]);
    }
}
