//! Which acts may happen: each act in each environment, in each tier of an engagement, with each state of its approval. The real gate
//! decides, and the table is kept in `tests/golden/authority.txt`, for people to read and for changes to be seen. `BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use ssh_key::{HashAlg, PrivateKey, private::Ed25519Keypair};
use vocabulary::record::{ApprovalClosed, ApprovalVoted, Record, RecordKind, VERSION};
use vocabulary::{
    Act, ApprovalEnd, Binding, Clock, CredentialAsk, CredentialStep, Digest, Door as _, Engagement, Environment, Function, Grants,
    GroupNeed, Limits, May, Method, Person, Placement, PolicyFile, PolicyRules, Principal, Rotation, RotationSet, SafeText, Scheme, Source,
    Stop, Tier, Vote, VoteMeans,
};

use super::approvals::{SetClock, poll};
use super::driven::live_begins;
use super::kit::{MemoryLog, ask, fold, grants, header, recorded, run_id};
use crate::{Gate, Ledger, Resuming, RunPolicies, RunWorld};

const POLICIES: &str = r#"@id("all") permit (principal, action, resource);
@id("production-needs-two") @approval("board") @quorum("2") @decide_within("100s") @use_within("10s")
forbid (principal, action in Action::"mutate", resource in Env::"production") unless { context.approvals.contains("board") };
@id("sandbox-needs-one") @approval("board") @decide_within("100s") @use_within("10s")
forbid (principal, action in Action::"mutate", resource in Env::"sandbox") unless { context.approvals.contains("board") };
@id("frozen") forbid (principal, action in Action::"mutate", resource in Env::"frozen");
"#;

/// The name of a place, and the environments that it is in.
const PLACES: [(&str, &[&str]); 5] = [
    ("sandbox", &["sandbox"]),
    ("production", &["production"]),
    ("none", &[]),
    ("several", &["sandbox", "staging"]),
    ("frozen", &["frozen"]),
];

const TIERS: [(&str, Option<Tier>); 4] =
    [("no engagement", None), ("read-only", Some(Tier::ReadOnly)), ("staged", Some(Tier::Staged)), ("live", Some(Tier::Live))];

/// What becomes of an approval before the run is loaded again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NoVote,
    OneVote,
    TwoVotes,
    TwoUnsigned,
    Rejected,
    Expired,
    Lapsed,
    Revoked,
    VoterGone,
    OtherPolicies,
    ForbiddenNow,
}

const STATES: [(&str, State); 11] = [
    ("no vote", State::NoVote),
    ("1 vote", State::OneVote),
    ("2 votes", State::TwoVotes),
    ("2 unsigned", State::TwoUnsigned),
    ("rejected", State::Rejected),
    ("expired", State::Expired),
    ("lapsed", State::Lapsed),
    ("revoked", State::Revoked),
    ("voters gone", State::VoterGone),
    ("new rules", State::OtherPolicies),
    ("forbidden", State::ForbiddenNow),
];

fn acts(place: &str) -> Vec<(&'static str, Act)> {
    let request = |method: &str| ask(method, "a.test", &format!("/{place}/x"));
    let step = |step: CredentialStep| Act::Credential(CredentialAsk { name: place.to_owned(), step });
    vec![
        ("GET", request("GET")),
        ("HEAD", request("HEAD")),
        ("POST", request("POST")),
        ("PUT", request("PUT")),
        ("DELETE", request("DELETE")),
        ("rotate: create", step(CredentialStep::Create)),
        ("rotate: set", step(CredentialStep::Set)),
        ("rotate: test", step(CredentialStep::Test)),
        ("rotate: finish", step(CredentialStep::Finish)),
    ]
}

fn identify() -> Act {
    Act::Credential(CredentialAsk { name: "*".to_owned(), step: CredentialStep::Identify(Bytes::from_static(b"found")) })
}

fn fingerprint(seed: u8) -> (String, SafeText) {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let print = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    (key.public_key().to_openssh().unwrap(), SafeText::new(&print, 64))
}

