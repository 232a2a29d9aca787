//! What can be done with a credential besides sending it: it is identified, or rotated in four steps. The host makes, places and compares
//! values. The agent learns versions and statuses, but no value.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use effects::{ChangeNoted, EffectProgress, Failure, Permit, VaultChange};
use vault::{Changing, Local, LocalError, Outgoing, Secret};
use vocabulary::record::HostPurpose;
use vocabulary::{
    Act, Answer, Binding, Bounds, CredentialAnswer, CredentialFault, CredentialStep, Header, Identified, May, NotDone, OpId, Placement,
    Reason,
};

use crate::context::RunContext;
use crate::host_request::{For, OwnAnswer, OwnRequest};
use crate::steps::Steps;
use crate::values::Values;

/// One request of a rotation: its step in the binding, and its purpose on the record.
#[derive(Clone, Copy)]
struct StepRequest {
    step: &'static CredentialStep,
    purpose: HostPurpose,
}

const SET: StepRequest = StepRequest { step: &CredentialStep::Set, purpose: HostPurpose::RotationSet };
const TEST: StepRequest = StepRequest { step: &CredentialStep::Test, purpose: HostPurpose::RotationTest };
const PROBE: StepRequest = StepRequest { step: &CredentialStep::Finish, purpose: HostPurpose::RotationProbe };

/// The body of a request, and the new value that is put into it.
struct NewValue<'a> {
    body: Bytes,
    placement: &'a Placement,
    value: &'a Secret,
}

/// How a step ended.
struct Done {
    answer: CredentialAnswer,
    version: Option<u64>,
}

impl Done {
    fn of(answer: CredentialAnswer) -> Self {
        Self { answer, version: None }
    }

    fn not(why: NotDone) -> Self {
        Self::of(CredentialAnswer::NotDone(why))
    }

