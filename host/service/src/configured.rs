//! A configuration that was read, and the proof that it is trusted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use package::trust::HeldComponent;
use package::{Authored, Authority, ComponentSource, Resolved, ResolvedAgent, Spelling, Trusted, Whole, config, trust};
use run::{HomePlace, RunPolicies, TrustChange, TrustSaid};

use crate::component::Obtained;
use crate::err::ServiceError;
use crate::recording::now_s;
use crate::request::ConfigRef;

/// A configuration that was read. It does not follow that it is trusted.
pub struct Configured {
    /// The file as it was written.
    pub authored: Authored,
    /// The configuration with everything resolved.
    pub resolved: Resolved,
    /// Everything that it may cause.
    pub whole: Whole,
    /// How paths are shown to people: relative to the folder of the file.
    pub spelling: Spelling,
}

impl Configured {
    /// Reads the named file, or the nearest configuration if none is named.
    pub fn load(named: Option<&Path>, place: &HomePlace) -> Result<Self, ServiceError> {
        let file = match named {
            Some(file) => file.to_owned(),
            None => config::find(Path::new("."))?,
        };
        Self::of(config::read(&file)?, place)
    }

    /// Resolves a file that was read.
    ///
    /// # Errors
    /// The first fault in the file.
    pub fn of(authored: Authored, place: &HomePlace) -> Result<Self, ServiceError> {
        let resolved = authored.resolve(&place.home)?;
        let whole = Whole::of(&resolved)?;
        Ok(Self { spelling: Spelling::from_folder_of(&authored.file), authored, resolved, whole })
    }

    /// The proof that the configuration is trusted: it was trusted before, or it is trusted now with these components.
    ///
    /// # Errors
    /// It is not trusted, or the list of trusted files can't be used.
    pub fn proof(&self, place: &HomePlace, word: TrustWord, components: BTreeMap<String, HeldComponent>) -> Result<Proof, ServiceError> {
        match word {
            TrustWord::SaidBefore => Ok(Proof { trusted: trust::check(&place.home, &self.authored, &self.whole)?, to_record: None }),
            TrustWord::ThisOnce => {
                let trusted = Trusted::for_this_run(&self.authored, &self.whole, &components)?;
                let change = TrustChange::Trusted { authority: trusted.authority(), config: trusted.digest(), once: true };
                Ok(Proof { trusted, to_record: Some(self.said(change)) })
            }
        }
    }

    /// The reference by which a caller names it to a host in another process.
    pub fn reference(&self) -> ConfigRef {
        ConfigRef { digest: self.authored.digest, path: self.authored.file.clone() }
    }

    /// The record of a change in whether this configuration is trusted.
    pub fn said(&self, change: TrustChange) -> TrustSaid {
        TrustSaid { path: self.authored.file.to_string_lossy().into_owned(), change }
    }

    /// The components of these agents that are not built here. A component that can't be read is left out, and so is not trusted.
    pub fn components(&self, place: &HomePlace, agents: &[&str]) -> BTreeMap<String, HeldComponent> {
        let component = |name: &&str| match &self.resolved.agents.get(*name)?.component {
            ComponentSource::File(file) => Some(((*name).to_owned(), HeldComponent::of(&Obtained::read(place, file).ok()?.component))),
            ComponentSource::Folder(_) => None,
        };
        agents.iter().filter_map(component).collect()
    }

    /// The policies that an agent of the file is subject to.
    pub fn policies(&self, agent: &ResolvedAgent) -> Option<RunPolicies> {
        let (rules, section) = (agent.grants.policy.as_ref()?, self.resolved.policy.as_ref()?);
        Some(RunPolicies { rules: Arc::new(rules.clone()), set: section.set.clone() })
    }

    /// The agent of this name, if it may be started today.
    pub fn agent(&self, name: &str) -> Result<&ResolvedAgent, ServiceError> {
        Ok(self.resolved.agent(name, now_s())?)
    }

    /// Everything that an agent of the file may cause.
    pub fn authority(&self, name: &str) -> Result<&Authority, ServiceError> {
        let absent = || ServiceError::NotAnAgent { name: name.to_owned() };
        self.whole.agents.get(name).ok_or_else(absent)
    }
}

/// The same authority, restricted to this component if there is one.
pub fn held(authority: &Authority, component: Option<&HeldComponent>) -> Authority {
    match component {
        Some(held) => authority.clone().held_to_component(held.digest, held.imports.clone()),
        None => authority.clone(),
    }
}

/// Where the trust in a configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustWord {
    /// From the flag `--trust`, for one run.
    ThisOnce,
    /// From the list in the home.
    SaidBefore,
}

impl TrustWord {
    /// The value for the flag `--trust`.
    pub fn of_flag(trust: bool) -> Self {
        if trust { Self::ThisOnce } else { Self::SaidBefore }
    }
}

/// The proof that a configuration is trusted, and what must still be recorded about it.
pub struct Proof {
    /// The proof.
    pub trusted: Trusted,
    /// What must be recorded before anything is built or run.
    pub to_record: Option<TrustSaid>,
}
