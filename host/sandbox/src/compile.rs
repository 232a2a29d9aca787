//! Compiles a component in a separate process, which can only compute.
//!
//! The compiler is not hardened against what it compiles (its maintainers say so). So it runs in a child process that can't open files,
//! connect, or start other processes. The child's memory and time are bounded by the size of the component, a limit of the run and the
//! memory of the machine. Its result can't be checked, so it is kept only under the home's key (see `cache`).

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::compile_error::{CompileError, MemoryBound, REFUSED};
use crate::engine;
use crate::guest_threads::compute_as_others;
use crate::machine::available_bytes;

/// BOUND: memory and processor seconds of the child: a minimum, and an amount for each byte of the component.
const MEMORY_FLOOR: u64 = 2 << 30;
const MEMORY_PER_BYTE: u64 = 200;
/// The part of its address space that the child reserves and never touches: stacks of threads, arenas of the allocator.
const RESERVED_UNUSED: u64 = 1 << 30;
const SECONDS_FLOOR: u64 = 30;
const BYTES_PER_SECOND: u64 = 100 << 10;
/// BOUND: bytes that the child may return: a minimum, and this many for each byte of the component. Three to ten are usual.
const COMPILED_FLOOR: u64 = 64 << 20;
const COMPILED_PER_BYTE: u64 = 64;
/// BOUND: bytes of the child's message when it fails.
const COMPLAINT_BYTES_MAX: u64 = 8 << 10;

/// How much memory the child may use, and what bounds it.
fn memory_max(bytes: u64, limit: u64, available: Option<u64>) -> (u64, MemoryBound) {
    let size = MEMORY_FLOOR.saturating_add(bytes.saturating_mul(MEMORY_PER_BYTE));
    let machine = available.map_or(u64::MAX, |available| available.saturating_add(RESERVED_UNUSED));
    let bounds = [(size, MemoryBound::Size), (limit, MemoryBound::Limit), (machine, MemoryBound::Machine)];
    bounds.into_iter().min_by_key(|(bytes, _)| *bytes).unwrap_or((limit, MemoryBound::Limit))
}

fn seconds_max(bytes: u64) -> u64 {
    SECONDS_FLOOR + bytes / BYTES_PER_SECOND
}

/// Starts `program` with `arguments`, whose `main` must only call [`compile_child`], and passes the component to it.
#[expect(clippy::disallowed_methods, reason = "door: the compiler's child process")]
pub(crate) fn compile(program: &Path, arguments: &[&str], component: &[u8], limit: u64) -> Result<Vec<u8>, CompileError> {
    let bytes = u64::try_from(component.len()).unwrap_or(u64::MAX);
    let (memory, bound) = memory_max(bytes, limit, available_bytes());
    let mut child = Command::new(program)
        .args(arguments)
        .args([bytes.to_string(), memory.to_string()])
        .env_clear()
        // Ctrl-C at the terminal of this process must not end the compiling of a component that another client waits for.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CompileError::Process)?;
    let compiled_max = COMPILED_FLOOR.saturating_add(bytes.saturating_mul(COMPILED_PER_BYTE));
    let spoken = speak(&mut child, component, compiled_max);
    let status = child.wait().map_err(CompileError::Process)?;
    let (compiled, complaint) = spoken.map_err(CompileError::Process)?;
    let stopped = |how| {
        let (memory_mib, seconds) = (memory >> 20, seconds_max(bytes));
        CompileError::Stopped { how, bytes, memory_mib, bound, seconds }
    };
    if compiled.len() as u64 > compiled_max {
        return Err(stopped(format!("it returned more than {} MiB", compiled_max >> 20)));
    }
    if status.success() {
        return Ok(compiled);
    }
    if status.code() == Some(1) {
        // The child prints the whole error, so its message is enough.
        let words = complaint.trim().trim_start_matches(REFUSED);
        return Err(CompileError::Refused(vocabulary::SafeText::new(words, 2048)));
    }
    Err(stopped(status.to_string()))
}

