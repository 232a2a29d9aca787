//! Follows a program with all its threads and children, and makes the planned fault at one of its calls.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use libc::user_regs_struct;
use rustix::process::{Pid, Signal, kill_process_group};

use super::call::{Call, Deed};
use super::launch::PART;
use super::plan::{Fault, Lasting, Plan};
use super::sys::{self, Status};

/// BOUND: how long a program may take before it counts as hanging, and is killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gets notified of each call beneath the watched folders.
pub trait Listener {
    /// A call is about to be made. Returns whether `returned` should be called for it.
    fn entered(&mut self, tid: Pid, call: &Call, regs: &user_regs_struct) -> bool;
    /// The call was made, with this result of the kernel.
    fn returned(&mut self, tid: Pid, call: &Call, result: i64);
    /// Whether the listener also wants calls elsewhere: writes to sockets and terminals.
    fn hears_all(&self) -> bool {
        false
    }
}

/// A listener that ignores everything.
#[derive(Debug)]
pub struct Nobody;

impl Listener for Nobody {
    fn entered(&mut self, _: Pid, _: &Call, _: &user_regs_struct) -> bool {
        false
    }

    fn returned(&mut self, _: Pid, _: &Call, _: i64) {}
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// By a signal.
    Killed(i32),
    /// It hung, and was killed.
    Hung,
}

/// The result of a traced execution.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The calls that changed files beneath the watched folders, in order.
    pub calls: Vec<Call>,
    /// The first call at which the fault was made.
    pub hit: Option<Call>,
    /// How the program ended; its children may have ended later.
    pub end: End,
}

/// What to do at the return of a call.
enum Awaited {
    Kill,
    /// The third argument is restored, as the kernel does.
    Restore(u64),
    Tell(Call),
}

struct Tracer<'a, L> {
    watched: &'a [PathBuf],
    plan: Option<Plan>,
    listener: &'a mut L,
    threads: HashSet<Pid>,
    awaited: HashMap<Pid, Awaited>,
    calls: Vec<Call>,
    hit: Option<Call>,
}

/// Runs the command to its end. `launcher` is a binary that calls `launch::launch` if its first argument is `launch::PART`. The program,
/// arguments, folder and environment of the command are used, and its standard streams.
///
/// # Errors
/// If the machine does not allow tracing.
pub fn trace(
    launcher: &Path,
    command: &Command,
    streams: [Stdio; 3],
    watched: &[PathBuf],
    plan: Option<Plan>,
    listener: &mut impl Listener,
) -> io::Result<Traced> {
    let mut launched = Command::new(launcher);
    launched.arg(PART).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => launched.env(name, value),
            None => launched.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        launched.current_dir(folder);
    }
    let [stdin, stdout, stderr] = streams;
    let child = launched.stdin(stdin).stdout(stdout).stderr(stderr).process_group(0).spawn()?;
    let leader = Pid::from_child(&child);
    let mut tracer = Tracer { watched, plan, listener, threads: HashSet::new(), awaited: HashMap::new(), calls: Vec::new(), hit: None };
    let ended = std::thread::scope(|scope| {
        let (over, is_over) = mpsc::channel::<()>();
        let watchdog = scope.spawn(move || {
            let hung = is_over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if hung {
                let _ = kill_process_group(leader, Signal::KILL);
            }
            hung
        });
        let ended = tracer.follow(leader);
        drop(over);
        if watchdog.join().unwrap_or(true) { ended.map(|_| End::Hung) } else { ended }
    })?;
    Ok(Traced { calls: tracer.calls, hit: tracer.hit, end: ended })
}

