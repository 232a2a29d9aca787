//! Puts a key into the key ring of the kernel, for tests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;

use linux_keyutils::{Key, KeyError, KeyRing, KeyRingIdentifier};

/// A key in the session's key ring that exists as long as this value. `None`, with a message, if the kernel has no key ring.
pub(crate) struct Put(Key, KeyRing);

impl Put {
    pub(crate) fn new(description: &str, payload: &[u8]) -> Option<Self> {
        let ring = KeyRing::from_special_id(KeyRingIdentifier::Session, true);
        let put = ring.and_then(|ring| Ok(Self(ring.add_key(description, payload)?, ring)));
        let said =
            |err: &KeyError| writeln!(std::io::stderr(), "the kernel gives no key ring here ({err:?}): only its refusal is tried").unwrap();
        put.inspect_err(said).ok()
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        let _ = self.1.unlink_key(self.0);
    }
}

/// A name that no other test, and no other run of this test, has.
pub(crate) fn own(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}
