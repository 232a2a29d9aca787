//! Operations on credentials, besides sending them with requests. Mirrors the interface `credentials`: no function takes or returns a
//! secret of the host.
//!
//! Needs `[[agents.NAME.credentials]]` in the operator's configuration; an agent that uses one of these functions without such a grant
//! is not admitted. Outside of the sandbox there is no host: every call is refused as `not-granted`.

use crate::Refusal;

/// A credential that was granted to this agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The operator's name for the credential.
    pub name: String,
    /// How it is placed: `bearer`, `basic`, `header`, …
    pub kind: String,
    /// Host patterns to which it may go.
    pub hosts: Vec<String>,
    /// The allowed operations: `send`, `identify`, `rotate`.
    pub may: Vec<String>,
}

/// Which credential a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The operator's name for the credential.
    pub name: String,
    /// The number of the value, counted from 1; 0 if the source does not count its values.
    pub version: u64,
}

/// The answer of the target of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whether the target answered with a status from 200 to 299.
    pub accepted: bool,
    /// The status of the answer; `None` if there was no answer.
    pub status: Option<u16>,
}

/// The result of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The version in use from now on.
    pub version: u64,
    /// Whether the target refused the old value, with 401 or 403.
    pub old_refused: bool,
    /// The status of its answer to the old value; `None` if there was no answer.
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

/// The first step of a rotation: the host makes a new value, which is not used yet, and returns its version. If a new value exists
/// already, it stays.
///
/// # Errors
/// `not-granted`.
pub fn rotation_create(name: &str) -> Result<u64, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_create(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

/// The second step: the host sets the new value at the target, with the request that the operator wrote.
///
/// # Errors
/// `not-granted`; `malformed` if there is no new value.
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

/// The last step: the host uses the new value from now on, and tries the old one, which the target must refuse.
///
/// # Errors
/// `not-granted`; `malformed` if the target does not accept the new value: then nothing has changed.
pub fn rotation_finish(name: &str) -> Result<Rotated, Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::rotation_finish(name);
    #[cfg(not(target_arch = "wasm32"))]
    nowhere(name)
}

#[cfg(not(target_arch = "wasm32"))]
fn nowhere<T>(_: &str) -> Result<T, Refusal> {
    Err(Refusal { code: crate::RefusalCode::NotGranted, hint: "there is no host outside of the sandbox".to_owned() })
}
