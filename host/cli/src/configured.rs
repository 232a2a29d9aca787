//! A configuration that was read, and the proof that it may be used.

use std::collections::BTreeMap;
use std::path::Path;

use package::trust::HeldComponent;
use package::{Authored, Authority, ComponentSource, Resolved, ResolvedAgent, Spelling, Trusted, Whole, config, trust};
use run::{FileChange, HomePlace, HostHandle, TrustChange, TrustSaid, own_principal};

use crate::agent::Obtained;
use crate::err::CliError;
use crate::recording::Recording;
use crate::signals::Signals;
use crate::{leave, out, place, words};

/// A configuration that was read. Whether it may be used is another question.
pub(crate) struct Configured {
    pub(crate) authored: Authored,
    pub(crate) resolved: Resolved,
    /// Everything that it may cause.
    pub(crate) whole: Whole,
    pub(crate) spelling: Spelling,
}

impl Configured {
    /// The file that was named, or the nearest one.
    pub(crate) fn load(named: Option<&Path>, place: &HomePlace) -> Result<Self, CliError> {
        let file = match named {
            Some(file) => file.to_owned(),
            None => config::find(Path::new("."))?,
        };
        let authored = config::read(&file)?;
        let resolved = authored.resolve(&place.home)?;
        let whole = Whole::of(&resolved)?;
        Ok(Self { spelling: Spelling::from_folder_of(&authored.file), authored, resolved, whole })
    }

    /// The proof that it may be used for these agents: it was trusted before, or is trusted on this command line. What is trusted now is
    /// shown first.
    pub(crate) fn proof(&self, place: &HomePlace, word: TrustWord, agents: &[&str]) -> Result<Proof, CliError> {
        let components = match word {
            TrustWord::SaidBefore => BTreeMap::new(),
            TrustWord::ThisOnce => self.components(place, agents),
        };
        self.proof_with(place, word, agents, components)
    }

    /// The same, for a caller that has the components already: reading a large one takes a while.
    pub(crate) fn proof_with(
        &self,
        place: &HomePlace,
        word: TrustWord,
        agents: &[&str],
        components: BTreeMap<String, HeldComponent>,
    ) -> Result<Proof, CliError> {
        match word {
            TrustWord::SaidBefore => {
                let trusted = trust::check(&place.home, &self.authored, &self.whole);
                if trusted.is_err() {
                    // Nothing is trusted in a home that is gone: that is what a person has to know.
                    crate::log::not_gone(place)?;
                }
                Ok(Proof { trusted: trusted?, to_record: None })
            }
            TrustWord::ThisOnce => {
                out::words(&format!("trusted for this command only: {}", words::safe(&self.authored.file.to_string_lossy())));
                for name in agents {
                    let Some(authority) = self.whole.agents.get(*name) else { continue };
                    out::words(&format!("agent {name}"));
                    let lines = held(authority, components.get(*name)).lines(&self.spelling);
                    words::wrapped(&lines, "  ").iter().for_each(|line| out::words(line));
                }
                let trusted = Trusted::for_this_run(&self.authored, &self.whole, components)?;
                let change = TrustChange::Trusted { authority: trusted.authority(), config: trusted.digest(), once: true };
                Ok(Proof { trusted, to_record: Some(self.said(change)) })
            }
        }
    }

    /// The record of a change in whether this configuration is trusted.
    pub(crate) fn said(&self, change: TrustChange) -> TrustSaid {
        TrustSaid { path: self.authored.file.to_string_lossy().into_owned(), change }
    }

    /// The components of these agents that are not built here. A component that can't be read is left out, and so is not trusted.
    pub(crate) fn components(&self, place: &HomePlace, agents: &[&str]) -> BTreeMap<String, HeldComponent> {
        let component = |name: &&str| match &self.resolved.agents.get(*name)?.component {
            ComponentSource::File(file) => Some(((*name).to_owned(), HeldComponent::of(&Obtained::read(place, file).ok()?.component))),
            ComponentSource::Folder(_) => None,
        };
        agents.iter().filter_map(component).collect()
    }

    /// An agent that may be started today.
    pub(crate) fn agent(&self, name: &str) -> Result<&ResolvedAgent, CliError> {
        Ok(self.resolved.agent(name, place::now_s())?)
    }

    /// Everything that an agent may cause. There is one for each agent of the file.
    pub(crate) fn authority(&self, name: &str) -> Result<&Authority, CliError> {
        let absent = || CliError::NotAnAgent { name: name.to_owned() };
        self.whole.agents.get(name).ok_or_else(absent)
    }

    /// Compares a component that is about to run with what was accepted and with what was trusted, if it was not built here. A folder of
    /// source was compared with what was accepted before it was built.
    pub(crate) fn hold(&self, place: &HomePlace, trusted: &Trusted, name: &str, obtained: &Obtained) -> Result<(), CliError> {
        let ComponentSource::File(file) = &self.agent(name)?.component else { return Ok(()) };
        let component = HeldComponent::of(&obtained.component);
        crate::acceptance::check(self, place, name, &held(self.authority(name)?, Some(&component)))?;
        trusted.holds(name, file, &obtained.component).map_err(package::TrustError::from)?;
        Ok(())
    }
}

/// The same authority, with this as its only component.
pub(crate) fn held(authority: &Authority, component: Option<&HeldComponent>) -> Authority {
    match component {
        Some(held) => authority.clone().held_to_component(held.digest, held.imports.clone()),
        None => authority.clone(),
    }
}

/// Where the trust comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustWord {
    /// `--trust`.
    ThisOnce,
    /// The list in the home.
    SaidBefore,
}

impl TrustWord {
    pub(crate) fn of_flag(trust: bool) -> Self {
        if trust { Self::ThisOnce } else { Self::SaidBefore }
    }
}

/// The proof that a configuration may be used, and what must still be put on the record about it.
pub(crate) struct Proof {
    pub(crate) trusted: Trusted,
    pub(crate) to_record: Option<TrustSaid>,
}

impl Proof {
    /// Puts on the record what must still be put there, and returns the proof.
    pub(crate) async fn recorded(self, place: &HomePlace) -> Result<Trusted, CliError> {
        if let Some(said) = self.to_record {
            record(place, said).await?;
        }
        Ok(self.trusted)
    }
}

/// Puts on the home's record what a person decided. A decision that is not recorded does not count.
pub(crate) async fn record(place: &HomePlace, said: TrustSaid) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let recorded = signals.or(host.record_trust(said)).await;
    let left = leave::leave(host, &mut signals).await;
    recorded?;
    left
}

/// The same for a decision that changes the list of what is trusted, which `change` does. `lock` is what `bailiwick.lock` will hold, where it
/// changes too.
pub(crate) async fn decide<T>(
    place: &HomePlace,
    said: TrustSaid,
    lock: Option<(&Path, &str)>,
    change: impl FnOnce(&trust::TrustWitness<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    // Made first, so that Ctrl-C does not end this between the record and its change.
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let recording = Recording::new(place);
    let witness = |path: &Path, bytes: &[u8]| {
        let list = FileChange { path, bytes, mode: home::PRIVATE, lock: Some("trust.lock") };
        let lock = lock.map(|(path, text)| FileChange { path, bytes: text.as_bytes(), mode: home::SHARED, lock: None });
        let files: Vec<FileChange<'_>> = std::iter::once(list).chain(lock).collect();
        recording.made(&said.record(&own_principal(), crate::recording::now_ms()), &files, host.record_trust(said.clone()))
    };
    let ended = recording.ended(change(&witness));
    let left = leave::leave(host, &mut signals).await;
    let value = ended?;
    left.map(|()| value)
}
