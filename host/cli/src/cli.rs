//! The command line as a whole; each verb's own part is in its file.

use clap::Parser;

use crate::logging::{Level, LogForm};
use crate::verb::Verb;

/// Runs agents that may do what they were granted and nothing else, and keeps a record of what they did.
#[derive(Debug, Parser)]
#[command(name = "bailiwick", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// How long to wait for another process that holds the home and does not answer [default: 30; $BAILIWICK_WAIT]
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=crate::place::WAIT_S_MAX))]
    pub(crate) wait: Option<u64>,
    /// Log what the host does, on standard error: off, error, warn, info, debug or trace [default: off; $BAILIWICK_LOG]
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "LEVEL", value_enum, hide_possible_values = true)]
    pub(crate) log: Option<Level>,
    /// The form of the log: text, or json [default: text; $BAILIWICK_LOG_FORMAT]
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "FORM", value_enum, hide_possible_values = true)]
    pub(crate) log_format: Option<LogForm>,
}

/// Above these options in the help of each verb, so that the verb's own come first.
const EVERY_VERB: &str = "Options of every verb";

const EXAMPLES: &str = "\
Examples:
  bailiwick init                         write a first bailiwick.toml
  bailiwick new count-lines              create the project of an agent
  bailiwick check                        show what the bailiwick.toml of this folder would allow
  bailiwick trust                        allow it
  bailiwick run leak-scan                run an agent that it names, and show the report
  bailiwick ps                           list runs that are active, suspended or cut off, or wait to be settled
  bailiwick serve                        hold the home, and resume each suspended run when its wait is over
  bailiwick status                       show the state of the process that holds the home
  bailiwick show 01K8/17                 show why something was refused
  bailiwick audit touched                list every file and host that any run touched
  bailiwick audit verify                 prove that the record is complete

The record, keys and components are in $BAILIWICK_HOME (~/.local/share/bailiwick). What this machine remembers of the record, \
so that an older copy is noticed, is in $BAILIWICK_STATE (~/.local/state/bailiwick).

Exit: 0 done, 1 the host failed, 2 usage, configuration or not trusted, 3 the agent failed, 4 refused, 5 a limit was reached, 6 the record \
is broken or can't be written, 7 `run --detach`: the run is suspended, 8 an outcome must be settled, 9 a replay differs, 10 findings at or \
above --fail-on, 11 `status`: no \
process holds the home; ended from outside: 129 by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM or `stop`.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_verb_teaches_by_example() {
        fn check(command: &clap::Command) {
            assert!(command.get_after_help().is_some_and(|help| help.to_string().contains("Example")), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
