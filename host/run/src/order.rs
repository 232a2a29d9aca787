//! The order to run an agent, with everything resolved.

use std::net::SocketAddr;

use vocabulary::record::AgentRef;
use vocabulary::{Digest, Grants, Limits};

use gate::RunPolicies;

use crate::err::RunError;

/// The order to start one run. The component is in the home's store already.
///
/// SECURITY: this type can't be serialised. A host makes it from what is trusted in its home, so no caller can send grants.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// The agent and its component.
    pub agent: AgentRef,
    /// Arguments of a command, without its name.
    pub args: Vec<String>,
    /// Digest of the configuration from which it was resolved.
    pub config: Option<Digest>,
    /// Whether the run is to be resumable although it only reads.
    pub durable: bool,
    /// The effective grants: declared ∩ granted.
    pub grants: Grants,
    /// JSON for an agent, text for a command's standard input.
    pub input: String,
    /// The schema of the input from the manifest, if it has one.
    pub input_schema: Option<serde_json::Value>,
    /// Whether the input must be JSON.
    pub is_agent: bool,
    /// The limits, with defaults filled in.
    pub limits: Limits,
    /// The name servers and the certificates that TLS trusts.
    pub network: NetworkOrder,
    /// The policies behind the grants; `None` if the grants alone decide.
    pub policies: Option<RunPolicies>,
}

/// What a run needs of the configuration of now when it is resumed.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The name servers and the certificates that TLS trusts.
    pub network: NetworkOrder,
    /// The policies of now. `None` if there are none, or if they are not trusted: then a run that began under policies is not resumed.
    pub policies: Option<RunPolicies>,
}

/// The name servers and the certificates that TLS trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NetworkOrder {
    /// Name servers. If there are none, those of the system are used.
    pub resolvers: Vec<SocketAddr>,
    /// Certificates that are trusted besides the public roots, as read from their files.
    pub roots: Vec<Vec<u8>>,
}

impl RunOrder {
    /// Checks that the grants make sense, and that each credential may be used by this agent.
    ///
    /// # Errors
    /// The first grant that is wrong.
    pub fn check_grants(&self) -> Result<(), RunError> {
        let name = self.agent.name.as_str();
        let is_his =
            |binding: &&vocabulary::Binding| binding.agents.is_empty() || binding.agents.iter().any(|pin| pin.is(name, self.agent.digest));
        if let Some(binding) = self.grants.credentials.iter().find(|binding| !is_his(binding)) {
            return Err(RunError::CredentialOfOthers { credential: binding.name.clone(), digest: self.agent.digest });
        }
        policy::grants::check(&self.grants).into_iter().next().map_or(Ok(()), |problem| Err(RunError::Grant(problem)))
    }

    /// Checks the input against its limit and its schema.
    ///
    /// # Errors
    /// Input that is too large, not JSON, or does not fit the schema.
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
            jsonschema::validator_for(schema).map_err(|err| RunError::InputUnfit(format!("the schema itself is invalid: {err}")))?;
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
