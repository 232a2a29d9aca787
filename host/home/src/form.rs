//! The form of a home: the format of its files, and the program that they need.
//!
//! The file `form` of a home names its form. A program reads that file before it reads or writes anything else in the home, and refuses a
//! home of a form that it does not know. A home without the file is of the first form: homes of every later form have the file.
//!
//! ```text
//! bailiwick home 1       the form of the home as a whole
//! needs 0.1.0            the oldest program that can use it
//! made 0.1.0             the program that made it
//! record 1               the form of a part, one line for each part
//! ```
//!
//! INVARIANT: the first two lines look the same in every later form, so that an older program can say which program is needed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::aside::{AsideFile, PRIVATE};
use crate::open::{Access, open, open_handed};

/// The file's name in a home.
pub const FORM_FILE: &str = "form";
/// The folder in a home into which a backup is unpacked. While it exists, only a part of the home is in its place.
pub const RESTORING: &str = "restoring";
/// BOUND: a longer file does not name a form.
const BYTES_MAX: u64 = 4096;
/// BOUND: the length of a version or a name that a message quotes.
const VERSION_LETTERS_MAX: usize = 32;
/// Stands for the name of a part if this program can't read the name.
const UNREADABLE: &str = "unreadable";
const TITLE: &str = "bailiwick home ";

/// The forms that a program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownForms {
    /// The form of a home as a whole.
    pub home: u32,
    /// The form of each part of a home, by name, in the order in which the parts are written.
    pub parts: &'static [(&'static str, u32)],
    /// The version of the program.
    pub program: &'static str,
    /// The oldest program that can use a home of these forms.
    pub needs: &'static str,
}

/// What the file `form` of a home says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeForm {
    /// The form of the home as a whole, from 1.
    pub home: u32,
    /// The version of the oldest program that can use the home.
    pub needs: String,
    /// The version of the program that made the home; empty if the file does not say it.
    pub made: String,
    /// The form of each part, by name.
    pub parts: Vec<(String, u32)>,
}

/// Why a home is refused.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// A newer program made the home, or has used it.
    #[error("the home `{}` is of a newer form: {}", home.display(), newer_words(what, *form, *known, program))]
    Newer {
        /// The path of the home.
        home: PathBuf,
        /// The part that is too new, or `home`.
        what: String,
        /// The form of that part.
        form: u32,
        /// The newest form of that part that this program knows; 0 for a part that it does not know.
        known: u32,
        /// The version of this program.
        program: &'static str,
        /// The version of the oldest program that can use the home.
        needs: String,
    },
    /// A backup is being restored into the home, or that was cut off.
    #[error("a backup is being restored into `{}`, or the restore was cut off: only a part of it is in its place", .0.display())]
    Restoring(PathBuf),
    /// The file is there, but can't be understood.
    #[error("`{}` does not say which form the home has: it was changed or cut short", .0.display())]
    Broken(PathBuf),
    /// The file can't be read or written.
    #[error("could not use `{}`", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

fn newer_words(what: &str, form: u32, known: u32, program: &str) -> String {
    match (what, known) {
        (_, 0) => format!("it has a part `{what}`, which bailiwick {program} does not know"),
        ("home", _) => format!("it is of form {form}, and bailiwick {program} knows forms up to {known}"),
        _ => format!("its part `{what}` is of form {form}, and bailiwick {program} knows forms up to {known}"),
    }
}

impl HomeForm {
    /// The form of a home that this program makes.
    pub fn of(known: &KnownForms) -> Self {
        let parts = known.parts.iter().map(|(name, form)| ((*name).to_owned(), *form)).collect();
        Self { home: known.home, needs: known.needs.to_owned(), made: known.program.to_owned(), parts }
    }

    fn to_text(&self) -> String {
        let mut text = format!("{TITLE}{}\nneeds {}\nmade {}\n", self.home, self.needs, self.made);
        self.parts.iter().for_each(|(name, form)| text.push_str(&format!("{name} {form}\n")));
        text
    }

