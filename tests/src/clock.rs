//! A fake machine clock that a test sets while programs run: `tests/shims/clock.rs`, built with the compiler of the workspace.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::tools;

/// The clock that programs see which are started with it.
pub struct MachineClock {
    folder: TempDir,
    file: File,
}

impl Default for MachineClock {
    fn default() -> Self {
        Self::new()
    }
}

impl MachineClock {
    /// A clock that shows the real time.
    ///
    /// # Panics
    /// If there is no space for it.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = File::create(folder.path().join("ahead")).expect("a file");
        let clock = Self { folder, file };
        clock.set(0);
        clock
    }

    /// Sets the clock to this many seconds ahead of the real one, also for programs that are already running.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn set(&self, ahead_s: i64) {
        self.file.write_all_at(&(ahead_s * 1000).to_ne_bytes(), 0).expect("it is written");
    }

    /// Makes a program use this clock.
    pub fn give<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("LD_PRELOAD", shim()).env("BAILIWICK_TEST_CLOCK", self.folder.path().join("ahead"))
    }
}

fn shim() -> &'static PathBuf {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = tools::target().join("tests-shims");
        std::fs::create_dir_all(&folder).expect("a folder");
        let (own, shim) = (folder.join(format!("{}.so", std::process::id())), folder.join("clock.so"));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"]).arg(&own).arg(tools::root().join("tests/shims/clock.rs"));
        let output = command.output().expect("the compiler starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Renamed, so that tests in other processes see the whole file or none.
        std::fs::rename(&own, &shim).expect("it is moved");
        shim
    })
}
