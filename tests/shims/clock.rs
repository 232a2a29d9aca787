//! A machine clock that a test can set. It is loaded into the program first (`LD_PRELOAD`), and adds to `CLOCK_REALTIME` the milliseconds
//! in the file that `BAILIWICK_TEST_CLOCK` names. All other clocks stay unchanged, as when a person sets the clock.

use std::ffi::{c_int, c_long, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn mmap(at: *mut c_void, bytes: usize, protection: c_int, flags: c_int, file: c_int, from: c_long) -> *mut c_void;
}

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;
const REALTIME: c_int = 0;

#[repr(C)]
pub struct Timespec {
    s: i64,
    ns: i64,
}

/// The mapped file; null in a process without such a file.
static AHEAD_MS: AtomicPtr<AtomicI64> = AtomicPtr::new(std::ptr::null_mut());

/// Runs before `main`, and so before the process may have given up the right to open files.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    let Some(path) = std::env::var_os("BAILIWICK_TEST_CLOCK") else { return };
    let Ok(file) = File::open(path) else { return };
    // PROT_READ, MAP_SHARED.
    let at = unsafe { mmap(std::ptr::null_mut(), 8, 1, 1, file.as_raw_fd(), 0) };
    if at as isize != -1 {
        AHEAD_MS.store(at.cast(), Ordering::Relaxed);
    }
}

/// # Safety
/// The same as for the system's own function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let told = unsafe { syscall(CLOCK_GETTIME, clock, time) } as c_int;
    let ahead = AHEAD_MS.load(Ordering::Relaxed);
    if told == 0 && clock == REALTIME && !ahead.is_null() {
        let (ahead_ms, time) = unsafe { ((*ahead).load(Ordering::Relaxed), &mut *time) };
        let ns = time.ns + ahead_ms.rem_euclid(1000) * 1_000_000;
        time.s += ahead_ms.div_euclid(1000) + ns / 1_000_000_000;
        time.ns = ns % 1_000_000_000;
    }
    told
}
