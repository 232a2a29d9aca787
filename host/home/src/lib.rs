//! The files of a home: looked for only where no other user can put or change them, and opened so that nothing in their place makes anybody
//! wait.
//!
//! What this room does not do: it does not know what any file means; it follows no link; it mends nothing by itself, but says which command
//! would. An access list (`setfacl`) needs no look of its own: its mask stands in the group's bits of the mode, so a mode without rights of a
//! group leaves it without effect.
//!
//! - INVARIANT: what [`open`] gives is a regular file of this user that no other user has rights on.
//! - INVARIANT: nothing here opens a FIFO, a socket or a device.

#![forbid(unsafe_code)]

mod exposed;
mod open;
mod private;

pub use exposed::{Exposed, Kind};
pub use open::{Access, create_new, list, make_folder, open, open_handed, sync_folder};
pub use private::check;
