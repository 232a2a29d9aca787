//! Secret values: where they are kept, how they go along with a request, and how they are taken out of what comes back.
//!
//! INVARIANT: a value leaves this room in four ways only: placed into a request that a permit is held for ([`place()`]), in a request for a token at
//! the endpoint that is bound to it ([`oauth`]), at the server that lets the host in with it ([`remote`]), or as a digest that nobody can make
//! without the home's key. A [`Secret`] has no form in which it could be printed, compared or written down by accident.
//!
//! What this can't do: a server that gives a value back in a form of its own (reversed, encrypted, a letter at a time) is not seen through. What
//! keeps a value from such a server is where it may go at all.

mod exec;
mod harden;
mod local;
pub mod oauth;
mod outstanding;
mod place;
#[cfg(test)]
mod put;
mod register;
pub mod remote;
mod scrub;
mod secret;
mod source;
mod strength;

pub use exec::ExecError;
pub use harden::{Unhardened, harden};
pub use key::{KeyringError, PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN};
pub use local::{Changing, KeySource, Listed, Local, LocalError, StoredSecret, VAULT_FORM, VaultWitness, Witnessed};
pub use outstanding::Outstanding;
pub use place::{Outgoing, PlaceError, Placed, bearer, place};
pub use register::{Register, Registered};
pub use scrub::{Hits, PackedError, Scrubber, Scrubbing, TooManyForms};
pub use secret::{Secret, UnfitError, VALUE_BYTES_MAX, VALUE_BYTES_MIN};
pub use source::{SourceError, Value, Vault, login_secret};
pub use strength::STRONG_BITS;
