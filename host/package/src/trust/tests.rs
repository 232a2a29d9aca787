//! Tests of trust.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use vocabulary::Digest;

use std::collections::BTreeMap;

use super::{HeldComponent, TrustError, TrustStatement, Trusted, check};
use crate::authority::{Spelling, Whole};
use crate::config::{self, Authored};

const SAID: TrustStatement<'_> = TrustStatement { when_s: 1_800_000_000, by: "alice" };
const TEXT: &str = "[agents.a]\ncomponent = \"a\"\n[[agents.a.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\n";

fn written(folder: &Path, text: &str) -> Authored {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join(config::FILE_NAME);
    std::fs::write(&file, text).unwrap();
    config::read(&file).unwrap()
}

fn whole(home: &Path, file: &Authored) -> Whole {
    Whole::of(&file.resolve(home).unwrap()).unwrap()
}

fn nobody(_: &Path, _: &[u8]) -> std::io::Result<()> {
    Ok(())
}

fn trust(home: &Path, file: &Authored, said: TrustStatement<'_>) -> Result<Trusted, TrustError> {
    super::trust(home, file, &whole(home, file), BTreeMap::new(), said, &nobody)
}

fn is_trusted(home: &Path, file: &Authored) -> Result<bool, TrustError> {
    super::find(home, file, &whole(home, file)).map(|found| found.is_some())
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
    let Err(TrustError::Untrusted(untrusted)) = check(&home, &file, &whole(&home, &file)) else { unreachable!() };
    assert!(untrusted.authority.iter().any(|line| line.contains("/elsewhere")), "{:?}", untrusted.authority);
}

#[test]
fn a_file_is_untrusted_until_it_is_trusted_and_says_what_it_asks_for() {
    let place = tempfile::tempdir().unwrap();
    let (home, file) = (place.path().join("home"), written(&place.path().join("a"), TEXT));
    let whole = whole(&home, &file);
    let Err(TrustError::Untrusted(untrusted)) = check(&home, &file, &whole) else { unreachable!() };
    assert_eq!(untrusted.digest, file.digest);
    assert!(untrusted.authority.iter().any(|line| line.contains("GET https://a.test:443 /**")), "{:?}", untrusted.authority);
    assert!(untrusted.authority.iter().any(|line| line.contains("runs its author's code")), "{:?}", untrusted.authority);
    trust(&home, &file, SAID).unwrap();
    assert_eq!(check(&home, &file, &whole).unwrap().digest(), file.digest);
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
    // Only the newest entry counts. Going back to an older one needs a new decision.
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
    assert!(matches!(is_trusted(&home, &file), Err(TrustError::File(_))));
    std::fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &list).unwrap();
    assert!(matches!(is_trusted(&home, &file), Err(TrustError::File(_))));
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

#[test]
fn a_secret_or_a_program_that_became_another_file_is_not_trusted_and_a_new_value_is() {
    let place = tempfile::tempdir().unwrap();
    let (home, here) = (place.path().join("home"), place.path().join("here"));
    std::fs::create_dir_all(here.join("secrets")).unwrap();
    for (file, value) in [("secrets/token", "right"), ("other", "wrong"), ("print", "#!/bin/sh"), ("roots.pem", "a root")] {
        std::fs::write(here.join(file), value).unwrap();
    }
    let program = here.canonicalize().unwrap().join("print");
    let text = format!(
        "[agents.a]\ncomponent = \"a\"\n[[agents.a.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\ncredential = \"one\"\n\
         [credentials.one]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nsource = \"file:secrets/token\"\n\
         [credentials.two]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nsource = [\"exec:/bin/sh\", {program:?}]\n\
         [credentials.three]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nsource = \"vault:secret/data/a#b\"\n\
         [vault]\naddress = \"https://vault.test\"\ntoken-file = \"secrets/token\"\n[network]\nroots = [\"roots.pem\"]\n"
    );
    let file = written(&here, &text);
    trust(&home, &file, SAID).unwrap();
    std::fs::write(here.join("secrets/token"), "new").unwrap();
    assert!(is_trusted(&home, &file).unwrap(), "the value in the same place may change");

    for changed in ["print", "roots.pem"] {
        let before = std::fs::read(here.join(changed)).unwrap();
        std::fs::write(here.join(changed), "other").unwrap();
        assert!(!is_trusted(&home, &file).unwrap(), "{changed}");
        std::fs::write(here.join(changed), before).unwrap();
        assert!(is_trusted(&home, &file).unwrap(), "{changed}");
    }
    for (link, to) in [("secrets/token", "../other"), ("print", "other"), ("roots.pem", "other"), ("secrets", "elsewhere")] {
        let (link, aside) = (here.join(link), here.join("aside"));
        std::fs::rename(&link, &aside).unwrap();
        std::os::unix::fs::symlink(to, &link).unwrap();
        std::fs::create_dir_all(here.join("elsewhere")).unwrap();
        assert!(!is_trusted(&home, &file).unwrap(), "{}", link.display());
        std::fs::remove_file(&link).unwrap();
        std::fs::rename(&aside, &link).unwrap();
        assert!(is_trusted(&home, &file).unwrap(), "{}", link.display());
    }
}

