//! What the conditions of policies read: found in Cedar's JSON, so that texts and annotations do not count.

use serde_json::Value;

use super::policy_facts::PolicyFacts;

/// What the policies of one action read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    bodies: bool,
    body_kinds: bool,
    acts: bool,
    calls_left: bool,
    now: bool,
    proved: bool,
}

/// Whether policies look into bodies, so that a body which can't be read must be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadsBodies {
    /// No policy does.
    #[default]
    No,
    /// Some do, and all of those also say which kinds of body they mean.
    OfKinds,
    /// Some do. A body of a kind that has no fields would pass all of them by.
    Yes,
}

impl Reads {
    const ALL: Self = Self { bodies: true, body_kinds: false, acts: true, calls_left: true, now: true, proved: true };

    /// What these policies read together.
    pub(super) fn of_policies<'a>(policies: impl Iterator<Item = &'a cedar_policy::Policy>) -> Self {
        policies.map(Self::of_policy).fold(Self::default(), Self::and)
    }

    /// SECURITY: a policy that can't be written as JSON counts as one that reads everything.
    fn of_policy(policy: &cedar_policy::Policy) -> Self {
        let mut reads = Self::default();
        match policy.to_json() {
            Ok(json) => reads.look(json.get("conditions").unwrap_or(&json)),
            Err(_) => reads.all(),
        }
        // A policy that says which kinds it means sees all bodies that it wants to see.
        Self { bodies: reads.bodies && !reads.body_kinds, ..reads }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bodies: self.bodies || other.bodies,
            body_kinds: self.body_kinds || other.body_kinds,
            acts: self.acts || other.acts,
            calls_left: self.calls_left || other.calls_left,
            now: self.now || other.now,
            proved: self.proved || other.proved,
        }
    }

    pub(super) fn bodies(self) -> ReadsBodies {
        match (self.bodies, self.body_kinds) {
            (true, _) => ReadsBodies::Yes,
            (false, true) => ReadsBodies::OfKinds,
            (false, false) => ReadsBodies::No,
        }
    }

    /// The facts that the policies can read. The others are left at their defaults, so that equal facts mean the same for them.
    ///
    /// A fact that is not named here counts as one that they read.
    pub(super) fn of_facts(self, facts: &PolicyFacts) -> PolicyFacts {
        PolicyFacts {
            acts: if self.acts { facts.acts } else { 0 },
            calls_left: if self.calls_left { facts.calls_left } else { 0 },
            now_unix_s: if self.now { facts.now_unix_s } else { 0 },
            proved: if self.proved { facts.proved.clone() } else { Default::default() },
            run: facts.run,
        }
    }

    fn look(&mut self, json: &Value) {
        match json {
            // The context, or the run in it, as a whole: it may be compared with another record.
            Value::Object(entries) if entries.get("Var").is_some_and(|var| var == "context") => self.all(),
            Value::Object(entries) => {
                entries.get("Record").and_then(Value::as_object).into_iter().flatten().for_each(|(name, _)| self.name(name));
                for (operation, of) in entries {
                    self.operation(operation, of);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }

    fn operation(&mut self, operation: &str, of: &Value) {
        let names = || of.get("attr").into_iter().flat_map(|attr| attr.as_array().map_or(std::slice::from_ref(attr), Vec::as_slice));
        match (operation, of.get("left")) {
            ("." | "has", Some(left)) => {
                names().filter_map(Value::as_str).for_each(|name| self.name(name));
                // The context is read here only by this name.
                let is_context = left.get("Var").is_some_and(|var| var == "context");
                if !is_context {
                    self.look_within(left);
                }
            }
            _ => self.look(of),
        }
    }

    /// Looks into what an attribute is read of. The run is read there only by the name of that attribute.
    fn look_within(&mut self, left: &Value) {
        let inner = left.get(".");
        let of_context = inner.and_then(|inner| inner.get("left")?.get("Var")).is_some_and(|var| var == "context");
        let is_run = inner.and_then(|inner| inner.get("attr")).is_some_and(|attr| attr == "run");
        if !(of_context && is_run) {
            self.look(left);
        }
    }

    fn all(&mut self) {
        *self = self.and(Self::ALL);
    }

    fn name(&mut self, name: &str) {
        match name {
            "body" | "operations" => self.bodies = true,
            "body_kind" => self.body_kinds = true,
            "acts" => self.acts = true,
            "calls_left" => self.calls_left = true,
            "now" => self.now = true,
            "proved" => self.proved = true,
            // The whole run: it may be compared with another record.
            "run" => self.all(),
            _ => {}
        }
    }
}
