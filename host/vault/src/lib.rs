//! Secret values: where they are kept, how they are placed into requests, and how they are removed from answers.
//!
//! INVARIANT: a value leaves this room in four ways only: placed into a request that has a permit ([`place()`]), in a request for a token
//! to the endpoint that is bound to it ([`oauth`]), in a request to the server at which the host logs in with it ([`remote`]), or as a
//! digest that can't be computed without the home's key. The type [`Secret`] can't be printed, compared or serialized by accident.
//!
//! What this room can't do: it does not recognise a value that a server returns in a form of its own (reversed, encrypted, one letter at a
//! time). Only the list of hosts to which a value may go protects it from such a server.

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
