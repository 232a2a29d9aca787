//! Numbers, times, digests and tables as people read them; text from outside, made safe to print.

use vocabulary::record::{ClockChanged, WaitsFor};
use vocabulary::{Digest, Function, Resource, Severity};
pub(crate) use vocabulary::{safe, utc};

/// A number with its digits in groups: `1,204`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 file`, `2 files`.
pub(crate) fn many(number: u64, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {more}", count(number)) }
}

/// A number of bytes: `18.2 MB`.
pub(crate) fn bytes(number: u64) -> String {
    home::size(number)
}

/// Milliseconds in words: `1.84 s`.
pub(crate) fn seconds(ms: u64) -> String {
    match ms {
        0..10 => "0 s".to_owned(),
        10..60_000 => format!("{}.{:02} s", ms / 1000, ms % 1000 / 10),
        _ => format!("{} min {} s", count(ms / 60_000), ms % 60_000 / 1000),
    }
}

/// The beginning of a digest: `sha256:4c1f29ab77e0…`
pub(crate) fn digest(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("sha256:{}…", hex.get(..12).unwrap_or(&hex))
}

/// The first twelve hexadecimal digits of a digest, without its algorithm.
pub(crate) fn short_hex(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}…", hex.get(..12).unwrap_or(&hex))
}

/// The name of a severity, as in the interface.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// A change of the machine's clock, in words.
pub(crate) fn clock_changed(change: &ClockChanged) -> String {
    let (way, by) = (if change.by_ms < 0 { "back" } else { "forward" }, seconds(change.by_ms.unsigned_abs()));
    let (was, now) = (utc(change.was), utc(change.at));
    match change.restarted {
        false => format!("the machine's clock was set {way} by {by}: from {was} to {now}"),
        true => format!("the machine was restarted, and its clock is set {way} by at least {by}: it showed {was}, and now shows {now}"),
    }
}

/// What a suspended run waits for.
pub(crate) fn waits(waits_for: &WaitsFor) -> String {
    match waits_for {
        WaitsFor::Time { until } => format!("is suspended until {} UTC", utc(*until)),
        WaitsFor::Person { until } => format!("is suspended until people have decided, or until {} UTC", utc(*until)),
    }
}

/// A moment in milliseconds since 1970, from `2026-10-02`, `2026-10-02T14:07:31Z` (UTC), or a time before now: `90s`, `15m`, `2h`, `3d`.
pub(crate) fn moment(text: &str, now_s: u64) -> Option<u64> {
    if let Some((digits, unit)) = text.char_indices().next_back().map(|(at, unit)| (text.get(..at).unwrap_or(""), unit))
        && let Some(factor) = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)].iter().find(|(known, _)| *known == unit)
    {
        let ago = digits.parse::<u64>().ok()?.checked_mul(factor.1)?;
        return now_s.saturating_sub(ago).checked_mul(1000);
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut parts = date.split('-');
    let mut part = || parts.next()?.parse::<u64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let mut clock = time.trim_end_matches('Z').split(':');
    let mut part = || clock.next().map_or(Some(0), |text| text.parse::<u64>().ok());
    let (hour, minute, second) = (part()?, part()?, part()?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = vocabulary::Date::new(year, month, day)?.days();
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

/// The reason of a refusal, without the resource that the line has already printed: a reason may repeat words that could not be parsed.
pub(crate) fn reason(text: &str, resource: &Resource) -> String {
    let short = text.strip_suffix(resource.line().as_str()).and_then(|text| text.strip_suffix(": "));
    safe(short.unwrap_or(text))
}

/// The name of a function without its interface: `open-at`. Every function that can refuse a request is shown as `request`.
pub(crate) fn function(function: Function) -> &'static str {
    match function {
        // Refused before the request is sent, or while it is sent.
        Function::HttpHandle | Function::VaultPlace | Function::NetDial => "request",
        other => other.name(),
    }
}

/// Columns of text, each as wide as its widest cell; the last one is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A table for a terminal of `terminal` columns. If it is too wide, its cells are wrapped between words; if its columns still have no room,
/// it becomes a list. An id is never broken, so that it can be copied: if it leaves no room for the rest of its row, the rest follows
/// below.
pub(crate) fn table_in(rows: &[Vec<String>], terminal: Option<usize>) -> Vec<String> {
    let natural = table(rows);
    let Some(room) = terminal.filter(|room| natural.iter().any(|line| line.chars().count() > *room)) else { return natural };
    match widths(rows, room) {
        Some(widths) => rows.iter().flat_map(|row| broken(row, &widths)).collect(),
        None => stacked(rows, room).unwrap_or_else(|| listed(rows)),
    }
}

/// Each row with its id in a line of its own, and the rest below that.
fn stacked(rows: &[Vec<String>], room: usize) -> Option<Vec<String>> {
    rows.iter().skip(1).find(|row| row.first().is_some_and(|cell| is_id(cell)))?;
    let rest: Vec<Vec<String>> = rows.iter().map(|row| row.iter().skip(1).cloned().collect()).collect();
    let widths = widths(&rest, room.checked_sub(GAP)?)?;
    let below = |row: &Vec<String>| broken(row, &widths).into_iter().map(|line| format!("{:GAP$}{line}", ""));
    let lines = rows.iter().zip(&rest).flat_map(|(row, rest)| row.first().cloned().into_iter().chain(below(rest)));
    Some(lines.collect())
}

/// Whether a word contains the id of a run or of a log.
fn is_id(word: &str) -> bool {
    word.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|part| {
        let is_log = part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_log || part.parse::<vocabulary::RunId>().is_ok()
    })
}

