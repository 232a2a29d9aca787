//! Everything about an agent before it runs: its manifest, its digest, the intersection of what it declares and what it was granted, who
//! trusts the configuration, and how a folder of source becomes a component.
//!
//! The only code of an agent that runs here is its build, and that needs the proof of trust. The rooms `run` and `sandbox` run agents.

mod authored;
mod file;
mod interface;
mod later;

pub mod admission;
pub mod authority;
pub mod build;
pub mod component;
pub mod config;
pub mod lock;
pub mod manifest;
pub mod policy_answer;
pub mod policy_case;
pub mod project;
pub mod review;
pub mod settings;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod trust;
pub mod wit;

pub use admission::{AdmissionRow, Effective, Refused, effective, served};
pub use authored::{ConfigFault, WrongError};
pub use authority::{Authority, Difference, Spelling, Whole};
pub use component::{Component, ComponentError, ComponentKind, Import, inspect};
pub use config::{Authored, ComponentSource, ConfigError, NetworkSection, Resolved, ResolvedAgent, Root};
pub use file::FileError;
pub use interface::{InterfaceName, Service};
pub use manifest::{AuthoredManifest, Declared, Manifest, ManifestError, freeze};
pub use trust::{TrustError, TrustStatement, Trusted, Untrusted};

pub use policy::schema_text;

/// The text of a policy, by its `@id`.
pub fn policy_text(rules: &vocabulary::PolicyRules, id: &str) -> Option<String> {
    policy::PolicySet::load(&rules.files, &rules.people).ok()?.text(id)
}