    /// The first two lines must be readable in every form. Any later line that this program can't read counts as a part of an unknown form.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let home = lines.next()?.strip_prefix(TITLE)?.parse().ok().filter(|form| *form > 0)?;
        let needs = version(lines.next()?.strip_prefix("needs ")?)?;
        let (mut made, mut parts) = (String::new(), Vec::new());
        for line in lines {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "made" => made = version(value).unwrap_or_else(|| "an unknown version".to_owned()),
                _ => parts.push((version(name).unwrap_or_else(|| UNREADABLE.to_owned()), value.parse().unwrap_or(u32::MAX))),
            }
        }
        Some(Self { home, needs, made, parts })
    }

    /// Refuses this form if it has a part that the program does not know.
    fn judge(self, home: &Path, known: &KnownForms) -> Result<Self, FormError> {
        let newer = |what: &str, form, known_form| {
            let (home, what, needs) = (home.to_owned(), what.to_owned(), self.needs.clone());
            FormError::Newer { home, what, form, known: known_form, program: known.program, needs }
        };
        if self.home > known.home {
            return Err(newer("home", self.home, known.home));
        }
        for (name, form) in &self.parts {
            let known_form = known.parts.iter().find(|(part, _)| part == name).map_or(0, |(_, form)| *form);
            if *form > known_form || known_form == 0 {
                return Err(newer(name, *form, known_form));
            }
        }
        Ok(self)
    }
}

/// Accepts a version or the name of a part if it has only characters that a terminal prints as they are.
fn version(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= VERSION_LETTERS_MAX;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte));
    (fits && plain).then(|| text.to_owned())
}

/// Reads the form of a home, if this program knows that form. `None` if the file is missing: the home is new, or of the first form.
///
/// # Errors
/// [`FormError::Newer`] for a home of a newer program; or the file can't be read or understood. Nothing is changed.
pub fn form(home: &Path, known: &KnownForms) -> Result<Option<HomeForm>, FormError> {
    if fs::symlink_metadata(home.join(RESTORING)).is_ok() {
        return Err(FormError::Restoring(home.to_owned()));
    }
    read(home, open(&home.join(FORM_FILE), Access::Read), known)
}

/// The same for a copy of a home that an auditor was given.
///
/// # Errors
/// As for [`form`].
pub fn form_handed(home: &Path, known: &KnownForms) -> Result<Option<HomeForm>, FormError> {
    read(home, open_handed(&home.join(FORM_FILE)), known)
}

fn read(home: &Path, file: io::Result<fs::File>, known: &KnownForms) -> Result<Option<HomeForm>, FormError> {
    let path = home.join(FORM_FILE);
    let file = match file {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|cause| FormError::Io { path: path.clone(), cause })?,
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|cause| FormError::Io { path: path.clone(), cause })?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= BYTES_MAX);
    text.and_then(|text| HomeForm::parse(&text)).ok_or(FormError::Broken(path))?.judge(home, known).map(Some)
}