/// Writes the component to the child, and reads the compiled component and the error message. At most one byte more than allowed is read.
fn speak(child: &mut Child, component: &[u8], compiled_max: u64) -> io::Result<(Vec<u8>, String)> {
    let (Some(mut to), Some(mut from), Some(complaints)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("a pipe to the compiler is missing"));
    };
    std::thread::scope(|scope| {
        // If the child dies early, this write fails. The child's status says why.
        scope.spawn(move || {
            let _ = to.write_all(component);
        });
        let complaint = scope.spawn(move || {
            let mut text = String::new();
            let _ = complaints.take(COMPLAINT_BYTES_MAX).read_to_string(&mut text);
            text
        });
        let mut compiled = Vec::new();
        let read = from.by_ref().take(compiled_max.saturating_add(1)).read_to_end(&mut compiled);
        if read.is_err() || compiled.len() as u64 > compiled_max {
            // The child might write without end, and the threads above wait for it. It is not an error if it has ended already.
            let _ = child.kill();
        }
        read?;
        Ok((compiled, complaint.join().unwrap_or_default()))
    })
}

/// The whole work of the child: restricts itself, reads a component from standard input, and writes the compiled one to standard output.
///
/// # Errors
/// An error of the compiler or of the system. The caller prints it on standard error and exits with 1.
pub fn compile_child(component_bytes: u64, memory_bytes: u64) -> Result<(), CompileError> {
    compute_as_others();
    limit_self(component_bytes, memory_bytes)?;
    // The engine is made first, because making it needs system calls that are denied later.
    let engine = engine::compiler().map_err(|err| CompileError::Jail(format!("{err:#}")))?;
    shut_self_in()?;
    let mut component = Vec::new();
    io::stdin().lock().take(component_bytes).read_to_end(&mut component).map_err(CompileError::Process)?;
    let compiled = engine
        .precompile_component(&component)
        .map_err(|err| CompileError::Refused(vocabulary::SafeText::new(&format!("{err:#}"), 2048)))?;
    io::stdout().lock().write_all(&compiled).map_err(CompileError::Process)
}

fn limit_self(component_bytes: u64, memory_bytes: u64) -> Result<(), CompileError> {
    let limit = |what, most| {
        let both = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(what, both).map_err(|err| CompileError::Jail(err.to_string()))
    };
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Cpu, seconds_max(component_bytes))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)
}

/// Allows only the system calls that computing with threads needs. All others fail with EPERM.
fn shut_self_in() -> Result<(), CompileError> {
    // The constants of libc are used, because the numbers differ between architectures.
    const NEEDED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_prctl,
    ];
    let jail = |err: seccompiler::BackendError| CompileError::Jail(err.to_string());
    let rules: BTreeMap<_, _> = NEEDED.iter().map(|call| (*call, Vec::new())).collect();
    let denied = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
    let arch = std::env::consts::ARCH.try_into().map_err(jail)?;
    let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch).map_err(jail)?;
    let program: BpfProgram = filter.try_into().map_err(jail)?;
    seccompiler::apply_filter(&program).map_err(|err| CompileError::Jail(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{MEMORY_FLOOR, MemoryBound, RESERVED_UNUSED, memory_max};

    const GIB: u64 = 1 << 30;

    #[test]
    fn memory_of_the_compiler_is_bounded_by_the_limit_and_by_the_machine() {
        let large = 128 << 20;
        for (bytes, limit, available, expected) in [
            (0, 8 * GIB, Some(100 * GIB), (MEMORY_FLOOR, MemoryBound::Size)),
            (large, 8 * GIB, Some(100 * GIB), (8 * GIB, MemoryBound::Limit)),
            (large, 64 * GIB, Some(100 * GIB), (MEMORY_FLOOR + 200 * large, MemoryBound::Size)),
            (large, 64 * GIB, Some(3 * GIB), (3 * GIB + RESERVED_UNUSED, MemoryBound::Machine)),
            (large, 8 * GIB, None, (8 * GIB, MemoryBound::Limit)),
            (u64::MAX, u64::MAX - 1, None, (u64::MAX - 1, MemoryBound::Limit)),
        ] {
            assert_eq!(memory_max(bytes, limit, available), expected, "{bytes} {limit} {available:?}");
        }
    }
}
