//! The changes of a commit as people read them: a unified diff of texts, and one line for everything else.
//!
//! The same changes always give the same text, because people approve it: nothing here depends on time.

use std::fmt::Write as _;

use similar::{Algorithm, TextDiff};
use vocabulary::SafeText;

use crate::overlay::{Base, Blobs};
use crate::root::Root;

/// BOUND: bytes of a file that is compared line by line. Of a larger one, only sizes and digests are shown.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// BOUND: lines of both sides together. Comparing takes time that grows with their square.
const LINES_MAX: usize = 8000;
/// BOUND: bytes of the whole text. What does not fit is told.
const TEXT_BYTES_MAX: usize = 512 << 10;
/// Lines around a change.
const CONTEXT: usize = 3;

#[derive(Default)]
pub(crate) struct Texts {
    text: String,
    left_out: u64,
}

impl Texts {
    /// A line of the host.
    pub(crate) fn line(&mut self, line: &str) {
        self.add(&format!("# {}\n", SafeText::new(line, 4 * 4096)));
    }

    fn add(&mut self, text: &str) {
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            self.left_out += 1;
        } else {
            self.text.push_str(text);
        }
    }

    pub(crate) fn finish(mut self) -> String {
        if self.left_out > 0 {
            let _ = writeln!(self.text, "# {} more changes are too large to be shown as text", self.left_out);
        }
        self.text
    }

    /// A file that is made or changed.
    pub(crate) fn file(&mut self, path: &str, (root, before): (&Root, Option<&Base>), (blobs, number, len): (&Blobs, u64, u64)) {
        let old = match before {
            None => Some(String::new()),
            Some(base) => text_of_base(root, base),
        };
        let new = (len <= FILE_BYTES_MAX).then(|| text_of(blobs.folder.open_own(&Blobs::name(number)).ok()?, len)).flatten();
        self.compared(path, (before.is_some(), old), (true, new));
    }

    /// A file that is removed.
    pub(crate) fn removed(&mut self, path: &str, (root, base): (&Root, &Base)) {
        self.compared(path, (true, text_of_base(root, base)), (false, Some(String::new())));
    }

    fn compared(&mut self, path: &str, (was, old): (bool, Option<String>), (is, new): (bool, Option<String>)) {
        let shown = SafeText::new(path, 4096);
        let word = match (was, is) {
            (false, _) => "new",
            (true, false) => "removed",
            (true, true) => "changed",
        };
        let (Some(old), Some(new)) = (old, new) else {
            return self.line(&format!("{word} `{path}`: no text, or too long to be compared"));
        };
        if old.lines().count() + new.lines().count() > LINES_MAX {
            return self.line(&format!("{word} `{path}`: too many lines to be compared"));
        }
        let diff = TextDiff::configure().algorithm(Algorithm::Myers).diff_lines(&old, &new);
        let side = |is: bool, front: &str| if is { format!("{front}/{shown}") } else { "/dev/null".to_owned() };
        let mut unified = diff.unified_diff();
        let text = unified.context_radius(CONTEXT).header(&side(was, "a"), &side(is, "b")).to_string();
        if text.is_empty() { self.line(&format!("{word} `{path}`")) } else { self.add(&text) }
    }
}

fn text_of_base(root: &Root, base: &Base) -> Option<String> {
    let size = base.found.print.size;
    (size <= FILE_BYTES_MAX).then(|| text_of(root.open(&base.path, &base.found.print).ok()?, size)).flatten()
}

/// The content of a file, if it is text.
fn text_of(file: std::fs::File, size: u64) -> Option<String> {
    let bytes = crate::overlay::read_at(&file, 0, u32::try_from(size).ok()?).ok()?;
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (!text.contains('\0')).then_some(text)
}
