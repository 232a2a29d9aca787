//! What can be done with a credential besides sending it: it is identified, or rotated in four steps. The host makes, places and compares
//! values. The agent learns versions and statuses, and no value.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use effect::record::HostPurpose;
use effect::{Act as Asked, Binding, Bounds, CredentialAsk, CredentialStep, Header, HttpFault, May, OpId, Placement, Stop};
use gate::{Acted, NoAnswer, Permit};
use serde_json::{Value, json};
use vault::{Changing, Local, LocalError, Outgoing, Secret};

use crate::act::Act;
use crate::leased::Leased;
use crate::own::{For, OwnAnswer, OwnRequest};

/// Why a step was not done, in words for the agent's author.
const NO_NEW_VALUE: &str = "no new value waits: `rotation-create` comes first";
const NOT_ACCEPTED: &str = "the target does not accept the new value, and nothing was changed";
const NO_VALUE: &str = "the credential has no value";

/// The requests of a rotation: as they are in the binding, and as they are on the record.
const SET: (&CredentialStep, HostPurpose) = (&CredentialStep::Set, HostPurpose::RotationSet);
const TEST: (&CredentialStep, HostPurpose) = (&CredentialStep::Test, HostPurpose::RotationTest);
const PROBE: (&CredentialStep, HostPurpose) = (&CredentialStep::Finish, HostPurpose::RotationProbe);

/// How a step ended.
struct Done {
    answer: Value,
    outcome: Acted,
    version: Option<u64>,
}

impl Done {
    fn of(answer: Value) -> Self {
        Self { answer: json!({ "done": answer }), outcome: Acted::Done, version: None }
    }

    fn not(hint: &str) -> Self {
        Self { answer: json!({ "done": null, "hint": hint }), outcome: Acted::NotDone, version: None }
    }

