//! What is to be run, with everything resolved.

use std::net::SocketAddr;

use vocabulary::record::AgentRef;
use vocabulary::{Digest, Grants, Limits};

use crate::err::RunError;

/// One run to be started. The component is in the home's store already.
///
/// SECURITY: it has no form in which it could be sent. A host makes it out of what is trusted in its home, so nobody can send grants.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// What.
    pub agent: AgentRef,
    /// Arguments of a command, without its name.
    pub args: Vec<String>,
    /// The configuration it was resolved from.
    pub config: Option<Digest>,
    /// Whether it is to be resumable though it only looks.
    pub durable: bool,
    /// What is effective: declared ∩ granted.
    pub grants: Grants,
    /// JSON for an agent, text for a command's standard input.
    pub input: String,
    /// Of the manifest, where it has one.
    pub input_schema: Option<serde_json::Value>,
    /// Whether the input must be JSON.
    pub is_agent: bool,
    /// Resolved.
    pub limits: Limits,
    /// How names are resolved and whom TLS trusts.
    pub network: NetworkOrder,
}

/// How names are resolved and whom TLS trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NetworkOrder {
    /// Name servers; the system's where there are none.
    pub resolvers: Vec<SocketAddr>,
    /// Certificates beside the public roots, as read from their files.
    pub roots: Vec<Vec<u8>>,
}

impl RunOrder {
    /// Grants that make no sense are refused, no matter who sent them.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check_grants(&self) -> Result<(), RunError> {
        let name = self.agent.name.as_str();
        let is_his =
            |binding: &&vocabulary::Binding| binding.agents.is_empty() || binding.agents.iter().any(|pin| pin.is(name, self.agent.digest));
        if let Some(binding) = self.grants.credentials.iter().find(|binding| !is_his(binding)) {
            return Err(RunError::CredentialOfOthers { credential: binding.name.clone(), digest: self.agent.digest });
        }
        policy::grants::check(&self.grants).into_iter().next().map_or(Ok(()), |problem| Err(RunError::Grant(problem)))
    }

    /// Holds the input against its bound and its schema.
    ///
    /// # Errors
    /// Input that is too large, not JSON, or not of the schema.
    pub fn check_input(&self) -> Result<(), RunError> {
        let bytes = u64::try_from(self.input.len()).unwrap_or(u64::MAX);
        if bytes > self.limits.input_bytes {
            return Err(RunError::InputTooLarge { bytes, max: self.limits.input_bytes });
        }
        if !self.is_agent {
            return Ok(());
        }
        let input: serde_json::Value = serde_json::from_str(&self.input).map_err(|err| RunError::InputNotJson(err.to_string()))?;
        let Some(schema) = &self.input_schema else { return Ok(()) };
        let validator =
            jsonschema::validator_for(schema).map_err(|err| RunError::InputUnfit(format!("the schema itself is broken: {err}")))?;
        match validator.iter_errors(&input).next() {
            None => Ok(()),
            Some(err) => {
                let place = err.instance_path().to_string();
                let place = if place.is_empty() { "the input".to_owned() } else { format!("`{place}`") };
                Err(RunError::InputUnfit(format!("{place}: {err}")))
            }
        }
    }
}
