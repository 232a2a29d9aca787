//! The rotation of one credential, in the host's four steps. Each step may be refused, and may take days, if people have to approve it.

use crate::host::Credentials;
use bailiwick_sdk::{JsonSchema, Refusal, RefusalCode};
use serde::Serialize;

/// Where a credential is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It stands for another one in the sandbox.
    Sandbox,
    /// It is the one that leaked.
    Production,
}

impl Stage {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

/// What became of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rotation {
    /// The credential, as the operator calls it.
    pub credential: String,
    /// Where it is used.
    pub stage: Stage,
    /// The version of its value that is in use from now on, if it was rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The status with which the target answered the request for the new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<u16>,
    /// The status with which the target answered the old value afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<u16>,
    /// Whether the old value gives access no more.
    pub old_refused: bool,
    /// Why it was not rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

impl Rotation {
    /// Whether the new value is in use, and the old one is dead.
    pub(crate) const fn is_proved(&self) -> bool {
        self.version.is_some() && self.old_refused
    }

    /// One line for people. It has no value in it.
    pub(crate) fn words(&self) -> String {
        let (name, stage) = (&self.credential, self.stage.word());
        match (&self.stopped, self.version) {
            (Some(why), _) => format!("{stage}: {name} was not rotated: {why}"),
            (None, Some(version)) if self.old_refused => {
                format!("{stage}: {name} was rotated, version {version}; the old value was refused{}", status(self.old))
            }
            (None, Some(version)) => {
                format!("{stage}: {name} was rotated, version {version}; THE OLD VALUE STILL WORKS, or nobody knows{}", status(self.old))
            }
            (None, None) => format!("{stage}: {name} was not rotated"),
        }
    }
}

fn status(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" ({status})"))
}

/// Rotates one credential, as far as the host and the target let it.
pub(crate) fn rotate(host: &mut dyn Credentials, credential: &str, stage: Stage) -> Rotation {
    let mut rotation =
        Rotation { credential: credential.to_owned(), stage, version: None, set: None, old: None, old_refused: false, stopped: None };
    rotation.stopped = steps(host, &mut rotation).err();
    rotation
}

fn steps(host: &mut dyn Credentials, rotation: &mut Rotation) -> Result<(), String> {
    let name = rotation.credential.clone();
    let refused = |step: &str, refusal: Refusal| format!("the host refused to {step} (`{}`)", refusal.code.as_str());
    host.create(&name).map_err(|refusal| refused("make a new value", refusal))?;
    match host.set(&name) {
        Ok(tried) => rotation.set = tried.status,
        // The answer was lost, so the target may have the new value: the test shows it.
        Err(refusal) if refusal.code == RefusalCode::Malformed => {}
        Err(refusal) => return Err(refused("set the new value", refusal)),
    }
    let tested = host.test(&name).map_err(|refusal| refused("test the new value", refusal))?;
    if !tested.accepted {
        return Err(format!("the target does not accept the new value{}, so the old one stays in use", status(tested.status)));
    }
    let rotated = host.finish(&name).map_err(|refusal| refused("use the new value", refusal))?;
    (rotation.version, rotation.old, rotation.old_refused) = (Some(rotated.version), rotated.status, rotated.old_refused);
    Ok(())
}
