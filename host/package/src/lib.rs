//! What an agent is before it runs: its manifest, its digest, what it declares ∩ what it was granted, who trusts the file
//! that says so, and how a folder of source becomes a component.
//!
//! Nothing of an agent runs here but its build, and that only on proof of trust. Running it is `run`'s and `sandbox`'s.

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
pub mod project;
pub mod review;
pub mod settings;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod trust;
pub mod wit;

pub use admission::{AdmissionRow, Effective, Refused, effective};
pub use authored::{ConfigFault, WrongError};
pub use authority::{Authority, Difference, Spelling, Whole};
pub use component::{Component, ComponentError, ComponentKind, Import, inspect};
pub use config::{Authored, ComponentSource, ConfigError, NetworkConfig, Resolved, ResolvedAgent, Root};
pub use file::FileError;
pub use interface::{InterfaceName, Service};
pub use manifest::{AuthoredManifest, Declared, Manifest, ManifestError, freeze};
pub use trust::{Said, TrustError, Trusted, Untrusted};
