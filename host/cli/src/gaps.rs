//! Says that a view is incomplete because a person had a part of the record set aside, pruned or rolled back. Damage, and parts that are
//! missing for no known reason, are another matter (`incomplete::judged`) and end with another exit code.

use std::path::PathBuf;

use gate::{Gap, GapKind};
use journal::{Position, Reader};
use serde::Serialize;
use vocabulary::RunId;

use crate::err::CliError;
use crate::out::OutError;
use crate::words::{count, safe, utc};
use crate::{log, out};

/// The parts of the record that a view does not have.
pub(crate) struct GapLines {
    home: PathBuf,
    all: Vec<Gap>,
}

/// A gap as a JSON document, for programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    #[serde(flatten)]
    gap: Gap,
    /// The path of the part that was set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Whether the part is at that path.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_there: Option<bool>,
}

/// The last line of a view that prints one document per line.
#[derive(Serialize)]
struct Last {
    gaps: Vec<Document>,
}

impl GapLines {
    /// The gaps of the whole record.
    pub(crate) fn of(reader: &Reader) -> Result<Self, CliError> {
        let all = log::ledger(reader, |_| {})?.gaps().cloned().collect();
        Ok(Self { home: reader.home().to_owned(), all })
    }

    /// Only the gaps of that time or later, in milliseconds since 1970.
    pub(crate) fn since(mut self, since: Option<u64>) -> Self {
        self.all.retain(|gap| since.is_none_or(|since| gap.at >= since));
        self
    }

    /// The gaps within one run, which begins at `from`.
    pub(crate) fn of_run(reader: &Reader, (run, from): (RunId, Position)) -> Result<Self, CliError> {
        let mut gaps = Self::of(reader)?;
        let is_cut = reader.cut_runs().any(|cut| cut == run);
        let ends = gaps.all.iter().any(|gap| gap.index > from.index).then(|| end(reader, run, from)).transpose()?.flatten();
        gaps.all.retain(|gap| match gap.what {
            GapKind::TakenAway { .. } => is_cut,
            GapKind::SetAside { .. } | GapKind::RolledBack { .. } | GapKind::PutBack { .. } => {
                gap.index > from.index && ends.is_none_or(|ends| ends > gap.index)
            }
        });
        Ok(gaps)
    }

    /// The gaps of both views, each once.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let new: Vec<Gap> = other.all.into_iter().filter(|gap| !self.all.contains(gap)).collect();
        self.all.extend(new);
        self.all.sort_by_key(|gap| gap.index);
        self
    }

    /// Prints the gaps for people.
    pub(crate) fn say(&self) {
        self.all.iter().for_each(|gap| out::words(&safe(&format!("incomplete: {}", self.words(gap)))));
    }

    /// Prints the gaps at the end of a view: for people, and for programs as the last document.
    pub(crate) fn end(&self, json: bool) -> Result<(), OutError> {
        self.say();
        if json && !self.all.is_empty() { out::json_line(&Last { gaps: self.documents() }) } else { Ok(()) }
    }

    /// The gaps as JSON documents.
    pub(crate) fn documents(&self) -> Vec<Document> {
        let document = |gap: &Gap| {
            let path = self.path(gap);
            let is_there = path.as_ref().map(|path| is_there(path));
            Document { gap: gap.clone(), path: path.map(|path| path.to_string_lossy().into_owned()), is_there }
        };
        self.all.iter().map(document).collect()
    }

    fn path(&self, gap: &Gap) -> Option<PathBuf> {
        match &gap.what {
            GapKind::SetAside { aside, .. } => Some(self.home.join(aside.as_str())),
            GapKind::RolledBack { .. } | GapKind::PutBack { .. } | GapKind::TakenAway { .. } => None,
        }
    }

    fn words(&self, gap: &Gap) -> String {
        let (at, by) = (utc(gap.at), &gap.by);
        let known = |size: &Option<u64>| size.map_or_else(|| "an unknown number".to_owned(), count);
        match &gap.what {
            GapKind::SetAside { now_size, reason, was_size, .. } => {
                let path = self.path(gap).unwrap_or_default();
                let lies = if is_there(&path) { "it is in" } else { "it should be, but is NOT, in" };
                let what = format!("all but the first {} records (of {}) were set aside", count(*now_size), known(was_size));
                format!("{what} at {at} UTC by {by} ({reason}); {lies} {}", path.display())
            }
            GapKind::RolledBack { now_size, was_size } => {
                let was = known(was_size);
                format!("{} records were accepted at {at} UTC by {by} although {was} were known: the others are not here", count(*now_size))
            }
            GapKind::PutBack { backup_at } => {
                format!(
                    "the home was restored at {at} UTC by {by} from a backup of {} UTC: what was recorded after the backup is not here",
                    utc(*backup_at)
                )
            }
            GapKind::TakenAway { size, to } => {
                let to = to.as_ref().map_or_else(|| "and deleted".to_owned(), |to| format!("and archived in {to}"));
                format!("the first {} records were removed {to} at {at} UTC by {by}", count(*size))
            }
        }
    }
}

fn is_there(path: &std::path::Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// The index of the record that ends a run. `None` if it has not ended.
fn end(reader: &Reader, run: RunId, from: Position) -> Result<Option<u64>, CliError> {
    for record in reader.clone().believing().of_run_from(run, from) {
        let record = record?;
        if record.ends {
            return Ok(Some(record.at.index));
        }
    }
    Ok(None)
}
