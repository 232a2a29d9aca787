//! `examples/`: runs the commands of each page in a new home folder, and compares the output with the page.

use std::fs::File;
use std::path::{Path, PathBuf};

use tests::console::Console;
use tests::guests::componentize_py;
use tests::program::{built_from, share_built};
use tests::tools::{contains, root};

/// The home folder of a user, with components that were built before.
struct Person(tempfile::TempDir);

impl Person {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join(".local/share/bailiwick");
        home::make_folder(&own).unwrap();
        share_built(&own);
        Self(home)
    }

    fn home(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn plays(&self, example: &str, programs: Vec<PathBuf>) {
        let (home, folder) = (self.home(), root().join("examples").join(example));
        Console { home: &home, folder: folder.clone(), programs }.shows(&folder.join("README.md"));
    }
}

/// All bytes of the files below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(bytes_below(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn the_page_of_the_agent_in_rust_shows_what_a_terminal_shows() {
    let _ = built_from("open-tasks", "examples/rust-agent", None);
    Person::new().plays("rust-agent", Vec::new());
}

#[test]
fn the_page_of_the_credential_shows_what_a_terminal_shows_and_the_value_is_nowhere_in_the_home() {
    let _ = built_from("stock-report", "examples/credential/agent", None);
    // The port of the page is below those that systems assign, so only another run of this test can use it. The lock allows one at a time.
    let lock = std::env::temp_dir().join(format!("bailiwick-example-port-18453-{}", rustix::process::getuid().as_raw()));
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap();
    let person = Person::new();
    person.plays("credential", Vec::new());

    let home = person.home();
    let desks = std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().path().join("token"));
    let token = std::fs::read(desks.into_iter().find(|token| token.is_file()).unwrap()).unwrap();
    assert_eq!(token.len(), 32);
    let (own, state) = (home.join(".local/share/bailiwick"), home.join(".local/state"));
    std::fs::remove_dir_all(own.join("build")).unwrap();
    let kept = [bytes_below(&own), bytes_below(&state)].concat();
    assert!(!contains(&kept, &token), "the value is kept sealed, and is not on the record");
    // The control: this finds other text of the same exchange.
    assert!(contains(&kept, b"/items/echo"));
}

#[test]
fn the_page_of_the_agent_in_python_shows_what_a_terminal_shows() {
    let Some(componentize) = componentize_py() else { return };
    let programs = componentize.parent().unwrap();
    let _ = built_from("dead-links", "examples/python-agent", Some(programs));
    Person::new().plays("python-agent", vec![programs.to_owned()]);
}

/// `cargo run -p verify-record` would build the program a second time, with other features. So the binary that was built with the
/// workspace is used.
#[test]
fn the_page_of_the_verifier_shows_what_a_terminal_shows() {
    let _ = built_from("open-tasks", "examples/rust-agent", None);
    let person = Person::new();
    let stand_in = person.home().join("programs");
    std::fs::create_dir(&stand_in).unwrap();
    let verifier = tests::host::bailiwick().with_file_name("verify-record");
    let script = format!(
        "#!/bin/sh\ntest \"$1 $2 $3 $4 $5 $6\" = 'run --quiet --release -p verify-record --' || exit 99\nshift 6\nexec '{}' \"$@\"\n",
        verifier.display()
    );
    std::fs::write(stand_in.join("cargo"), script).unwrap();
    std::fs::set_permissions(stand_in.join("cargo"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    person.plays("verify-record", vec![stand_in]);
}

#[test]
fn the_verifier_takes_no_other_key_and_says_what_it_needs() {
    use std::process::Command;
    let verifier = tests::host::bailiwick().with_file_name("verify-record");
    let host = tests::host::TestHost::new();
    let other = tests::host::TestHost::new();
    let home = &host.house.place().home;
    let key = |home: &Path| home.join("journal.pub");
    let said = |arguments: &[&Path]| {
        let output = Command::new(&verifier).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    assert_eq!(said(&[home]).0, Some(2), "without a key it does not run");
    let (code, words) = said(&[home, &home.join("nothing-there")]);
    assert!(code == Some(2) && words.contains("nothing-there"), "{words}");
    let (code, words) = said(&[home, &key(&other.house.place().home)]);
    assert!(code == Some(1) && words.contains("BROKEN"), "{words}");
    // The control: its own key.
    let (code, words) = said(&[home, &key(home)]);
    assert!(code == Some(0) && words.contains("whole"), "{words}");
}

#[test]
fn each_example_has_a_page_that_is_run_and_is_named_where_people_look() {
    let (list, own) = (std::fs::read_to_string(root().join("examples/README.md")).unwrap(), include_str!("examples.rs"));
    let mut examples = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(list.contains(&format!("]({name}/README.md)")), "`examples/README.md` does not name `{name}`");
        assert!(own.contains(&format!("plays(\"{name}\"")), "no test runs the page of `{name}`");
        examples += 1;
    }
    assert_eq!(examples, 4);
    for page in ["README.md", "docs/writing-agents.md", "docs/credentials.md", "docs/operations.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        assert!(text.contains("examples/"), "`{page}` does not name the examples");
    }
}
