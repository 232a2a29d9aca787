//! Reads and checks the files of a policy set.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use cedar_policy::{Policy, PolicyId, ValidationMode, Validator};
use miette::Diagnostic;
use vocabulary::{Person, PolicyFile, SafeText, is_name};

use super::fault::PolicyFault;
use super::notes::Notes;
use super::schema::schema;
use super::types::Types;

/// BOUND: policies in one set.
const POLICIES_MAX: usize = 10_000;

pub(super) struct ReadPolicies {
    pub(super) policies: Vec<Policy>,
    pub(super) notes: BTreeMap<PolicyId, Notes>,
    pub(super) types: Types,
}

/// Where a policy is written.
struct Written<'a> {
    file: &'a PolicyFile,
    byte: usize,
}

/// Reads all files, and checks them together.
pub(super) fn read(files: &[PolicyFile], people: &BTreeMap<String, Person>) -> Result<ReadPolicies, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let mut known: BTreeMap<String, (Policy, Written<'_>)> = BTreeMap::new();
    for file in files {
        for (policy, byte) in parse(file, &mut faults) {
            let fault = |what: &str| PolicyFault::at(file, byte, what);
            let Some(id) = policy.annotation("id").map(str::to_owned) else {
                faults.push(fault("the policy has no `@id`: the record and people name it by that"));
                continue;
            };
            if !is_name(&id) {
                let what = format!("`@id(\"{}\")` must be lower-case letters, digits and hyphens, a letter first", SafeText::new(&id, 64));
                faults.push(fault(&what));
                continue;
            }
            if let Some((_, before)) = known.get(&id) {
                let before = PolicyFault::at(before.file, before.byte, "");
                faults.push(fault(&format!("`@id(\"{id}\")` is used twice: also in {}:{}", before.file.display(), before.line)));
                continue;
            }
            let policy = policy.new_id(PolicyId::new(&id));
            known.insert(id, (policy, Written { file, byte }));
        }
    }
    if known.is_empty() && faults.is_empty() {
        faults.extend(files.first().map(|file| PolicyFault::at(file, 0, "there is no policy, so everything would be refused")));
    }
    let mut notes = BTreeMap::new();
    for (policy, written) in known.values() {
        match read_notes(policy, people) {
            Ok(read) => drop(notes.insert(policy.id().clone(), read)),
            Err(wrong) => faults.extend(wrong.iter().map(|what| PolicyFault::at(written.file, written.byte, what))),
        }
    }
    validate(&known, &mut faults);
    if known.len() > POLICIES_MAX {
        faults.extend(files.first().map(|file| PolicyFault::at(file, 0, "there are more than 10000 policies")));
    }
    let types = Types::read();
    if let (Err(err), Some(file)) = (&types, files.first()) {
        faults.push(PolicyFault::at(file, 0, err));
    }
    let (Ok(types), true) = (types, faults.is_empty()) else {
        faults.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        // What follows from a fault is no help: a policy about an unknown action can also never apply.
        faults.dedup_by(|later, first| later.file == first.file && later.line == first.line);
        return Err(faults);
    };
    Ok(ReadPolicies { policies: known.into_values().map(|(policy, _)| policy).collect(), notes, types })
}

/// The annotations of a policy. A group that it names must have enough people.
fn read_notes(policy: &Policy, people: &BTreeMap<String, Person>) -> Result<Notes, Vec<String>> {
    let notes = Notes::read(policy)?;
    let Some(approval) = &notes.approval else { return Ok(notes) };
    let people = people.values().filter(|person| person.groups.contains(&approval.group)).count();
    if people < usize::try_from(approval.quorum).unwrap_or(usize::MAX) {
        let (group, quorum) = (&approval.group, approval.quorum);
        return Err(vec![format!("`@approval(\"{group}\")` asks for {quorum} of the group, and `[people]` has {people} in it")]);
    }
    Ok(notes)
}

/// The policies of one file, each with the place where it begins.
fn parse(file: &PolicyFile, faults: &mut Vec<PolicyFault>) -> Vec<(Policy, usize)> {
    let set = match cedar_policy::PolicySet::from_str(&file.text) {
        Ok(set) => set,
        Err(errors) => {
            faults.extend(errors.iter().map(|err| PolicyFault::at(file, place(err).unwrap_or(0), &in_words(err))));
            return Vec::new();
        }
    };
    if let Some(template) = set.templates().next() {
        let byte = file.text.find(&template.to_string()).unwrap_or(0);
        faults.push(PolicyFault::at(file, byte, "a policy with `?principal` or `?resource` is a template, which can't be used here"));
    }
    let mut found: Vec<(Policy, usize)> = Vec::new();
    let mut from = BTreeMap::new();
    let mut policies: Vec<&Policy> = set.policies().collect();
    // They are numbered in the order of the text.
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<u64>().unwrap_or(u64::MAX));
    for policy in policies {
        let text = policy.to_cedar().unwrap_or_default();
        let start = from.get(&text).copied().unwrap_or(0);
        let byte = file.text.get(start..).and_then(|rest| rest.find(&text)).map_or(start, |at| start + at);
        from.insert(text, byte + 1);
        found.push((policy.clone(), byte));
    }
    found
}

/// Checks the types, and that each policy can apply to something.
fn validate(known: &BTreeMap<String, (Policy, Written<'_>)>, faults: &mut Vec<PolicyFault>) {
    let first = || known.values().next().map(|(_, written)| written);
    let schema = match schema() {
        Ok(schema) => schema.clone(),
        Err(err) => return faults.extend(first().map(|at| PolicyFault::at(at.file, at.byte, &format!("the schema can't be read: {err}")))),
    };
    let mut set = cedar_policy::PolicySet::new();
    for (policy, written) in known.values() {
        if let Err(err) = set.add(policy.clone()) {
            faults.push(PolicyFault::at(written.file, written.byte, &err.to_string()));
        }
    }
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|err| (err.policy_id().to_string(), place(err), in_words(err)));
    // A policy that can never apply, and names that look like others, are only warnings to Cedar.
    let warnings = result.validation_warnings().map(|err| (err.policy_id().to_string(), place(err), in_words(err)));
    for (id, place, what) in errors.chain(warnings) {
        let written = known.get(&id).map(|(_, written)| written).or_else(first);
        faults.extend(written.map(|written| PolicyFault::at(written.file, place.unwrap_or(written.byte), &what)));
    }
}

/// The byte at which an error is.
fn place(err: &dyn Diagnostic) -> Option<usize> {
    err.labels()?.next().map(|label| label.offset())
}

/// An error with its causes and Cedar's help, in one line.
fn in_words(err: &dyn Diagnostic) -> String {
    let mut words = err.to_string();
    if let Some(label) = err.labels().and_then(|mut labels| labels.next()).and_then(|label| label.label().map(str::to_owned)) {
        words = format!("{words}: {label}");
    }
    if let Some(help) = err.help() {
        words = format!("{words} ({help})");
    }
    words.replace('\n', " ")
}
