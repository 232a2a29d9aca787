//! Finds the name of a user id in the list of accounts.
//!
//! Other name services (LDAP, sssd) are not asked. A name is only shown beside the id and decides nothing, so a service that is slow or
//! wrong must not delay or change the record of an order. If the list has no name for the id, only the id is written.
//!
//! SECURITY: the person who starts the process can set `SUDO_UID`, `USER` and `LOGNAME`, so none of them is read. Under `sudo`, root gives
//! the order.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// The list of accounts: passwd(5).
const ACCOUNTS: &str = "/etc/passwd";
/// BOUND: how many bytes of the list are read.
const ACCOUNTS_BYTES_MAX: u64 = 16 << 20;

/// The name of a user, if the list of accounts has one.
pub fn name_of(uid: u32) -> Option<String> {
    name_in(Path::new(ACCOUNTS), uid)
}

/// Names a user for people: by name and id, or by the id alone.
pub(crate) fn user(uid: u32) -> String {
    name_of(uid).map_or_else(|| uid.to_string(), |name| format!("{} ({uid})", name.escape_debug()))
}

/// The user that this process acts as.
pub(crate) fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The first name with this id, as in getpwuid(3).
#[expect(clippy::disallowed_methods, reason = "door: the list of accounts")]
fn name_in(accounts: &Path, uid: u32) -> Option<String> {
    let list = BufReader::new(std::fs::File::open(accounts).ok()?.take(ACCOUNTS_BYTES_MAX));
    list.split(b'\n').map_while(Result::ok).find_map(|line| {
        let line = String::from_utf8_lossy(&line);
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and writes files of its own")]
mod tests {
    use super::*;

    #[test]
    fn the_first_account_with_the_id_gives_the_name_and_a_broken_line_gives_none() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("accounts");
        std::fs::write(&list, "root:x:0:0::/:/bin/sh\n:x:7:7\nbroken\n\u{ff}:x:8\nalice:x:1000:1000\nalias:x:1000:1000\n").unwrap();
        let name = |uid| name_in(&list, uid);
        assert_eq!([name(0), name(1000)].map(Option::unwrap), ["root", "alice"]);
        assert_eq!([name(7), name(9)], [None, None]);
        assert_eq!(name_in(&folder.path().join("none"), 0), None);
    }
}
