//! Changes of credentials are recorded. So this takes the home and checks that its record is undamaged, before anything is changed.

use ::run::{CredentialWord, FileChange, HomePlace, Revoking, own_principal, sealed_record};
use vault::{Changing, Listed, Local, Witnessed};
use vocabulary::SafeText;
use vocabulary::record::SealedUnder;

use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, place};
use service::{HostHandle, Recording, ServiceError, now_ms};

/// A home whose record can take the change.
pub(super) struct Home<'a> {
    place: &'a HomePlace,
    host: HostHandle,
    signals: Signals,
}

impl<'a> Home<'a> {
    /// Takes the home, or connects to the process that holds it.
    ///
    /// # Errors
    /// A record that can't be used; then nothing is changed.
    pub(super) async fn take(place: &'a HomePlace) -> Result<Self, CliError> {
        // Created first, so that Ctrl-C can't end this between the record and the change.
        let mut signals = Signals::new()?;
        let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
        Ok(Self { place, host, signals })
    }

    /// Records a change and makes it. `word` says what the change is, from the list of credentials after it.
    pub(super) async fn change<T>(
        self,
        vault: &Local,
        word: &dyn Fn(&[Listed]) -> CredentialWord,
        change: impl FnOnce(&Witnessed<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let recording = Recording::new(self.place);
        let witness = |changing: &Changing<'_>| {
            let word = word(changing.listed);
            let record = word.record(&own_principal(), now_ms());
            recording.made(&record, &[of_vault(changing)], self.host.record_credential(word))
        };
        let ended = recording.ended(change(&vault.witnessed(&witness))).map_err(CliError::from);
        self.left(ended).await
    }

    /// Records a new seal of the vault and makes it.
    pub(super) async fn seal(
        self,
        vault: &Local,
        under: SealedUnder,
        change: impl FnOnce(&Witnessed<'_>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let recording = Recording::new(self.place);
        let witness = |changing: &Changing<'_>| {
            let record = sealed_record(under, &own_principal(), now_ms());
            recording.made(&record, &[of_vault(changing)], self.host.record_sealed(under))
        };
        let ended = recording.ended(change(&vault.witnessed(&witness))).map_err(CliError::from);
        self.left(ended).await
    }

    /// Ends leases. If the credential itself was revoked, `word` records that.
    pub(super) async fn take_back(self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, ServiceError> {
        let Self { host, mut signals, .. } = self;
        let ended = host.revoke(revoking, word).await;
        // If the home can't be left in order, the next process that opens it reports that.
        let _ = leave::leave(host, &mut signals).await;
        ended
    }

    /// Leaves the home. An earlier error takes precedence over one of leaving.
    pub(super) async fn left<T>(self, ended: Result<T, CliError>) -> Result<T, CliError> {
        let Self { host, mut signals, .. } = self;
        let left = leave::leave(host, &mut signals).await;
        let value = ended?;
        left.map(|()| value)
    }
}

/// The file of the vault as it will be after the change.
pub(super) fn of_vault<'a>(changing: &Changing<'a>) -> FileChange<'a> {
    FileChange { path: changing.path, bytes: changing.bytes, mode: home::PRIVATE, lock: Some("vault.lock") }
}