/// Spaces between two columns.
const GAP: usize = 2;
/// Columns of text that each column keeps at least when words are broken.
const NARROWEST: usize = 10;

/// The widths of columns that fit into `room`: the widest shrink first, and words are broken only if nothing else fits.
fn widths(rows: &[Vec<String>], room: usize) -> Option<Vec<usize>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |column: usize, of: &dyn Fn(&str) -> usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| of(cell)).max().unwrap_or(0);
    let word = |cell: &str| cell.split(' ').map(crate::fold::columns).max().unwrap_or(0);
    let whole: Vec<usize> = (0..columns).map(|column| widest(column, &crate::fold::columns)).collect();
    let words: Vec<usize> = (0..columns).map(|column| widest(column, &word)).collect();
    let head = |column: usize| rows.first().and_then(|row| row.get(column)).map_or(0, |cell| word(cell));
    let id = |cell: &str| cell.split(' ').filter(|word| is_id(word)).map(crate::fold::columns).max().unwrap_or(0);
    let least = |(column, width): (usize, &usize)| (*width).min(NARROWEST.max(head(column))).max(widest(column, &id));
    let least: Vec<usize> = words.iter().enumerate().map(least).collect();
    // First only the longest words are broken; these are usually paths.
    let longest = words.iter().zip(&least).filter(|(word, least)| word > least).map(|(word, _)| *word).max().unwrap_or(0);
    let most: Vec<usize> = words.iter().zip(&least).map(|(word, least)| if *word == longest { *least } else { *word }).collect();
    let room = room.checked_sub(GAP * columns.saturating_sub(1))?;
    [words, most, least].iter().find(|floor| floor.iter().sum::<usize>() <= room).map(|floor| shrunk(&whole, floor, room))
}

/// Shrinks the widest column until all columns fit into `room`.
fn shrunk(whole: &[usize], floor: &[usize], room: usize) -> Vec<usize> {
    let mut widths = whole.to_vec();
    while widths.iter().sum::<usize>() > room {
        let widest = widths.iter_mut().zip(floor).filter(|(width, floor)| **width > **floor).max_by_key(|(width, _)| **width);
        match widest {
            Some((width, _)) => *width -= 1,
            None => break,
        }
    }
    widths
}

