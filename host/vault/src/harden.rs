//! Restricts the process that holds secrets, so that none of its memory is written to a file or read by another process.
//!
//! Pages with secrets are not locked. So on a machine that swaps, a value may be written to its swap. Locking the pages one by one would
//! protect only a small part: a value is also in the header field that carries it, in the buffers of TLS and in the scrubber's tables,
//! which belong to other libraries. The kernel does not count locks either, so dropping one secret would unlock the page of its neighbour.
//! Locking everything (`mlockall`) would count the terabytes of address space that the engine reserves for guests against a limit of some
//! megabytes. The operator can help: no swap for the host (`MemorySwapMax=0` in its systemd unit, `memory.swap.max` in its cgroup), or an
//! encrypted swap.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit};

/// A restriction that could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhardened {
    /// A core file may still be written.
    #[error("core files could not be disabled: {0}")]
    CoreFiles(Errno),
    /// Another process of the same user may still read this one's memory.
    #[error("other processes could not be prevented from reading this one's memory: {0}")]
    Memory(Errno),
}

/// Sets the restrictions. Call it once, before there is a secret. Afterwards a host that is aborted leaves no core file, and neither do
/// programs that it starts. No other process of its user, such as a debugger, can attach to it or read its memory in `/proc`, unless that
/// process may do so with any process (`CAP_SYS_PTRACE`). Programs that the host starts can be attached to as before.
///
/// Returns the restrictions that could not be set; the others hold. From prctl(2), `PR_SET_DUMPABLE`, and core(5).
pub fn harden() -> Vec<Unhardened> {
    [core_files().err().map(Unhardened::CoreFiles), memory().err().map(Unhardened::Memory)].into_iter().flatten().collect()
}

/// SECURITY: this also sets the hard limit. Otherwise any code in this process could raise the limit again.
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

    /// The variable that says whether the child is hardened before it aborts.
    const PART: &str = "BAILIWICK_TEST_HARDEN";

    /// Runs this same binary again as the child, in a folder in which core files may have any size.
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

        // Without hardening there is a core file. Otherwise this test proves nothing here.
        let output = aborted("bare", bare.path());
        assert!(String::from_utf8_lossy(&output.stdout).contains(" Dumpable, "));
        if !output.status.core_dumped() {
            writeln!(std::io::stderr(), "this machine writes no core files at all: only the settings of the process were looked at")
                .unwrap();
        }
    }
}
