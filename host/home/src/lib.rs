//! Opens the files of a home, and takes its locks. A file is used only if no other user can create or change it, and opening one never
//! makes the program wait. A process that waits for a lock says which process holds it, and gives up after a time.
//!
//! What this room does not do: it does not know what the files mean, except for the one that says the home's form; it follows no link; it
//! repairs nothing by itself, but says which command would. An access list (`setfacl`) needs no check of its own: its mask is in the group
//! bits of the mode, so it has no effect if the mode gives the group no rights.
//!
//! - INVARIANT: [`open`] returns only a regular file of this user that no other user has rights on.
//! - INVARIANT: nothing here opens a FIFO, a socket or a device.

#![forbid(unsafe_code)]

mod accounts;
mod aside;
mod causes;
mod exposed;
mod form;
mod ground;
mod lock;
mod open;
mod other;
mod patience;
mod private;
mod rights;
mod trouble;

pub use accounts::name_of;
pub use aside::{AsideFile, PRIVATE, SHARED, replace, sweep};
pub use exposed::{Exposed, PathKind};
pub use form::{FORM_FILE, FormError, HomeForm, KnownForms, RESTORING, form, form_handed, say_form};
pub use ground::{Footing, Ground, ground};
pub use lock::{LockState, holder, inspect_lock, lock, lock_within};
pub use open::{Access, create_new, is_unfinished, list, make_folder, open, open_handed, remove, sync_folder, sync_name, touch};
pub use other::{Doing, Other};
pub use patience::{GaveUp, Patience, Signal, TELL_AFTER, WAIT_MAX, Waiting, patience, set_patience};
pub use private::{LOST_FOUND, check};
pub use trouble::{Cause, Trouble, size, told, told_of};