/// One row, in as many lines as its tallest cell needs.
fn broken(row: &[String], widths: &[usize]) -> Vec<String> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| crate::fold::folded(cell, "", "", Some(*width))).collect();
    let lines = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let pieces = cells.iter().zip(widths).map(|(cell, width)| format!("{:width$}", cell.get(at).map_or("", String::as_str)));
        pieces.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    (0..lines).map(line).collect()
}

/// Each row as lines of `HEAD  cell`.
fn listed(rows: &[Vec<String>]) -> Vec<String> {
    let Some((head, rows)) = rows.split_first() else { return Vec::new() };
    let pairs = |row: &Vec<String>| {
        let pairs: Vec<Vec<String>> =
            head.iter().zip(row).filter(|(_, cell)| !cell.is_empty()).map(|(head, cell)| vec![head.clone(), cell.clone()]).collect();
        table(&pairs)
    };
    rows.iter().enumerate().flat_map(|(at, row)| (at > 0).then(String::new).into_iter().chain(pairs(row))).collect()
}

/// BOUND: columns of a terminal that text uses.
const COLUMNS_MAX: usize = 80;

/// Lines for a terminal of 80 columns, each after `before`. A line that does not fit is continued below, with a further indent. A longer
/// word is not broken, so that a path can be copied.
pub(crate) fn wrapped(lines: &[String], before: &str) -> Vec<String> {
    lines.iter().flat_map(|line| wrap(line, before)).collect()
}

fn wrap(line: &str, before: &str) -> Vec<String> {
    let text = line.trim_start_matches(' ');
    let lead = format!("{before}{}", " ".repeat(line.len() - text.len()));
    let (mut done, mut now) = (Vec::new(), lead.clone());
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && now.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
            done.push(std::mem::replace(&mut now, format!("{lead}    ")));
            is_empty = true;
        }
        if !is_empty {
            now.push(' ');
        }
        now.push_str(word);
        is_empty = false;
    }
    done.push(now);
    done
}

#[cfg(test)]
mod tests {
    use vocabulary::SafeText;

    use super::*;

    #[test]
    fn numbers_are_grouped_and_bytes_have_one_place() {
        assert_eq!([count(0), count(999), count(1204), count(1_000_000)], ["0", "999", "1,204", "1,000,000"]);
        assert_eq!([bytes(0), bytes(999), bytes(1000), bytes(18_249_000)], ["0 B", "999 B", "1.0 kB", "18.2 MB"]);
        assert_eq!([seconds(9), seconds(1849), seconds(61_000)], ["0 s", "1.84 s", "1 min 1 s"]);
        assert_eq!([many(1, "file", "files"), many(2000, "file", "files")], ["1 file", "2,000 files"]);
    }