fn rules(text: &str, people: &[(&str, u8)]) -> RunPolicies {
    let file = PolicyFile { digest: Digest::of(text.as_bytes()), path: "a.cedar".into(), text: text.to_owned() };
    let person = |(name, seed): &(&str, u8)| {
        ((*name).to_owned(), Person { groups: vec!["board".to_owned()], keys: vec![fingerprint(*seed).0], user: None })
    };
    let rules = PolicyRules { files: vec![file], people: people.iter().map(person).collect(), ..PolicyRules::default() };
    let set = policy::PolicySet::load(&rules.files, &rules.people).unwrap();
    RunPolicies { rules: Arc::new(rules), set }
}

struct AllRules {
    now: RunPolicies,
    without_voters: RunPolicies,
    other: RunPolicies,
    forbids: RunPolicies,
}

impl AllRules {
    fn new() -> Self {
        let board = [("bob", 2), ("carol", 3)];
        let forbids = format!("{POLICIES}\n@id(\"closed\") forbid (principal, action in Action::\"mutate\", resource);");
        Self {
            now: rules(POLICIES, &board),
            without_voters: rules(POLICIES, &[("dave", 4), ("erin", 5)]),
            other: rules(&format!("{POLICIES}\n// changed"), &board),
            forbids: rules(&forbids, &board),
        }
    }
}

/// Everything is granted: each method everywhere, and the rotation of one credential in each place.
fn granted(rules: &AllRules, tier: Option<Tier>) -> Grants {
    let mut grants = grants();
    grants.http[0].methods = ["GET", "HEAD", "POST", "PUT", "DELETE"].map(|method| Method::new(method).unwrap()).to_vec();
    let names: BTreeSet<&str> = PLACES.iter().flat_map(|(_, environments)| environments.iter().copied()).collect();
    let environment = |name: &&str| -> Environment {
        let places = PLACES.iter().filter(|(_, environments)| environments.contains(name));
        let paths: Vec<String> = places.map(|(place, _)| format!("/{place}/**")).collect();
        serde_json::from_value(serde_json::json!({ "name": name, "places": [{ "host": "a.test", "paths": paths }] })).unwrap()
    };
    let binding = |(place, environments): &(&str, &[&str])| {
        let (set, test) = (format!("/{place}/set"), format!("/{place}/test"));
        let set = RotationSet { method: Method::new("PUT").unwrap(), path: set, body: "{}".to_owned(), field: "value".to_owned() };
        let environment = if let [only] = environments { Some((*only).to_owned()) } else { None };
        let hosts = vec!["a.test".parse().unwrap()];
        let rotation = Some(Rotation { set, test_path: test });
        Binding { environment, rotation, scheme: Scheme::Http, ..Binding::new(place, hosts, Placement::Bearer, Source::Local) }
    };
    let board = || GroupNeed { group: "board".to_owned(), quorum: 1 };
    let engagement = tier.map(|tier| Engagement {
        approval: (tier == Tier::Staged).then(board),
        name: "q4".to_owned(),
        from_s: 0,
        until_s: 4_000_000_000,
        rate: None,
        targets: vec!["a.test".parse().unwrap()],
        tier,
    });
    Grants {
        credentials: PLACES.iter().map(binding).collect(),
        engagement,
        environments: names.iter().map(environment).collect(),
        may: PLACES.iter().map(|(place, _)| ((*place).to_owned(), vec![May::Identify, May::Rotate])).collect(),
        policy: Some((*rules.now.rules).clone()),
        ..grants
    }
}

fn gate_on(log: &MemoryLog, ledger: Ledger, passed_s: u64) -> Gate {
    let clock = SetClock::default();
    clock.pass(10 + passed_s);
    Gate::new(Arc::new(log.clone()), Arc::new(clock) as Arc<dyn Clock>, ledger)
}

