//! A change by an operator is either recorded or did not happen: each verb is killed at each of its changes of a file, and after the next
//! opening the record and the files agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use run::{HomePlace, LocalHost};
use tests::fault::call::Call;
use tests::fault::plan::{Fault, Plan};
use tests::fault::trace::{End, Nobody, Traced, trace};
use tests::guests::guest;
use tests::host::options;
use tests::program::{Program, config};
use vocabulary::Grants;
use vocabulary::record::{CredentialChange, Record};

use crate::child;
use crate::rotation::{Manner, ready};

const FIRST: &str = "Zr8vQ2mX5tL9wB4nH7kD1sF6";
const SECOND: &str = "Qm3xT8bN1vK6yW9cJ4pG7fR2";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A verb, and the state in which it begins.
struct Case {
    args: &'static [&'static str],
    stdin: &'static str,
    before: &'static [(&'static [&'static str], &'static str)],
}

const SET: &[&str] = &["credentials", "set", "key", "--for", "https://a.test"];
const CASES: &[Case] = &[
    Case { args: SET, stdin: FIRST, before: &[] },
    Case { args: &["credentials", "rotate", "key"], stdin: SECOND, before: &[(SET, FIRST)] },
    Case { args: &["credentials", "set", "key", "--for", "https://b.test"], stdin: "", before: &[(SET, FIRST)] },
    Case { args: &["credentials", "rm", "key"], stdin: "", before: &[(SET, FIRST)] },
    Case { args: &["credentials", "revoke", "key"], stdin: "", before: &[(SET, FIRST)] },
    Case { args: &["credentials", "seal", "file"], stdin: "", before: &[(SET, FIRST)] },
    Case { args: &["trust"], stdin: "", before: &[] },
    Case { args: &["trust", "rm", "bailiwick.toml"], stdin: "", before: &[(&["trust"], "")] },
    Case { args: &["accept", "exits-with"], stdin: "", before: &[(&["trust"], "")] },
    Case { args: &["accept", "rm", "exits-with"], stdin: "", before: &[(&["trust"], ""), (&["accept", "exits-with"], "")] },
];

/// The changes on the record, in order, without their times.
fn recorded(place: &HomePlace) -> Vec<String> {
    let Ok(reader) = journal::Reader::open(&place.home) else { return Vec::new() };
    let of = |record: Record| match record {
        Record::CredentialChanged(it) => {
            let to: Vec<String> = it.destinations.iter().map(ToString::to_string).collect();
            Some(format!("{:?} {} {:?} {}", it.change, it.credential, it.version, to.join(" ")))
        }
        Record::VaultSealed(it) => Some(format!("sealed {:?}", it.under)),
        Record::ConfigTrusted(it) => Some(format!("trusted {}", it.path)),
        Record::ConfigUntrusted(it) => Some(format!("untrusted {}", it.path)),
        Record::AgentAccepted(it) => Some(format!("accepted {}", it.authority)),
        Record::AgentUnaccepted(it) => Some(format!("unaccepted {}", it.agent)),
        _ => None,
    };
    reader.records().filter_map(|record| of(Record::parse(&record.unwrap().body).unwrap())).collect()
}

/// The present state of the files.
#[derive(Debug, PartialEq, Eq)]
struct Now {
    /// Of each credential: the version, whether it is revoked, and its destinations.
    vault: BTreeMap<String, (u64, bool, Vec<String>)>,
    keys: Vec<String>,
    trusted: usize,
    accepted_here: usize,
    accepted_beside: bool,
}

fn now(program: &Program) -> Now {
    let place = program.place();
    let listed = run::local_vault(place, None).list().unwrap();
    let known = |it: vault::Listed| (it.name, (it.version, it.revoked, it.destinations.iter().map(ToString::to_string).collect()));
    let names = home::list(&place.home).unwrap().into_iter().filter_map(|name| name.into_string().ok());
    Now {
        vault: listed.into_iter().map(known).collect(),
        keys: names.filter(|name| name.starts_with("vault.key")).collect(),
        trusted: package::trust::list(&place.home).unwrap().len(),
        accepted_here: package::trust::acceptance(&place.home).unwrap().len(),
        accepted_beside: package::lock::AcceptanceLock::load(&program.config()).unwrap().accepted("exits-with").is_some(),
    }
}

