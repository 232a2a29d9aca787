//! Secret values: where they are kept, how they go along with a request, and how they are taken out of what comes back.
//!
//! INVARIANT: a value leaves this room in two ways only: placed into a request that a permit is held for ([`place()`]), or as a digest that
//! nobody can make without the home's key. A [`Secret`] has no form in which it could be printed, compared or written down by accident.
//!
//! What this can't do: a server that gives a value back in a form of its own (reversed, encrypted, a letter at a time) is not seen through. What
//! keeps a value from such a server is where it may go at all.

mod local;
mod place;
mod scrub;
mod secret;
mod source;

pub use local::{Listed, Local, LocalError};
pub use place::{PlaceError, place};
pub use scrub::{Scrubber, Scrubbing, TooManyForms};
pub use secret::{Secret, UnfitError, VALUE_BYTES_MAX, VALUE_BYTES_MIN};
pub use source::{SourceError, Vault};
