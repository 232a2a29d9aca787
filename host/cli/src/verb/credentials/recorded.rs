//! What is changed about credentials is put on the record of the home; so the home is taken, and its record found whole, before anything is changed.

use ::run::{CredentialWord, FileChange, HomePlace, Revoking, own_principal, sealed_record};
use vault::{Changing, Listed, Local, Witnessed};
use vocabulary::SafeText;
use vocabulary::record::SealedUnder;

use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, place};
use service::{HostHandle, Recording, ServiceError, now_ms};

/// A home whose record takes what is about to be changed.
pub(super) struct Home<'a> {
    place: &'a HomePlace,
    host: HostHandle,
    signals: Signals,
}

impl<'a> Home<'a> {
    /// Takes the home, or finds who has it.
    ///
    /// # Errors
    /// A record that can't be used: then nothing is changed.
    pub(super) async fn take(place: &'a HomePlace) -> Result<Self, CliError> {
        // Made first, so that Ctrl-C does not end this between the record and its change.
        let mut signals = Signals::new()?;
        let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
        Ok(Self { place, host, signals })
    }

    /// Puts a change on the record, and makes it. `word` says what it is, from what will be known of the secrets then.
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

    /// The same for the seal of the vault.
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

    /// Ends leases, and puts it on the record that a credential was revoked, where it was.
    pub(super) async fn take_back(self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, ServiceError> {
        let Self { host, mut signals, .. } = self;
        let ended = host.revoke(revoking, word).await;
        // That the home can't be left in order is said by the next one that opens it.
        let _ = leave::leave(host, &mut signals).await;
        ended
    }

    /// What went wrong before is what is said, whatever becomes of leaving.
    pub(super) async fn left<T>(self, ended: Result<T, CliError>) -> Result<T, CliError> {
        let Self { host, mut signals, .. } = self;
        let left = leave::leave(host, &mut signals).await;
        let value = ended?;
        left.map(|()| value)
    }
}

/// The file of the vault, as it will be.
pub(super) fn of_vault<'a>(changing: &Changing<'a>) -> FileChange<'a> {
    FileChange { path: changing.path, bytes: changing.bytes, mode: home::PRIVATE, lock: Some("vault.lock") }
}
