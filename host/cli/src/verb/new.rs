//! `new`: creates the project of an agent that can be run at once.

use std::path::Path;

use package::project::{self, Language};
use vocabulary::exit;

use crate::err::CliError;
use crate::{out, words};

/// Create the project of an agent that builds, runs and passes its own test at once
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of the agent; a folder of that name is created here
    name: String,
    /// The language of the agent
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    lang: Lang,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick new count-lines
  bailiwick new count-lines --lang python
  cd count-lines && bailiwick run count-lines --trust

The SDK is copied into the project, so that the project can be built and tested anywhere. An existing folder is not changed.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lang {
    Rust,
    Python,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let language = match args.lang {
        Lang::Rust => Language::Rust,
        Lang::Python => Language::Python,
    };
    let folder = project::create(Path::new(""), &args.name, language)?;
    let name = words::safe(&folder.to_string_lossy());
    if args.json {
        out::json(&serde_json::json!({ "folder": name }))?;
    } else {
        out::words(&format!("made {name}: `cd {name}`, then `bailiwick run {name} --trust`"));
    }
    Ok(exit::DONE)
}
