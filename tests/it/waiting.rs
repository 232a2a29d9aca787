//! A process holds the home, or a lock of it, and does not answer: a waiting process says for which process it waits, ends with the
//! first signal, and gives up after a time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use tests::program::Program;

use crate::terminals::{Terminal, waits};

/// Each verb that talks to the process that holds the home, except `ps`, which can also answer without it.
fn verbs(run: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["run", "waits-for-ever", "--trust"],
        vec!["stop", run],
        vec!["resume", run],
        vec!["trust"],
        vec!["trust", "rm", "bailiwick.toml"],
        vec!["accept", "waits-for-ever"],
        vec!["credentials", "revoke", "--run", run],
        vec!["credentials", "revoke", "--agent", "waits-for-ever"],
        vec!["credentials", "set", "key", "--for", "https://api.example.com"],
        vec!["credentials", "seal", "file"],
    ]
}

/// Returns when the active run is on the record: it is reported before it is on the disk.
fn listed(program: &Program) {
    let listed = program.run(&["ps", "--json"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("running"), "{listed:?}");
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn impatient(program: &Program, args: &[&str]) -> Command {
    let mut command = program.command(&[], args);
    command.env("BAILIWICK_WAIT", "1");
    command
}

/// Runs a command with a value on standard input.
fn output(mut command: Command, folder: &Path) -> Output {
    let value = folder.join("value");
    std::fs::write(&value, "q8Zr5vTn2Wc7Lm4Xp9Kd1Hs6Jf3Gb0Ya").unwrap();
    command.stdin(std::fs::File::open(value).unwrap()).output().unwrap()
}

#[test]
fn each_verb_says_for_whom_it_waits_and_gives_up_with_its_number_and_what_to_do() {
    let program = waits();
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    let holder = Terminal::waiting(&program, "waits-for-ever");
    listed(&program);
    holder.signal(Signal::STOP);
    let (run, pid) = (holder.run.clone(), holder.pid());
    for verb in verbs(&run) {
        let output = output(impatient(&program, &verb), program.folder());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(
            said.contains(&format!("waiting for process {pid} (`bailiwick run`, stopped), which holds the home since ")),
            "{verb:?}: {said}"
        );
        assert!(
            said.contains(&format!("process {pid} (`bailiwick run`, stopped), which holds the home, has not answered for 1 s")),
            "{said}"
        );
        assert!(said.contains(&format!("`kill -CONT {pid}` continues it")), "{verb:?}: {said}");
    }
    // The option sets it too, and overrides the variable.
    let mut command = program.command(&[], &["stop", &run, "--wait", "1"]);
    let output = command.env("BAILIWICK_WAIT", "600").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    // The control: the same verbs succeed once the process continues.
    holder.signal(Signal::CONT);
    let stopped = program.run(&["stop", &run]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped));
    assert_eq!(holder.ends(), 143);
}

#[test]
fn the_first_signal_ends_a_wait() {
    let program = waits();
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    let holder = Terminal::waiting(&program, "waits-for-ever");
    listed(&program);
    holder.signal(Signal::STOP);
    let run = holder.run.clone();
    let verbs = verbs(&run).into_iter().filter(|verb| verb.first() != Some(&"credentials")).chain([vec!["ps", "--wait", "600"]]);
    for (verb, (signal, code)) in
        verbs.flat_map(|verb| [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)].map(|ends| (verb.clone(), ends)))
    {
        let mut command = program.command(&[], &verb);
        command.env("BAILIWICK_WAIT", "600");
        let mut terminal = Terminal::start(command);
        terminal.until("waiting for process");
        terminal.signal(signal);
        let (ended, said) = terminal.ends_saying();
        assert_eq!(ended, code, "{verb:?}: {said}");
    }
    holder.kill();
}

#[test]
fn a_client_whose_holder_is_stopped_ends_with_the_first_signal() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    let client = Terminal::waiting(&program, "waits-for-ever");
    holder.signal(Signal::STOP);
    client.signal(Signal::INT);
    let run = client.run.clone();
    let (code, said) = client.ends_saying();
    assert_eq!(code, 130, "{said}");
    assert!(said.contains(&run) && said.contains("not known"), "{said}");
    // When it continues, it gets the order to end that run.
    holder.signal(Signal::CONT);
    let mut listed = String::new();
    while !listed.contains(&holder.run) || listed.contains(&run) {
        listed = String::from_utf8_lossy(&program.run(&["ps"]).stdout).into_owned();
    }
    assert!(crate::terminals::end(&program, &run).contains("ctrl-c"), "with the means that the client gave");
    holder.signal(Signal::INT);
    assert_eq!(holder.ends(), 130);
}

