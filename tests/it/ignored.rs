//! Signals that were ignored when the program started stay ignored, as `nohup` and a shell's `&` require.

use std::process::Command;

use rustix::process::Signal;
use tests::program::Program;

use crate::terminals::{Terminal, end, waits};

/// The ignored and the handled signals of a process, a bit for each.
pub(crate) fn masks(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    (mask("SigIgn:"), mask("SigCgt:"))
}

pub(crate) fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// The program, started by a shell with these commands before it.
fn from_shell(program: &Program, before: &str, args: &[&str]) -> Command {
    let mut command = program.command(&["/bin/sh", "-c", &format!("{before} \"$@\""), "sh"], args);
    command.env("NOHUP", "1");
    command
}

const RUN: [&str; 3] = ["run", "waits-for-ever", "--trust"];

#[test]
fn what_nohup_and_a_trap_ignore_stays_ignored_for_holder_client_and_watch() {
    let program = waits();
    let watch = [RUN.as_slice(), &["--watch"]].concat();
    // Each of these is started in three ways: as the host, as a client of it, and as a watcher.
    let cases = [
        ("exec nohup", vec![Signal::HUP]),
        ("trap '' HUP; exec", vec![Signal::HUP]),
        ("trap '' INT QUIT; exec", vec![Signal::INT, Signal::QUIT]),
    ];
    for (before, ignored) in cases {
        let holder = Terminal::running(from_shell(&program, before, &RUN));
        let client = Terminal::running(from_shell(&program, before, &RUN));
        let watching = Terminal::running(from_shell(&program, before, &watch));
        for terminal in [watching, client, holder] {
            let (ignores, takes_up) = masks(terminal.pid());
            for signal in &ignored {
                assert_ne!(ignores & bit(*signal), 0, "{before}: {signal:?} is not ignored any more");
                assert_eq!(takes_up & bit(*signal), 0, "{before}: {signal:?} is handled");
                terminal.signal(*signal);
            }
            // The control: a signal that was not ignored ends the run, and the record names the signal.
            terminal.signal(Signal::TERM);
            let run = terminal.run.clone();
            assert_eq!(terminal.ends(), 143, "{before}");
            assert!(end(&program, &run).contains("sigterm"), "{before}: {}", end(&program, &run));
        }
    }
}

#[test]
fn a_background_job_of_a_shell_without_job_control_does_not_hear_ctrl_c() {
    let program = waits();
    // POSIX: SIGINT and SIGQUIT are ignored in such a job. The shell waits for it, and returns its exit code.
    let command = program.command(&["/bin/sh", "-c", "\"$@\" & echo \"pid $!\" >&2; wait $!", "sh"], &RUN);
    let mut shell = Terminal::start(command);
    let pid: u32 = shell.until("pid ").trim().trim_start_matches("pid ").parse().unwrap();
    let run = shell.until("run 0").split_whitespace().last().unwrap().to_owned();
    let (ignores, takes_up) = masks(pid);
    for signal in [Signal::INT, Signal::QUIT] {
        assert_ne!(ignores & bit(signal), 0, "{signal:?}");
        assert_eq!(takes_up & bit(signal), 0, "{signal:?}");
    }
    let to = |signal| rustix::process::kill_process(rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
    to(Signal::INT);
    to(Signal::HUP);
    assert_eq!(shell.ends(), 129, "SIGHUP was not ignored");
    assert!(end(&program, &run).contains("sighup"));
}

#[test]
fn without_that_each_of_the_three_signals_is_taken_up() {
    let program = waits();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let terminal = Terminal::running(from_shell(&program, "exec", &RUN));
        assert_ne!(masks(terminal.pid()).1 & bit(signal), 0);
        terminal.signal(signal);
        assert_eq!(terminal.ends(), code);
    }
}
