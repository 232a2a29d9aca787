//! The agent's progress. Mirrors `progress`.

/// Says that `done` of `total` are done; `total` is 0 if it is not known, `what` is one short line.
///
/// The newest progress replaces the one before. Natively the newest is kept for [`crate::testing::take_progress`].
pub fn update(done: u64, total: u64, what: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::wire::bailiwick::agent::progress::update(done, total, what);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::keep_progress(done, total, what);
}
