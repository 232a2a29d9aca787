//! What may be done with credentials besides having them sent along. Mirrors `credentials`: no function takes or gives a secret of the host's.
//!
//! Needs `[[agents.NAME.credentials]]` in the operator's configuration; an agent that uses one of these functions and was granted none of it is
//! not admitted. Outside of the sandbox there is no host: every call is refused as `not-granted`.

use crate::Refusal;

/// A credential that this agent may do something with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What the operator calls it.
    pub name: String,
    /// `bearer`, `basic`, `header`, …
    pub kind: String,
    /// Host patterns to which it may go.
    pub hosts: Vec<String>,
    /// `send`, `identify`, `rotate`.
    pub may: Vec<String>,
}

/// Which credential a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// What the operator calls it.
    pub name: String,
    /// Counts its values, from 1; 0 where its source does not count them.
    pub version: u64,
}

/// What the target of a rotation said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whether it answered with a status from 200 to 299.
    pub accepted: bool,
    /// None where no answer came.
    pub status: Option<u16>,
}

/// The end of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The version in use from now on.
    pub version: u64,
    /// Whether the target refused the old value, with 401 or 403.
    pub old_refused: bool,
    /// What it answered; none where no answer came.
    pub status: Option<u16>,
}

/// The credentials that this agent was granted, by name.
#[must_use]
pub fn granted() -> Vec<Credential> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::granted();
    #[cfg(not(target_arch = "wasm32"))]
    Vec::new()
}

/// Whether a value that the agent has found is one of the host's credentials, and which.
///
/// # Errors
/// `not-granted`; `over-limit` past 60 at once, and then one a second; `malformed` below 8 and above 4,096 bytes.
pub fn identify(value: &str) -> Result<Option<Identified>, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::identify(value);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(value)
}

/// The first step of a rotation: the host makes a new value, which is not used yet; its version. One that waits already stays.
///
/// # Errors
/// `not-granted`.
pub fn rotation_create(name: &str) -> Result<u64, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_create(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

/// The second step: the host sets the new value at the target, as the operator wrote down.
///
/// # Errors
/// `not-granted`; `malformed` where there is no new value.
pub fn rotation_set(name: &str) -> Result<Tried, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_set(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

/// The third step: the host tries the new value at the target.
///
/// # Errors
/// As [`rotation_set`].
pub fn rotation_test(name: &str) -> Result<Tried, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_test(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

/// The last step: the new value is the one in use, and the old one is tried and must be refused.
///
/// # Errors
/// `not-granted`; `malformed` where the target does not accept the new value: then nothing has changed.
pub fn rotation_finish(name: &str) -> Result<Rotated, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_finish(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

#[cfg(not(target_arch = "wasm32"))]
fn nowhere<T>(_: &str) -> Result<T, Refusal> {
    Err(Refusal { code: crate::RefusalCode::NotGranted, hint: "there is no host here".to_owned() })
}