fn begin(case: &Case) -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    for (args, stdin) in case.before {
        let output = program.run_with(args, stdin);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    }
    program
}

/// The folders that a verb changes: the home, second state and the folder of the configuration.
const CHANGED: [&str; 3] = ["home", "state", "here"];

/// The files of a folder, except compiled code, which is large and which no verb here changes.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("cache")).collect()
}

fn copy(from: &Path, to: &Path) {
    for name in CHANGED {
        for path in files(&to.join(name)) {
            assert!(Command::new("rm").arg("-r").arg(path).status().unwrap().success());
        }
        if !to.join(name).exists() {
            home::make_folder(&to.join(name)).unwrap();
        }
        let files = files(&from.join(name));
        assert!(files.is_empty() || Command::new("cp").arg("-a").args(files).arg(to.join(name)).status().unwrap().success());
    }
}

/// Runs the verb; with `at`, kills it before it changes a file for the `at`th time.
fn traced(program: &Program, case: &Case, at: Option<usize>) -> Traced {
    let file = program.folder().join("stdin");
    std::fs::write(&file, case.stdin).unwrap();
    let streams = [std::fs::File::open(&file).unwrap().into(), Stdio::null(), Stdio::null()];
    let watched = CHANGED.map(|name| program.folder().join(name));
    let plan = at.map(|at| Plan { at, fault: Fault::KillBefore, share: 128 });
    let launcher = Path::new(env!("CARGO_BIN_EXE_campaign"));
    trace(launcher, &program.command(&[], case.args), streams, &watched, plan, &mut Nobody).unwrap()
}

/// The calls at which a verb is killed: every fourth call from the beginning of its change, and some before that, where it only takes
/// the home. `SEED=1` to `SEED=3` select the others.
fn points(calls: &[Call], home: &Path) -> Vec<usize> {
    let seed: usize = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let notes = home.join("changes");
    let begins = calls.iter().position(|call| call.path.starts_with(&notes)).expect("it is noted");
    let is_point = |at: &usize| if *at > begins { (at + seed).is_multiple_of(4) } else { (at + seed).is_multiple_of(12) };
    (1..=calls.len()).filter(is_point).collect()
}

/// Opens the home as any command that changes something does, and closes it.
fn open(place: &HomePlace) {
    LocalHost::open(place, &options()).unwrap().close().unwrap();
}

fn changes(home: &Path) -> usize {
    std::fs::read_dir(home.join("changes")).map_or(0, Iterator::count)
}

fn sweep(case: &Case) {
    let program = begin(case);
    let kept = tempfile::tempdir().unwrap();
    copy(program.folder(), kept.path());
    let place = program.place();
    let (before, records) = (now(&program), recorded(place).len());
    // The result of the verb without a kill.
    let uncut = traced(&program, case, None);
    assert_eq!(uncut.end, End::Code(0), "{:?}", case.args);
    let (after, made) = (now(&program), recorded(place).split_off(records));
    assert!(made.len() == 1 && changes(&place.home) == 0, "{:?}: {made:?}", case.args);
    let is_seal = case.args == ["credentials", "seal", "file"];
    assert_ne!(before, after, "{:?}", case.args);
    // The key of a vault that was sealed anew has a new name each time; the key of an interrupted change may stay for the next change.
    let without_keys = |now: &Now| Now { keys: Vec::new(), vault: now.vault.clone(), ..*now };
    let mut tally = (0, 0);
    for at in points(&uncut.calls, &place.home) {
        copy(kept.path(), program.folder());
        let killed = traced(&program, case, Some(at));
        if killed.hit.is_none() {
            // Threads may have made a few calls less this time.
            assert!(killed.end == End::Code(0) && uncut.calls.len() - at < 8, "{:?} at {at}: {:?}", case.args, killed.end);
            break;
        }
        assert_eq!(killed.end, End::Killed(libc::SIGKILL), "{:?} at {at}", case.args);
        open(place);
        let (state, record) = (now(&program), recorded(place).split_off(records));
        let what = format!("{:?} killed at {at}: {record:?} {state:?}", case.args);
        match record.len() {
            0 if is_seal => assert!(before.keys.iter().all(|key| state.keys.contains(key)), "{what}"),
            0 => assert_eq!(without_keys(&state), without_keys(&before), "{what}"),
            1 if is_seal => assert_ne!(state.keys, before.keys, "{what}"),
            1 => assert_eq!((without_keys(&state), &record), (without_keys(&after), &made), "{what}"),
            _ => panic!("recorded twice: {what}"),
        }
        assert_eq!(changes(&place.home), 0, "{what}");
        if record.is_empty() {
            tally.0 += 1;
        } else {
            tally.1 += 1;
        }
        let report = journal::verify_home(&place.home, &place.state, None, &mut |_| {}).unwrap();
        assert!(report.holds(), "{what}: {report:?}");
    }
    assert!(tally.0 > 0 && tally.1 > 0, "{:?}: {tally:?}", case.args);
    eprintln!("{:?}: not made {}, made {}", case.args, tally.0, tally.1);
}

