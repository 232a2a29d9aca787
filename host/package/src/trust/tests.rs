//! Claims about trust.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use effect::Digest;

use super::{Said, TrustError, Trusted, check};
use crate::config::{self, Authored};

const SAID: Said<'_> = Said { when_s: 1_800_000_000, by: "alice" };
const TEXT: &str = "[agents.a]\ncomponent = \"a\"\n[[agents.a.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\n";

fn written(folder: &Path, text: &str) -> Authored {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join(config::FILE_NAME);
    std::fs::write(&file, text).unwrap();
    config::read(&file).unwrap()
}

fn trust(home: &Path, file: &Authored, said: Said<'_>) -> Result<Trusted, TrustError> {
    super::trust(home, file, &file.resolve(home).unwrap(), said)
}

fn is_trusted(home: &Path, file: &Authored) -> Result<bool, TrustError> {
    super::is_trusted(home, file, &file.resolve(home).unwrap())
}

#[test]
fn a_folder_that_became_a_link_to_another_is_not_trusted() {
    let place = tempfile::tempdir().unwrap();
    let (home, here) = (place.path().join("home"), place.path().join("here"));
    for folder in [here.join("docs"), place.path().join("elsewhere")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let text = "[agents.a]\ncomponent = \"a\"\n[[agents.a.files]]\nguest = \"/docs\"\nhost = \"docs\"\nmode = \"read\"\n";
    let file = written(&here, text);
    trust(&home, &file, SAID).unwrap();
    assert!(is_trusted(&home, &file).unwrap());
    std::fs::remove_dir(here.join("docs")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", here.join("docs")).unwrap();
    assert_eq!(written(&here, text).digest, Digest::of(text.as_bytes()), "not a byte of the file has changed");
    assert!(!is_trusted(&home, &file).unwrap());
    let Err(TrustError::Untrusted(untrusted)) = check(&home, &file, &file.resolve(&home).unwrap()) else { unreachable!() };
    assert!(untrusted.authority.iter().any(|line| line.contains("/elsewhere")), "{:?}", untrusted.authority);
}

#[test]
fn a_file_is_untrusted_until_it_is_trusted_and_says_what_it_asks_for() {
    let place = tempfile::tempdir().unwrap();
    let (home, file) = (place.path().join("home"), written(&place.path().join("a"), TEXT));
    let resolved = file.resolve(&home).unwrap();
    let Err(TrustError::Untrusted(untrusted)) = check(&home, &file, &resolved) else { unreachable!() };
    assert_eq!(untrusted.digest, file.digest);
    assert!(untrusted.authority.iter().any(|line| line.contains("GET https://a.test:443 /**")), "{:?}", untrusted.authority);
    assert!(untrusted.authority.iter().any(|line| line.contains("runs its author's code")), "{:?}", untrusted.authority);
    trust(&home, &file, SAID).unwrap();
    assert_eq!(check(&home, &file, &resolved).unwrap().digest(), file.digest);
    assert_eq!(std::fs::metadata(home.join("trust.toml")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_changed_is_no_longer_trusted() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let before = written(place.path(), TEXT);
    trust(&home, &before, SAID).unwrap();
    let after = written(place.path(), &TEXT.replace("GET", "PUT"));
    assert!(!is_trusted(&home, &after).unwrap());
    trust(&home, &after, SAID).unwrap();
    assert!(is_trusted(&home, &after).unwrap());
    // Only the newest: going back has to be said again.
    assert!(!is_trusted(&home, &written(place.path(), TEXT)).unwrap());
}

#[test]
fn the_same_bytes_in_another_checkout_are_not_trusted() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    trust(&home, &written(&place.path().join("mine"), TEXT), SAID).unwrap();
    assert!(!is_trusted(&home, &written(&place.path().join("theirs"), TEXT)).unwrap());
    assert!(is_trusted(&home, &written(&place.path().join("mine"), TEXT)).unwrap());
}

#[test]
fn a_list_that_is_broken_or_open_to_others_trusts_nobody_and_is_not_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let (home, file) = (place.path().join("home"), written(place.path(), TEXT));
    trust(&home, &file, SAID).unwrap();
    let list = home.join("trust.toml");
    let good = std::fs::read(&list).unwrap();
    for bad in [&b"[[trusted]]\n"[..], b"\xff", b"nothing = 1\n"] {
        std::fs::write(&list, bad).unwrap();
        assert!(is_trusted(&home, &file).is_err());
        assert!(trust(&home, &file, SAID).is_err());
        assert_eq!(std::fs::read(&list).unwrap(), bad);
    }
    std::fs::write(&list, &good).unwrap();
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(is_trusted(&home, &file), Err(TrustError::Exposed(_))));
    std::fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &list).unwrap();
    assert!(matches!(is_trusted(&home, &file), Err(TrustError::Exposed(_))));
}

#[test]
fn what_two_say_at_once_is_both_recorded() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let files: Vec<Authored> = (0..8).map(|n| written(&place.path().join(n.to_string()), TEXT)).collect();
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| trust(&home, file, SAID).unwrap());
        }
    });
    assert!(files.iter().all(|file| is_trusted(&home, file).unwrap()));
}
