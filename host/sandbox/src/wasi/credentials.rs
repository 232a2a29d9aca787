//! `bailiwick:agent/credentials`: what is done with a credential besides sending it. Each call is an act, and its answer comes as a release.

use effect::{Act, CredentialAsk, CredentialStep, HttpFault, Stop};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bindings::bailiwick::agent::credentials::{self, Credential, Identified, Rotated, Tried};
use crate::bindings::bailiwick::agent::types::{Refusal, RefusalCode};
use crate::guest::Guest;

/// BOUND: as `credentials.wit` says.
const VALUE_BYTES: std::ops::RangeInclusive<usize> = 8..=4096;
/// BOUND: a name that is not refused as malformed.
const NAME_BYTES_MAX: usize = 64;

/// What the host answers: the body of a release, as JSON.
#[derive(Deserialize)]
struct Answer<T> {
    /// None where it could not be done.
    done: Option<T>,
    /// One sentence, where it could not.
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize)]
struct Found {
    found: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    version: u64,
}

#[derive(Deserialize)]
struct Status {
    accepted: bool,
    status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Finished {
    version: u64,
    old_refused: bool,
    status: Option<u16>,
}

fn refusal(code: RefusalCode, hint: &str) -> Refusal {
    Refusal { code, hint: hint.to_owned() }
}

type Refusable<T> = wasmtime::Result<Result<T, Refusal>>;

impl Guest {
    /// Asks, and waits for the answer as for any other event.
    async fn credential<T: DeserializeOwned>(&mut self, name: String, step: CredentialStep) -> Refusable<T> {
        if name.len() > NAME_BYTES_MAX {
            return Ok(Err(refusal(RefusalCode::Malformed, "no credential has such a name")));
        }
        let op = self.world.submit(Act::Credential(CredentialAsk { name, step }))?;
        self.ops.open(op, &self.account);
        self.wait_until(|guest| guest.ops.get(op).is_none_or(|op| op.end.is_some())).await?;
        let (mut body, mut end) = (Vec::new(), None);
        if let Some(op) = self.ops.get_mut(op) {
            op.chunks.drain(..).for_each(|piece| body.extend_from_slice(&piece));
            end = op.end.take();
        }
        self.let_go(op)?;
        Ok(match end {
            Some(Ok(_)) => answer(&body)?,
            Some(Err(HttpFault::TooMany)) => Err(refusal(RefusalCode::OverLimit, "more often than it may")),
            // Asked before a crash, and settled by a person, or not told of to its end: it may have happened.
            Some(Err(HttpFault::Incomplete)) => Err(refusal(RefusalCode::Malformed, "its answer is lost, and it may have happened")),
            Some(Err(_)) | None => Err(refusal(RefusalCode::NotGranted, "nothing was granted that covers this")),
        })
    }
}

fn answer<T: DeserializeOwned>(body: &[u8]) -> wasmtime::Result<Result<T, Refusal>> {
    // What the host wrote itself; were it not to be read, the guest could not go on.
    let answer: Answer<T> = serde_json::from_slice(body).map_err(|_| Stop::RecordBroken)?;
    Ok(answer.done.ok_or_else(|| refusal(RefusalCode::Malformed, &answer.hint)))
}

impl credentials::Host for Guest {
    fn granted(&mut self) -> wasmtime::Result<Vec<Credential>> {
        let shown = |info: &crate::enter::CredentialInfo| Credential {
            name: info.name.clone(),
            kind: info.kind.to_owned(),
            hosts: info.hosts.clone(),
            may: info.may.iter().map(|may| (*may).to_owned()).collect(),
        };
        Ok(self.credentials.iter().map(shown).collect())
    }

    async fn identify(&mut self, value: String) -> Refusable<Option<Identified>> {
        if !VALUE_BYTES.contains(&value.len()) {
            return Ok(Err(refusal(RefusalCode::Malformed, "a value has 8 to 4,096 bytes")));
        }
        let found = self.credential::<Found>("*".to_owned(), CredentialStep::Identify(value.into_bytes().into())).await?;
        Ok(found.map(|found| found.found.map(|named| Identified { name: named.name, version: named.version })))
    }

    async fn rotation_create(&mut self, name: String) -> Refusable<u64> {
        Ok(self.credential::<Version>(name, CredentialStep::Create).await?.map(|made| made.version))
    }

    async fn rotation_set(&mut self, name: String) -> Refusable<Tried> {
        Ok(self.credential::<Status>(name, CredentialStep::Set).await?.map(tried))
    }

    async fn rotation_test(&mut self, name: String) -> Refusable<Tried> {
        Ok(self.credential::<Status>(name, CredentialStep::Test).await?.map(tried))
    }

    async fn rotation_finish(&mut self, name: String) -> Refusable<Rotated> {
        let finished = self.credential::<Finished>(name, CredentialStep::Finish).await?;
        Ok(finished.map(|it| Rotated { version: it.version, old_refused: it.old_refused, status: it.status }))
    }
}

fn tried(status: Status) -> Tried {
    Tried { accepted: status.accepted, status: status.status }
}
