//! `doctor --home`: reports the state of the home, changes nothing, and waits for no other process.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::guests::guest;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step};
use vocabulary::Grants;

/// The exit code, and the rows by name.
fn looked(program: &Program) -> (i32, Value) {
    let output = program.run(&["doctor", "--home", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}"));
    let rows = rows.into_iter().map(|row| (row["what"].as_str().unwrap().to_owned(), row)).collect::<serde_json::Map<_, _>>();
    (output.status.code().unwrap(), Value::Object(rows))
}

/// Names, lengths and times of everything in a home.
fn listing(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let found = entry.metadata().unwrap();
        // Compiled components are shared with other tests' homes, whose use changes their times.
        let at = (folder.file_name().unwrap() != "cache").then(|| found.modified().unwrap());
        all.push(format!("{:?} {} {at:?}", entry.path(), found.len()));
        if found.is_dir() {
            all.extend(listing(&entry.path()));
        }
    }
    all.sort();
    all
}

fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    assert!(program.run(&["run", "exits-with", "--trust", "--", "0"]).status.success());
    program
}

#[test]
fn a_home_in_order_has_nothing_bad_and_nothing_in_it_is_changed() {
    let program = ran();
    let before = listing(&program.place().home);
    let (code, rows) = looked(&program);
    assert_eq!(code, 0, "{rows}");
    for what in ["form", "private", "host", "record", "keys", "state", "runs", "last batch", "clock", "leftovers"] {
        assert_eq!(rows[what]["state"], "ok", "{what}: {rows}");
    }
    assert!(["space", "sync", "file system"].iter().all(|what| rows[what]["state"] != "bad"), "{rows}");
    let table = program.run(&["doctor", "--home"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("ok") && table.contains("no process holds the home"), "{table}");
    assert_eq!(listing(&program.place().home), before);
    // The same for a home that does not exist yet.
    let fresh = Program::new("");
    assert_eq!(looked(&fresh).0, 0);
    assert!(!fresh.place().home.join("journal").exists());
}

#[test]
fn what_is_bad_is_said_with_its_number() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = ran();
    let home = &program.place().home;
    let segment = home.join("journal/00000001.seg");
    let whole = fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[400] ^= 1;
    fs::write(&segment, &damaged).unwrap();
    let (code, rows) = looked(&program);
    assert_eq!((code, &rows["record"]["state"]), (6, &Value::from("bad")), "{rows}");
    fs::write(&segment, &whole).unwrap();
    // The rights of other users are checked before anything in the home is read.
    fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, rows) = looked(&program);
    assert_eq!((code, rows["record"].is_null()), (2, true), "{rows}");
    assert!(rows["private"]["words"].as_str().unwrap().contains("chmod 700"), "{rows}");
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).unwrap();
    let form = fs::read_to_string(home.join("form")).unwrap();
    fs::write(home.join("form"), form.replace("home 1", "home 7")).unwrap();
    let (code, rows) = looked(&program);
    assert_eq!((code, rows.as_object().unwrap().len()), (1, 1), "{rows}");
    fs::write(home.join("form"), form).unwrap();
    fs::write(home.join("trust.toml.12.0.new"), "half").unwrap();
    fs::set_permissions(home.join("trust.toml.12.0.new"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, rows) = looked(&program);
    assert_eq!((code, &rows["leftovers"]["state"]), (0, &Value::from("warn")), "{rows}");
    // A clock that went back: the segment's time is in the future.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    fs::File::options().write(true).open(&segment).unwrap().set_modified(later).unwrap();
    let (_, rows) = looked(&program);
    assert_eq!(rows["clock"]["state"], "warn", "{rows}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_stopped_is_named_and_an_act_of_which_nobody_knows_is_counted() {
    let server = Server::doing(vec![Step::Hang]).await;
    let kit = TestHost::new();
    let url = server.url("/");
    let mut order = kit.order("post", &[&url]);
    loopback(&mut order.grants, server.port(), &["POST"], &["/**"]);
    let program = std::sync::Arc::new(Program::new(&config("post", &guest("post"), &order.grants)));
    let command = program.command(&[], &["run", "post", "--trust", "--durable", "--", &url]);
    let mut child = tokio::process::Command::from(command).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    server.until(|counts| counts.heard == 1).await;
    let look = || {
        let program = std::sync::Arc::clone(&program);
        async { tokio::task::spawn_blocking(move || looked(&program)).await.unwrap() }
    };
    let (code, rows) = look().await;
    assert_eq!(code, 0, "{rows}");
    let words = rows["host"]["words"].as_str().unwrap();
    assert!(words.contains(" answers; 1 run active"), "{words}");
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let (code, rows) = look().await;
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(code, 1, "{rows}");
    let words = rows["host"]["words"].as_str().unwrap();
    assert!(words.contains(", stopped) does not answer") && words.contains(&pid.as_raw_nonzero().to_string()), "{words}");
    let words = rows["runs"]["words"].as_str().unwrap();
    assert!(words.contains("1 run is open; it is not known which of them are active"), "nobody knows that it was cut off: {words}");
    child.kill().await.unwrap();
    let (code, rows) = look().await;
    assert_eq!(code, 8, "{rows}");
    assert!(rows["runs"]["words"].as_str().unwrap().contains("1 to be settled"), "{rows}");
}
