//! The log of the host at work: spans and events of the rooms, on standard error.
//!
//! It is not the record: it may be off, and it is off unless somebody asks for it. SECURITY: fields are typed where they are made. No value of a
//! credential and no query of a URL is ever one of them, and text of guests and servers is escaped before.

use clap::ValueEnum;
use tracing_subscriber::filter::LevelFilter;

use crate::err::CliError;
use crate::place;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Nothing.
    Off,
    /// What the host could not do.
    Error,
    /// What should be looked at.
    Warn,
    /// Each run, and each decision.
    Info,
    /// Each step: connections, answers, what the host asks itself.
    Debug,
    /// Everything.
    Trace,
}

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// A line for people.
    #[default]
    Text,
    /// A JSON document a line.
    Json,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Starts to log, if that is asked for: on the command line, or else in the environment.
///
/// # Errors
/// A variable of the environment that names no level or form.
pub(crate) fn begin(level: Option<Level>, form: Option<LogForm>) -> Result<(), CliError> {
    let level = match level {
        Some(level) => Some(level),
        None => place::log_word("BAILIWICK_LOG")?,
    };
    let Some(level) = level.filter(|level| *level != Level::Off) else { return Ok(()) };
    let form = match form {
        Some(form) => form,
        None => place::log_word("BAILIWICK_LOG_FORMAT")?.unwrap_or_default(),
    };
    let all = tracing_subscriber::fmt().with_max_level(LevelFilter::from(level)).with_writer(std::io::stderr).with_ansi(false);
    match form {
        LogForm::Text => all.init(),
        LogForm::Json => all.json().flatten_event(true).init(),
    }
    Ok(())
}
