//! What the system says about another process: which program it is, when it started, and whether it can do anything at the moment.
//!
//! SECURITY: a process chooses its own arguments, and a person sees what is taken from them. So only the name of the program and the first
//! argument are taken, and only if they consist of plain characters. Later arguments may be secret and are not used.

use std::fs;

use rustix::param::clock_ticks_per_second;

/// BOUND: the length of a name that is shown.
const NAME_MAX: usize = 32;

/// Another process that this one waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Other {
    /// The process id, if the system says it: it does not for a process in another container.
    pub pid: Option<u32>,
    /// The program and its verb, such as `bailiwick run`.
    pub program: Option<String>,
    /// What the process does at the moment.
    pub doing: Doing,
    /// When it started, in seconds since 1970.
    pub since_s: Option<u64>,
}

/// What a process does, by the system's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// It runs, or sleeps until an event comes; or nothing is known about it.
    #[default]
    Something,
    /// It was stopped (SIGSTOP, Ctrl-Z, a debugger), and does nothing until it is continued.
    Stopped,
    /// It waits for a disk, and no signal reaches it until then.
    Disk,
    /// It has ended.
    Gone,
}

impl Other {
    /// The process with this id.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let stat = Stat::of(pid);
        let (doing, started) = stat.map_or((Doing::Gone, None), |stat| (stat.doing, stat.started));
        let since_s = started.zip(booted_s()).map(|(ticks, boot)| boot + ticks / clock_ticks_per_second().max(1));
        Self { pid: Some(pid), program: program(pid), doing, since_s }
    }

    /// A shell command that continues the process, if it was stopped.
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

/// The fields of proc_pid_stat(5) that are used.
struct Stat {
    doing: Doing,
    /// When the process started, in clock ticks after the start of the machine.
    started: Option<u64>,
}

impl Stat {
    #[expect(clippy::disallowed_methods, reason = "door: what the system says of a process")]
    fn of(pid: u32) -> Option<Self> {
        // The name of the program is in parentheses and may contain any character.
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let doing = match fields.next()? {
            "T" | "t" => Doing::Stopped,
            "D" => Doing::Disk,
            "Z" | "X" => Doing::Gone,
            _ => Doing::Something,
        };
        // The state is field 3, and the start time is field 22.
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
    // The value after an option may be secret.
    Some(words.next().and_then(plain).filter(|verb| !verb.starts_with('-')).map_or_else(|| name.clone(), |verb| format!("{name} {verb}")))
}

/// Accepts a short word of characters that can't control a terminal.
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
        // Until exec(2) is done, the child has the name of this program, and it may wait for a disk while the new program is loaded.
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
        // The control of its start time: it is not older than this process, and not younger by weeks.
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
