//! The settings of a thread at the system, and its processor time.

use std::io;
use std::time::Duration;

/// The nice value of threads at the back. Neither this nor the next setting needs a privilege.
const NICE_BACK: i32 = 10;
/// How long a prompt thread computes before others get their turn. The shorter this is, the sooner the system runs the thread when it is
/// woken (Linux 6.12; older systems ignore it).
const SLICE_PROMPT: Duration = Duration::from_micros(100);

/// A thread of this process, by its thread id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread(i32);

impl Thread {
    /// The calling thread.
    pub(crate) fn here() -> Self {
        Self(rustix::thread::gettid().as_raw_nonzero().get())
    }
}

pub(super) fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("guest".to_owned()).spawn(work).map(drop)
}

/// `struct sched_attr` of sched_setattr(2), in its first form.
#[repr(C)]
#[derive(Default)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

fn set(thread: i32, nice: i32, slice: Duration) {
    let size = u32::try_from(size_of::<SchedAttr>()).unwrap_or(0);
    let attr = SchedAttr { size, nice, runtime_ns: u64::try_from(slice.as_nanos()).unwrap_or(0), ..SchedAttr::default() };
    // If the system does not allow this, the program works without it, and guests still take turns.
    #[expect(unsafe_code, reason = "neither rustix nor every C library has this call")]
    // SAFETY: sched_setattr reads `size` bytes at `attr`, which lives until it returns, and keeps nothing.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const attr, 0) };
}

/// Asks the system to run the calling thread soon after it is woken. This is for threads that do input and output: they compute only for a
/// moment, and other tasks wait for that.
pub fn answer_promptly() {
    let thread = Thread::here();
    set(thread.0, nice_of(thread), SLICE_PROMPT);
}

/// Gives the calling thread, and threads that it starts, the ordinary scheduling again. This is needed because a child process inherits the
/// settings of its parent's thread.
pub(crate) fn compute_as_others() {
    let thread = Thread::here();
    set(thread.0, nice_of(thread), Duration::ZERO);
}

/// Makes the system run this thread after others from now on. This can't be undone without a privilege.
pub(super) fn stand_back(thread: Thread) {
    set(thread.0, nice_of(thread).max(NICE_BACK), Duration::ZERO);
}

fn nice_of(thread: Thread) -> i32 {
    rustix::process::Pid::from_raw(thread.0).and_then(|pid| rustix::process::getpriority_process(Some(pid)).ok()).unwrap_or(0)
}

/// The processor time that a thread has used since it began.
pub(super) fn cpu_of(thread: Thread) -> Duration {
    // The kernel's number for the clock of a thread: MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED).
    let clock = (!thread.0 << 3) | 6;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "rustix knows no clock of another thread")]
    // SAFETY: clock_gettime writes one timespec, and the pointer is to one.
    let told = unsafe { libc::clock_gettime(clock, &raw mut time) };
    match (told, u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
        (0, Ok(seconds), Ok(nanoseconds)) => Duration::new(seconds, nanoseconds),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stands_back_is_run_after_others_and_its_time_is_counted() {
        let (before, after, counted) = std::thread::spawn(|| {
            let thread = Thread::here();
            let before = nice_of(thread);
            stand_back(thread);
            let mut sum = 0u64;
            while cpu_of(thread) < Duration::from_millis(2) {
                sum = std::hint::black_box(sum + 1);
            }
            (before, nice_of(thread), cpu_of(thread))
        })
        .join()
        .unwrap();
        assert_eq!(after, before.max(NICE_BACK));
        assert!(counted >= Duration::from_millis(2));
        assert_eq!(nice_of(Thread::here()), before, "the setting of another thread does not change");
    }
}