#[test]
fn ps_never_calls_a_run_cut_off_whose_holder_does_not_answer() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    let state = |program: &Program| {
        let output = impatient(program, &["ps", "--json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (rows.pointer("/0/state").and_then(serde_json::Value::as_str).unwrap_or("none").to_owned(), text(&output))
    };
    assert_eq!(state(&program).0, "running");
    holder.signal(Signal::STOP);
    let (stopped, said) = state(&program);
    assert_eq!(stopped, "unknown");
    assert!(
        said.contains(&format!("it is not known which runs are active: process {} (`bailiwick run`, stopped)", holder.pid())),
        "{said}"
    );
    let socket = program.place().home.join("host.sock");
    std::fs::remove_file(&socket).unwrap();
    let (without, said) = state(&program);
    assert_eq!(without, "unknown", "the lock is checked, and not only the socket");
    assert!(said.contains(&holder.pid().to_string()), "{said}");
    holder.kill();
    // The control: no process holds the home, so the run was cut off.
    assert_eq!(state(&program).0, "cut-off-for-good");
}

/// The first line of a host of this version.
fn welcome(program: &Program) -> String {
    let holder = Terminal::waiting(program, "waits-for-ever");
    let mut line = String::new();
    BufReader::new(UnixStream::connect(program.place().home.join("host.sock")).unwrap()).read_line(&mut line).unwrap();
    holder.kill();
    line
}

/// Holds the home like a process that does this with each client, and counts the clients.
fn plays(program: &Program, with: impl Fn(UnixStream) + Send + 'static) -> (std::fs::File, Arc<AtomicUsize>) {
    let home = &program.place().home;
    home::make_folder(&home.join("journal")).unwrap();
    let lock = home::lock(&home.join("lock"), "plays the holder").unwrap();
    let _ = std::fs::remove_file(home.join("host.sock"));
    let listener = UnixListener::bind(home.join("host.sock")).unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            with(stream);
        }
    });
    (lock, came)
}

#[test]
fn a_holder_that_welcomes_and_then_says_nothing_is_given_up() {
    let program = waits();
    let kept = std::sync::Mutex::new(Vec::new());
    let welcome = welcome(&program);
    let (_lock, came) = plays(&program, move |mut stream| {
        let _ = stream.write_all(welcome.as_bytes());
        kept.lock().unwrap().push(stream);
    });
    for verb in [&["run", "waits-for-ever", "--trust"][..], &["trust"], &["credentials", "revoke", "--agent", "x"]] {
        let output = output(impatient(&program, verb), program.folder());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
        assert!(said.contains(&format!("process {}", std::process::id())), "{verb:?}: {said}");
        assert!(said.contains("has not answered for 1 s"), "{verb:?}: {said}");
    }
    assert!(came.load(Ordering::SeqCst) >= 3);
}

#[test]
fn a_holder_whose_disk_does_not_answer_is_named_with_that() {
    let program = waits();
    let welcome = welcome(&program);
    let (_lock, _) = plays(&program, move |mut stream| {
        let _ = stream.write_all(welcome.as_bytes());
        let mut line = String::new();
        let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut line);
        let _ = stream.write_all(b"{\"alive\":{\"disk_ms\":3600000}}\n");
        let _ = BufReader::new(stream).read_line(&mut line);
    });
    let output = output(impatient(&program, &["trust"]), program.folder());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("waits for the disk of the home, has not answered for 3600 s"), "{said}");
}

#[test]
fn a_holder_that_breaks_off_in_the_middle_of_an_answer_is_no_answer() {
    let program = waits();
    let welcome = welcome(&program);
    let (_lock, came) = plays(&program, move |mut stream| {
        let _ = stream.write_all(welcome.as_bytes());
        let mut line = String::new();
        let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut line);
        let _ = stream.write_all(b"{\"done\":{\"do");
    });
    let output = output(impatient(&program, &["trust"]), program.folder());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ended before it answered"), "{said}");
    assert_eq!(came.load(Ordering::SeqCst), 1, "an order that may have been executed is not sent again");
}