    fn with(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// Performs the step and reports the result. A step that has begun is finished, even if nobody waits for it or the lease is revoked: half
/// of a rotation could lock everybody out.
pub(crate) async fn done(values: &Arc<Values>, permit: Permit<Act>, steps: &Steps) -> Result<(), Failure> {
    let context = values.context();
    let denied = || Failure::from(CredentialFault::Denied);
    if permit.has_lapsed(context.clock.latest_s()) {
        return Err(Failure { refused: Some(Reason::GrantExpired), ..denied() });
    }
    if permit.credential().is_some_and(|name| context.has_ended(name)) {
        return Err(denied());
    }
    let own = Arc::clone(values);
    let step = context.finishing.finish(async move { step(&own, permit).await });
    let Done { answer, version } = step.await.flatten().ok_or_else(denied)?;
    steps.tell(EffectProgress::Answer { answer: Answer::Credential(answer), version }).await;
    Ok(())
}

async fn step(values: &Arc<Values>, permit: Permit<Act>) -> Option<Done> {
    let op = permit.op();
    let (Act::Credential(ask), bounds) = permit.into_ask() else { return None };
    if let CredentialStep::Identify(value) = &ask.step {
        return Some(Done::of(CredentialAnswer::Identified(identified(values, value, op).await)));
    }
    let context = values.context();
    let binding = context.bindings().iter().find(|binding| binding.name == ask.name)?;
    let rotating = Rotating { context, binding, bounds: &bounds, local: context.vault.local().clone(), op };
    match &ask.step {
        CredentialStep::Identify(_) => None,
        CredentialStep::Create => rotating.create().await,
        CredentialStep::Set => rotating.set().await,
        CredentialStep::Test => rotating.test().await,
        CredentialStep::Finish => rotating.finish().await,
    }
}

async fn identified(values: &Values, found: &[u8], op: OpId) -> Option<Identified> {
    let context = values.context();
    for binding in context.bindings() {
        let may = context.spec.grants.may.get(&binding.name).is_some_and(|may| may.contains(&May::Identify));
        if may
            && let Some(value) = values.any(binding, op).await
            && value.secret.is_value(found)
        {
            return Some(Identified { name: binding.name.clone(), version: value.version.unwrap_or(0) });
        }
    }
    None
}

struct Rotating<'a> {
    context: &'a Arc<RunContext>,
    binding: &'a Binding,
    bounds: &'a Bounds,
    local: Local,
    op: OpId,
}

impl Rotating<'_> {
    /// The vault reads and writes files, so it is used on a thread for blocking work.
    async fn vault<T: Send + 'static>(&self, ask: impl FnOnce(&Local, &str) -> Result<T, LocalError> + Send + 'static) -> Option<T> {
        let (local, name) = (self.local.clone(), self.binding.name.clone());
        tokio::task::spawn_blocking(move || ask(&local, &name)).await.ok()?.ok()
    }

    async fn create(&self) -> Option<Done> {
        // A staged value may be the only copy of the value that the target has accepted.
        if let Some((_, version)) = self.vault(|local, name| local.staged(name)).await {
            return Some(Done::of(CredentialAnswer::Created { version }));
        }
        let value = Secret::random()?;
        let version = self.vault(move |local, name| local.stage(name, value)).await;
        Some(version.map_or_else(|| Done::not(NotDone::NoValue), |version| Done::of(CredentialAnswer::Created { version })))
    }

    async fn set(&self) -> Option<Done> {
        let rotation = self.binding.rotation.as_ref()?;
        let Some((new, _)) = self.vault(|local, name| local.staged(name)).await else { return Some(Done::not(NotDone::NoNewValue)) };
        let Some((old, version)) = self.vault(|local, name| local.get(name)).await else { return Some(Done::not(NotDone::NoValue)) };
        let body = Bytes::from(rotation.set.body.clone().into_bytes());
        let placement = Placement::Json { field: rotation.set.field.clone() };
        let answer = self.send(SET, &old, Some(NewValue { body, placement: &placement, value: &new })).await;
        Some(Done::of(tried(answer.as_ref())).with(version))
    }

    async fn test(&self) -> Option<Done> {
        let Some((new, version)) = self.vault(|local, name| local.staged(name)).await else { return Some(Done::not(NotDone::NoNewValue)) };
        let answer = self.send(TEST, &new, None).await;
        Some(Done::of(tried(answer.as_ref())).with(version))
    }

    /// INVARIANT: the new value replaces the old one only after the target has accepted it.
    async fn finish(&self) -> Option<Done> {
        let Some((new, version)) = self.vault(|local, name| local.staged(name)).await else { return Some(Done::not(NotDone::NoNewValue)) };
        let answer = self.send(TEST, &new, None).await;
        if !answer.as_ref().is_some_and(is_accepted) {
            return Some(Done::not(NotDone::NotAccepted));
        }
        let Some((_, old_version)) = self.vault(|local, name| local.get(name)).await else { return Some(Done::not(NotDone::NoValue)) };
        let context = Arc::clone(self.context);
        let Some(old) = self.vault(move |local, name| promoted(&context, local, name)).await else {
            return Some(Done::not(NotDone::NoValue));
        };
        let probe = self.send(PROBE, &old, None).await;
        let status = probe.as_ref().map(|answer| answer.status);
        self.context.own.wants.probed(self.op, &self.binding.name, old_version, status).await?;
        let refused = matches!(status, Some(401 | 403));
        Some(Done::of(CredentialAnswer::Finished { version, old_refused: refused, status }).with(version))
    }

    /// Sends the request of a step with a value, and with the new value in its body if there is one.
    async fn send(&self, StepRequest { step, purpose }: StepRequest, under: &Secret, new: Option<NewValue<'_>>) -> Option<OwnAnswer> {
        // SECURITY: the guest's own requests must not get either of them back.
        let both: Vec<&Secret> = std::iter::once(under).chain(new.as_ref().map(|new| new.value)).collect();
        self.context.note(self.binding, &both).await.ok()?;
        let now_unix_s = self.context.now_s();
        let (method, target) = self.binding.requests(step)?.into_iter().next()?;
        let destinations = self.vault(|local, name| local.kept(name)).await?.destinations;
        policy::destination::may_go(&self.binding.name, &destinations, std::iter::once(&target)).ok()?;
        let mut request = OwnRequest::new(method, target, self.bounds.addresses.clone());
        if let Some(NewValue { body, placement, value }) = new {
            request.headers.push(Header { name: "content-type".to_owned(), value: b"application/json".to_vec() });
            request.body = body;
            place(value, placement, &mut request, now_unix_s)?;
        }
        place(under, &self.binding.placement, &mut request, now_unix_s)?;
        request.send(&self.context.own, For { credential: &self.binding.name, op: self.op, purpose }).await
    }
}

/// Makes a new value the present one, and returns the old value. The change is noted and on the record before the vault is changed.
fn promoted(context: &RunContext, local: &Local, name: &str) -> Result<Secret, LocalError> {
    let noted = RefCell::new(None);
    let witness = |changing: &Changing<'_>| {
        let version = changing.listed.iter().find(|it| it.name == name).map_or(0, |it| it.version);
        let change = VaultChange { path: changing.path.to_owned(), bytes: changing.bytes.to_vec() };
        let note = context.own.wants.rotate(name, version, change);
        noted.replace(Some(note.ok_or_else(|| io::Error::other("the record could not be written"))?));
        Ok(())
    };
    let old = local.witnessed(&witness).promote(name, context.now_s())?;
    if let Some(ChangeNoted { done, gone }) = noted.take()
        && done.send(()).is_ok()
    {
        // If the reply never comes, the note stays, and the next opening of the home finds the change complete.
        let _ = gone.blocking_recv();
    }
    Ok(old)
}

fn place(value: &Secret, placement: &Placement, request: &mut OwnRequest, now_unix_s: u64) -> Option<()> {
    let OwnRequest { method, target, headers, body, .. } = request;
    vault::place(value, placement, &mut Outgoing { method, target, headers, body }, now_unix_s).ok().map(drop)
}

fn is_accepted(answer: &OwnAnswer) -> bool {
    (200..300).contains(&answer.status)
}

fn tried(answer: Option<&OwnAnswer>) -> CredentialAnswer {
    CredentialAnswer::Tried { accepted: answer.is_some_and(is_accepted), status: answer.map(|answer| answer.status) }
}
