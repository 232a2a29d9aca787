//! Values that a program prints. The host starts the program without a shell and with little of its environment. Its time and its output
//! are bounded.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use vocabulary::PinnedFile;
use zeroize::Zeroizing;

use crate::secret::{Secret, UnfitError, VALUE_BYTES_MAX};
use key::pinned::check_pinned;

/// BOUND: how long a program may run. After that, it is killed with every process of its process group.
const PATIENCE: Duration = Duration::from_secs(10);
/// BOUND: how long a value is kept and used before the program is started again.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// BOUND: bytes of a program's output that are read: a value and one line end.
const OUTPUT_BYTES_MAX: usize = VALUE_BYTES_MAX + 2;
/// The variables of the host's environment that programs which keep secrets need. Variables that begin with `XDG_` are passed on too. No
/// others are.
const HANDED_ON: [&str; 4] = ["PATH", "HOME", "USER", "LANG"];

/// A program gave no value. The error contains nothing that the program printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// Its path is relative, so it would depend on the caller's folder which program is started.
    #[error("a program must be named by its absolute path")]
    NotAbsolute,
    /// The program, or a file among its arguments, differs from what was trusted, or can't be compared with it.
    #[error("it differs from what was trusted, or others can change it: {0}")]
    Changed(io::ErrorKind),
    /// The program could not be started.
    #[error("it could not be started: {0}")]
    NotStarted(io::ErrorKind),
    /// The output could not be read.
    #[error("its output could not be read: {0}")]
    Unread(io::ErrorKind),
    /// The program took too long, and was killed.
    #[error("it did not end within {} s, and was killed", PATIENCE.as_secs())]
    TimedOut,
    /// The program printed more than a value can have, and was killed.
    #[error("it printed more than {VALUE_BYTES_MAX} bytes, and was killed")]
    TooLong,
    /// The program exited with a status that means failure.
    #[error("it exited with status {0}")]
    Failed(i32),
    /// The program was killed, but not by this host.
    #[error("it was killed")]
    Killed,
    /// The output can't be a secret.
    #[error("what it printed can't be a secret")]
    Unfit(#[source] UnfitError),
}

/// The last outputs of programs, by the name of the binding. Each program runs once at a time, however many callers wait for it.
///
/// Starting a process for each request is slow, and some of these programs query a server or their user. So a value is kept for a minute.
/// It is overwritten when it is revoked, when another value replaces it, and when the vault is dropped.
#[derive(Default)]
pub(crate) struct Printed(Mutex<HashMap<String, Arc<ProgramSlot>>>);

/// How a program is run to get a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The program as it was named, and its arguments.
    pub(crate) command: Vec<String>,
    /// The files that it consists of, with the program itself first, as they were when they were trusted. Empty if no configuration named
    /// it.
    pub(crate) pinned: Vec<PinnedFile>,
}

/// The slot of one binding. Each recipe has its own slot.
struct ProgramSlot {
    recipe: Recipe,
    /// How often the program was run to its end.
    asked: AtomicU64,
    last: tokio::sync::Mutex<Option<(Result<Secret, ExecError>, Instant)>>,
}

impl Printed {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<ProgramSlot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, name: &str, recipe: &Recipe) -> Arc<ProgramSlot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(name).filter(|slot| slot.recipe == *recipe) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(ProgramSlot { recipe: recipe.clone(), asked: AtomicU64::new(0), last: tokio::sync::Mutex::default() });
        slots.insert(name.to_owned(), Arc::clone(&slot));
        slot
    }

    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    #[expect(clippy::disallowed_methods, reason = "door: how old a value is that a program printed")]
    pub(crate) async fn value(&self, name: &str, recipe: &Recipe) -> Result<Secret, ExecError> {
        self.value_at(name, recipe, Instant::now).await
    }

    async fn value_at(&self, name: &str, recipe: &Recipe, now: impl Fn() -> Instant) -> Result<Secret, ExecError> {
        let slot = self.slot(name, recipe);
        let asked = slot.asked.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        match &*last {
            Some((Ok(value), at)) if now().saturating_duration_since(*at) < KEPT_FOR => return Ok(value.clone()),
            // The program failed while this caller waited. If a program hangs, callers must not wait for it one after the other.
            Some((Err(err), _)) if slot.asked.load(Ordering::Acquire) > asked => return Err(*err),
            _ => *last = None,
        }
        let value = match output(recipe, tokio::time::sleep(PATIENCE)).await {
            Ok(mut printed) => Secret::of_text(std::mem::take(&mut *printed)).map_err(ExecError::Unfit),
            Err(err) => Err(err),
        };
        slot.asked.fetch_add(1, Ordering::Release);
        *last = Some((value.clone(), now()));
        value
    }
}

