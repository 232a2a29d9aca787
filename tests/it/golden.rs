//! Golden files that a test makes and people read: compared, or written anew with `BLESS=1`.

use std::fs;
use std::path::Path;

/// Compares a file with what it should be.
#[track_caller]
pub(crate) fn check(file: &Path, expected: &str) {
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the folder can be made");
        fs::write(file, expected).expect("it can be written");
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "`{}` is out of date, `BLESS=1` writes it anew: {first:?}", file.display());
}