#[test]
fn another_component_is_told_with_what_it_imports_and_one_that_is_accepted_is_trusted() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let file = written(place.path(), &TEXT.replace("component = \"a\"", "component = \"a.wasm\""));
    let inspected = |imports: &[&str]| crate::inspect(&crate::testing::component(imports, &[crate::testing::COMMAND])).unwrap();
    let (was, now) = (inspected(&["wasi:io/poll@0.2.0"]), inspected(&["wasi:io/poll@0.2.0", "wasi:cli/stdout@0.2.0"]));
    let components = BTreeMap::from([("a".to_owned(), HeldComponent::of(&was))]);
    super::trust(&home, &file, &whole(&home, &file), components, SAID, &nobody).unwrap();
    let trusted = check(&home, &file, &whole(&home, &file)).unwrap();
    let holds = |trusted: &Trusted, agent: &str, component: &crate::Component| {
        let held = BTreeMap::from([(agent.to_owned(), HeldComponent::of(component))]);
        let of = whole(&home, &file).held_to(&held).agents["a"].clone();
        trusted.holds(agent, &of, &Spelling::from_folder_of(&file.file))
    };
    assert!(holds(&trusted, "a", &was).is_ok());
    let Err(TrustError::OtherComponent(other)) = holds(&trusted, "a", &now) else { unreachable!() };
    let lines = other.lines().join("\n");
    assert!(lines.contains(&was.digest.to_string()) && lines.contains(&now.digest.to_string()), "{lines}");
    assert!(lines.contains("+ imports wasi:cli/stdout@0.2.0") && !lines.contains("poll"), "{lines}");
    assert!(holds(&trusted, "b", &was).is_err(), "an agent that was not there is not trusted");

    let said = super::Acceptance { agent: "a".into(), authority: Digest::of(b""), by: "alice".into(), path: String::new(), when: 1 };
    super::accept(&home, (&file, &whole(&home, &file)), said, Some(HeldComponent::of(&now)), &nobody).unwrap();
    let trusted = check(&home, &file, &whole(&home, &file)).unwrap();
    assert!(holds(&trusted, "a", &now).is_ok() && holds(&trusted, "a", &was).is_err());
    assert!(super::acceptance(&home).unwrap()[0].is_of(&file.file, "a"));
    super::unaccept(&home, &file.file, "a", &nobody).unwrap();
    assert!(super::acceptance(&home).unwrap().is_empty());
}

/// The components of an entry are part of the digest that was trusted, and not a separate list.
#[test]
fn an_entry_in_which_only_the_component_was_changed_is_not_trusted() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let file = written(place.path(), &TEXT.replace("component = \"a\"", "component = \"a.wasm\""));
    let held = |bytes: &[u8]| HeldComponent { digest: Digest::of(bytes), imports: Vec::new() };
    let components = BTreeMap::from([("a".to_owned(), held(b"one"))]);
    let trusted = super::trust(&home, &file, &whole(&home, &file), components.clone(), SAID, &nobody).unwrap();
    assert_eq!(trusted.authority(), whole(&home, &file).held_to(&components).digest().unwrap());
    assert_ne!(trusted.authority(), whole(&home, &file).digest().unwrap());
    assert!(is_trusted(&home, &file).unwrap());

    let list = home.join("trust.toml");
    let good = std::fs::read_to_string(&list).unwrap();
    let (one, two) = (Digest::of(b"one").to_string(), Digest::of(b"two").to_string());
    assert_eq!(good.matches(&one).count(), 1);
    std::fs::write(&list, good.replace(&one, &two)).unwrap();
    assert!(!is_trusted(&home, &file).unwrap());
    std::fs::write(&list, good).unwrap();
    assert!(is_trusted(&home, &file).unwrap());
}