/// A child and its process group. The group is killed if this value is dropped before the child has ended.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The process id can't be reused before the process was waited for.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads the output to its end, which comes when the last process that holds the standard output has ended.
async fn output(recipe: &Recipe, too_late: impl Future<Output = ()>) -> Result<Zeroizing<Vec<u8>>, ExecError> {
    let pinned = recipe.pinned.clone();
    let checked = tokio::task::spawn_blocking(move || check_pinned(&pinned)).await.map_err(|_| ExecError::Killed)?;
    checked.map_err(|err| ExecError::Changed(err.kind()))?;
    let mut group = Group(start(recipe)?);
    tokio::select! {
        biased;
        printed = read(&mut group.0) => printed,
        () = too_late => Err(ExecError::TimedOut),
    }
}

#[expect(clippy::disallowed_methods, reason = "door: programs that the operator has print secrets")]
fn start(recipe: &Recipe) -> Result<Child, ExecError> {
    let (program, arguments) = recipe.command.split_first().ok_or(ExecError::NotAbsolute)?;
    if !program.starts_with('/') {
        return Err(ExecError::NotAbsolute);
    }
    // Standard error is meant for a terminal and may contain the value too, so it is discarded. The real path is started, so that a link
    // that was put there later is not followed. The program sees the name that was configured.
    let real = recipe.pinned.first().map_or(Path::new(program), |pinned| &pinned.path);
    let mut command = Command::new(real);
    command.arg0(program).args(arguments).env_clear().envs(environment()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true).spawn().map_err(|err| ExecError::NotStarted(err.kind()))
}

#[expect(clippy::disallowed_methods, reason = "door: what a program that prints a secret finds in its environment")]
fn environment() -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| HANDED_ON.contains(&name) || name.starts_with("XDG_")))
}