/// The decision that the last of these records has.
fn decision(log: &MemoryLog, from: usize) -> String {
    let told = |leaf: &crate::RunRecord| match Record::parse(&leaf.body).unwrap() {
        Record::Asked(asked) => Some(if asked.approval.is_some() { "begins" } else { "permit" }.to_owned()),
        Record::ApprovalAsked(asked) if from == 0 => {
            let groups = asked.needs.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group));
            Some(format!("ask {}", groups.collect::<Vec<_>>().join(", ")))
        }
        Record::ApprovalAsked(_) => Some("ask again".to_owned()),
        Record::Refused(refused) => Some(if from == 0 { format!("refuse: {}", refused.reason.code()) } else { "refuse".to_owned() }),
        _ => None,
    };
    log.leaves()[from..].iter().rev().find_map(told).unwrap_or_else(|| "wait".to_owned())
}

/// Asks for the act. Returns what is on the record then, once the run is suspended if people are asked.
fn asked(rules: &AllRules, tier: Option<Tier>, act: Act) -> MemoryLog {
    let log = MemoryLog::default();
    let gate = gate_on(&log, Ledger::new(), 0);
    let run = gate.open_run(header(granted(rules, tier), Limits::default()), Some(&rules.now), Arc::new(crate::Nobody)).unwrap();
    let mut world = RunWorld::fresh(live_begins(&log, &run, []).0, &Limits::default());
    world.submit(act).unwrap();
    if decision(&log, 0).starts_with("ask") {
        assert_eq!(poll(&mut world), Poll::Ready(Err(Stop::Suspended)));
    }
    // What it writes when it is dropped is no part of it.
    MemoryLog::with(log.leaves())
}

fn votes(gate: &Gate, log: &MemoryLog, rules: &RunPolicies, of: usize, (vote, is_signed): (Vote, bool)) {
    for (name, seed) in [("bob", 2), ("carol", 3)].into_iter().take(of) {
        let ledger = fold(&log.leaves());
        let open = ledger.open_run(run_id()).unwrap().approval(1).unwrap().clone();
        let (key, started_by) = (is_signed.then(|| fingerprint(seed).1), Principal::new(1000, Some("alice")));
        let own = policy::vote::CastVote { key: key.clone(), person: name.to_owned(), vote };
        let votes: Vec<_> = open.cast().into_iter().chain([own]).collect();
        let question =
            policy::vote::Question { environment: open.environment.as_str(), needs: &open.needs, started_by: &started_by, votes: &votes };
        let signature = "checked when the vote is given".to_owned();
        let record = ApprovalVoted {
            approved: vote == Vote::Approve && policy::vote::is_met(&rules.rules, &question),
            at: gate.clock.unix_ms(),
            by: Principal::new(1001, Some(name)),
            digest: open.digest,
            kind: RecordKind::ApprovalVoted,
            means: key.map_or(VoteMeans::Unsigned, |key| VoteMeans::Signed { key, signature }),
            op: 1,
            person: SafeText::new(name, 64),
            reason: SafeText::default(),
            uptime: gate.clock.uptime(),
            v: VERSION,
            vote,
        };
        let is_over = open.approved.is_some();
        if !is_over {
            drop(gate.append_people(run_id(), record.into()).unwrap());
        }
    }
}

/// What becomes of an act that is held back, when the run is loaded again in this state.
fn then(rules: &AllRules, base: &MemoryLog, act: Act, state: State) -> String {
    let log = MemoryLog::with(base.leaves());
    let gate = gate_on(&log, fold(&log.leaves()), 0);
    let approve = |of: usize| votes(&gate, &log, &rules.now, of, (Vote::Approve, true));
    match state {
        State::NoVote | State::Expired => {}
        State::OneVote => approve(1),
        State::TwoVotes | State::Lapsed | State::VoterGone | State::OtherPolicies | State::ForbiddenNow => approve(2),
        State::TwoUnsigned => votes(&gate, &log, &rules.now, 2, (Vote::Approve, false)),
        State::Rejected => votes(&gate, &log, &rules.now, 1, (Vote::Reject, true)),
        State::Revoked => {
            approve(2);
            let digest = fold(&log.leaves()).open_run(run_id()).unwrap().approval(1).unwrap().digest;
            let (at, by, end, kind) = (gate.clock.unix_ms(), None, ApprovalEnd::Revoked, RecordKind::ApprovalClosed);
            drop(gate.append_people(run_id(), ApprovalClosed { at, by, digest, end, kind, op: 1, v: VERSION }.into()).unwrap());
        }
    }
    let (policies, passed_s) = match state {
        State::VoterGone => (&rules.without_voters, 0),
        State::OtherPolicies => (&rules.other, 0),
        State::ForbiddenNow => (&rules.forbids, 0),
        State::Expired => (&rules.now, 101),
        State::Lapsed => (&rules.now, 11),
        _ => (&rules.now, 0),
    };
    let from = log.leaves().len();
    let (recorded, gate) = (recorded(&log.leaves()), gate_on(&log, fold(&log.leaves()), passed_s));
    let resuming = Resuming { policies: Some(policies.clone()), ..Resuming::of(&recorded, Principal::new(1000, Some("alice"))) };
    let run = gate.resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap();
    let mut world = RunWorld::resume(recorded, live_begins(&log, &run, []).0).unwrap();
    world.submit(act).unwrap();
    let _ = poll(&mut world);
    fold(&log.leaves());
    decision(&log, from)
}

