//! What an agent may do when it runs: the intersection of what it declares and what its operator granted. Admission only narrows.
//!
//! The functions are pure: callers pass in what they read elsewhere. The result is the grants under which the agent runs, or every reason
//! why it can't run at all.

use vocabulary::{Grants, SafeText};

use crate::component::Import;
use crate::interface::Service;
use crate::manifest::{Declared, Manifest};
use vocabulary::Capability;

/// The result of admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The grants, at most what was granted. Run the agent under these and no others.
    pub grants: Grants,
    /// The same result as rows for people.
    pub rows: Vec<AdmissionRow>,
}

/// One capability, as `inspect` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AdmissionRow {
    /// The capability.
    pub capability: Capability,
    /// Whether the component imports an interface for it. Toolchains also import what they never use.
    pub imported: bool,
    /// The agent's reason for needing it. `None` if the agent does not declare it.
    pub declared: Option<String>,
    /// What the operator granted, one line each.
    pub granted: Vec<String>,
    /// What is effective, one line each.
    pub effective: Vec<String>,
}

/// The reason why an agent is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It imports an interface that is not served.
    #[error("it imports `{0}`, which this host does not serve")]
    Unserved(SafeText),
    /// It imports another version of an interface that is served.
    #[error("it imports `{0}`, which is served in another version only (WASI 0.2, bailiwick:agent 0.1)")]
    OtherVersion(SafeText),
    /// It imports an interface of a later version.
    #[error("it imports `{name}`, which is not part of this version: it arrives with {with}")]
    Later {
        /// The interface that it imports.
        name: SafeText,
        /// The feature that the interface arrives with.
        with: &'static str,
    },
    /// It declares a capability that it was not granted.
    #[error("it declares `{capability}` (\"{why}\"), which it was not granted")]
    NotGranted {
        /// The capability.
        capability: Capability,
        /// The reason, in the words of the agent's author.
        why: String,
    },
    /// It imports functions for which it has no grant.
    #[error("it imports the functions of `{0}`, none of which it was granted")]
    ImportNotGranted(Capability),
    /// It declares only reading, and was granted only more than that, so nothing is effective.
    #[error("it declares `{0}` as read-only, but was granted only methods that do more than read")]
    NothingLeft(Capability),
}

