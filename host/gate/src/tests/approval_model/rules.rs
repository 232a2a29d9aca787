//! The policies and the people that the model changes between, and what each of them means in plain words.

use std::sync::Arc;

use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;
use vocabulary::{Act, Digest, Environment, Grants, Person, PolicyFile, PolicyRules};

use crate::RunPolicies;
use crate::tests::kit::{ask, grants};

/// How long people may take, and how long their approval may be used, in seconds.
pub(super) const DECIDE_S: u64 = 102;
pub(super) const USE_S: u64 = 13;

/// What a policy says about an act to `/held…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// So many of this group must approve it.
    Ask(&'static str, usize),
    /// It is forbidden.
    Never,
    /// It is permitted.
    Always,
}

pub(super) const POLICIES: [Says; 6] =
    [Says::Ask("board", 1), Says::Ask("board", 2), Says::Ask("board", 1), Says::Ask("others", 1), Says::Never, Says::Always];

/// The acts that the guest asks for: method, path, whether policies hold it back, whether it goes to the sandbox.
pub(super) const ACTS: [(&str, &str, bool, bool); 5] = [
    ("POST", "/held/a", true, false),
    ("POST", "/held/b", true, false),
    ("POST", "/held/s/c", true, true),
    ("GET", "/held/d", true, false),
    ("GET", "/free", false, false),
];

/// `alice` starts the run.
pub(super) const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "eve", "mallory"];

/// How many sets of people there are.
pub(super) const SETS: usize = 4;

/// The groups of a person in one of the sets of people, and the seed of the person's key.
pub(super) fn person(set: usize, name: &str) -> Option<(&'static [&'static str], Option<u8>)> {
    match (name, set) {
        ("alice", _) => Some((&["board", "others"], Some(1))),
        ("bob", 1) => Some((&["board"], Some(12))),
        ("bob", 2) => None,
        ("bob", _) => Some((&["board"], Some(2))),
        ("carol", 3) => Some((&["others"], Some(3))),
        ("carol", _) => Some((&["board"], Some(3))),
        ("dave", _) => Some((&["others"], Some(4))),
        // Without a key, so only in the sandbox.
        ("eve", _) => Some((&["board"], None)),
        _ => None,
    }
}

pub(super) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

pub(super) fn act(act: usize) -> Act {
    let (method, path, ..) = ACTS[act];
    ask(method, "a.test", path)
}

fn text(policy: usize) -> String {
    let held = match POLICIES[policy] {
        Says::Ask(group, quorum) => {
            format!("@approval(\"{group}\") @quorum(\"{quorum}\") @decide_within(\"{DECIDE_S}s\") @use_within(\"{USE_S}s\")\n")
        }
        Says::Never => String::new(),
        Says::Always => return "@id(\"all\") permit (principal, action, resource);".to_owned(),
    };
    let unless = match POLICIES[policy] {
        Says::Ask(group, _) => format!("unless {{ context.approvals.contains(\"{group}\") }}"),
        Says::Never | Says::Always => String::new(),
    };
    format!(
        "// {policy}\n@id(\"all\") permit (principal, action, resource);\n@id(\"held\") {held}forbid (principal, action in Action::\"http\", \
         resource) when {{ context.request.path like \"/held*\" }} {unless};"
    )
}

/// Every policy with every set of people, as they are read.
pub(super) struct AllRules(Vec<Vec<RunPolicies>>);

impl AllRules {
    pub(super) fn new() -> Self {
        let load = |policy: usize, set: usize| {
            let text = text(policy);
            let file = PolicyFile { digest: Digest::of(text.as_bytes()), path: "a.cedar".into(), text };
            let of = |name: &&str| {
                let (groups, seed) = person(set, name)?;
                let keys = seed.map(|seed| key(seed).public_key().to_openssh().unwrap());
                let groups = groups.iter().map(|group| (*group).to_owned()).collect();
                Some(((*name).to_owned(), Person { groups, keys: keys.into_iter().collect(), user: None }))
            };
            let rules = PolicyRules { files: vec![file], people: PEOPLE.iter().filter_map(of).collect(), ..PolicyRules::default() };
            let loaded = policy::PolicySet::load(&rules.files, &rules.people).unwrap();
            RunPolicies { rules: Arc::new(rules), set: loaded }
        };
        Self((0..POLICIES.len()).map(|policy| (0..SETS).map(|set| load(policy, set)).collect()).collect())
    }

    pub(super) fn of(&self, policy: usize, set: usize) -> &RunPolicies {
        &self.0[policy][set]
    }
}

/// What the agent was granted, with the first policies sealed beside it.
pub(super) fn held_grants(rules: &AllRules) -> Grants {
    let sandbox: Environment =
        serde_json::from_value(serde_json::json!({ "name": "sandbox", "places": [{ "host": "a.test", "paths": ["/held/s/**"] }] }))
            .unwrap();
    Grants { environments: vec![sandbox], policy: Some((*rules.of(0, 0).rules).clone()), ..grants() }
}
