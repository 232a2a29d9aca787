//! The clock by which is waited.

use tokio::time::Instant;

/// Now, on a clock that only goes forward.
#[expect(clippy::disallowed_methods, reason = "door: how long it was waited")]
pub fn now() -> Instant {
    Instant::now()
}
