//! The program at a terminal: reads what it shows, and types input.

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
    /// How many bytes of the output were waited for so far.
    seen: usize,
}

impl Tty {
    /// Starts the program with these arguments, which need no quoting.
    ///
    /// # Panics
    /// If there is no `script`.
    #[must_use]
    pub fn new(program: &Program, args: &[&str]) -> Self {
        let line = format!("'{}' {}", host::bailiwick().display(), args.join(" "));
        let mut command = program.beside(&["script", "-qec", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` of util-linux is there");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, to, from, shown: String::new(), seen: 0 }
    }

    /// Waits until the program has shown these words, after those of earlier waits.
    ///
    /// # Panics
    /// If the program ends without showing them.
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
    /// If the program does not read it.
    pub fn types(&mut self, line: &str) -> &mut Self {
        self.to.write_all(format!("{line}\n").as_bytes()).expect("a pipe");
        self
    }

    /// The exit code, and everything that the program has shown.
    ///
    /// # Panics
    /// If waiting fails.
    #[must_use]
    pub fn ends(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.from.read_to_end(&mut rest).expect("a pipe");
        self.shown.extend(rest.into_iter().map(char::from));
        (self.child.wait().expect("it ends").code(), self.shown)
    }
}
