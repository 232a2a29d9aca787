//! Forms of a home: homes of earlier programs open, homes of later ones are left alone, and two versions that use one home recognise
//! each other.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use journal::{Journal, Options, log_run};
use rustix::fs::{FlockOperation, flock};
use tests::guests::guest;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use tests::tools::root;

use crate::damaged::{both, ends};

/// The folder with homes of earlier forms, one folder each.
const KEPT: &str = "tests/homes";
/// Files of a home that are not kept: derived files, locks, and compiled code.
const NOT_KEPT: [&str; 7] = ["cache", "cache.key", "build", "lock", "vault.lock", "trust.lock", "host.sock"];

/// Every file beneath a folder with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else if path.is_file() {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// Copies a home without the files that are not kept, and cuts off reserved space.
fn keep(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if NOT_KEPT.iter().any(|not| name == *not) {
            continue;
        }
        if path.is_dir() {
            keep(&path, &to.join(name));
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "seg") {
            let blocks = bytes.chunks(4096).rposition(|block| block != &[0; 4096][..block.len()]).map_or(0, |last| last + 1);
            bytes.truncate(blocks * 4096);
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        }
        fs::write(to.join(&name), bytes).unwrap();
        fs::set_permissions(to.join(&name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A program whose home and second state are copies of these.
fn on_copy(of: &Path) -> Program {
    let program = Program::new("");
    keep(&of.join("home"), &program.place().home);
    keep(&of.join("state"), &program.place().state);
    program
}

/// Makes a home to keep: a vault with a value and a revoked name, a run that ended, a run that was cut off, and a run with acts of unknown
/// outcome.
async fn make(to: &Path) {
    // Only the first request is answered.
    let server = Server::answering(|number, _| if number == 0 { vec![Step::Say(response(200, b"kept"))] } else { vec![Step::Hang] }).await;
    let kit = TestHost::new();
    let mut order = kit.order("get", &[&server.url("/")]);
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    let text = ["get", "two_posts"].map(|name| config(name.replace('_', "-").as_str(), &guest(name), &order.grants)).concat();
    let program = Arc::new(Program::new(&text));
    let ran = Arc::clone(&program);
    let url = server.url("/a");
    let first = url.clone();
    tokio::task::spawn_blocking(move || {
        assert!(ran.run(&["trust"]).status.success());
        for name in ["api", "old"] {
            let set = ran.run_with(&["credentials", "set", name, "--for", "https://api.example.com"], "correct-horse-battery-staple-7\n");
            assert!(set.status.success(), "{}", both(&set));
            fs::remove_file(ran.folder().join("stdin")).ok();
        }
        assert!(ran.run(&["credentials", "revoke", "old"]).status.success());
        assert!(ran.run(&["run", "get", "--durable", "--", &first]).status.success());
    })
    .await
    .unwrap();
    for (agent, url, heard) in [("get", &url, 2), ("two-posts", &server.url(""), 4)] {
        let command = program.command(&[], &["run", agent, "--durable", "--", url]);
        let mut child =
            tokio::process::Command::from(command).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        server.until(|counts| counts.heard == heard).await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();
    }
    keep(&program.place().home, &to.join("home"));
    keep(&program.place().state, &to.join("state"));
}

/// The runs on the record, in the order in which they began.
fn runs(program: &Program) -> Vec<String> {
    let reader = journal::Reader::open(&program.place().home).unwrap();
    gate::runs(&reader).unwrap().iter().map(|part| part.run.to_string()).collect()
}

/// Checks everything that this program can do with such a home.
fn opens(of: &Path) {
    let program = on_copy(of);
    let before = content(&program.place().home);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    let runs = runs(&program);
    let words = ends(&program, &["ps"], 0);
    assert!(words.contains("cut off") && words.contains("needs settling"), "{words}");
    let words = ends(&program, &["show", &runs[0]], 0);
    assert!(words.contains("run-opened") && words.contains("DONE"), "{words}");
    assert!(ends(&program, &["show", &runs[0], "--answers"], 0).contains("kept"));
    let words = ends(&program, &["credentials", "ls"], 0);
    assert!(words.contains("api") && words.contains("revoked"), "{words}");
    ends(&program, &["trust", "ls"], 0);
    ends(&program, &["audit", "touched"], 0);
    ends(&program, &["doctor"], 0);
    let read: Vec<_> = content(&program.place().home);
    let changed = before.iter().filter(|file| !read.contains(file)).map(|(path, _)| path).collect::<Vec<_>>();
    assert!(changed.is_empty(), "reading changed {changed:?}");
    ends(&program, &["replay", &runs[0]], 0);
    ends(&program, &["resume", &runs[2]], 8);
    // The server is gone, which this guest reports and survives.
    ends(&program, &["resume", &runs[1]], 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

/// `MAKE_HOME=1 cargo test --workspace --test it forms` makes the home of the present form anew, from runs of this program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_of_each_form_there_was_opens() {
    let (kept, present) = (root().join(KEPT), format!("form-{}", run::FORMS.home));
    if std::env::var_os("MAKE_HOME").is_some() {
        let _ = fs::remove_dir_all(kept.join(&present));
        make(&kept.join(&present)).await;
    }
    let forms: Vec<PathBuf> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert_eq!(forms.len(), usize::try_from(run::FORMS.home).unwrap(), "a home of each form is kept: {forms:?}");
    for form in forms {
        tokio::task::spawn_blocking(move || opens(&form)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_was_made_just_now_is_kept_and_opens_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path()).await;
    let form = fs::read_to_string(folder.path().join("home/form")).unwrap();
    assert!(form.starts_with("bailiwick home 1\nneeds 0.1.0\nmade "), "{form}");
    tokio::task::spawn_blocking(move || opens(folder.path())).await.unwrap();
}

fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &vocabulary::Grants::default()));
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    program
}

/// Verbs that read, and verbs that write.
const VERBS: [&[&str]; 18] = [
    &["run", "exits-with", "--", "0"],
    &["trust"],
    &["trust", "ls"],
    &["ps"],
    &["doctor"],
    &["doctor", "--home"],
    &["show", "latest"],
    &["logs", "latest"],
    &["stop", "latest"],
    &["resume", "latest"],
    &["replay", "latest"],
    &["audit", "show"],
    &["audit", "touched"],
    &["audit", "verify"],
    &["audit", "accept-rollback"],
    &["audit", "reanchor", "--reason", "a failing disk"],
    &["credentials", "ls"],
    &["credentials", "revoke", "api"],
];

#[test]
fn a_home_of_a_newer_form_is_refused_by_every_verb_and_left_as_it_was() {
    let program = ran();
    let file = program.place().home.join("form");
    let own = fs::read_to_string(&file).unwrap();
    let newer = [
        (own.replace("home 1", "home 2"), "it is of form 2, and bailiwick"),
        (own.replace("record 1", "record 2"), "its part `record` is of form 2"),
        (own.clone() + "notes 1\n", "it has a part `notes`"),
        ("bailiwick home 3\nneeds 0.9.0\nsomething else\n".to_owned(), "knows forms up to 1"),
    ];
    for (text, said) in newer {
        fs::write(&file, text.replace("needs 0.1.0", "needs 0.9.0")).unwrap();
        let before = (content(&program.place().home), content(&program.place().state));
        for verb in VERBS {
            let words = ends(&program, verb, 1).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("is of a newer form") && words.contains(said), "{verb:?}: {words}");
            assert!(words.contains("use bailiwick 0.9.0 or a newer one"), "{verb:?}: {words}");
        }
        assert_eq!((content(&program.place().home), content(&program.place().state)), before, "{said}");
    }
    fs::write(&file, "bailiwick\n").unwrap();
    assert!(ends(&program, &["run", "exits-with", "--", "0"], 1).contains("does not say which form"));
    // A home without the file is of the first form, and gets the file.
    fs::remove_file(&file).unwrap();
    ends(&program, &["ps"], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), own);
}