#[test]
fn a_change_of_a_credential_that_is_killed_anywhere_is_recorded_or_did_not_happen() {
    CASES[..5].iter().for_each(sweep);
}

#[test]
fn a_change_of_the_seal_of_trust_or_of_acceptance_that_is_killed_anywhere_is_recorded_or_did_not_happen() {
    CASES[5..].iter().for_each(sweep);
}

#[test]
fn a_revocation_that_was_not_recorded_is_recorded_by_the_next_opening_once() {
    let program = begin(&CASES[4]);
    let place = program.place();
    // The state that a process leaves if it is killed between the vault and the record.
    let word =
        run::CredentialWord { change: CredentialChange::Revoked, credential: "key".to_owned(), destinations: Vec::new(), version: None };
    let path = place.home.join("vault");
    let record = word.record(&run::own_principal(), 7);
    let files = [run::FileChange { path: &path, bytes: b"", mode: home::PRIVATE, lock: Some("vault.lock") }];
    drop(run::Note::begin(place, run::First::Files, &record, &files).unwrap());
    run::local_vault(place, None).revoke("key").unwrap();
    let before = recorded(place).len();
    open(place);
    open(place);
    assert_eq!(recorded(place)[before..], ["Revoked key None ".to_owned()]);
    // The control: a note of a revocation that was not made has no effect.
    drop(run::Note::begin(place, run::First::Files, &record, &files).unwrap());
    open(place);
    assert_eq!((recorded(place).len(), changes(&place.home)), (before + 1, 0));
}