/// Writes the file `form` of a home that has none, and returns the form of the home. If several processes make a home at once, one of them
/// writes the file and the others read it. The home's folder must exist. The file is on the disk when this returns.
///
/// # Errors
/// As for [`form`]; or the file can't be written.
pub fn say_form(home: &Path, known: &KnownForms) -> Result<HomeForm, FormError> {
    if let Some(form) = form(home, known)? {
        return Ok(form);
    }
    let said = HomeForm::of(known);
    let path = home.join(FORM_FILE);
    let put = || {
        let mut aside = AsideFile::begin(&path, PRIVATE)?;
        aside.write(said.to_text().as_bytes())?;
        aside.put_first()
    };
    let is_mine = put().map_err(|cause| FormError::Io { path: path.clone(), cause })?;
    let there = if is_mine { None } else { form(home, known)? };
    Ok(there.unwrap_or(said))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and bends homes")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KNOWN: KnownForms = KnownForms { home: 2, parts: &[("record", 1), ("vault", 3)], program: "0.2.0", needs: "0.2.0" };

    fn says(text: &[u8]) -> Result<Option<HomeForm>, FormError> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FORM_FILE);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        form(home.path(), &KNOWN)
    }

    #[test]
    fn what_a_home_says_comes_back_and_is_said_once() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(form(home.path(), &KNOWN).unwrap(), None);
        let said = say_form(home.path(), &KNOWN).unwrap();
        assert_eq!(form(home.path(), &KNOWN).unwrap(), Some(said.clone()));
        assert_eq!(crate::list(home.path()).unwrap(), [FORM_FILE], "nothing is left over");
        // A later program of the same form does not change the file.
        let older = KnownForms { program: "0.2.1", ..KNOWN };
        assert_eq!(say_form(home.path(), &older).unwrap(), said);
    }

    #[test]
    fn of_many_that_make_a_home_at_once_each_finds_it_said() {
        for _ in 0..50 {
            let home = tempfile::tempdir().unwrap();
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| say_form(home.path(), &KNOWN).unwrap())).collect();
                threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), HomeForm::of(&KNOWN)));
            });
            assert_eq!(form(home.path(), &KNOWN).unwrap(), Some(HomeForm::of(&KNOWN)));
            assert_eq!(crate::list(home.path()).unwrap(), [FORM_FILE]);
        }
    }

    #[test]
    fn an_older_form_opens_and_each_newer_part_is_named() {
        assert_eq!(says(b"bailiwick home 1\nneeds 0.1.0\nmade 0.1.0\nrecord 1\nvault 2\n").unwrap().unwrap().home, 1);
        let newer: [(&[u8], &str, u32, u32); 5] = [
            (b"bailiwick home 3\nneeds 0.5.0\nmade 0.5.0\nrecord 1\n", "home", 3, 2),
            (b"bailiwick home 2\nneeds 0.5.0\nmade 0.2.0\nrecord 2\nvault 3\n", "record", 2, 1),
            (b"bailiwick home 2\nneeds 0.5.0\nrecord 1\nvault 4\n", "vault", 4, 3),
            (b"bailiwick home 2\nneeds 0.5.0\nmade 0.2.0\nrecord 1\nvault 3\nnotes 1\n", "notes", 1, 0),
            (b"bailiwick home 9\nneeds 0.5.0\nanything-else\n", "home", 9, 2),
        ];
        for later in ["made \u{1f980}", "tree/of/keys 1", "sealed-with-a-name-of-more-than-thirty-two-letters 1", "", "record one"] {
            let text = format!("bailiwick home 1\nneeds 0.5.0\n{later}\n");
            let said = says(text.as_bytes());
            let is_newer = matches!(&said, Err(FormError::Newer { needs, .. }) if needs == "0.5.0");
            assert!(is_newer || later.starts_with("made"), "{later:?}: {said:?}");
        }
        for (text, part, form_then, known_then) in newer {
            let Err(FormError::Newer { what, form, known, needs, .. }) = says(text) else { unreachable!("{text:?}") };
            assert_eq!((what.as_str(), form, known, needs.as_str()), (part, form_then, known_then, "0.5.0"));
        }
    }

    #[test]
    fn what_is_no_form_is_not_taken_for_the_first_one() {
        let long = [b"bailiwick home 1\nneeds 0.1.0\n".as_slice(), &b"record 1\n".repeat(600)].concat();
        let broken: [&[u8]; 7] = [
            b"",
            b"bailiwick home 1\n",
            b"bailiwick home 0\nneeds 0.1.0\n",
            b"bailiwick home 1\nneeds \x1b[31m\n",
            b"bailiwick home 1\nneeds 0.1.0",
            b"bailiwick home x\nneeds 0.1.0\n",
            &long,
        ];
        for text in broken {
            assert!(matches!(says(text), Err(FormError::Broken(_))), "{:?}", String::from_utf8_lossy(text));
        }
    }
}
