//! Messages about faults of disks and rights: they name the file, the step, the cause, and the next step, and never call the fault damage.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::guests::guest;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use vocabulary::Grants;

/// A user that owns nothing here.
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A file system in memory, mounted at a folder until this is dropped.
pub(crate) struct InMemory(PathBuf);

impl InMemory {
    /// Mounts it; `None` if this process may not mount.
    pub(crate) fn at(path: &Path, size: &str) -> Option<Self> {
        home::make_folder(path).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }

    pub(crate) fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success(), "{options}");
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Prints why a test is skipped.
pub(crate) fn not_here(why: &str) {
    eprintln!("not looked at: {why}");
}

/// An agent that sends two POSTs at once, to a server that answers with this many bytes.
async fn posting(bytes: usize) -> (Program, Server, String) {
    let server = Server::answering(move |_, _| vec![Step::Say(response(201, &vec![b'x'; bytes]))]).await;
    let kit = TestHost::new();
    let url = server.url("");
    let mut order = kit.order("two_posts", &[&url]);
    loopback(&mut order.grants, server.port(), &["POST"], &["/**"]);
    (Program::new(&config("two-posts", &guest("two_posts"), &order.grants)), server, url)
}

async fn run(program: &Program, before: &[&str], args: &[&str]) -> Output {
    let mut command = program.command(before, args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The only run of a home.
fn the_run(program: &Program) -> String {
    let records = journal::Reader::open(&program.place().home).unwrap().records();
    records.map(|record| record.unwrap().run).find(|run| *run != journal::log_run()).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_names_file_cause_and_room_and_the_run_is_resumed_and_posts_nothing_twice() {
    let (program, server, url) = posting(300 << 10).await;
    let journal = program.place().home.join("journal");
    let Some(disk) = InMemory::at(&journal, "256k") else { return not_here("this user may not mount") };
    let ran = run(&program, &[], &["run", "two-posts", "--trust", "--", &url]).await;
    let (words, id) = (said(&ran), the_run(&program));
    assert_eq!(ran.status.code(), Some(6), "{words}");
    assert!(words.contains("the record could not be written, so nothing further was done"), "{words}");
    assert!(words.contains(&format!("`{}/0000", journal.display())), "the file: {words}");
    let cause = format!("no space left on the file system at `{}`: ", journal.display());
    let rest = words.split_once(&cause).unwrap_or_else(|| panic!("the cause: {words}")).1;
    assert!(rest.contains(" needed, ") && rest.contains(" free"), "the numbers: {words}");
    assert!(words.contains(&format!("`df -h {}`", journal.display())) && words.contains(&format!("`bailiwick resume {id}`")), "{words}");
    assert!(!words.contains("run again") && !words.contains("damaged"), "{words}");
    // The report counts exactly what is on the record.
    let touched = run(&program, &[], &["audit", "touched", "--json"]).await;
    let touched: serde_json::Value = serde_json::from_slice(&touched.stdout).unwrap();
    let answered = touched.pointer("/totals/answered").or(touched.pointer("/touched/totals/answered")).unwrap().as_u64().unwrap();
    assert!(words.contains(&format!(" sent, {answered} answered")), "{answered}: {words}");
    assert_eq!(server.heard().len(), 2);

    // The run is resumed as the help says, and nothing is posted a second time.
    disk.remount("size=64m");
    let resumed = run(&program, &[], &["resume", &id]).await;
    let mut code = resumed.status.code();
    if code == Some(8) {
        code = run(&program, &[], &["resume", &id, "--settle", "did", "--op", "1"]).await.status.code();
    }
    if code == Some(8) {
        code = run(&program, &[], &["resume", &id, "--settle", "did"]).await.status.code();
    }
    assert_eq!(code, Some(0), "{}", said(&resumed));
    assert_eq!(server.heard().len(), 2, "posted again");
    assert_eq!(run(&program, &[], &["audit", "verify"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nearly_full_disk_still_takes_a_run_whose_records_fit() {
    let (program, server, url) = posting(1 << 10).await;
    let journal = program.place().home.join("journal");
    let Some(_disk) = InMemory::at(&journal, "256k") else { return not_here("this user may not mount") };
    let ran = run(&program, &[], &["run", "two-posts", "--trust", "--", &url]).await;
    assert_eq!((ran.status.code(), server.heard().len()), (Some(0), 2), "{}", said(&ran));
    assert_eq!(run(&program, &[], &["audit", "verify"]).await.status.code(), Some(0));
}

#[test]
fn a_disk_without_room_for_a_log_or_mounted_read_only_is_named_as_such() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let journal = program.place().home.join("journal");
    let Some(disk) = InMemory::at(&journal, "16k") else { return not_here("this user may not mount") };
    let run = || program.run(&["run", "exits-with", "--trust", "--", "0"]);
    let words = said(&run());
    let cause = format!("no space left on the file system at `{}`: 65.5 kB needed, ", journal.display());
    assert!(words.contains(&cause) && words.contains("help: free space there"), "{words}");
    disk.remount("size=64m");
    assert_eq!(run().status.code(), Some(0), "the control");
    disk.remount("ro");
    let (ran, looked) = (run(), program.run(&["audit", "verify"]));
    let words = said(&ran);
    assert!(
        ran.status.code() == Some(6) && words.contains(&format!("the file system at `{}` is mounted read-only", journal.display())),
        "{words}"
    );
    assert!(words.contains("remount,rw") && !words.contains("damaged"), "{words}");
    assert_eq!(looked.status.code(), Some(0), "reading continues: {}", said(&looked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_length_of_files_makes_shorter_segments_or_is_named_and_ends_nothing_by_a_signal() {
    let (program, server, url) = posting(300 << 10).await;
    let ran = run(&program, &[], &["run", "two-posts", "--trust", "--", &url]).await;
    assert_eq!((ran.status.code(), server.heard().len()), (Some(0), 2), "the control: {}", said(&ran));
    // The limit is in blocks of 512 bytes. The segment is longer already, and the next record fits into a shorter segment.
    let limited = |blocks: &str| ["/bin/sh".to_owned(), "-c".to_owned(), format!("ulimit -f {blocks}; exec \"$@\""), "sh".to_owned()];
    let run_limited = async |blocks: &str, args: &[&str]| {
        let before = limited(blocks);
        run(&program, &before.each_ref().map(String::as_str), args).await
    };
    let segments = || journal_files(&program, ".seg");
    assert_eq!(segments(), 1);
    let trusted = run_limited("100", &["trust"]).await;
    assert_eq!((trusted.status.code(), segments()), (Some(0), 2), "{}", said(&trusted));
    // Less than the length of any segment.
    let refused = run_limited("1", &["trust", "rm", "bailiwick.toml"]).await;
    let words = said(&refused);
    assert_eq!(refused.status.code(), Some(6), "{words}");
    assert!(
        words.contains("the file would exceed the limit for the size of a file (512 bytes)") && words.contains("`ulimit -f`"),
        "{words}"
    );
    assert!(words.contains("/journal/0000") && words.contains("then run the command again"), "{words}");
    assert!(said(&run(&program, &[], &["trust", "ls"]).await).contains("bailiwick.toml"), "it is as it was");
    assert_eq!(run(&program, &[], &["audit", "verify"]).await.status.code(), Some(0));
}

/// How many files of the journal's folder end like this.
fn journal_files(program: &Program, ending: &str) -> usize {
    let names = home::list(&program.place().home.join("journal")).unwrap();
    names.iter().filter(|name| name.to_string_lossy().ends_with(ending)).count()
}

/// The program as another user, in a home that belongs to that user.
pub(crate) fn as_nobody(program: &Program, args: &[&str]) -> Output {
    let before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    program.command(&before, args).output().unwrap()
}

pub(crate) fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), owner));
    }
}

pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_may_not_be_read_is_no_damage_and_says_whose_it_is() {
    if !rustix::process::geteuid().is_root() {
        return not_here("this is not root");
    }
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    mode(program.folder(), 0o755);
    give(&program.place().home, NOBODY);
    home::make_folder(&program.place().state).unwrap();
    give(&program.place().state, NOBODY);
    let component = program.folder().join("exits_with.wasm");
    std::fs::copy(guest("exits_with"), &component).unwrap();
    std::fs::write(program.config(), config("exits-with", &component, &Grants::default())).unwrap();
    let ran = as_nobody(&program, &["run", "exits-with", "--trust", "--", "0"]);
    assert_eq!(ran.status.code(), Some(0), "the control: {}", said(&ran));
    let home = &program.place().home;
    let id = the_run(&program);
    for name in ["journal/00000001.seg", "journal.key", "home.key", "journal.pub", "keys", "journal"] {
        let path = home.join(name);
        let was = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        mode(&path, 0o000);
        let verbs: &[&[&str]] =
            &[&["audit", "verify"], &["run", "exits-with", "--trust", "--", "0"], &["ps"], &["show", &id], &["audit", "touched"]];
        for args in verbs {
            let output = as_nobody(&program, args);
            let words = said(&output);
            if output.status.code() == Some(0) {
                // The verb did not need this file.
                continue;
            }
            assert!(words.contains("user nobody (65534) has no permission: "), "{name} {args:?}: {words}");
            assert!(words.contains(&format!("`{}` belongs to user nobody (65534), with mode 0000", path.display())), "{name}: {words}");
            assert!(!words.contains("damaged") && !words.contains("from a copy") && !words.contains("BROKEN"), "{name} {args:?}: {words}");
            assert!(![Some(6), Some(0)].contains(&output.status.code()), "{name} {args:?}: {words}");
            assert!(words.contains("help: "), "{name} {args:?}: {words}");
        }
        mode(&path, was);
    }
    assert_eq!(as_nobody(&program, &["audit", "verify"]).status.code(), Some(0), "nothing was marked or changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_and_not_answered_is_unknown_and_what_never_left_is_failed() {
    // The server closes after the request, or in the middle of a head, or does not exist.
    let cut = b"HTTP/1.1 201 Created\r\nContent-Le".to_vec();
    for (steps, word) in [(vec![Step::Close], "unknown"), (vec![Step::Say(cut), Step::Close], "unknown"), (Vec::new(), "failed")] {
        let server = Server::answering(move |_, _| steps.clone()).await;
        let kit = TestHost::new();
        let nobody_there = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = if word == "failed" { nobody_there() } else { server.port() };
        let url = format!("http://127.0.0.1:{port}");
        for (name, method) in [("post", "POST"), ("get", "GET")] {
            let mut order = kit.order(name, &[&url]);
            loopback(&mut order.grants, port, &[method], &["/**"]);
            let program = Program::new(&config(name, &guest(name), &order.grants));
            let ran = run(&program, &[], &["run", name, "--trust", "--", &format!("{url}/x")]).await;
            let words = said(&ran);
            let sent = u8::from(word == "unknown");
            assert!(words.contains(&format!("1 asked, 0 refused, {sent} sent, 0 answered, 1 {word}")), "{method} {word}: {words}");
            let shown = said(&run(&program, &[], &["show", &the_run(&program)]).await);
            assert!(shown.contains(&format!("op 1 {word}: ")), "{shown}");
            let touched = run(&program, &[], &["audit", "touched", "--json"]).await;
            let touched: serde_json::Value = serde_json::from_slice(&touched.stdout).unwrap();
            let counted = ["failed", "unknown"].map(|word| touched.pointer(&format!("/http/0/{word}")).and_then(serde_json::Value::as_u64));
            assert_eq!(counted, [Some(u64::from(1 - sent)), Some(u64::from(sent))], "{touched}");
            // The guest got an error, so no person has to settle anything.
            let ps = run(&program, &[], &["ps"]).await;
            assert!(ps.status.code() == Some(0) && !said(&ps).contains("settle"), "{}", said(&ps));
        }
    }
}

/// The first batch of the run needs a new segment, for which there is no space.
#[test]
fn a_run_of_which_nothing_is_on_the_record_is_not_to_be_resumed() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let journal = program.place().home.join("journal");
    let Some(disk) = InMemory::at(&journal, "120k") else { return not_here("this user may not mount") };
    let run = |more: &str| program.run(&["run", "exits-with", "--trust", "--", "0", more]);
    assert_eq!(run("").status.code(), Some(0));
    let fill = journal.join("fill");
    std::fs::write(&fill, vec![0; 120 << 10]).unwrap_err();
    mode(&fill, 0o600);
    let long = "x".repeat(60_000);
    let ran = run(&long);
    let words = said(&ran);
    assert!(ran.status.code() == Some(6) && words.contains("no space left on the file system at `"), "{words}");
    assert!(!words.contains("resume") && words.contains("then run the command again"), "{words}");
    assert!(said(&program.run(&["ps"])).contains("no run is open"));
    // The control: the advice helps.
    disk.remount("size=64m");
    assert_eq!(run(&long).status.code(), Some(0));
    assert_eq!(program.run(&["audit", "verify"]).status.code(), Some(0));
}