#[test]
fn a_change_that_is_under_way_is_left_alone_and_a_file_that_was_changed_since_too() {
    let program = begin(&CASES[6]);
    let place = program.place();
    let said = run::TrustSaid { path: "/x".to_owned(), change: run::TrustChange::Untrusted { config: vocabulary::Digest::of(b"x") } };
    let record = said.record(&run::own_principal(), 7);
    let target = program.folder().join("target.lock");
    std::fs::write(&target, b"old").unwrap();
    let files = [run::FileChange { path: &target, bytes: b"new", mode: home::SHARED, lock: None }];
    let note = run::Note::begin(place, run::First::Record, &record, &files).unwrap();
    let append = || {
        let (journal, _) = journal::Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
        journal.append(journal::log_run(), record.to_bytes(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
        journal.close().unwrap();
    };
    append();
    open(place);
    assert_eq!((std::fs::read(&target).unwrap(), changes(&place.home)), (b"old".to_vec(), 1), "its maker lives");
    drop(note);
    open(place);
    assert_eq!((std::fs::read(&target).unwrap(), changes(&place.home)), (b"new".to_vec(), 0), "finished");
    // Another process changed the file before the change could be finished.
    let note = run::Note::begin(place, run::First::Record, &record, &files).unwrap();
    append();
    std::fs::write(&target, b"somebody else's").unwrap();
    drop(note);
    open(place);
    assert_eq!((std::fs::read(&target).unwrap(), changes(&place.home)), (b"somebody else's".to_vec(), 0));
}

/// A person who can put a file into the home can forge a note, so notes may change only these files. A backup contains no notes.
#[test]
fn a_note_changes_files_of_the_home_and_lists_of_what_was_accepted_and_no_others() {
    let program = begin(&CASES[6]);
    let place = program.place();
    let said = run::TrustSaid { path: "/x".to_owned(), change: run::TrustChange::Untrusted { config: vocabulary::Digest::of(b"x") } };
    let record = said.record(&run::own_principal(), 7);
    let append = || {
        let (journal, _) = journal::Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
        journal.append(journal::log_run(), record.to_bytes(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
        journal.close().unwrap();
    };
    append();
    let targets = ["profile", "inner.lock"].map(|name| program.folder().join(name));
    std::fs::create_dir(place.home.join("inner")).unwrap();
    std::fs::set_permissions(place.home.join("inner"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for (path, may_be) in [
        (targets[0].clone(), false),
        (place.home.join("inner/../../profile"), false),
        (targets[1].clone(), true),
        (place.home.join("inner/list"), true),
    ] {
        let files = [run::FileChange { path: &path, bytes: b"new", mode: home::SHARED, lock: None }];
        let note = run::Note::begin(place, run::First::Record, &record, &files).unwrap();
        let backup =
            || run::backup(place, &program.folder().join("monday"), run::Content::WithKeys, None, &run::CleanUp::default(), &mut |_| {});
        let refused = backup();
        assert!(matches!(refused, Err(run::BackupError::ChangePending)), "{refused:?}");
        append();
        drop(note);
        open(place);
        assert_eq!((path.exists(), changes(&place.home)), (may_be, 0), "{}", path.display());
    }
}

/// A whole rotation by an agent, killed at that call. Returns whether its record exists then, and which version the vault has.
async fn rotation(at: Option<usize>) -> (Traced, bool, u64) {
    let folder = tempfile::tempdir().unwrap();
    let (_server, order, vault) = ready(folder.path(), Manner::Honest).await;
    let plan = at.map(|at| Plan { at, fault: Fault::KillBefore, share: 128 });
    let (path, place) = (folder.path().to_owned(), tests::host::place(folder.path()));
    let traced = tokio::task::spawn_blocking(move || child::traced(&path, &order, plan)).await.unwrap();
    open(&place);
    assert_eq!(changes(&place.home), 0, "{at:?}");
    let reader = journal::Reader::open(&place.home).unwrap();
    let records: Vec<Record> = reader.records().map(|record| Record::parse(&record.unwrap().body).unwrap()).collect();
    let rotated = records.iter().filter(|record| matches!(record, Record::CredentialChanged(it) if it.version == Some(2))).count();
    assert!(rotated < 2, "{at:?}");
    (traced, rotated == 1, vault.get("broker").unwrap().1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_by_an_agent_that_is_killed_anywhere_is_recorded_or_did_not_happen() {
    let (uncut, is_recorded, version) = rotation(None).await;
    assert_eq!((uncut.end, is_recorded, version), (End::Code(0), true, 2));
    let is_note = |call: &Call| call.path.components().any(|part| part.as_os_str() == "changes");
    let (first, last) = (uncut.calls.iter().position(is_note).unwrap(), uncut.calls.iter().rposition(is_note).unwrap());
    let (mut tally, mut cut) = ([0, 0], 0);
    for at in first..=last + 2 {
        let (killed, is_recorded, version) = rotation(Some(at)).await;
        // The number of calls differs a little, because the timing of tasks differs: a run may end before the given call.
        assert!([End::Killed(libc::SIGKILL), End::Code(0)].contains(&killed.end), "{at}: {:?}", killed.end);
        cut += usize::from(killed.end != End::Code(0));
        assert_eq!(version, if is_recorded { 2 } else { 1 }, "killed at {at} before {:?}", killed.hit);
        tally[usize::from(is_recorded)] += 1;
    }
    assert!(tally.iter().all(|count| *count > 0), "{tally:?}");
    assert!(cut * 2 > last - first, "{cut} of {first} to {last}");
}