    fn with(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// Does what was asked, and puts the result on the record. A step that has begun is finished, even if nobody waits for it or the lease
/// ends: half of a rotation would lock everybody out.
pub(crate) async fn done(act: &Act, permit: Permit<Asked>, ask: &CredentialAsk) -> Result<Result<Value, HttpFault>, Stop> {
    let leased = &act.leased;
    let credential = permit.bounds().credential.clone();
    let denied = NoAnswer { fault: HttpFault::Denied, peer: None, refused: None };
    if credential.as_deref().is_some_and(|name| leased.has_ended(name)) {
        permit.unanswered(denied)?;
        return Ok(Err(HttpFault::Denied));
    }
    let (own, ask, bounds, op) = (Arc::clone(leased), ask.clone(), permit.bounds().clone(), permit.op());
    let step = leased.finishing.finish(async move { step(&own, &ask, (&bounds, op)).await });
    let step = tokio::select! {
        biased;
        () = leased.ended(credential.as_deref()) => {
            // It goes on by itself.
            permit.left_unknown(HttpFault::Denied)?;
            return Ok(Err(HttpFault::Denied));
        }
        step = step => step.transpose()?.flatten(),
    };
    match step {
        Some(Done { answer, outcome, version }) => {
            permit.acted(outcome, version)?;
            Ok(Ok(answer))
        }
        None => {
            permit.unanswered(denied)?;
            Ok(Err(HttpFault::Denied))
        }
    }
}

async fn step(leased: &Arc<Leased>, ask: &CredentialAsk, (bounds, op): (&Bounds, OpId)) -> Result<Option<Done>, Stop> {
    if let CredentialStep::Identify(value) = &ask.step {
        return Ok(Some(Done::of(json!({ "found": identified(leased, value, op).await }))));
    }
    let Some(binding) = leased.bindings.iter().find(|binding| binding.name == ask.name) else { return Ok(None) };
    let rotating = Rotating { leased, binding, bounds, local: leased.vault.local().clone(), op };
    Ok(match &ask.step {
        CredentialStep::Identify(_) => None,
        CredentialStep::Create => rotating.create().await,
        CredentialStep::Set => rotating.set().await,
        CredentialStep::Test => rotating.test().await,
        CredentialStep::Finish => rotating.finish().await?,
    })
}

async fn identified(leased: &Arc<Leased>, found: &[u8], op: OpId) -> Option<Value> {
    let grants = &leased.gate.opening().standing.grants;
    for binding in &leased.bindings {
        let may = grants.may.get(&binding.name).is_some_and(|may| may.contains(&May::Identify));
        if may
            && let Some(value) = leased.value(binding, op).await
            && value.secret.is_value(found)
        {
            return Some(json!({ "name": binding.name, "version": value.version.unwrap_or(0) }));
        }
    }
    None
}

struct Rotating<'a> {
    leased: &'a Arc<Leased>,
    binding: &'a Binding,
    bounds: &'a Bounds,
    local: Local,
    op: OpId,
}

impl Rotating<'_> {
    /// The vault reads and writes files: not where others wait for their turn.
    async fn vault<T: Send + 'static>(&self, ask: impl FnOnce(&Local, &str) -> Result<T, LocalError> + Send + 'static) -> Option<T> {
        let (local, name) = (self.local.clone(), self.binding.name.clone());
        tokio::task::spawn_blocking(move || ask(&local, &name)).await.ok()?.ok()
    }

    async fn create(&self) -> Option<Done> {
        // A new value that waits may be the only copy of the value that the target was given.
        if let Some((_, version)) = self.vault(|local, name| local.staged(name)).await {
            return Some(Done::of(json!({ "version": version })));
        }
        let value = Secret::random()?;
        let version = self.vault(move |local, name| local.stage(name, value)).await;
        Some(version.map_or_else(|| Done::not(NO_VALUE), |version| Done::of(json!({ "version": version }))))
    }

    async fn set(&self) -> Option<Done> {
        let rotation = self.binding.rotation.as_ref()?;
        let Some((new, _)) = self.vault(|local, name| local.staged(name)).await else { return Some(Done::not(NO_NEW_VALUE)) };
        let Some((old, version)) = self.vault(|local, name| local.get(name)).await else { return Some(Done::not(NO_VALUE)) };
        let body = Bytes::from(rotation.set.body.clone().into_bytes());
        let placed = Placement::Json { field: rotation.set.field.clone() };
        let answer = self.send(SET, &old, Some((body, &placed, &new))).await;
        Some(Done::of(tried(answer.as_ref())).with(version))
    }

    async fn test(&self) -> Option<Done> {
        let Some((new, version)) = self.vault(|local, name| local.staged(name)).await else { return Some(Done::not(NO_NEW_VALUE)) };
        let answer = self.send(TEST, &new, None).await;
        Some(Done::of(tried(answer.as_ref())).with(version))
    }

    /// INVARIANT: the new value takes the old one's place only after the target accepted it.
    async fn finish(&self) -> Result<Option<Done>, Stop> {
        let Some((new, version)) = self.vault(|local, name| local.staged(name)).await else { return Ok(Some(Done::not(NO_NEW_VALUE))) };
        let answer = self.send(TEST, &new, None).await;
        if !answer.as_ref().is_some_and(is_accepted) {
            return Ok(Some(Done::not(NOT_ACCEPTED)));
        }
        let Some((_, old_version)) = self.vault(|local, name| local.get(name)).await else { return Ok(Some(Done::not(NO_VALUE))) };
        let leased = Arc::clone(self.leased);
        let Some(old) = self.vault(move |local, name| promoted(&leased, local, name)).await else { return Ok(Some(Done::not(NO_VALUE))) };
        let probe = self.send(PROBE, &old, None).await;
        let status = probe.as_ref().map(|answer| answer.status);
        self.leased.gate.probed(self.op, &self.binding.name, old_version, status)?;
        let refused = matches!(status, Some(401 | 403));
        Ok(Some(Done::of(json!({ "version": version, "old-refused": refused, "status": status })).with(version)))
    }

    /// The request of a step, under a value, and with another one in its body where there is one.
    async fn send(
        &self,
        (step, purpose): (&CredentialStep, HostPurpose),
        under: &Secret,
        body: Option<(Bytes, &Placement, &Secret)>,
    ) -> Option<OwnAnswer> {
        // SECURITY: the guest's own requests must not bring any of them back either.
        let both: Vec<&Secret> = std::iter::once(under).chain(body.as_ref().map(|(_, _, new)| *new)).collect();
        self.leased.note(self.binding, &both).await.ok()?;
        let now_unix_s = self.leased.gate.clock().unix_ns() / 1_000_000_000;
        let (method, target) = self.binding.requests(step)?.into_iter().next()?;
        let destinations = self.vault(|local, name| local.kept(name)).await?.destinations;
        policy::destination::may_go(&self.binding.name, &destinations, std::iter::once(&target)).ok()?;
        let mut request = OwnRequest::new(method, target, self.bounds.addresses.clone());
        if let Some((text, placed, value)) = body {
            request.headers.push(Header { name: "content-type".to_owned(), value: b"application/json".to_vec() });
            request.body = text;
            place(value, placed, &mut request, now_unix_s)?;
        }
        place(under, &self.binding.placement, &mut request, now_unix_s)?;
        request.send(self.leased, For { credential: &self.binding.name, op: self.op, purpose }).await
    }
}

/// Has the new value take the old one's place, and gives the old one. It is noted and on the record before the vault is changed.
fn promoted(leased: &Leased, local: &Local, name: &str) -> Result<Secret, LocalError> {
    let (gate, noted) = (&leased.gate, RefCell::new(None));
    let witness = |changing: &Changing<'_>| {
        let version = changing.listed.iter().find(|it| it.name == name).map_or(0, |it| it.version);
        let record = gate.rotation(name, version);
        let note = leased.notes.begin(gate.opening().run, &record, changing)?;
        // If this fails, the note stays: the record may be there nevertheless.
        gate.rotated(record).map_err(|_| io::Error::other("the record could not be written"))?;
        noted.replace(Some(note));
        Ok(())
    };
    let old = local.witnessed(&witness).promote(name, leased.now_s())?;
    if let Some(note) = noted.take() {
        note.done();
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

fn tried(answer: Option<&OwnAnswer>) -> Value {
    json!({ "accepted": answer.is_some_and(is_accepted), "status": answer.map(|answer| answer.status) })
}