impl<L: Listener> Tracer<'_, L> {
    fn follow(&mut self, leader: Pid) -> io::Result<End> {
        let mut end = End::Hung;
        while let Some((tid, status)) = sys::wait()? {
            match status {
                Status::Exited(code) => {
                    self.forget(tid);
                    if tid == leader {
                        end = End::Code(code);
                    }
                }
                Status::Killed(signal) => {
                    self.forget(tid);
                    if tid == leader {
                        end = End::Killed(signal);
                    }
                }
                Status::Signalled(signal) => self.signalled(leader, tid, signal)?,
                Status::AtFilter => self.entered(tid),
                Status::AtEvent => sys::go_on(tid, None),
                Status::AtReturn => self.returned(tid),
            }
        }
        Ok(end)
    }

    fn forget(&mut self, tid: Pid) {
        self.threads.remove(&tid);
        self.awaited.remove(&tid);
    }

    fn signalled(&mut self, leader: Pid, tid: Pid, signal: i32) -> io::Result<()> {
        let is_new = self.threads.insert(tid);
        if is_new && tid == leader {
            sys::set_options(tid)?;
        }
        // A new thread stops once; that signal is the tracer's, not the program's.
        let of_the_tracer = is_new && signal == libc::SIGSTOP || signal == libc::SIGTRAP;
        sys::go_on(tid, (!of_the_tracer).then_some(signal));
        Ok(())
    }

    fn entered(&mut self, tid: Pid) {
        let Some(regs) = sys::registers(tid) else { return };
        if i64::try_from(regs.orig_rax) == Ok(libc::SYS_prctl) {
            answer(tid, regs, 0);
            return;
        }
        let Some(call) = Call::of(tid, &regs) else { return sys::go_on(tid, None) };
        if !call.is_beneath(self.watched) {
            if self.listener.hears_all() && self.listener.entered(tid, &call, &regs) {
                self.await_return(tid, Awaited::Tell(call));
            } else {
                sys::go_on(tid, None);
            }
            return;
        }
        self.calls.push(call.clone());
        let due = self.plan.filter(|plan| {
            let passed = self.hit.is_some() && !matches!(plan.fault, Fault::Fail(_, Lasting::FromThenOn));
            !passed && self.calls.len() >= plan.at && plan.fault.befalls(&call)
        });
        match due {
            Some(plan) => {
                self.hit.get_or_insert(call);
                self.befall(tid, regs, &plan);
            }
            None if self.listener.entered(tid, &call, &regs) => self.await_return(tid, Awaited::Tell(call)),
            None => sys::go_on(tid, None),
        }
    }

    fn befall(&mut self, tid: Pid, mut regs: user_regs_struct, plan: &Plan) {
        let wanted = regs.rdx;
        match plan.fault {
            Fault::KillBefore => kill_process(tid),
            Fault::KillAfter => self.await_return(tid, Awaited::Kill),
            Fault::Tear | Fault::Short => {
                regs.rdx = plan.part(wanted);
                sys::set_registers(tid, regs);
                let then = if plan.fault == Fault::Tear { Awaited::Kill } else { Awaited::Restore(wanted) };
                self.await_return(tid, then);
            }
            Fault::Fail(errno, _) => answer(tid, regs, -i64::from(errno.raw_os_error())),
        }
    }

    fn await_return(&mut self, tid: Pid, then: Awaited) {
        self.awaited.insert(tid, then);
        sys::go_on_to_return(tid);
    }

    fn returned(&mut self, tid: Pid) {
        match self.awaited.remove(&tid) {
            Some(Awaited::Kill) => return kill_process(tid),
            Some(Awaited::Restore(third)) => {
                if let Some(mut regs) = sys::registers(tid) {
                    regs.rdx = third;
                    sys::set_registers(tid, regs);
                }
            }
            Some(Awaited::Tell(call)) => {
                if let Some(regs) = sys::registers(tid) {
                    self.listener.returned(tid, &call, i64::from_ne_bytes(regs.rax.to_ne_bytes()));
                }
            }
            None => {}
        }
        sys::go_on(tid, None);
    }
}

impl Traced {
    /// Calls that change files in a way that the tracer can't follow. If there are any, the results are incomplete.
    pub fn unseen(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.deed == Deed::Unseen)
    }
}

/// Skips the call, and sets its result.
fn answer(tid: Pid, mut regs: user_regs_struct, result: i64) {
    regs.orig_rax = u64::MAX;
    regs.rax = u64::from_ne_bytes(result.to_ne_bytes());
    sys::set_registers(tid, regs);
    sys::go_on(tid, None);
}

/// Kills the process of a thread with all its threads, as a crash of the machine does: no further call is made.
fn kill_process(tid: Pid) {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok()).and_then(Pid::from_raw).unwrap_or(tid);
    let _ = rustix::process::kill_process(process, Signal::KILL);
}
