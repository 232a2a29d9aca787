//! `policy diff`: which recorded acts of this home two configurations would answer differently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use journal::{Reader, StoredRecord};
use package::policy_answer::{self, PolicyAnswered, PolicyFacts, PolicyQuestion};
use serde::Serialize;
use service::Configured;
use vocabulary::record::{AskedFor, Record};
use vocabulary::{
    Act, CredentialAsk, CredentialStep, Digest, HttpAsk, HttpTarget, HttpTimeouts, Method, Principal, Resource, RunId, StepKind, exit,
};

use crate::err::CliError;
use crate::{log, out, place, words};

/// What both configurations answer to an act.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Change {
    agent: String,
    /// The act, as the record names it.
    asks: String,
    /// `null` if the configuration has no such agent.
    old: Option<PolicyAnswered>,
    new: Option<PolicyAnswered>,
}

/// Where a change was seen.
#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    change: Change,
    /// One record of such an act: RUN/SEQ.
    record: String,
    times: u64,
}

#[derive(Default, Serialize)]
struct Compared {
    changes: Vec<Seen>,
    /// Acts that both were asked about.
    compared: u64,
    /// Acts of which only the method and the address were kept: their headers and bodies were not compared.
    in_part: u64,
    /// Acts that can't be asked again, because they hold a value.
    left_out: u64,
}

/// What a record says about the acts of a run.
struct Replayed<'a> {
    agent: String,
    component: Digest,
    facts: PolicyFacts,
    new: &'a Configured,
    old: &'a Configured,
    started_by: Principal,
}

pub(super) fn diff(old: &Path, new: &Path, json: bool) -> Result<u8, CliError> {
    let place = place::place()?;
    let (old, new) = (Configured::load(Some(old), &place)?, Configured::load(Some(new), &place)?);
    let mut found: BTreeMap<Change, (String, u64)> = BTreeMap::new();
    let mut compared = Compared::default();
    match log::reader(&place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => {}
        reader => {
            let reader = reader?;
            for part in gate::runs(&reader)? {
                of_run(&reader, part.run, (&old, &new), (&mut compared, &mut found))?;
            }
        }
    }
    compared.changes = found.into_iter().map(|(change, (record, times))| Seen { change, record, times }).collect();
    if json {
        out::json(&compared)?
    } else {
        shown(&compared)?
    }
    Ok(exit::DONE)
}

fn of_run(
    reader: &Reader,
    run: RunId,
    (old, new): (&Configured, &Configured),
    (compared, found): (&mut Compared, &mut BTreeMap<Change, (String, u64)>),
) -> Result<(), CliError> {
    let mut replayed: Option<Replayed<'_>> = None;
    for stored in reader.of_run(run) {
        let stored = stored?;
        let Ok(record) = Record::parse(&stored.body) else { continue };
        if let Record::RunOpened(opened) = &record {
            let facts = PolicyFacts { run: Some(run), ..PolicyFacts::default() };
            let (agent, component) = (opened.agent.name.to_string(), opened.agent.digest);
            replayed = Some(Replayed { agent, component, facts, new, old, started_by: opened.by.clone() });
            continue;
        }
        let Some(replayed) = &mut replayed else { continue };
        match replayed.act(reader, &stored, &record) {
            Some(Asked::Whole(act)) => compared.compared += replayed.compare(&act, &stored, found),
            Some(Asked::InPart(act)) => {
                compared.in_part += 1;
                compared.compared += replayed.compare(&act, &stored, found);
            }
            Some(Asked::NotAgain) => compared.left_out += 1,
            None => {}
        }
        replayed.goes_on(&record);
    }
    Ok(())
}

/// An act of the record.
enum Asked {
    Whole(Act),
    InPart(Act),
    NotAgain,
}

