//! Prints what it can see of its surroundings: arguments, environment, working directory, terminals.

use guests::{json, say};
use wasip2::cli::{environment, terminal_stderr, terminal_stdin, terminal_stdout};

fn main() {
    say(json!({
        "args": environment::get_arguments(),
        "env": environment::get_environment(),
        "cwd": environment::initial_cwd(),
        "std_args": std::env::args().collect::<Vec<_>>(),
        "std_env": std::env::vars().collect::<Vec<_>>(),
        "terminals": [
            terminal_stdin::get_terminal_stdin().is_some(),
            terminal_stdout::get_terminal_stdout().is_some(),
            terminal_stderr::get_terminal_stderr().is_some(),
        ],
    }));
}
