//! The order of the work: identify, ticket, sandbox, production, ticket.

use crate::host::Credentials;
use crate::input::Input;
use crate::place;
use crate::rotation::{Rotation, Stage, rotate};
use crate::ticket::Tickets;
use bailiwick_sdk::findings::{self, Finding, Severity};
use bailiwick_sdk::{Failure, JsonSchema, log, progress};
use serde::Serialize;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// The credential whose value leaked; none if the host knows no such value.
    pub credential: Option<String>,
    /// Whether its value is a new one now, and the leaked one gives access no more.
    pub done: bool,
    /// The rotations, in their order.
    pub rotations: Vec<Rotation>,
    /// The ticket for the change.
    pub ticket: Option<Ticketed>,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ticketed {
    /// Its number in the tracker.
    pub id: String,
    /// Whether it was closed, because nothing is left to do.
    pub closed: bool,
}

pub(crate) fn work(input: &Input, host: &mut dyn Credentials) -> Result<Output, Failure> {
    input.check()?;
    let tickets = Tickets::at(&input.tracker)?;
    let Some(name) = identified(input, host)? else {
        tell(input, "unknown-value", Severity::Medium, "the host knows no credential with the leaked value");
        return Ok(Output::default());
    };
    let plan = plan(input, &name)?;
    let place = &input.finding.location;
    let found = format!("{}:{}:{}", place.uri, place.line, place.column);
    let steps: Vec<String> = plan.iter().map(|(name, stage)| format!("- {}: rotate {name}, and try its old value", stage.word())).collect();
    let text = format!("leak-scan ({}) found the value of {name} at {found}.\n\n{}", input.finding.rule, steps.join("\n"));
    let ticket = tickets.open(&format!("Rotate {name}: leaked at {found}"), &text)?;
    log::info!("ticket {} is {}", ticket.id, if ticket.is_old { "open already" } else { "opened" });

    let mut output = Output { credential: Some(name), ..Output::default() };
    let count = plan.len() as u64;
    for (done, (name, stage)) in (0..).zip(plan) {
        progress::update(done, count, &format!("rotates {name} in {}", stage.word()));
        let rotation = rotate(host, &name, stage);
        log::info!("{}", rotation.words());
        let goes_on = rotation.is_proved();
        output.rotations.push(rotation);
        if !goes_on {
            break;
        }
    }
    output.done = output.rotations.len() as u64 == count && output.rotations.iter().all(Rotation::is_proved);
    if !output.done {
        tell(input, "not-rotated", Severity::High, "the leaked value may still give access");
    }
    let result: Vec<String> = output.rotations.iter().map(Rotation::words).collect();
    tickets.note(&ticket.id, &result.join("\n"), output.done.then_some("resolved"))?;
    output.ticket = Some(Ticketed { id: ticket.id, closed: output.done });
    Ok(output)
}

/// The credential that the leaked value is.
fn identified(input: &Input, host: &mut dyn Credentials) -> Result<Option<String>, Failure> {
    let place = &input.finding.location;
    let values = place::candidates(place).map_err(|err| Failure::new("unreadable", format!("could not read {}: {err}", place.uri)))?;
    for value in values {
        match host.identify(&value) {
            Ok(Some(known)) => return Ok(Some(known.name)),
            Ok(None) => {}
            Err(refusal) => return Err(Failure::new("not-identified", refusal.to_string())),
        }
    }
    Ok(None)
}

/// The credentials to rotate, in their order. What leaked in the sandbox is rotated there only.
fn plan(input: &Input, name: &str) -> Result<Vec<(String, Stage)>, Failure> {
    if input.stand_ins.values().any(|other| other == name) {
        return Ok(vec![(name.to_owned(), Stage::Sandbox)]);
    }
    let none = || Failure::new("no-stand-in", format!("`stand-ins` names no credential of the sandbox for `{name}`, which leaked"));
    let other = input.stand_ins.get(name).ok_or_else(none)?;
    Ok(vec![(other.clone(), Stage::Sandbox), (name.to_owned(), Stage::Production)])
}

fn tell(input: &Input, rule: &str, severity: Severity, title: &str) {
    let place = &input.finding.location;
    if let Err(refusal) = findings::report(Finding::new(rule, severity, title).at(&*place.uri, place.line, place.column)) {
        log::warn!("the finding `{rule}` was {refusal}");
    }
}
