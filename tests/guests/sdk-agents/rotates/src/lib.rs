//! Does the steps of a rotation in the order of its input, and asks for each line of a file, read backwards, which credential it is. So the
//! value itself is only in the ask. Reports the answers.

use bailiwick_sdk::credentials::{self, Identified, Rotated, Tried};
use bailiwick_sdk::{Failure, JsonSchema, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The credential to rotate.
    #[serde(default)]
    name: String,
    /// The steps `create`, `set`, `test`, `finish`, in any order and number.
    #[serde(default)]
    steps: Vec<Step>,
    /// A file with a value in each line, written backwards.
    #[serde(default)]
    look_in: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Create,
    Set,
    Test,
    Finish,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    granted: Vec<Granted>,
    steps: Vec<Told>,
    found: Vec<Told>,
}

#[derive(Serialize, JsonSchema)]
struct Granted {
    name: String,
    kind: String,
    hosts: Vec<String>,
    may: Vec<String>,
}

/// The answers of the host; parts that it did not give are absent.
#[derive(Default, Serialize, JsonSchema)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_refused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

impl From<u64> for Told {
    fn from(version: u64) -> Self {
        Self { version: Some(version), ..Self::default() }
    }
}

impl From<Tried> for Told {
    fn from(Tried { accepted, status }: Tried) -> Self {
        Self { accepted: Some(accepted), status, ..Self::default() }
    }
}

impl From<Rotated> for Told {
    fn from(Rotated { version, old_refused, status }: Rotated) -> Self {
        Self { version: Some(version), old_refused: Some(old_refused), status, ..Self::default() }
    }
}

impl From<Option<Identified>> for Told {
    fn from(found: Option<Identified>) -> Self {
        found.map_or_else(Self::default, |Identified { name, version }| Self {
            name: Some(name),
            version: Some(version),
            ..Self::default()
        })
    }
}

fn told<T: Into<Told>>(answer: Result<T, Refusal>) -> Told {
    answer.map_or_else(|refusal| Told { refusal: Some(refusal.to_string()), ..Told::default() }, Into::into)
}

fn run(input: Input) -> Result<Output, Failure> {
    let granted = credentials::granted().into_iter();
    let granted =
        granted.map(|credential| Granted { name: credential.name, kind: credential.kind, hosts: credential.hosts, may: credential.may });
    let granted = granted.collect();
    let step = |step: &Step| match step {
        Step::Create => told(credentials::rotation_create(&input.name)),
        Step::Set => told(credentials::rotation_set(&input.name)),
        Step::Test => told(credentials::rotation_test(&input.name)),
        Step::Finish => told(credentials::rotation_finish(&input.name)),
    };
    let steps = input.steps.iter().map(step).collect();
    let values = input.look_in.as_ref().map_or(Ok(String::new()), std::fs::read_to_string);
    let values = values.map_err(|err| Failure::new("unreadable", err.to_string()))?;
    let found = values.lines().map(|line| told(credentials::identify(&line.chars().rev().collect::<String>()))).collect();
    Ok(Output { granted, steps, found })
}

bailiwick_sdk::agent!(run);