async fn read(child: &mut Child) -> Result<Zeroizing<Vec<u8>>, ExecError> {
    let mut stdout = child.stdout.take().ok_or(ExecError::Unread(io::ErrorKind::BrokenPipe))?;
    // There is room for the whole output and one more byte, because a buffer that grows leaves copies behind.
    let mut printed = Zeroizing::new(vec![0; OUTPUT_BYTES_MAX + 1]);
    let mut length = 0;
    loop {
        match stdout.read(printed.get_mut(length..).unwrap_or_default()).await {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(err) => return Err(ExecError::Unread(err.kind())),
        }
    }
    if length > OUTPUT_BYTES_MAX {
        return Err(ExecError::TooLong);
    }
    printed.truncate(length);
    let status = child.wait().await.map_err(|err| ExecError::Unread(err.kind()))?;
    match status.code() {
        Some(0) => Ok(printed),
        Some(code) => Err(ExecError::Failed(code)),
        None => Err(ExecError::Killed),
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and looks at files of its own"
)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn recipe<'a>(words: impl IntoIterator<Item = &'a str>) -> Recipe {
        Recipe { command: words.into_iter().map(str::to_owned).collect(), pinned: Vec::new() }
    }

    fn sh(script: &str, more: &[&Path]) -> Recipe {
        let more = more.iter().map(|path| path.to_str().unwrap());
        recipe(["/bin/sh", "-c", script, "sh"].into_iter().chain(more))
    }

    async fn printed(script: &str) -> Result<Vec<u8>, ExecError> {
        output(&sh(script, &[]), std::future::pending()).await.map(|mut printed| std::mem::take(&mut *printed))
    }

    #[tokio::test]
    async fn a_program_gives_what_it_prints_if_it_says_that_all_went_well() {
        assert_eq!(printed("echo correct-horse; echo loud-noise >&2").await, Ok(b"correct-horse\n".to_vec()));
        assert_eq!(printed("echo correct-horse; exit 3").await, Err(ExecError::Failed(3)));
        assert_eq!(printed("echo correct-horse; kill -9 $$").await, Err(ExecError::Killed));
        assert_eq!(printed("pwd").await, Ok(b"/\n".to_vec()), "a folder that is the same for every program");
        let started = |program: &str| start(&recipe([program, "-c"])).map(|_| ());
        for program in ["sh", "./sh", "../bin/sh", "", " /bin/sh"] {
            assert_eq!(started(program), Err(ExecError::NotAbsolute), "{program:?}");
        }
        assert_eq!(start(&recipe([])).map(|_| ()), Err(ExecError::NotAbsolute));
        assert_eq!(started("/nonexistent"), Err(ExecError::NotStarted(io::ErrorKind::NotFound)));
        let as_it_is = recipe(["/bin/echo", "$HOME; `id` *"]);
        assert_eq!(*output(&as_it_is, std::future::pending()).await.unwrap(), b"$HOME; `id` *\n", "no shell is between");
    }

    /// Runs this same binary again, with data on its standard input.
    #[tokio::test]
    async fn what_is_on_the_standard_input_of_the_host_is_not_for_a_program() {
        const PART: &str = "BAILIWICK_TEST_INPUT";
        if std::env::var_os(PART).is_some() {
            assert_eq!(printed("cat; echo the-end").await, Ok(b"the-end\n".to_vec()));
            return;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "exec::tests::what_is_on_the_standard_input_of_the_host_is_not_for_a_program"]);
        let mut again = again.env(PART, "1").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        again.stdin.take().unwrap().write_all(b"of-the-host\n").await.unwrap();
        assert!(again.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_program_that_prints_too_much_is_killed_and_not_waited_for() {
        let most = "x".repeat(VALUE_BYTES_MAX);
        assert_eq!(printed(&format!("printf '%s\\r\\n' {most}")).await.unwrap().len(), VALUE_BYTES_MAX + 2);
        assert_eq!(printed(&format!("printf '%s\\r\\n' x{most}")).await, Err(ExecError::TooLong));
        assert_eq!(printed("while :; do echo correct-horse; done").await, Err(ExecError::TooLong));
    }

    #[tokio::test]
    async fn little_of_the_environment_of_the_host_is_handed_on() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && std::env::var_os("PATH").is_some(), "as cargo sets them");
        let lines = output(&recipe(["/usr/bin/env"]), std::future::pending()).await.unwrap();
        let lines = std::str::from_utf8(&lines).unwrap();
        assert!(lines.lines().any(|line| line.starts_with("PATH=")));
        for line in lines.lines() {
            let name = line.split('=').next().unwrap();
            assert!(HANDED_ON.contains(&name) || name.starts_with("XDG_"), "{name}");
        }
    }

    /// Not only the program is killed: a process that it started holds the other end of a pipe, too.
    #[tokio::test]
    async fn a_program_that_never_ends_is_killed_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        for dropped in [false, true] {
            let _ = std::fs::remove_file(&pipe);
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            let (ready, is_ready) = tokio::sync::oneshot::channel();
            let (dead, is_dead) = tokio::sync::oneshot::channel();
            let path = pipe.clone();
            std::thread::spawn(move || {
                let mut pipe = BufReader::new(std::fs::File::open(path).unwrap());
                let mut line = String::new();
                pipe.read_line(&mut line).unwrap();
                ready.send(()).unwrap();
                pipe.read_to_string(&mut line).unwrap();
                dead.send(line).unwrap();
            });
            let command = sh("exec 3>\"$1\"; tail -f /dev/null >/dev/null & echo started >&3; wait", &[&pipe]);
            let too_late = async { is_ready.await.unwrap() };
            if dropped {
                tokio::select! { _ = output(&command, std::future::pending()) => unreachable!(), () = too_late => {} }
            } else {
                let ended = tokio::time::timeout(PATIENCE, output(&command, too_late)).await.expect("nobody waits for it");
                assert_eq!(ended.err(), Some(ExecError::TimedOut));
            }
            let line = tokio::time::timeout(PATIENCE, is_dead).await.expect("the process that it started is dead too");
            assert_eq!(line.unwrap(), "started\n");
        }
    }

    #[tokio::test]
    async fn a_value_is_kept_for_a_minute_for_the_same_command_unless_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let command = sh("echo x >> \"$1\"; printf 'value-of-ask-%s' \"$(wc -l < \"$1\" | tr -d ' ')\"", &[&count]);
        let (printed, start) = (Printed::default(), Instant::now());
        let at = async |seconds: u64, command: &Recipe| {
            let value = printed.value_at("a", command, || start + Duration::from_secs(seconds)).await.unwrap();
            String::from_utf8(value.expose().to_vec()).unwrap()
        };
        assert_eq!(at(0, &command).await, "value-of-ask-1");
        assert_eq!(at(59, &command).await, "value-of-ask-1");
        assert_eq!(at(60, &command).await, "value-of-ask-2");
        printed.forget("a");
        assert_eq!(at(61, &command).await, "value-of-ask-3");
        let mut other = command.clone();
        other.command.push("more".to_owned());
        assert_eq!(at(61, &other).await, "value-of-ask-4");
    }

    #[tokio::test]
    async fn many_that_ask_at_once_start_one_program_and_are_told_of_its_failure_together() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let printed = Printed::default();
        for (script, asks) in [("echo x >> \"$1\"; exit 1", 1), ("echo x >> \"$1\"; echo correct-horse", 2)] {
            let command = sh(script, &[&count]);
            let (one, two, three) = tokio::join!(printed.value("a", &command), printed.value("a", &command), printed.value("a", &command));
            assert_eq!([one.is_ok(), two.is_ok(), three.is_ok()], [asks == 2; 3]);
            assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), asks);
        }
        let failing = sh("exit 1", &[]);
        assert_eq!(printed.value("b", &failing).await.err(), Some(ExecError::Failed(1)));
        let wants = sh("echo x >> \"$1\"; exit 1", &[&count]);
        assert!(printed.value("a", &wants).await.is_err() && printed.value("a", &wants).await.is_err());
        assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 4, "a failure is not kept for later callers");
    }
}
