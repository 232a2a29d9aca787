//! What is changed about credentials is put on the record of the home; so the home is taken, and its record found whole, before anything is changed.

use ::run::{CredentialWord, Holder, Place, Revoking, RunError};
use effect::SafeText;
use effect::record::{CredentialChange, SealedUnder};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{leave, place};

/// A home whose record takes what is about to be changed.
pub(super) struct Home {
    holder: Holder,
    signals: Signals,
}

impl Home {
    /// Takes the home, or finds who has it.
    ///
    /// # Errors
    /// A record that can't be used: then nothing is changed.
    pub(super) async fn take(place: &Place) -> Result<Self, CliError> {
        // Made first, so that Ctrl-C does not end this between the change and its record.
        let mut signals = Signals::new()?;
        let holder = signals.or(Holder::find(place, &place::house_options())).await?;
        Ok(Self { holder, signals })
    }

    /// Makes a change, and puts it on the record.
    pub(super) async fn change<T>(self, change: impl FnOnce() -> Result<(T, CredentialWord), CliError>) -> Result<T, CliError> {
        let (value, word) = match change() {
            Ok(changed) => changed,
            Err(err) => return Err(self.left_with(err).await),
        };
        let what = done(&word);
        let recorded = self.holder.record_credential(word).await;
        self.told(what, recorded).await.map(|()| value)
    }

    /// The same for the seal of the vault.
    pub(super) async fn seal(self, under: SealedUnder, change: impl FnOnce() -> Result<(), CliError>) -> Result<(), CliError> {
        if let Err(err) = change() {
            return Err(self.left_with(err).await);
        }
        let recorded = self.holder.record_sealed(under).await;
        self.told("the vault is sealed under its new key".to_owned(), recorded).await
    }

    /// Ends leases, and puts it on the record that a credential was revoked, where it was.
    pub(super) async fn take_back(self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, RunError> {
        let Self { holder, mut signals } = self;
        let ended = holder.take_back(revoking, word).await;
        // That the home can't be left in order is said by the next one that opens it.
        let _ = leave::leave(holder, &mut signals).await;
        ended
    }

    /// Nothing was changed; why not is what is said, whatever becomes of leaving.
    async fn left_with(self, err: CliError) -> CliError {
        let _ = self.leave().await;
        err
    }

    async fn told(self, what: String, recorded: Result<(), RunError>) -> Result<(), CliError> {
        let left = self.leave().await;
        recorded.map_err(|cause| CliError::NotRecorded { what, cause: Box::new(cause.into()) })?;
        left
    }

    async fn leave(self) -> Result<(), CliError> {
        let Self { holder, mut signals } = self;
        leave::leave(holder, &mut signals).await
    }
}

/// What was done, for an error.
fn done(word: &CredentialWord) -> String {
    let what = match word.change {
        CredentialChange::Set => "is set",
        CredentialChange::Rotated => "has its new value",
        CredentialChange::Revoked => "is revoked",
        CredentialChange::Restored => "may be used again",
        CredentialChange::Bounded => "may go elsewhere than before",
        CredentialChange::Removed => "is removed",
    };
    format!("`{}` {what}", word.credential)
}
