//! The changes of a commit that waits for people: each object in one line, then the texts as a unified diff.

use ::run::{ApprovalView, HomePlace};
use vocabulary::record::Record;
use vocabulary::{Capability, CommitAsk, DiffKind, FileDiff, FileKind, FileSide, SafeText};

use crate::err::CliError;
use crate::{log, out, words};

/// BOUND: objects and lines that are shown. What is left out is counted.
const LINES_MAX: usize = 2000;

/// Prints the changes, if the act is a commit.
pub(super) fn print(place: &HomePlace, view: &ApprovalView) -> Result<(), CliError> {
    let reader = log::reader(place)?;
    let mut found = None;
    for record in reader.of_run(view.run) {
        let record = record?;
        if let Ok(Record::ApprovalAsked(asked)) = Record::parse(&record.body)
            && asked.digest == view.digest
            && asked.ask.capability == Capability::Files
        {
            found = Some(record);
        }
    }
    let Some(record) = found else { return Ok(()) };
    let lines = match gate::commit(&reader, &record) {
        Ok(commit) => lines(&commit),
        Err(missing) => vec![format!("  changes       CAN'T BE SHOWN: {missing}")],
    };
    lines.iter().try_for_each(|line| out::line(line).map_err(CliError::from))
}

/// The lines of a commit.
pub(crate) fn lines(commit: &CommitAsk) -> Vec<String> {
    let mut all = vec![format!("  changes       {}", commit.counts())];
    if let Some((before, after)) = &commit.versions {
        all.push(format!("  version       {before} -> {after}"));
    }
    let more = |len: usize| (len > LINES_MAX).then(|| format!("    … and {} more", len - LINES_MAX));
    all.extend(commit.changes.iter().take(LINES_MAX).map(|change| format!("    {}", one(change))));
    all.extend(more(commit.changes.len()));
    let text: Vec<&str> = commit.text.lines().collect();
    all.extend(text.iter().take(LINES_MAX).map(|line| format!("    {}", SafeText::new(line, 4096))));
    all.extend(more(text.len()));
    all
}

fn one(change: &FileDiff) -> String {
    let path = words::safe(&change.path);
    let from = change.from.as_ref().map_or_else(String::new, |from| format!(" (from {})", words::safe(from)));
    let sides = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} -> {}", side(before), side(after)),
        (Some(one), None) | (None, Some(one)) => side(one),
        (None, None) => String::new(),
    };
    let word = match change.kind() {
        DiffKind::Created => "new    ",
        DiffKind::Changed => "changed",
        DiffKind::Moved => "moved  ",
        DiffKind::Removed => "removed",
    };
    format!("{word} {path}{from}  {sides}")
}

fn side(side: &FileSide) -> String {
    match side.kind {
        FileKind::File => {
            let digest = side.digest.map_or_else(String::new, |digest| format!(" {}", digest.hex().chars().take(12).collect::<String>()));
            format!("{:04o} {}{digest}", side.mode, words::bytes(side.size))
        }
        FileKind::Directory => format!("{:04o} folder", side.mode),
        FileKind::Link => format!("link to {}", words::safe(side.target.as_deref().unwrap_or_default())),
        FileKind::Other => "neither file nor folder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::{ChangeCounts, Digest, FilesMode};

    use super::*;

    #[test]
    fn a_change_is_told_with_what_was_there_and_what_is_there_then() {
        let file = |mode, size| FileSide { digest: Some(Digest::of(b"x")), kind: FileKind::File, mode, size, target: None };
        let changes =
            vec![FileDiff { after: Some(file(0o755, 3)), before: Some(file(0o4755, 2)), from: None, path: "a\u{1b}b".to_owned() }];
        let commit = CommitAsk {
            changes,
            guest: "/w".to_owned(),
            mode: FilesMode::Stage,
            mount: 0,
            text: "+x\u{202e}\n".to_owned(),
            versions: None,
        };
        let lines = lines(&commit);
        assert!(lines[0].ends_with(&ChangeCounts { bytes: 3, changed: 1, ..ChangeCounts::default() }.to_string()), "{lines:?}");
        assert!(lines[1].contains("4755 2 B 2d711642b726 -> 0755 3 B"), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains(['\u{1b}', '\u{202e}'])), "{lines:?}");
    }
}
