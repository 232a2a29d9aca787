//! Mounts that a guest may change.
//!
//! The guest reads and writes as usual, and changes only a view of its own ([`Overlay`]). What it changed is compared with the folder of the
//! mount ([`Overlay::commit`]), and put into that folder at the end of the run, in one step ([`apply`]). A step that a crash has cut off is
//! finished or undone before anything else happens ([`recover`]).
//!
//! - INVARIANT: the view depends only on the folder and on what the guest did. So it can be made again.
//! - INVARIANT: nothing but a commit changes the folder of a mount.

mod commit;
mod err;
mod fault;
mod hashing;
mod home_folder;
mod overlay;
mod plan;
mod root;
mod steps;
mod text;

pub use commit::{Target, apply, committed, recover};
pub use err::CommitError;
pub use fault::StageFault;
pub use home_folder::{StageHome, StateFolder};
pub use overlay::{Listed, NodeId, Overlay, OverlayBounds, Seen};
pub use plan::Plan;
pub use root::Root;
