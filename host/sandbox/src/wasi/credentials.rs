//! `bailiwick:agent/credentials`: what is done with a credential besides sending it. Each call is an act, and its answer comes as a
//! release.

use vocabulary::{Act, Answer, CredentialAnswer, CredentialAsk, CredentialFault, CredentialStep, Fault, NotDone, Stop};

use super::Reply;
use crate::bindings::bailiwick::agent::credentials::{self, Credential, Identified, Rotated, Tried};
use crate::bindings::bailiwick::agent::types::{Refusal, RefusalCode};
use crate::guest::Guest;

/// BOUND: bytes of a value, as in `credentials.wit`.
const VALUE_BYTES: std::ops::RangeInclusive<usize> = 8..=4096;
/// BOUND: bytes of a name. A longer name is refused as malformed.
const NAME_BYTES_MAX: usize = 64;

fn refusal(code: RefusalCode, hint: &str) -> Refusal {
    Refusal { code, hint: hint.to_owned() }
}

type Refusable<T> = Reply<T, Refusal>;

impl Guest {
    /// Asks for a step with a credential, and waits for the answer as for any other event.
    async fn credential(&mut self, name: String, step: CredentialStep) -> Refusable<CredentialAnswer> {
        if name.len() > NAME_BYTES_MAX {
            return Ok(Err(refusal(RefusalCode::Malformed, "no credential has such a name")));
        }
        let op = self.world.submit(Act::Credential(CredentialAsk { name, step }))?;
        self.ops.open(op, &self.account);
        self.wait_until(|guest| guest.ops.get(op).is_none_or(|op| op.answer.is_some() || op.end.is_some())).await?;
        let answer = self.ops.get_mut(op).and_then(|op| op.answer.take());
        self.let_go(op)?;
        Ok(match answer {
            Some(Ok(Answer::Credential(CredentialAnswer::NotDone(why)))) => Err(refusal(RefusalCode::Malformed, hint(why))),
            Some(Ok(Answer::Credential(answer))) => Ok(answer),
            Some(Err(Fault::Credential(CredentialFault::OverLimit))) => Err(refusal(RefusalCode::OverLimit, "more often than it may")),
            // Asked before a crash, and settled by a person, or not told of to its end: it may have happened.
            Some(Err(Fault::Credential(CredentialFault::Lost))) => {
                Err(refusal(RefusalCode::Malformed, "its answer is lost, and it may have happened"))
            }
            Some(Err(Fault::Credential(CredentialFault::Denied) | Fault::Http(_))) | None => {
                Err(refusal(RefusalCode::NotGranted, "nothing was granted that covers this"))
            }
        })
    }

    /// As [`Guest::credential`], for a step that has one kind of answer.
    async fn answered<T>(&mut self, name: String, step: CredentialStep, of: impl FnOnce(CredentialAnswer) -> Option<T>) -> Refusable<T> {
        match self.credential(name, step).await? {
            // The answer comes from the host. If it had another kind, the guest could not continue.
            Ok(answer) => Ok(Ok(of(answer).ok_or(Stop::RecordBroken)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

/// Why a step was not done, as a hint for the agent's author.
fn hint(why: NotDone) -> &'static str {
    match why {
        NotDone::NoNewValue => "no new value waits: `rotation-create` comes first",
        NotDone::NotAccepted => "the target does not accept the new value, and nothing was changed",
        NotDone::NoValue => "the credential has no value",
    }
}

fn tried(answer: CredentialAnswer) -> Option<Tried> {
    match answer {
        CredentialAnswer::Tried { accepted, status } => Some(Tried { accepted, status }),
        _ => None,
    }
}

impl credentials::Host for Guest {
    fn granted(&mut self) -> wasmtime::Result<Vec<Credential>> {
        let shown = |info: &crate::start::CredentialInfo| Credential {
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
        let step = CredentialStep::Identify(value.into_bytes().into());
        let found = |answer| match answer {
            CredentialAnswer::Identified(found) => Some(found.map(|it| Identified { name: it.name, version: it.version })),
            _ => None,
        };
        self.answered("*".to_owned(), step, found).await
    }

    async fn rotation_create(&mut self, name: String) -> Refusable<u64> {
        let version = |answer| match answer {
            CredentialAnswer::Created { version } => Some(version),
            _ => None,
        };
        self.answered(name, CredentialStep::Create, version).await
    }

    async fn rotation_set(&mut self, name: String) -> Refusable<Tried> {
        self.answered(name, CredentialStep::Set, tried).await
    }

    async fn rotation_test(&mut self, name: String) -> Refusable<Tried> {
        self.answered(name, CredentialStep::Test, tried).await
    }

    async fn rotation_finish(&mut self, name: String) -> Refusable<Rotated> {
        let rotated = |answer| match answer {
            CredentialAnswer::Finished { version, old_refused, status } => Some(Rotated { version, old_refused, status }),
            _ => None,
        };
        self.answered(name, CredentialStep::Finish, rotated).await
    }
}