#[test]
fn a_home_that_is_held_without_a_socket_is_said_to_be() {
    let program = waits();
    home::make_folder(&program.place().home.join("journal")).unwrap();
    let _lock = home::lock(&program.place().home.join("lock"), "plays the holder").unwrap();
    for verb in [&["trust"][..], &["run", "waits-for-ever", "--trust"], &["stop", "latest"]] {
        // `stop` needs a record to find the run in.
        let output = output(impatient(&program, verb), program.folder());
        let said = text(&output);
        assert_ne!(output.status.code(), Some(0), "{verb:?}: {said}");
        if verb.first() != Some(&"stop") {
            assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
            let words = format!("process {}", std::process::id());
            assert!(said.contains(&words) && said.contains("can't be reached"), "{verb:?}: {said}");
        }
    }
    let listed = impatient(&program, &["ps"]).output().unwrap();
    assert!(text(&listed).contains("it is not known which runs are active"), "{listed:?}");
}

#[test]
fn other_locks_of_a_home_are_waited_for_in_the_same_way() {
    let program = waits();
    let home = program.place().home.clone();
    let cases = [
        ("trust.lock", vec!["trust"], "has locked the list of what is trusted"),
        ("vault.lock", vec!["credentials", "set", "key", "--for", "https://api.example.com"], "has locked the vault"),
    ];
    for (name, verb, what) in cases {
        let held = home::lock(&home.join(name), "tests").unwrap();
        let own = std::process::id();
        let gave_up = output(impatient(&program, &verb), program.folder());
        let said = text(&gave_up);
        assert_eq!(gave_up.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("waiting for process {own} ")) && said.contains(what), "{said}");
        assert!(said.contains(&format!("`kill -9 {own}` ends it")), "{said}");
        // The first signal ends the wait.
        let value = std::fs::File::open(program.folder().join("value")).unwrap();
        let mut command = program.command(&[], &verb);
        let mut child = command.env("BAILIWICK_WAIT", "600").stdin(value).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("waiting for process") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{name}");
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
        // The control.
        drop(held);
        let done = output(impatient(&program, &verb), program.folder());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    }
}

#[test]
fn a_number_of_seconds_is_one() {
    let program = waits();
    let mut command = program.command(&[], &["ps"]);
    let output = command.env("BAILIWICK_WAIT", "soon").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("`BAILIWICK_WAIT` must be a number of seconds, not `soon`"), "{}", text(&output));
    let holder = Terminal::waiting(&program, "waits-for-ever");
    holder.signal(Signal::STOP);
    for too_long in ["31536001", "18446744073709551615"] {
        let output = program.command(&[], &["run", "waits-for-ever", "--wait", too_long]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{too_long}: {}", text(&output));
    }
    // The control: a year is accepted, and the first signal ends the wait.
    let mut child =
        program.command(&[], &["run", "waits-for-ever", "--trust", "--wait", "31536000"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for process") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

/// These verbs need the home for themselves, and do not wait for it.
#[test]
fn what_needs_the_home_for_itself_names_who_has_it_and_how_that_goes_on() {
    let program = waits();
    let holder = Terminal::waiting(&program, "waits-for-ever");
    listed(&program);
    let pid = holder.pid();
    let verbs: &[&[&str]] = &[&["audit", "accept-rollback"], &["audit", "reanchor", "--reason", "x"], &["keys", "rotate", "home"]];
    for is_stopped in [false, true] {
        if is_stopped {
            holder.signal(Signal::STOP);
        }
        for verb in verbs {
            let output = program.run(verb);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{verb:?}: {said}");
            let doing = if is_stopped { "`bailiwick run`, stopped" } else { "`bailiwick run`" };
            assert!(
                said.contains(&format!("another process holds `{}`: process {pid} ({doing})", program.place().home.display())),
                "{verb:?}: {said}"
            );
            assert_eq!(said.contains(&format!("`kill -CONT {pid}` continues it")), is_stopped, "{verb:?}: {said}");
            assert!(said.contains("`bailiwick stop`"), "{verb:?}: {said}");
        }
    }
    holder.kill();
}
