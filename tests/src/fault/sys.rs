//! Safe wrappers of the few requests of `ptrace` and `waitpid` that the tracer needs. No other code of this kit is unsafe.
//!
//! A library with such wrappers exists, but it enables a feature of `libc` that makes everything in the workspace build anew.
#![expect(unsafe_code, reason = "the standard library and rustix have no `ptrace`; each block says why it is sound")]

use std::io;
use std::os::raw::{c_int, c_long, c_uint, c_void};
use std::ptr;

use libc::user_regs_struct;
use rustix::process::{Pid, Signal};

/// What happened to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It ended with this exit code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// It is stopped at the return of a call.
    AtReturn,
    /// It is stopped before a call, by the filter.
    AtFilter,
    /// It is stopped at another event: a new thread or process, or another program.
    AtEvent,
    /// It is about to get this signal.
    Signalled(i32),
}

fn request(what: c_uint, tid: Pid, data: *mut c_void) -> io::Result<c_long> {
    // SAFETY: with the requests of this file, the kernel reads or writes at `data` only where that is the address of registers, which its
    // callers own for as long as the call takes. A thread that is not ours, or not stopped, is an error.
    let result = unsafe { libc::ptrace(what, tid.as_raw_nonzero().get(), ptr::null_mut::<c_void>(), data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn number(data: c_int) -> *mut c_void {
    ptr::without_provenance_mut(usize::try_from(data).unwrap_or(0))
}

/// Makes the parent of this process its tracer, and stops until the tracer continues it.
pub(super) fn offer() -> io::Result<()> {
    // SAFETY: the request has no arguments.
    if unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<c_void>(), ptr::null_mut::<c_void>()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?)
}

/// Sets the options of a thread: it stops at the filter, its children are traced too, and all end with the tracer.
pub(super) fn set_options(tid: Pid) -> io::Result<()> {
    let options = libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC;
    request(libc::PTRACE_SETOPTIONS, tid, number(options)).map(drop)
}

/// Continues a thread, with or without a signal. If the thread was killed meanwhile, `wait` reports that.
pub(super) fn go_on(tid: Pid, signal: Option<i32>) {
    let _ = request(libc::PTRACE_CONT, tid, number(signal.unwrap_or(0)));
}

/// Continues a thread to the return of its call.
pub(super) fn go_on_to_return(tid: Pid) {
    let _ = request(libc::PTRACE_SYSCALL, tid, ptr::null_mut());
}

/// The registers of a stopped thread.
pub(super) fn registers(tid: Pid) -> Option<user_regs_struct> {
    // SAFETY: registers are numbers; all of them may be 0.
    let mut regs: user_regs_struct = unsafe { std::mem::zeroed() };
    request(libc::PTRACE_GETREGS, tid, (&raw mut regs).cast()).ok().map(|_| regs)
}

/// Sets the registers of a stopped thread.
pub(super) fn set_registers(tid: Pid, mut regs: user_regs_struct) {
    let _ = request(libc::PTRACE_SETREGS, tid, (&raw mut regs).cast());
}

/// Waits for any thread that the calling thread traces. Returns `None` if there is none left.
pub(super) fn wait() -> io::Result<Option<(Pid, Status)>> {
    let mut status = 0;
    // Wait only for this thread's children: other threads trace others.
    // SAFETY: the status is written to a number of our own.
    let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    if tid == -1 {
        let err = io::Error::last_os_error();
        return match err.raw_os_error() {
            Some(libc::ECHILD) => Ok(None),
            Some(libc::EINTR) => wait(),
            _ => Err(err),
        };
    }
    let tid = Pid::from_raw(tid).ok_or_else(|| io::Error::other("a thread without a number"))?;
    let status = if libc::WIFEXITED(status) {
        Status::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Status::Killed(libc::WTERMSIG(status))
    } else {
        match (libc::WSTOPSIG(status), status >> 16) {
            (signal, 0) if signal == libc::SIGTRAP | 0x80 => Status::AtReturn,
            (signal, 0) => Status::Signalled(signal),
            (_, libc::PTRACE_EVENT_SECCOMP) => Status::AtFilter,
            _ => Status::AtEvent,
        }
    };
    Ok(Some((tid, status)))
}
