//! Steps with a credential: what can be done with one besides sending it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fields::put;
use crate::function::Function;

/// Something that a guest wants done with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialAsk {
    /// Which; `*` for [`CredentialStep::Identify`]: the value is held against all for which that is granted.
    pub name: String,
    /// What is to be done.
    pub step: CredentialStep,
}

/// What can be done with a credential besides sending it.
#[derive(Clone, PartialEq, Eq)]
pub enum CredentialStep {
    /// Say whether this value, which the guest has found, is the credential's.
    Identify(Bytes),
    /// Make a new value, which nobody uses yet.
    Create,
    /// Set the new value at its target.
    Set,
    /// Try the new value at its target.
    Test,
    /// Use the new value from now on, and see that the old one is refused.
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

    /// Whether it is about no single credential.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Identify(_))
    }

    /// Which step, without what the guest handed over for it.
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

/// The steps of [`CredentialStep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// It is said whose value something is.
    Identify,
    /// A new value is made.
    Create,
    /// The new value is set at its target.
    Set,
    /// The new value is tried at its target.
    Test,
    /// The new value is used from now on.
    Finish,
}

impl StepKind {
    /// In one word, as on the record.
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

/// A value that a guest found may be somebody's.
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