/// The difference is computed from the value that was trusted, which is kept together with its digest.
#[test]
fn what_differs_from_what_was_trusted_is_told_as_long_as_the_kept_value_is_what_the_digest_says() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    trust(&home, &written(place.path(), TEXT), SAID).unwrap();
    let now = written(place.path(), &TEXT.replace("GET", "PUT"));
    let told = || {
        let Err(TrustError::Untrusted(untrusted)) = check(&home, &now, &whole(&home, &now)) else { unreachable!() };
        untrusted.before.unwrap().difference
    };
    let lines = ["- GET https://a.test:443 /** (agent a)", "+ PUT https://a.test:443 /** (agent a)"].map(str::to_owned);
    assert_eq!(told(), Some(lines.to_vec()));
    let list = home.join("trust.toml");
    let good = std::fs::read_to_string(&list).unwrap();
    assert_eq!(good.matches("\"GET\"").count(), 1, "{good}");
    std::fs::write(&list, good.replace("\"GET\"", "\"PUT\"")).unwrap();
    assert_eq!(told(), None, "a value that was not trusted is not shown as if it had been");
}

/// An acceptance is a newer decision on the component only. It does not bring back trust that no longer holds.
#[test]
fn an_acceptance_puts_its_component_into_an_entry_that_still_holds_and_into_no_other() {
    let place = tempfile::tempdir().unwrap();
    let (home, docs) = (place.path().join("home"), place.path().join("docs"));
    for folder in [&docs, &place.path().join("other")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let text = "[agents.a]\ncomponent = \"a.wasm\"\n[[agents.a.files]]\nguest = \"/d\"\nhost = \"docs\"\nmode = \"read\"\n";
    let file = written(place.path(), text);
    let held = |bytes: &[u8]| HeldComponent { digest: Digest::of(bytes), imports: Vec::new() };
    super::trust(&home, &file, &whole(&home, &file), BTreeMap::from([("a".to_owned(), held(b"one"))]), SAID, &nobody).unwrap();
    let accept = |bytes: &[u8]| {
        let said = super::Acceptance { agent: "a".into(), authority: Digest::of(b""), by: "alice".into(), path: String::new(), when: 1 };
        super::accept(&home, (&file, &whole(&home, &file)), said, Some(held(bytes)), &nobody).unwrap();
    };
    accept(b"two");
    assert!(is_trusted(&home, &file).unwrap(), "the control");
    std::fs::rename(&docs, place.path().join("aside")).unwrap();
    std::os::unix::fs::symlink("other", &docs).unwrap();
    accept(b"three");
    assert!(!is_trusted(&home, &file).unwrap(), "the mount leads to another folder");
}

#[test]
fn what_is_trusted_is_listed_and_taken_back_by_its_path_or_its_digest() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let files: Vec<Authored> = ["a", "b"].iter().map(|name| written(&place.path().join(name), TEXT)).collect();
    for file in &files {
        trust(&home, file, SAID).unwrap();
    }
    let list = super::list(&home).unwrap();
    let path = files[0].file.display().to_string();
    let called = |word: &str| list.iter().filter(|entry| entry.is_called(word)).count();
    assert_eq!([called(&path), called(&files[0].digest.to_string()), called(&files[0].digest.hex()[..8])], [1, 2, 2]);
    assert_eq!([called(&files[0].digest.hex()[..7]), called(""), called("sha256:"), called("/")], [0, 0, 0, 0]);
    super::untrust(&home, list.iter().find(|entry| entry.is_called(&path)).unwrap(), &nobody).unwrap();
    assert!(!is_trusted(&home, &files[0]).unwrap() && is_trusted(&home, &files[1]).unwrap());
}
