//! The policies of a configuration as they were read, and the people who may approve what the policies hold back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::canon;
use crate::ids::Digest;

/// The policies that an agent is subject to, and the people who may vote. They only narrow what was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyRules {
    /// The files, in the order of their paths. There is at least one.
    pub files: Vec<PolicyFile>,
    /// The groups of the agent, which policies may name. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The person or team that is responsible for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The people who may vote, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, Person>,
}

/// One file of policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its path.
    pub path: PathBuf,
    /// Its text. Empty in an authority, where the digest stands for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A person who may vote on what an agent asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Person {
    /// The groups of the person. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The person's public keys in the form of OpenSSH: `ssh-ed25519 AAAA…`. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The person's account on this machine. `None` if it has the person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What the digest of a policy set is made of.
#[derive(Serialize)]
struct Digested<'a> {
    files: Vec<Digest>,
    groups: &'a [String],
    owner: Option<&'a str>,
    v: u32,
}

impl PolicyRules {
    /// The digest of the policy set: the bytes of its files, and what policies may know of the agent. People are not part of it, because
    /// their votes are compared with the people of the moment.
    pub fn digest(&self) -> Digest {
        let files = self.files.iter().map(|file| file.digest).collect();
        Digest::of(&canon::to_vec(&Digested { files, groups: &self.groups, owner: self.owner.as_deref(), v: 1 }))
    }
}
