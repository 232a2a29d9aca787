//! What the system says of another process: which program it is, since when it runs, and whether it can do anything just now.
//!
//! SECURITY: a process chooses its own arguments. Only the name of its program and its first word are taken, and only plain letters of
//! them: they are shown to a person. Later arguments may be secret and are never read.

use std::fs;

use rustix::param::clock_ticks_per_second;

/// BOUND: letters of a name that are shown.
const NAME_MAX: usize = 32;

/// Another process that something waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Other {
    /// Its number, where the system tells it: it does not tell that of a process in another container.
    pub pid: Option<u32>,
    /// Its program and its verb, as `bailiwick run`.
    pub program: Option<String>,
    /// What it does.
    pub doing: Doing,
    /// Since when it runs, in seconds since 1970.
    pub since_s: Option<u64>,
}

/// What the system says a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// It runs, or sleeps until something comes; or nothing is known of it.
    #[default]
    Something,
    /// It was stopped (SIGSTOP, Ctrl-Z, a debugger), and does nothing until it is told to go on.
    Stopped,
    /// It waits for a disk, and no signal reaches it meanwhile.
    Disk,
    /// It has ended.
    Gone,
}

impl Other {
    /// The process with this number.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let stat = Stat::of(pid);
        let (doing, started) = stat.map_or((Doing::Gone, None), |stat| (stat.doing, stat.started));
        let since_s = started.zip(booted_s()).map(|(ticks, boot)| boot + ticks / clock_ticks_per_second().max(1));
        Self { pid: Some(pid), program: program(pid), doing, since_s }
    }

    /// A shell command that lets it go on, where it was stopped.
    #[must_use]
    pub fn go_on(&self) -> Option<String> {
        self.pid.filter(|_| self.doing == Doing::Stopped).map(|pid| format!("kill -CONT {pid}"))
    }
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(pid) = self.pid else { return f.write_str("another process") };
        write!(f, "process {pid}")?;
        let doing = match self.doing {
            Doing::Something => None,
            Doing::Stopped => Some("stopped"),
            Doing::Disk => Some("waits for a disk"),
            Doing::Gone => Some("has ended"),
        };
        match (&self.program, doing) {
            (Some(program), Some(doing)) => write!(f, " (`{program}`, {doing})"),
            (Some(program), None) => write!(f, " (`{program}`)"),
            (None, Some(doing)) => write!(f, " ({doing})"),
            (None, None) => Ok(()),
        }
    }
}

/// What is used of proc_pid_stat(5).
struct Stat {
    doing: Doing,
    /// Clock ticks after the machine was started.
    started: Option<u64>,
}

impl Stat {
    #[expect(clippy::disallowed_methods, reason = "door: what the system says of a process")]
    fn of(pid: u32) -> Option<Self> {
        // The name of the program is in parentheses and may hold any character.
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let doing = match fields.next()? {
            "T" | "t" => Doing::Stopped,
            "D" => Doing::Disk,
            "Z" | "X" => Doing::Gone,
            _ => Doing::Something,
        };
        // The state is field 3, and the time of its start field 22.
        Some(Self { doing, started: fields.nth(18).and_then(|ticks| ticks.parse().ok()) })
    }
}

/// When the machine was started, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "door: what the system says of a process")]
fn booted_s() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[expect(clippy::disallowed_methods, reason = "door: what the system says of a process")]
fn program(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    let path = words.next()?;
    let name = plain(path.rsplit(|byte| *byte == b'/').next()?)?;
    // An option of the program may have a value after it, which is nobody's business.
    Some(words.next().and_then(plain).filter(|verb| !verb.starts_with('-')).map_or_else(|| name.clone(), |verb| format!("{name} {verb}")))
}

/// A short word of letters that can't draw anything.
fn plain(word: &[u8]) -> Option<String> {
    let is_plain =
        !word.is_empty() && word.len() <= NAME_MAX && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    is_plain.then(|| String::from_utf8_lossy(word).into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and starts processes")]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

    use super::*;

    #[test]
    fn a_process_is_named_with_its_first_word_and_nothing_that_may_be_secret() {
        let mut child = Command::new("sleep").args(["1000", "0"]).stdin(Stdio::null()).spawn().unwrap();
        let of = || Other::of(child.id());
        // Until the child has become another program it has the name of this one, and while that program is read it may wait for a disk.
        let sleeps = loop {
            let now = of();
            if now.doing == Doing::Something && now.program.as_deref() == Some("sleep 1000") {
                break now;
            }
            std::thread::yield_now();
        };
        assert_eq!(sleeps.to_string(), format!("process {} (`sleep 1000`)", child.id()));
        assert_eq!(sleeps.go_on(), None);
        assert_eq!(Other { doing: Doing::Disk, ..sleeps }.to_string(), format!("process {} (`sleep 1000`, waits for a disk)", child.id()));
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::STOP).unwrap();
        waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        assert_eq!(of().to_string(), format!("process {} (`sleep 1000`, stopped)", child.id()));
        assert_eq!(of().go_on(), Some(format!("kill -CONT {}", child.id())));
        // The control of its age: it is not older than this process, and not of another century.
        let (own, its) = (Other::of(std::process::id()).since_s.unwrap(), of().since_s.unwrap());
        assert!(own <= its && its - own < 1_000_000, "{own} {its}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Other::of(pid.as_raw_nonzero().get().cast_unsigned()).doing, Doing::Gone);
    }

    #[test]
    fn a_word_that_could_draw_or_is_long_is_left_out() {
        assert_eq!(plain(b"run"), Some("run".to_owned()));
        for word in [&b""[..], b"a b", b"\x1b[31m", b"a=b", b"\xff", &[b'x'; 33]] {
            assert_eq!(plain(word), None, "{word:?}");
        }
        assert_eq!(Other::default().to_string(), "another process");
    }
}
