//! What the process that holds secrets gives up, so that none of its memory comes to be a file or somebody else's.
//!
//! What is not done: pages with secrets are not locked, so where a machine swaps, a value may come to be on its swap. Locking them one by one would
//! keep out the least part: a value also stands in the header field it goes along in, in the buffers of TLS and in what the scrubber looks with, which
//! are other libraries' memory; and the kernel doesn't count locks, so that letting go of one secret would unlock the page of its neighbour. Locking
//! everything (`mlockall`) counts the address space that the engine reserves for guests, terabytes, against a limit of some megabytes. What helps is
//! the operator's: no swap for the host (`MemorySwapMax=0` in its systemd unit, `memory.swap.max` in its cgroup), or a swap that is encrypted.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit};

/// What could not be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhardened {
    /// A core file may still be written.
    #[error("core files could not be ruled out: {0}")]
    CoreFiles(Errno),
    /// Another process of the same user may still read this one's memory.
    #[error("other processes could not be kept from reading this one's memory: {0}")]
    Memory(Errno),
}

/// To be called once, before there is a secret. From then on a host that is aborted leaves no core file, nor do programs that it starts; and no other
/// process of its user can attach to it or read its memory in `/proc`, unless it may do so with any process (`CAP_SYS_PTRACE`). The same goes for a
/// debugger. Programs that it starts can be attached to as before.
///
/// What could not be had is given back; the rest holds. From prctl(2), `PR_SET_DUMPABLE`, and core(5).
pub fn harden() -> Vec<Unhardened> {
    [core_files().err().map(Unhardened::CoreFiles), memory().err().map(Unhardened::Memory)].into_iter().flatten().collect()
}

/// SECURITY: the hard limit too, or whoever runs in this process could raise it again.
fn core_files() -> Result<(), Errno> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)?;
    if getrlimit(Resource::Core) == none { Ok(()) } else { Err(Errno::PERM) }
}

fn memory() -> Result<(), Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if dumpable_behavior()? == DumpableBehavior::NotDumpable { Ok(()) } else { Err(Errno::PERM) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that starts itself")]
mod tests {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::{Command, Output};

    use super::*;

    /// Says whether the child is hardened before it aborts.
    const PART: &str = "BAILIWICK_TEST_HARDEN";

    /// This same binary, which plays its part in that folder, where core files may be of any size.
    fn aborted(part: &str, folder: &Path) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -c unlimited || ulimit -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh"]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--exact", "harden::tests::plays_its_part", "--nocapture", "--test-threads", "1"]);
        command.env(PART, part).current_dir(folder).output().unwrap()
    }

    #[test]
    fn plays_its_part() {
        let Some(part) = std::env::var_os(PART) else { return };
        if part == "hardened" {
            writeln!(std::io::stdout(), "lacks {:?}", harden()).unwrap();
        }
        writeln!(std::io::stdout(), "it is {:?}, {:?}", dumpable_behavior().unwrap(), getrlimit(Resource::Core)).unwrap();
        std::process::abort();
    }

    #[test]
    fn a_hardened_host_that_aborts_leaves_no_core_file_and_one_that_is_not_does() {
        let (bare, hardened) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();

        let output = aborted("hardened", hardened.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("lacks []"), "{said}");
        assert!(said.contains("it is NotDumpable, Rlimit { current: Some(0), maximum: Some(0) }"), "{said}");
        assert_eq!(output.status.signal(), Some(6));
        assert!(!output.status.core_dumped() && files(hardened.path()) == 0);

        // Without it there is one, or this test says nothing here.
        let output = aborted("bare", bare.path());
        assert!(String::from_utf8_lossy(&output.stdout).contains(" Dumpable, "));
        if !output.status.core_dumped() {
            writeln!(std::io::stderr(), "this machine writes no core files at all: only the settings of the process were looked at")
                .unwrap();
        }
    }
}
