//! The log of the host: spans and events of the rooms, on standard error.
//!
//! The log is not the record: it is off unless somebody asks for it. SECURITY: fields get their types where they are made. No field holds
//! the value of a credential or the query of a URL, and text of guests and servers is escaped before it is logged.

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
    /// What the operator should look at.
    Warn,
    /// Each run, and each decision.
    Info,
    /// Each step: connections, answers, requests of the host itself.
    Debug,
    /// Everything.
    Trace,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document in each line.
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

/// Starts to log, if the command line or else the environment asks for it.
///
/// # Errors
/// A variable of the environment whose value is not a level or form.
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
