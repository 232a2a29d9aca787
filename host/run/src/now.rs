//! The clock for measuring how long something takes.

use tokio::time::Instant;

/// Now, on a clock that only goes forward.
#[expect(clippy::disallowed_methods, reason = "door: how long it was waited")]
pub fn now() -> Instant {
    Instant::now()
}
