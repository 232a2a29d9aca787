//! Two verbs on one home at the same time: whichever is first, the output of both is true.

use std::process::{Child, Stdio};

use tests::program::Program;
use tests::tools::tool;

use crate::damaged::{both, ends, ends_at};
use crate::parts::Home;

const PRUNE: [&str; 6] = ["prune", "--older-than", "0s", "--drop", "--drop-accepted", "--yes"];
/// Enough rounds that each verb is first at times; the checks are valid in both orders.
const ROUNDS: usize = 4;

fn start(program: &Program, args: &[&str]) -> Child {
    program.command(&[], args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs both at once, the second as soon as the first is started. Returns the exit code and the output of each.
fn at_once(home: &Home, first: &[&str], second: &[&str]) -> [(i32, String); 2] {
    let children = [start(&home.program, first), start(&home.program, second)];
    children.map(|child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), both(&output))
    })
}

#[test]
fn a_backup_that_is_taken_while_segments_are_taken_away_is_whole_or_is_not_there() {
    for round in 0..ROUNDS {
        let home = Home::new();
        let file = home.program.folder().join("backup");
        let backup = ["backup", file.to_str().unwrap()];
        let both = if round % 2 == 0 { at_once(&home, &backup, &PRUNE) } else { at_once(&home, &PRUNE, &backup) };
        let (backup, prune) = if round % 2 == 0 { (&both[0], &both[1]) } else { (&both[1], &both[0]) };
        assert_eq!(prune.0, 0, "{}", prune.1);
        assert!(ends(&home.program, &["audit", "verify"], 0).contains("WHOLE"));
        if backup.0 == 0 {
            let place = run::HomePlace { home: home.program.folder().join("there"), state: home.program.folder().join("there.state") };
            let key = home.home().join("journal.pub");
            ends_at(&home.program, &place, &["restore", file.to_str().unwrap(), "--key", key.to_str().unwrap()], 0);
            assert!(ends_at(&home.program, &place, &["audit", "verify"], 0).contains("WHOLE"));
        } else {
            assert!(backup.0 == 1 && backup.1.contains("run the command again") && !file.exists(), "{backup:?}");
        }
    }
}

#[test]
fn a_run_that_is_put_on_hold_while_segments_are_taken_away_is_kept_or_is_said_to_be_gone() {
    for round in 0..ROUNDS {
        let home = Home::new();
        let hold = ["hold", &home.first, "--reason", "case 4711"];
        let both = if round % 2 == 0 { at_once(&home, &hold, &PRUNE) } else { at_once(&home, &PRUNE, &hold) };
        let hold = if round % 2 == 0 { &both[0] } else { &both[1] };
        assert!(ends(&home.program, &["audit", "verify"], 0).contains("WHOLE"));
        if hold.0 == 0 {
            ends(&home.program, &["show", &home.first, "--input"], 0);
            assert!(ends(&home.program, &["hold"], 0).contains("case 4711"));
            ends(&home.program, &PRUNE, 0);
            ends(&home.program, &["show", &home.first, "--input"], 0);
        } else {
            // The run was removed either before its name was looked up, or after that.
            let of_code = if hold.0 == 1 { "is not on hold: it was removed just now" } else { "there is no run" };
            assert!(hold.1.contains(of_code), "{hold:?}");
            assert!(ends(&home.program, &["hold"], 0).contains("no run is on hold"), "{hold:?}");
        }
    }
}

#[test]
fn what_reads_while_segments_are_taken_away_calls_nothing_damaged() {
    let Some(strace) = tool("strace") else { return };
    for verb in [&["audit", "verify"][..], &["audit", "touched"], &["audit", "show"], &["ps"], &["backup", "monday"]] {
        let home = Home::new();
        // The reader has listed the segments, and waits before it opens the second one, which has been removed by then.
        let second = home.segment(2);
        let tracer = [strace.to_str().unwrap(), "-f", "-qq", "-o", "/dev/null", "-P", second.to_str().unwrap(), "-e", "trace=openat", "-e"];
        let tracer = [&tracer[..], &["inject=openat:delay_enter=4000000:when=1"]].concat();
        let reader = home.program.command(&tracer, verb).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        ends(&home.program, &PRUNE, 0);
        assert!(!second.exists());
        let output = reader.wait_with_output().unwrap();
        let said = both(&output);
        // It has either read what it needs, or says that the command has to be repeated.
        let words = ["was pruned while it was read", "was removed while the backup was made"];
        let is_told = words.iter().any(|words| said.contains(words)) && output.status.code() == Some(1);
        assert!(is_told || output.status.success(), "{verb:?}: {said}");
        assert!(!said.contains("damaged") && !said.contains("BROKEN"), "{verb:?}: {said}");
        if verb != ["backup", "monday"] {
            ends(&home.program, verb, 0);
        }
    }
}
