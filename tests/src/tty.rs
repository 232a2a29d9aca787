//! The program at a terminal: what it shows there, and what is typed.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::host;
use crate::program::Program;

/// A program with a terminal of its own, which `script` (of util-linux) makes.
pub struct Tty {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    shown: String,
    /// How much of it was waited for.
    seen: usize,
}

impl Tty {
    /// Starts it with these arguments, which need no quoting.
    ///
    /// # Panics
    /// Where there is no `script`.
    #[must_use]
    pub fn new(program: &Program, args: &[&str]) -> Self {
        let line = format!("'{}' {}", host::bailiwick().display(), args.join(" "));
        let mut command = program.beside(&["script", "-qec", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` of util-linux is there");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, to, from, shown: String::new(), seen: 0 }
    }

    /// Waits until it has shown these words, behind those that were waited for before.
    ///
    /// # Panics
    /// Where it ends without them.
    pub fn until(&mut self, words: &str) -> &mut Self {
        let mut byte = [0];
        loop {
            let rest = self.shown.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(words) {
                self.seen += at + words.len();
                return self;
            }
            assert!(self.from.read(&mut byte).expect("a pipe") > 0, "it ended without `{words}`: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// Where nobody reads it.
    pub fn types(&mut self, line: &str) -> &mut Self {
        self.to.write_all(format!("{line}\n").as_bytes()).expect("a pipe");
        self
    }

    /// Its number, and all that it has shown.
    ///
    /// # Panics
    /// Where it can't be waited for.
    #[must_use]
    pub fn ends(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.from.read_to_end(&mut rest).expect("a pipe");
        self.shown.extend(rest.into_iter().map(char::from));
        (self.child.wait().expect("it ends").code(), self.shown)
    }
}
