//! `init`: writes a configuration to start from.

use std::path::{Path, PathBuf};

use package::config;
use vocabulary::exit;

use crate::err::CliError;
use crate::out::{self, OutError};

/// Write a first `bailiwick.toml` that explains itself
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder of the file
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print which file was written as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick init
  bailiwick check                        show what it allows
  bailiwick trust                        allow it

An existing file is not changed.";

/// Every key with its meaning. Lines that begin with a comment sign have no effect.
pub(crate) const SAMPLE: &str = r#"# What agents may do here. `bailiwick check` shows it, `bailiwick trust` allows it. Until then, nothing in this file takes effect.

[agents.my-agent]
component = "my-agent.wasm"             # a .wasm file, or a folder with agent.toml, which is built when it has changed
purpose = "one line that says why it runs here"
# owner = "team@example.com"
# expires = "2030-12-31"                # the last day on which it may be started
# env = { LANG = "C" }                  # it sees no other variable of the environment
# durable = true                        # keep what it reads, so that it can be resumed after a crash
# limits = { memory = "128MiB", active-timeout = "10m" }

# Folders that it may read; `guest` is their path for the agent.
[[agents.my-agent.files]]
guest = "/src"
host = "."
mode = "read"

# Requests that it may make. Nothing else reaches the network, and no other name is looked up.
# [[agents.my-agent.http]]
# host = "*.example.com"                # one host, an address, or *.suffix
# scheme = "https"
# port = 443
# methods = ["GET", "HEAD"]
# paths = ["/api/**"]                   # * within a segment, ** across
# addresses = ["10.2.0.0/16"]           # private addresses that the name may have
# until = "2030-12-31"

# [network]
# resolvers = ["127.0.0.1:5353"]        # without this, the resolvers of the system
# roots = ["certs/internal-ca.pem"]     # in addition to the public roots
"#;

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let file = args.folder.join(config::FILE_NAME);
    let mut new = home::AsideFile::begin(&file, home::SHARED).map_err(CliError::file("make", &file))?;
    new.write(SAMPLE.as_bytes()).map_err(CliError::file("write", &file))?;
    if !new.put_first().map_err(CliError::file("make", &file))? {
        return Err(CliError::file("make", &file)(std::io::ErrorKind::AlreadyExists.into()));
    }
    say(&file, args.json)?;
    Ok(exit::DONE)
}

fn say(file: &Path, json: bool) -> Result<(), OutError> {
    let shown = file.to_string_lossy().into_owned();
    if json {
        return out::json(&serde_json::json!({ "file": shown }));
    }
    out::words(&format!("wrote {}: read it, name your agent in it, then `bailiwick check`", crate::words::safe(&shown)));
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and writes files of its own")]
mod tests {
    use package::config;

    use super::SAMPLE;

    #[test]
    fn the_sample_is_one_with_and_without_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("here").join(config::FILE_NAME);
        std::fs::create_dir(folder.path().join("here")).unwrap();
        // Lines behind a comment sign are lines of the file as well, except for the explanations.
        let is_key = |line: &str| {
            line.starts_with("# [") || line.split_once(" = ").is_some_and(|(key, _)| !key.trim_start_matches("# ").contains(' '))
        };
        let all: Vec<&str> = SAMPLE.lines().map(|line| if is_key(line) { line.trim_start_matches("# ") } else { line }).collect();
        for text in [SAMPLE.to_owned(), all.join("\n").replace("certs/internal-ca.pem", "bailiwick.toml")] {
            std::fs::write(&file, &text).unwrap();
            let resolved = config::read(&file).unwrap().resolve(&folder.path().join("home"));
            assert!(resolved.is_ok(), "{:?}\n{text}", resolved.err());
        }
    }
}
