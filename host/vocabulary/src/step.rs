//! Steps with a credential: what can be done with it besides sending it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fields::put;
use crate::function::Function;

/// An ask of a guest to do something with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialAsk {
    /// The name of the credential. `*` for [`CredentialStep::Identify`]: the value is compared with all credentials for which that is
    /// granted.
    pub name: String,
    /// The step.
    pub step: CredentialStep,
}

/// What can be done with a credential besides sending it.
#[derive(Clone, PartialEq, Eq)]
pub enum CredentialStep {
    /// Says whether this value, which the guest has found, is the credential's.
    Identify(Bytes),
    /// Makes a new value, which is not used yet.
    Create,
    /// Sets the new value at its target.
    Set,
    /// Tests the new value at its target.
    Test,
    /// Uses the new value from now on, and checks that the old one is refused.
    Finish,
}

impl CredentialStep {
    pub(crate) fn function(&self) -> Function {
        match self {
            Self::Identify(_) => Function::CredentialIdentify,
            Self::Create => Function::RotationCreate,
            Self::Set => Function::RotationSet,
            Self::Test => Function::RotationTest,
            Self::Finish => Function::RotationFinish,
        }
    }

    /// Whether it refers to no single credential.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Identify(_))
    }

    /// The kind of the step, without its arguments.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Identify(_) => StepKind::Identify,
            Self::Create => StepKind::Create,
            Self::Set => StepKind::Set,
            Self::Test => StepKind::Test,
            Self::Finish => StepKind::Finish,
        }
    }
}

/// The kinds of [`CredentialStep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The credential of a value is identified.
    Identify,
    /// A new value is made.
    Create,
    /// The new value is set at its target.
    Set,
    /// The new value is tested at its target.
    Test,
    /// The new value is used from now on.
    Finish,
}

impl StepKind {
    /// The kind in one word, as on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Create => "create",
            Self::Set => "set",
            Self::Test => "test",
            Self::Finish => "finish",
        }
    }
}

impl std::fmt::Display for StepKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value that a guest found may be a secret, so it is not shown.
impl std::fmt::Debug for CredentialStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind().fmt(f)
    }
}

impl CredentialAsk {
    pub(crate) fn canonical_into(&self, to: &mut Vec<u8>) {
        put(to, self.name.as_bytes());
        if let CredentialStep::Identify(value) = &self.step {
            put(to, value);
        }
    }
}