impl Replayed<'_> {
    /// The act that was decided with this record, if one was. What is repeated, or was approved, has been compared before.
    fn act(&mut self, reader: &Reader, stored: &StoredRecord, record: &Record) -> Option<Asked> {
        let (asked, at) = match record {
            Record::Asked(asked) if !asked.again && asked.approval.is_none() => (&asked.ask, asked.at),
            Record::ApprovalAsked(asked) => (&asked.ask, asked.at),
            Record::Refused(refused) if refused.op > 0 && refused.counted.is_none() => (&refused.ask, refused.at),
            _ => return None,
        };
        self.facts.now_unix_s = at / 1000;
        asked.capability.act()?;
        Some(match gate::request(reader, stored) {
            Ok(http) => Asked::Whole(Act::Http(http)),
            Err(_) => of_resource(asked),
        })
    }

    fn compare(&self, act: &Act, stored: &StoredRecord, found: &mut BTreeMap<Change, (String, u64)>) -> u64 {
        let (approvals, started_by) = (BTreeSet::new(), &self.started_by);
        let question =
            PolicyQuestion { agent: &self.agent, approvals: &approvals, component: self.component, facts: &self.facts, started_by };
        let answer = |configured: &Configured| policy_answer::answer(&configured.resolved, &question, act);
        let (old, new) = (answer(self.old), answer(self.new));
        if old != new {
            let change = Change { agent: self.agent.clone(), asks: act.resource().line().to_string(), old, new };
            found.entry(change).or_insert_with(|| (format!("{}/{}", stored.run, stored.seq), 0)).1 += 1;
        }
        1
    }

    /// What later acts of the run may know.
    fn goes_on(&mut self, record: &Record) {
        match record {
            Record::Asked(asked) if !asked.again => self.facts.acts += 1,
            Record::LeaseProbed(probed) if probed.refused => drop(self.facts.proved.insert(probed.credential.to_string())),
            Record::LeaseProbed(probed) => drop(self.facts.proved.remove(probed.credential.as_str())),
            _ => {}
        }
    }
}

/// The act that a record names, without what only its sealed payload has.
fn of_resource(asked: &AskedFor) -> Asked {
    match &asked.resource {
        Resource::Credential(credential) => {
            let step = match credential.step {
                StepKind::Create => CredentialStep::Create,
                StepKind::Set => CredentialStep::Set,
                StepKind::Test => CredentialStep::Test,
                StepKind::Finish => CredentialStep::Finish,
                StepKind::Identify => return Asked::NotAgain,
            };
            let name = credential.name.as_ref().map(ToString::to_string).unwrap_or_default();
            Asked::Whole(Act::Credential(CredentialAsk { name, step }))
        }
        Resource::Http(http) => {
            let authority = format!("{}:{}", http.host, http.port);
            let target = HttpTarget::parse(http.scheme, &authority, http.path.as_str());
            match (target, Method::new(http.method.as_str())) {
                (Ok(target), Ok(method)) => {
                    let (headers, body, timeouts) = (Vec::new(), Vec::new().into(), HttpTimeouts::default());
                    Asked::InPart(Act::Http(HttpAsk { method, target, headers, body, timeouts }))
                }
                _ => Asked::NotAgain,
            }
        }
        _ => Asked::NotAgain,
    }
}

fn shown(compared: &Compared) -> Result<(), CliError> {
    let said = |answered: &Option<PolicyAnswered>| match answered {
        None => "no such agent".to_owned(),
        Some(PolicyAnswered { answer, policies, .. }) if policies.is_empty() => answer.to_string(),
        Some(PolicyAnswered { answer, policies, .. }) => format!("{answer} by {}", policies.join(", ")),
    };
    for Seen { change: Change { agent, asks, old, new }, record, times } in &compared.changes {
        let how_often = if *times == 1 { "once".to_owned() } else { words::many(*times, "time", "times") };
        out::line(&words::safe(&format!("{agent}: {asks} ({how_often}, {record})")))?;
        out::line(&words::safe(&format!("  - {}", said(old))))?;
        out::line(&words::safe(&format!("  + {}", said(new))))?;
    }
    let changes = words::many(compared.changes.len() as u64, "change", "changes");
    let mut told = format!("{changes} in {}", words::many(compared.compared, "recorded act", "recorded acts"));
    if compared.in_part > 0 {
        told += &format!("; of {} only the method and the address are known", compared.in_part);
    }
    if compared.left_out > 0 {
        told += &format!("; {} can't be asked again", compared.left_out);
    }
    out::words(&told);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Asked, of_resource};
    use vocabulary::record::AskedFor;
    use vocabulary::{Capability, Function, HttpResource, Method, Resource, Scheme};

    #[test]
    fn a_request_that_was_not_kept_is_known_by_its_method_and_address() {
        let target = "https://a.test/x".parse().unwrap_or_else(|err| unreachable!("{err}"));
        let method = Method::new("GET").unwrap_or_else(|err| unreachable!("{err}"));
        let resource = Resource::Http(HttpResource::new(&method, &target));
        let (capability, function) = (Capability::Http, Function::HttpHandle);
        let asked = AskedFor { capability, function, headers: Vec::new(), placeholders: 0, resolved: None, resource };
        assert_eq!(Scheme::Https, target.scheme);
        assert!(matches!(of_resource(&asked), Asked::InPart(vocabulary::Act::Http(http)) if http.target == target));
    }
}
