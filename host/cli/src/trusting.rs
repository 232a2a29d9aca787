//! A configuration that is trusted on the command line: what it allows is shown, and the decision is recorded.

use std::collections::BTreeMap;
use std::path::Path;

use package::Trusted;
use package::trust::{self, HeldComponent};
use run::{FileChange, HomePlace, TrustSaid, own_principal};
use service::{Configured, HostHandle, Proof, Recording, TrustWord, held, now_ms};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, out, place, words};

/// The proof that a configuration may be used for these agents. With `--trust`, what it allows is shown first.
pub(crate) fn proof(configured: &Configured, place: &HomePlace, word: TrustWord, agents: &[&str]) -> Result<Proof, CliError> {
    let components = match word {
        TrustWord::SaidBefore => BTreeMap::new(),
        TrustWord::ThisOnce => configured.components(place, agents),
    };
    proof_with(configured, place, word, agents, components)
}

/// Like [`proof`], for a caller that has the components already: reading a large one takes a while.
pub(crate) fn proof_with(
    configured: &Configured,
    place: &HomePlace,
    word: TrustWord,
    agents: &[&str],
    components: BTreeMap<String, HeldComponent>,
) -> Result<Proof, CliError> {
    if word == TrustWord::ThisOnce {
        show(configured, agents, &components);
    }
    let proof = configured.proof(place, word, components);
    if proof.is_err() && word == TrustWord::SaidBefore {
        // Nothing is trusted in a home that is gone. Then the missing home is the error to report.
        crate::log::not_gone(place)?;
    }
    Ok(proof?)
}

/// Shows what is trusted for this command only.
fn show(configured: &Configured, agents: &[&str], components: &BTreeMap<String, HeldComponent>) {
    out::words(&format!("trusted for this command only: {}", words::safe(&configured.authored.file.to_string_lossy())));
    for name in agents {
        let Some(authority) = configured.whole.agents.get(*name) else { continue };
        out::words(&format!("agent {name}"));
        let lines = held(authority, components.get(*name)).lines(&configured.spelling);
        words::wrapped(&lines, "  ").iter().for_each(|line| out::words(line));
    }
}

/// Records the decision, if that has not been done, and returns the proof.
pub(crate) async fn recorded(proof: Proof, place: &HomePlace) -> Result<Trusted, CliError> {
    if let Some(said) = proof.to_record {
        record(place, said).await?;
    }
    Ok(proof.trusted)
}

/// Records a person's decision in the home. A decision that is not recorded does not count.
pub(crate) async fn record(place: &HomePlace, said: TrustSaid) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let recorded = signals.or(host.record_trust(said)).await;
    let left = leave::leave(host, &mut signals).await;
    recorded?;
    left
}

/// Records a decision that changes the list of what is trusted; `change` changes it. `lock` is the new text of `bailiwick.lock`, if that
/// file changes too.
pub(crate) async fn decide<T>(
    place: &HomePlace,
    said: TrustSaid,
    lock: Option<(&Path, &str)>,
    change: impl FnOnce(&trust::TrustWitness<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    // Created first, so that Ctrl-C can't end this between the record and the change.
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let recording = Recording::new(place);
    let witness = |path: &Path, bytes: &[u8]| {
        let list = FileChange { path, bytes, mode: home::PRIVATE, lock: Some("trust.lock") };
        let lock = lock.map(|(path, text)| FileChange { path, bytes: text.as_bytes(), mode: home::SHARED, lock: None });
        let files: Vec<FileChange<'_>> = std::iter::once(list).chain(lock).collect();
        recording.made(&said.record(&own_principal(), now_ms()), &files, host.record_trust(said.clone()))
    };
    let ended = recording.ended(change(&witness));
    let left = leave::leave(host, &mut signals).await;
    let value = ended?;
    left.map(|()| value)
}
