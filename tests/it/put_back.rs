//! A home that was restored from a backup has that on its record at once. A run that was open in the backup is resumed only after a
//! person's word, even if files are removed from the home.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use run::HomePlace;
use tests::program::Program;
use tests::server::{Server, Step, response};

use crate::damaged::ends_at;
use crate::settling::CutOff;

/// A run that was cut off during a request that may be repeated without a person's word.
async fn cut_off() -> CutOff {
    let server = Server::answering(|number, _| if number == 0 { vec![Step::Hang] } else { vec![Step::Say(response(200, b"x"))] }).await;
    let url = server.url("/");
    CutOff::new("get", server, |_| {}, "durable = true", &[&url], 1).await
}

fn elsewhere(program: &Program, name: &str) -> HomePlace {
    let folder = program.folder().join(name);
    HomePlace { home: folder.join("home"), state: folder.join("state") }
}

/// Checks that `ps` and `doctor` say so before anything was written, and that the run is not continued.
#[track_caller]
fn waits(cut: &CutOff, there: &HomePlace) {
    assert!(ends_at(&cut.program, there, &["ps"], 0).contains("open in a restored copy"));
    assert!(ends_at(&cut.program, there, &["doctor", "--home"], 8).contains("1 of a restored copy"));
    assert!(ends_at(&cut.program, there, &["resume", &cut.run], 8).contains("--restored"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_home_was_put_back_is_on_its_record_before_it_is_in_place() {
    let cut = cut_off().await;
    let file = cut.program.folder().join("monday");
    assert_eq!(cut.says(&["backup", file.to_str().unwrap()]).0, 0);
    assert!(cut.says(&["ps"]).1.contains("cut off"), "the control: this home continues");
    let there = elsewhere(&cut.program, "there");
    ends_at(&cut.program, &there, &["restore", file.to_str().unwrap()], 0);
    assert!(ends_at(&cut.program, &there, &["audit", "show", "--kind", "restored"], 0).contains("was restored from a backup"));
    assert!(ends_at(&cut.program, &there, &["audit", "verify"], 0).contains("WHOLE"));
    // Remove any file whose absence does not break the record.
    let names: Vec<_> = fs::read_dir(&there.home).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_needed = |path: &Path| {
        ["journal", "journal.key", "journal.pub", "home.key", "keys", "form", "components", "trust.toml"]
            .iter()
            .any(|name| path.ends_with(name))
    };
    for path in names.iter().filter(|path| !is_needed(path)) {
        fs::remove_file(path).unwrap();
    }
    waits(&cut, &there);
    ends_at(&cut.program, &there, &["resume", &cut.run, "--restored"], 0);
    assert_eq!(cut.says(&["resume", &cut.run]).0, 0, "the control: the other home continues its own run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_whose_keys_come_later_is_marked_until_it_is_on_the_record() {
    let cut = cut_off().await;
    let file = cut.program.folder().join("keyless");
    assert_eq!(cut.says(&["backup", file.to_str().unwrap(), "--without-keys"]).0, 0);
    for (case, name) in ["both", "in the home", "in the state", "damaged"].into_iter().zip(["a", "b", "c", "d"]) {
        let there = elsewhere(&cut.program, name);
        ends_at(&cut.program, &there, &["restore", file.to_str().unwrap()], 0);
        for key in ["journal.key", "home.key", "keys"] {
            fs::copy(cut.program.place().home.join(key), there.home.join(key)).unwrap();
        }
        let own = there.home.join("restored");
        let other = fs::read_dir(&there.state).unwrap().map(|entry| entry.unwrap().path());
        let other = other.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("restored-")).collect::<Vec<_>>();
        let [other] = &other[..] else { panic!("{other:?}") };
        match case {
            "in the home" => fs::remove_file(other).unwrap(),
            "in the state" => fs::remove_file(&own).unwrap(),
            "damaged" => {
                let whole = fs::read(&own).unwrap();
                for bent in [b"".as_slice(), b"{}", &whole[1..], &whole[..whole.len() - 2]] {
                    fs::write(&own, bent).unwrap();
                    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
                    for args in [&["ps"][..], &["resume", &cut.run]] {
                        let said = ends_at(&cut.program, &there, args, 6);
                        assert!(said.contains(own.to_str().unwrap()) && said.contains("audit accept-rollback"), "{args:?}: {said}");
                    }
                }
                ends_at(&cut.program, &there, &["audit", "accept-rollback"], 0);
            }
            _ => {}
        }
        waits(&cut, &there);
        assert!(!own.exists() && !other.exists(), "{case}: it is on the record now");
        waits(&cut, &there);
    }
}
