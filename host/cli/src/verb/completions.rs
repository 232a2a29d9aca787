//! `completions` and `man`: scripts for shells and pages of the manual, from the description of the command line.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use vocabulary::exit;

use crate::err::CliError;
use crate::out;

/// Print the script with which a shell completes words
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick completions bash > ~/.local/share/bash-completion/completions/bailiwick
  bailiwick completions zsh > ~/.zfunc/_bailiwick
  bailiwick completions fish > ~/.config/fish/completions/bailiwick.fish";

/// Write the manual, one page for each verb
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// The folder for the pages; it is created if it does not exist
    folder: PathBuf,
}

const MAN_EXAMPLES: &str = "\
Examples:
  bailiwick man ~/.local/share/man/man1
  man bailiwick-run";

pub(crate) fn completions(args: &Args, command: &mut Command) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "bailiwick", &mut script);
    out::bytes(&script)?;
    Ok(exit::DONE)
}

#[expect(clippy::disallowed_methods, reason = "door: a folder that the operator named")]
pub(crate) fn man(args: &ManArgs, command: Command) -> Result<u8, CliError> {
    std::fs::create_dir_all(&args.folder).map_err(CliError::file("make", &args.folder))?;
    clap_mangen::generate_to(command, &args.folder).map_err(CliError::file("write", &args.folder))?;
    Ok(exit::DONE)
}