fn table(rules: &AllRules) -> (String, BTreeSet<Function>) {
    let (mut text, mut functions) = (HEAD.to_owned(), BTreeSet::new());
    for (tier, of) in TIERS {
        let _ = write!(text, "\n== {tier}\n\n{:<15}{:<12}{:<27}", "act", "environment", "answer");
        for (name, _) in STATES {
            let _ = write!(text, "{name:<12}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        let all = PLACES.iter().map(|(place, _)| (*place, acts(place)));
        for (place, acts) in [("-", vec![("identify", identify())])].into_iter().chain(all) {
            for (name, act) in acts {
                functions.insert(act.function());
                let base = asked(rules, of, act.clone());
                let answer = decision(&base, 0);
                let _ = write!(text, "{name:<15}{place:<12}{answer:<27}");
                if answer.starts_with("ask") {
                    for (_, state) in STATES {
                        let _ = write!(text, "{:<12}", then(rules, &base, act.clone(), state));
                    }
                }
                text.truncate(text.trim_end().len());
                text.push('\n');
            }
        }
    }
    (text, functions)
}

const HEAD: &str = "\
Which acts may happen. Everything is granted; the policies are these:

    permit everything
    production: acts that change something need two of the board
    sandbox: acts that change something need one of the board
    frozen: acts that change something are forbidden

`several` is a place in two environments, `sandbox` and `staging`; `none` is in no environment, which counts as production.
`answer` is the answer when the agent asks: permit, ask so many of a group, or refuse. If people are asked, the further columns say what
becomes of the act when the run is loaded again: it waits, it begins, it is asked again, or it is refused.

  no vote, 1 vote, 2 votes   after so many signed votes; `2 unsigned` after votes that only name an account
  rejected, revoked          one person rejected it; it was approved and then revoked
  expired, lapsed            nobody decided in time; it was approved and not used in time
  voters gone                it was approved, and those who did are not on the board any more
  new rules, forbidden       it was approved, and then the policies changed: to others that demand the same, and to ones that forbid it
";

#[tokio::test]
async fn each_act_in_each_environment_and_tier_is_decided_as_the_table_says() {
    let (expected, functions) = table(&AllRules::new());
    // Acts that the host itself does for an act of a guest have no decision of their own.
    let of_guests = |function: &&Function| !matches!(function, Function::HttpFinish | Function::NetDial | Function::VaultPlace);
    let acts = Function::ALL.iter().filter(|function| function.capability().act().is_some()).filter(of_guests).copied();
    assert_eq!(functions, acts.collect(), "the table has every act");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/authority.txt");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "`{}` is out of date, `BLESS=1` writes it anew: {first:?}", file.display());
    // What must hold in any such table, whatever it was blessed as.
    for line in expected.lines().filter(|line| line.get(27..).is_some_and(|answer| answer.starts_with("ask "))) {
        let ends: Vec<&str> = line[54..].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(ends.len(), STATES.len(), "{line}");
        for ((name, state), end) in STATES.iter().zip(ends) {
            let may_begin = matches!(state, State::OneVote | State::TwoVotes | State::TwoUnsigned);
            assert!(may_begin || end != "begins", "{name}: {line}");
        }
    }
}