/// Whether this host serves all imports of a component. What the component was granted does not matter.
///
/// # Errors
/// Every import that is not served.
pub fn served(imports: &[Import]) -> Result<(), Vec<Refused>> {
    let refused: Vec<Refused> = imports.iter().filter_map(unserved).collect();
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// What is effective of these grants for this component.
///
/// # Errors
/// Every reason against it, not only the first.
pub fn effective(manifest: Option<&Manifest>, imports: &[Import], grants: &Grants) -> Result<Effective, Vec<Refused>> {
    let mut refused: Vec<Refused> = imports.iter().filter_map(unserved).collect();
    let narrowed = narrow(manifest, grants);
    let imports_credentials =
        imports.iter().any(|import| import.interface.as_ref().is_some_and(|name| name.capability() == Some(Capability::Credentials)));
    // Toolchains import WASI without using it, but not this interface. So the agent is refused now instead of failing in the middle of a
    // run.
    if imports_credentials && narrowed.may.is_empty() {
        refused.push(Refused::ImportNotGranted(Capability::Credentials));
    }
    for declared in manifest.iter().flat_map(|manifest| &manifest.declares) {
        if !is_granted(declared.capability, grants) {
            refused.push(Refused::NotGranted { capability: declared.capability, why: declared.why.clone() });
        } else if !is_granted(declared.capability, &narrowed) {
            refused.push(Refused::NothingLeft(declared.capability));
        }
    }
    if refused.is_empty() { Ok(Effective { rows: table(manifest, imports, grants), grants: narrowed }) } else { Err(refused) }
}

/// The rows for people, also for a component that is refused.
pub fn table(manifest: Option<&Manifest>, imports: &[Import], grants: &Grants) -> Vec<AdmissionRow> {
    let narrowed = narrow(manifest, grants);
    let row = |capability: &Capability| AdmissionRow {
        capability: *capability,
        imported: imports.iter().any(|import| import.interface.as_ref().is_some_and(|name| name.capability() == Some(*capability))),
        declared: declared(manifest, *capability).map(|declared| declared.why.clone()),
        granted: lines(*capability, grants),
        effective: lines(*capability, &narrowed),
    };
    Capability::GRANTABLE.iter().map(row).collect()
}

fn unserved(import: &Import) -> Option<Refused> {
    let name = import.name.clone();
    match import.interface.as_ref().map_or(Service::Unknown, |interface| interface.service()) {
        Service::Served => None,
        Service::Later(with) => Some(Refused::Later { name, with }),
        Service::OtherVersion => Some(Refused::OtherVersion(name)),
        Service::Unknown => Some(Refused::Unserved(name)),
    }
}

fn declared(manifest: Option<&Manifest>, capability: Capability) -> Option<&Declared> {
    manifest.and_then(|manifest| manifest.declares.iter().find(|declared| declared.capability == capability))
}

/// Without a manifest, the result is what was granted. With a manifest, what it does not declare is removed.
fn narrow(manifest: Option<&Manifest>, grants: &Grants) -> Grants {
    let mut narrowed = grants.clone();
    if manifest.is_none() {
        return narrowed;
    }
    if declared(manifest, Capability::Files).is_none() {
        narrowed.files.clear();
    }
    match declared(manifest, Capability::Http) {
        None => narrowed.http.clear(),
        Some(declared) if declared.read_only => {
            for grant in &mut narrowed.http {
                grant.methods.retain(vocabulary::Method::is_safe);
            }
            narrowed.http.retain(|grant| !grant.methods.is_empty());
        }
        Some(_) => {}
    }
    if declared(manifest, Capability::Credentials).is_none() {
        narrowed.may.clear();
    }
    let is_sent = |narrowed: &Grants, name: &str| narrowed.http.iter().any(|grant| grant.credential.as_deref() == Some(name));
    let (http, may) = (narrowed.clone(), narrowed.may.clone());
    narrowed.credentials.retain(|binding| is_sent(&http, &binding.name) || may.contains_key(&binding.name));
    narrowed.placeholders.retain(|_, name| is_sent(&http, name));
    narrowed
}

/// Whether anything is granted of a capability. The lines for people have no part in this.
fn is_granted(capability: Capability, grants: &Grants) -> bool {
    match capability {
        Capability::Files => !grants.files.is_empty(),
        Capability::Credentials => !grants.may.is_empty(),
        Capability::Http => !grants.http.is_empty(),
        // These capabilities can't be granted.
        Capability::Names | Capability::Sockets => false,
    }
}

/// What is granted of a capability, in lines for people, safe to print.
pub fn lines(capability: Capability, grants: &Grants) -> Vec<String> {
    match capability {
        Capability::Files => grants.files.iter().map(files_line).collect(),
        Capability::Credentials => credential::may_lines(grants).collect(),
        Capability::Http => grants.http.iter().map(http_line).chain(credential::lines(grants)).collect(),
        // These capabilities can't be granted.
        Capability::Names | Capability::Sockets => Vec::new(),
    }
}

fn files_line(grant: &vocabulary::FilesGrant) -> String {
    let verb = match grant.mode {
        vocabulary::FilesMode::Read => "read",
    };
    format!("{verb} {} as {}", SafeText::new(&grant.host.to_string_lossy(), 4096), SafeText::new(&grant.guest, 4096))
}

fn http_line(grant: &vocabulary::HttpGrant) -> String {
    let list = |texts: Vec<String>| texts.join(", ");
    let methods = list(grant.methods.iter().map(ToString::to_string).collect());
    let paths = list(grant.paths.iter().map(ToString::to_string).collect());
    let mut line = format!("{methods} {}://{}:{} {paths}", grant.scheme.as_str(), grant.host, grant.port());
    if !grant.addresses.is_empty() {
        let addresses = list(grant.addresses.iter().map(ToString::to_string).collect());
        line.push_str(&format!(", also at {addresses}"));
    }
    if !grant.headers.is_empty() {
        line.push_str(&format!(", with the headers {}", SafeText::new(&list(grant.headers.clone()), 4096)));
    }
    if let Some(credential) = &grant.credential {
        line.push_str(&format!(", with the credential {}", SafeText::new(credential, 64)));
    }
    let vocabulary::HttpBounds { idempotency, pins, rate, request_bytes, response_bytes } = &grant.within;
    if let Some(header) = idempotency {
        line.push_str(&format!(", repeated with the same key in {}", SafeText::new(header, 64)));
    }
    if !pins.is_empty() {
        line.push_str(&format!(", of the keys {}", list(pins.iter().map(ToString::to_string).collect())));
    }
    for (most, of) in [(request_bytes, "sent"), (response_bytes, "back")] {
        line.push_str(&most.map_or_else(String::new, |most| format!(", {most} bytes {of}")));
    }
    if let Some(rate) = rate {
        line.push_str(&format!(", {rate} at most"));
    }
    if let Some(until) = &grant.until {
        line.push_str(&format!(", until {until}"));
    }
    line
}

mod credential;
pub use credential::line as credential_line;
#[cfg(test)]
mod tests;
