//! The users of this machine, and the user of this process.

use rustix::process::geteuid;
use vocabulary::Principal;

/// The user that this process acts as.
pub fn own_principal() -> Principal {
    principal_of(geteuid().as_raw())
}

/// A user by the id that the kernel gave, with the name that the list of accounts has.
pub fn principal_of(uid: u32) -> Principal {
    Principal::new(uid, home::name_of(uid).as_deref())
}