/// Appends a record as a newer program would.
fn append_newer(program: &Program) {
    let place = program.place();
    let (journal, _) = Journal::open(&place.home, Some(&place.state), Options::default()).unwrap();
    let body = br#"{"at":1,"bytes":2,"kind":"recovered","v":2}"#.to_vec();
    journal.append(log_run(), body, Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
}

#[test]
fn a_record_of_a_newer_form_is_refused_in_a_home_and_proved_in_a_copy() {
    let program = ran();
    append_newer(&program);
    let before = content(&program.place().home.join("journal"));
    for verb in [&["run", "exits-with", "--", "0"][..], &["ps"], &["audit", "show"], &["audit", "verify"], &["trust"]] {
        let words = ends(&program, verb, 1);
        assert!(words.contains("is of form 2") && words.contains("a newer program wrote it"), "{verb:?}: {words}");
        assert!(words.contains("help: use this home with the version of the program that wrote it"), "{verb:?}: {words}");
    }
    assert_eq!(content(&program.place().home.join("journal")), before);
    // An auditor can prove records that the auditor's program does not understand.
    let copy = program.folder().join("copy");
    keep(&program.place().home, &copy);
    let words = ends(&program, &["audit", "verify", copy.to_str().unwrap()], 0);
    assert!(words.contains("WHOLE") && words.contains("1 record is of a newer form (up to 2)"), "{words}");
    let form = fs::read_to_string(copy.join("form")).unwrap().replace("record 1", "record 2");
    fs::write(copy.join("form"), form).unwrap();
    let words = ends(&program, &["audit", "verify", copy.to_str().unwrap()], 0);
    assert!(words.contains("is of a newer form: its part `record`"), "{words}");
}

/// Holds a home like a process of another version, and sends this line to each client.
fn hold(program: &Program, welcome: &str) -> (fs::File, std::thread::JoinHandle<()>) {
    let home = &program.place().home;
    let lock = fs::File::open(home.join("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let _ = fs::remove_file(home.join("host.sock"));
    let listener = UnixListener::bind(home.join("host.sock")).unwrap();
    let line = format!("{welcome}\n");
    let speaks = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A client may close the connection early.
        let _ = stream.write_all(line.as_bytes());
    });
    (lock, speaks)
}

#[test]
fn a_second_version_at_a_home_says_what_the_first_is() {
    let program = ran();
    let others = [
        (r#"{"welcome":{"version":"0.9.0","forms":"home 2, record 2","wire":7}}"#, "bailiwick 0.9.0 holds the home"),
        (r#"{"welcome":{"version":"0.9.0\u001b[31m","forms":"home 1, record 1, keys 1, vault 2","wire":7}}"#, "bailiwick 0.9.0"),
        (r#"{"welcome":{}}"#, "of an older version holds the home"),
    ];
    for (welcome, said) in others {
        let before = content(&program.place().home.join("journal"));
        let (lock, speaks) = hold(&program, welcome);
        let words = ends(&program, &["run", "exits-with", "--", "0"], 1);
        speaks.join().unwrap();
        assert!(words.contains(said) && words.contains("these two versions can't work together") && !words.contains('\u{1b}'), "{words}");
        assert_eq!(content(&program.place().home.join("journal")), before);
        drop(lock);
    }
    // The control.
    ends(&program, &["run", "exits-with", "--", "0"], 0);
}
