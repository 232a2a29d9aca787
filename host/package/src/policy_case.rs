//! Cases for policies: an ask, and the answer that is expected. They are kept beside the policies and run in CI.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use policy::PolicyFacts;
use serde::Deserialize;
use vocabulary::{Act, CredentialAsk, CredentialStep, Digest, Header, HttpAsk, HttpTimeouts, Method, Principal, SafeText};

use crate::config::Resolved;
use crate::file::{self, FileError};
use crate::policy_answer::{self, PolicyAnswer, PolicyAnswered, PolicyQuestion};

/// BOUND: bytes of one file of cases, and files.
const FILE_BYTES_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 1000;
/// The time at which a case is asked, if it has none: 2026-11-30 in UTC.
const NOW_S: u64 = 1_796_000_000;

/// One file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    case: Vec<WrittenCase>,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenCase {
    name: String,
    agent: String,
    /// `METHOD URL`.
    request: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    credential: Option<String>,
    step: Option<CaseStep>,
    started_by: Option<String>,
    #[serde(default)]
    approvals: BTreeSet<String>,
    #[serde(default)]
    proved: BTreeSet<String>,
    now_s: Option<u64>,
    expect: PolicyAnswer,
    policies: Option<BTreeSet<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CaseStep {
    Create,
    Set,
    Test,
    Finish,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CaseResult {
    /// The answer.
    pub answer: PolicyAnswer,
    /// The answer that was expected.
    pub expected: PolicyAnswer,
    /// The policies that were expected to determine it, if the case says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_policies: Option<Vec<String>>,
    /// The file.
    pub file: PathBuf,
    /// The name of the case.
    pub name: SafeText,
    /// Whether the answer is the expected one.
    pub passed: bool,
    /// The policies that determined it.
    pub policies: Vec<String>,
    /// Why it is refused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Cases can't be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The configuration has no policies.
    #[error("the configuration has no `[policy]`, so there is nothing to test")]
    NoPolicies,
    /// The configuration names no folder with cases.
    #[error("`[policy]` names no folder with cases: `tests = \"policy/tests\"`")]
    NoFolder,
    /// The folder has no case.
    #[error("`{}` has no file `*.toml` with a `[[case]]`", .0.display())]
    NoCases(PathBuf),
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file has a fault.
    #[error("`{}` is not a file of cases", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The fault, with its place.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// A case has a fault.
    #[error("the case `{name}` in `{}`: {why}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// The case.
        name: SafeText,
        /// What is wrong.
        why: String,
    },
}

/// Runs all cases of a configuration.
///
/// # Errors
/// There are no cases, or one of them has a fault.
pub fn run(resolved: &Resolved) -> Result<Vec<CaseResult>, CaseError> {
    let section = resolved.policy.as_ref().ok_or(CaseError::NoPolicies)?;
    let folder = section.tests.clone().ok_or(CaseError::NoFolder)?;
    let mut results = Vec::new();
    for path in files(&folder)? {
        let bytes = file::read(&path, FILE_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        let read: CaseFile = toml::from_str(&text).map_err(|cause| CaseError::Wrong { path: path.clone(), cause: Box::new(cause) })?;
        for case in read.case {
            let wrong = |why| CaseError::Case { path: path.clone(), name: SafeText::new(&case.name, 200), why };
            results.push(one(resolved, &case, &path).map_err(wrong)?);
        }
    }
    if results.is_empty() { Err(CaseError::NoCases(folder)) } else { Ok(results) }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let entries = folder.read_dir().map_err(file::failed("read", folder))?;
    let mut found = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let path = entry.map_err(file::failed("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn one(resolved: &Resolved, case: &WrittenCase, path: &Path) -> Result<CaseResult, String> {
    let act = act(case)?;
    let started_by = Principal::new(0, case.started_by.as_deref());
    let now_unix_s = case.now_s.unwrap_or(NOW_S);
    let facts = PolicyFacts { calls_left: u64::MAX, now_unix_s, proved: case.proved.clone(), ..PolicyFacts::default() };
    let (approvals, component) = (&case.approvals, Digest::of(b""));
    let question = PolicyQuestion { agent: &case.agent, approvals, component, facts: &facts, started_by: &started_by };
    let answered = policy_answer::answer(resolved, &question, &act);
    let answered = answered.ok_or_else(|| format!("there is no agent `{}`", SafeText::new(&case.agent, 64)))?;
    let PolicyAnswered { answer, policies, reason } = answered;
    let expected_policies = case.policies.as_ref().map(|policies| policies.iter().cloned().collect::<Vec<_>>());
    let passed = answer == case.expect && expected_policies.as_ref().is_none_or(|expected| *expected == policies);
    let (file, name) = (path.to_owned(), SafeText::new(&case.name, 200));
    Ok(CaseResult { answer, expected: case.expect, expected_policies, file, name, passed, policies, reason })
}

fn act(case: &WrittenCase) -> Result<Act, String> {
    match (&case.request, &case.credential, case.step) {
        (Some(request), None, None) => {
            let (method, url) = request.split_once(' ').ok_or("`request` must be a method and a URL: `POST https://api.example.com/x`")?;
            let header = |(name, value): (&String, &String)| Header { name: name.to_ascii_lowercase(), value: value.as_bytes().to_vec() };
            Ok(Act::Http(HttpAsk {
                method: Method::new(method).map_err(|err| err.to_string())?,
                target: url.trim().parse().map_err(|err: vocabulary::ParseError| err.to_string())?,
                headers: case.headers.iter().map(header).collect(),
                body: Bytes::copy_from_slice(case.body.as_bytes()),
                timeouts: HttpTimeouts::default(),
            }))
        }
        (None, Some(name), Some(step)) => {
            let step = match step {
                CaseStep::Create => CredentialStep::Create,
                CaseStep::Set => CredentialStep::Set,
                CaseStep::Test => CredentialStep::Test,
                CaseStep::Finish => CredentialStep::Finish,
            };
            Ok(Act::Credential(CredentialAsk { name: name.clone(), step }))
        }
        _ => Err("a case has either `request`, or `credential` and `step`".to_owned()),
    }
}
