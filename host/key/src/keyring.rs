//! Reads keys from the key ring of the kernel, where an operator or a log-in has put them for the processes of one user or session. Nothing
//! is written to it.

use linux_keyutils::{Key, KeyError, KeyRing, KeyRingIdentifier};
use zeroize::Zeroizing;

/// Why a key could not be read. Holds no part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key ring has the key.
    #[error("there is no such key")]
    Absent,
    /// The key has expired, or was revoked in the key ring.
    #[error("the key has expired or was revoked")]
    Gone,
    /// The key exists, but this process may not read it.
    #[error("this process may not read the key: is the user's key ring linked to its session?")]
    Denied,
    /// The key is longer or shorter than allowed.
    #[error("the key is too long or too short")]
    Length,
    /// The kernel has no key rings, or a sandbox denies access to them.
    #[error("the kernel gives no key ring to this process")]
    Unavailable,
}

/// Reads a key of type `user`: from the key ring of the session, else of the user, else from the user's persistent key ring. A link to the
/// last one is put into the key ring of this process.
///
/// # Errors
/// The first error other than [`KeyringError::Absent`]; else that one.
pub fn read(description: &str, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let rings: [fn() -> Result<KeyRing, KeyError>; 3] = [
        || KeyRing::from_special_id(KeyRingIdentifier::Session, false),
        || KeyRing::from_special_id(KeyRingIdentifier::User, false),
        || KeyRing::get_persistent(KeyRingIdentifier::Process),
    ];
    let mut err = KeyringError::Absent;
    for ring in rings {
        match ring().and_then(|ring| ring.search(description)).map_err(named).and_then(|key| payload(key, bytes_max)) {
            Err(KeyringError::Absent) => {}
            Err(other) if err == KeyringError::Absent => err = other,
            Err(_) => {}
            found => return found,
        }
    }
    Err(err)
}

/// A buffer of one byte more than allowed is enough: the kernel returns the whole length and fills the buffer.
fn payload(key: Key, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let mut bytes = Zeroizing::new(vec![0; bytes_max + 1]);
    let length = key.read(&mut *bytes).map_err(named)?;
    bytes.truncate(length);
    if length > bytes_max { Err(KeyringError::Length) } else { Ok(bytes) }
}

fn named(err: KeyError) -> KeyringError {
    match err {
        KeyError::KeyDoesNotExist | KeyError::KeyringDoesNotExist => KeyringError::Absent,
        KeyError::KeyExpired | KeyError::KeyRevoked | KeyError::KeyRejected => KeyringError::Gone,
        KeyError::AccessDenied => KeyringError::Denied,
        // EPERM and ENOSYS, which sandboxes return, and every other error that says nothing about the key.
        _ => KeyringError::Unavailable,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A key in the session's key ring, removed on drop. `None` where the kernel gives no key ring, which is printed.
    struct Put(Key, KeyRing);

    impl Put {
        fn new(description: &str, payload: &[u8]) -> Option<Self> {
            let ring = KeyRing::from_special_id(KeyRingIdentifier::Session, true);
            let put = ring.and_then(|ring| Ok(Self(ring.add_key(description, payload)?, ring)));
            let said = |err: &KeyError| {
                writeln!(std::io::stderr(), "the kernel gives no key ring here ({err:?}): only its refusal is tried").unwrap()
            };
            put.inspect_err(said).ok()
        }
    }

    impl Drop for Put {
        fn drop(&mut self) {
            let _ = self.1.unlink_key(self.0);
        }
    }

    /// A name that no other test, and no other run of this test, uses.
    fn own(name: &str) -> String {
        format!("{name}-{}", std::process::id())
    }

    #[test]
    fn a_key_of_the_session_is_read_whole_or_not_at_all() {
        let description = own("bailiwick:read-whole");
        match Put::new(&description, b"correct-horse") {
            Some(_put) => {
                assert_eq!(read(&description, 100).as_deref().map(Vec::as_slice), Ok(&b"correct-horse"[..]));
                assert_eq!(read(&description, 13).as_deref().map(Vec::len), Ok(13));
                assert_eq!(read(&description, 12), Err(KeyringError::Length));
                assert_eq!(read(&own("bailiwick:never-put"), 100), Err(KeyringError::Absent));
            }
            None => assert_eq!(read(&description, 100), Err(KeyringError::Unavailable)),
        }
    }

    #[test]
    fn a_key_that_was_revoked_in_the_key_ring_is_gone() {
        let description = own("bailiwick:revoked-there");
        let Some(put) = Put::new(&description, b"correct-horse") else { return };
        put.0.revoke().map_err(named).ok();
        assert!(matches!(read(&description, 100), Err(KeyringError::Gone | KeyringError::Absent)));
    }
}
