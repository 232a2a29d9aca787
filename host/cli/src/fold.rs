//! Folds long lines to the width of a terminal, between words.

/// The greatest indent, in columns, that the following lines take over from the first line.
const MARGIN_MAX: usize = 12;

/// Breaks a line into pieces that fit. The first piece follows `first`, the others follow `further`. Lines break between words. A word that
/// is longer than a whole line is cut. Text between backquotes counts as one word if it fits into a line.
///
/// SECURITY: no piece is wider than the terminal. The terminal would wrap a wider one by itself, and the rest of a guest's words would look
/// like a line of the host's.
pub(crate) fn folded(text: &str, first: &str, further: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![format!("{first}{text}")] };
    Folding::new(first, further, width, Long::Cut).fold(text)
}

/// Like [`folded`], for text of the host only. A command between backquotes stays in one line, however long it is, so that it can be
/// copied.
pub(crate) fn with_whole_words(text: &str, further: &str, width: usize) -> Vec<String> {
    Folding::new("", further, width, Long::Whole).fold(text)
}

/// What to do with a word that does not fit into a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    Cut,
    Whole,
}

struct Folding<'a> {
    further: &'a str,
    width: usize,
    long: Long,
    lines: Vec<String>,
    line: String,
    /// Columns of the line, and how many of them come before its first word.
    used: usize,
    lead: usize,
    margin: String,
}

impl<'a> Folding<'a> {
    fn new(first: &str, further: &'a str, width: usize, long: Long) -> Self {
        let used = columns(first);
        Self { further, width, long, lines: Vec::new(), line: first.to_owned(), used, lead: used, margin: String::new() }
    }

    fn fold(mut self, text: &str) -> Vec<String> {
        let indent = text.len() - text.trim_start_matches(' ').len();
        // The following lines of an indented line are indented like it.
        self.margin = " ".repeat(if self.further.trim().is_empty() { indent.min(MARGIN_MAX) } else { 0 });
        let room = self.width.saturating_sub(columns(self.further) + self.margin.len());
        for (gap, word) in words(text, if self.long == Long::Whole { usize::MAX } else { room }) {
            self.add(gap, word);
        }
        self.lines.push(self.line);
        self.lines
    }

    fn add(&mut self, gap: usize, word: &str) {
        if self.used + gap + columns(word) > self.width && self.used > self.lead {
            self.next();
        } else {
            // A gap never reaches past the edge of the terminal.
            let gap = if self.long == Long::Cut { gap.min(self.width.saturating_sub(self.used)) } else { gap };
            self.line.push_str(&" ".repeat(gap));
            self.used += gap;
        }
        for letter in word.chars() {
            let wide = columns_of(letter);
            if self.long == Long::Cut && self.used + wide > self.width && self.used > self.lead {
                self.next();
            }
            self.line.push(letter);
            self.used += wide;
        }
    }

    fn next(&mut self) {
        let next = format!("{}{}", self.further, self.margin);
        self.lead = columns(&next);
        self.used = self.lead;
        self.lines.push(std::mem::replace(&mut self.line, next));
    }
}

/// Each word with the number of blanks before it. Text between backquotes is one word, unless it has more than `room` columns.
fn words(text: &str, room: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.trim_start_matches(' ');
        let gap = rest.len() - word.len();
        let end = quoted(word, room).unwrap_or_else(|| word.find(' ').unwrap_or(word.len()));
        let (word, after) = word.split_at(end);
        found.push((gap, word));
        rest = after;
    }
    found
}

/// The end of a word that has a blank between backquotes, if it is one and fits into `room` columns.
fn quoted(word: &str, room: usize) -> Option<usize> {
    let first = word.split(' ').next()?;
    if first.matches('`').count().is_multiple_of(2) {
        return None;
    }
    let close = first.len() + word.get(first.len()..)?.find('`')? + 1;
    let end = word.get(close..)?.find(' ').map_or(word.len(), |after| close + after);
    (columns(word.get(..end)?) <= room).then_some(end)
}

/// The columns of a letter. One outside of ASCII may be two columns wide.
fn columns_of(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { 2 }
}

pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

#[cfg(test)]
mod tests {
    use super::{columns, folded, with_whole_words};

    #[test]
    fn every_piece_of_a_long_line_begins_with_its_mark() {
        let said = |text: &str| folded(text, "agent: ", "agent: ", Some(20));
        assert_eq!(said("short"), ["agent: short"]);
        assert_eq!(said(&"x".repeat(30)), ["agent: xxxxxxxxxxxxx", "agent: xxxxxxxxxxxxx", "agent: xxxx"]);
        assert!(said(&"\u{4e00}".repeat(30)).iter().all(|line| line.starts_with("agent: ") && line.chars().count() <= 13));
        assert_eq!(folded("HOST EVIDENCE far too long", "", "    ", Some(20)), ["HOST EVIDENCE far", "    too long"]);
        assert_eq!(folded(&"x".repeat(500), "", "    ", None).len(), 1, "without a terminal, the text is not folded");
    }

    #[test]
    fn no_piece_is_wider_than_the_terminal_whatever_is_in_it() {
        let hostile =
            ["a b".to_owned(), "`".repeat(90), format!("`{}", "x ".repeat(90)), " ".repeat(90), format!("{}x", " ".repeat(50)), {
                format!("x{}`y z`{}", " ".repeat(39), "\u{4e00}".repeat(30))
            }];
        for text in &hostile {
            for (first, further) in [("", "    "), ("agent: ", "agent: ")] {
                let lines = folded(text, first, further, Some(40));
                assert!(lines.iter().all(|line| columns(line) <= 40), "{text}: {lines:#?}");
                assert!(lines.iter().skip(1).all(|line| line.starts_with(further)), "{text}: {lines:#?}");
                let letters = |text: &str| text.replace(' ', "");
                let (said, shown): (String, String) =
                    (letters(text), lines.iter().map(|line| letters(line.trim_start_matches(further))).collect());
                assert_eq!(shown.trim_start_matches("agent:"), said);
            }
        }
    }

    #[test]
    fn a_line_is_broken_between_words_and_never_within_a_command() {
        let text = "  restore a whole copy of the home, or `bailiwick audit reanchor --reason TEXT` sets it aside";
        let lines = folded(text, "", "    ", Some(60));
        let expected = ["  restore a whole copy of the home, or", "      `bailiwick audit reanchor --reason TEXT` sets it aside"];
        assert_eq!(lines, expected);
        let long = format!("help: `chmod 0700 /{}` repairs it", "x".repeat(60));
        assert_eq!(with_whole_words(&long, "    ", 40).get(1).map(|line| line.contains("chmod 0700 /x")), Some(true));
    }
}