    #[test]
    fn moments_are_read_and_shown_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(1_790_000_000_000), "2026-09-21 14:13:20");
        assert_eq!(moment("2026-09-21T14:13:20Z", 0), Some(1_790_000_000_000));
        assert_eq!(moment("2024-02-29", 0).map(utc).as_deref(), Some("2024-02-29 00:00:00"));
        assert_eq!(moment("2h", 10_000), Some(2_800_000));
        for bad in ["", "yesterday", "2026-02-30", "2026-13-01", "1969-12-31", "2026-01-01T25:00:00Z", "12", "h", "-5m"] {
            assert_eq!(moment(bad, 10_000), None, "{bad}");
        }
    }

    #[test]
    fn what_was_refused_is_not_said_twice() {
        let resource = Resource::Words(SafeText::new("`/../x` is not a path", 512));
        assert_eq!(reason("not well formed: `/../x` is not a path", &resource), "not well formed");
        assert_eq!(reason("the host is not granted", &resource), "the host is not granted");
    }

    #[test]
    fn escape_codes_do_not_survive_and_escaped_text_stays() {
        assert_eq!(safe("a\u{1b}[31m\n"), "a\\u{1b}[31m\\u{a}");
        assert_eq!(safe("a\\u{1b}"), "a\\u{1b}");
    }

    #[test]
    fn a_line_goes_on_beneath_and_a_long_word_stays_whole() {
        let long = "x".repeat(100);
        let lines = [format!("  {} {long} end", ["word"; 20].join(" ")), String::new()];
        let wrapped = wrapped(&lines, "  ");
        assert_eq!(wrapped.iter().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join(" ").trim(), lines[0].trim());
        assert!(
            wrapped.first().is_some_and(|line| line.starts_with("    word"))
                && wrapped.get(1).is_some_and(|line| line.starts_with("        word")),
            "{wrapped:?}"
        );
        assert!(wrapped.iter().all(|line| line.chars().count() <= 80 || line.trim() == long), "{wrapped:?}");
    }

    #[test]
    fn a_table_that_is_too_wide_is_broken_between_words_and_loses_nothing() {
        let rows = |cells: &[&[&str]]| cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect::<Vec<Vec<_>>>();
        let table = rows(&[&["NOW", "WHO SAID IT", "WHERE"], &["same", "root (uid 0)", "/a/rather/long/path/of/a/project/bailiwick.toml"]]);
        assert_eq!(table_in(&table, None), super::table(&table));
        assert_eq!(table_in(&table, Some(80)), super::table(&table), "it fits");
        let told = table_in(&table, Some(62));
        assert_eq!(
            told,
            ["NOW   WHO      WHERE", "      SAID IT", "same  root     /a/rather/long/path/of/a/project/bailiwick.toml", "      (uid 0)"]
        );
        for room in [20, 30, 40, 50] {
            let told = table_in(&table, Some(room));
            let letters: String = told.concat().chars().filter(|letter| *letter != ' ').collect();
            let all = |cell: &String| cell.split(' ').all(|word| letters.contains(word) || word.len() > 10);
            assert!(told.iter().all(|line| line.chars().count() <= room.max(60)) && table.iter().flatten().all(all), "{room}: {told:#?}");
        }
        let many = rows(&[&["ASKED"; 12], &["1"; 12]]);
        assert_eq!(table_in(&many, Some(40)), ["ASKED  1"; 12]);
    }

    #[test]
    fn an_id_is_never_broken() {
        let (run, log) = ("01K8M3Z0Q4T7VX2YB5C6D8E9FG", "0123456789abcdef0123456789abcdef");
        let rows = |cells: &[&[&str]]| cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect::<Vec<Vec<_>>>();
        let heads = ["RUN", "AGENT", "BY", "OPENED", "ASKED", "REFUSED", "SENT", "ANSWERED", "STATE"];
        let state = "cut off; `bailiwick resume` continues it";
        let ps = rows(&[&heads, &[run, "leak-scan", "root (uid 0)", "2026-11-30 00:33:51", "1,204", "0", "12", "11", state]]);
        let told = table_in(&ps, Some(80));
        assert_eq!((told.first().map(String::as_str), told.iter().any(|line| line == run)), (Some("RUN"), true), "{told:#?}");
        assert!(told.iter().all(|line| line.chars().count() <= 80) && told.len() < 9, "{told:#?}");
        // Also where the id is among other words, or in another column.
        let long = format!("run {run} of log {log} is on hold for a reason that takes more than one line");
        for room in [60, 80] {
            let told = table_in(
                &rows(&[&["WHAT", "WHY", "WHERE"], &["a-rather-long-word-here", &long, "/some/long/path/of/a/folder"]]),
                Some(room),
            );
            assert!([run, log].iter().all(|id| told.iter().any(|line| line.contains(id))), "{told:#?}");
        }
        assert!(is_id(&format!("{run}/12")) && is_id(&format!("`{log}`,")) && !is_id("bailiwick") && !is_id(&"x".repeat(40)));
    }

    #[test]
    fn columns_stand_below_one_another() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), ["a    bb", "ccc  d"]);
    }
}
