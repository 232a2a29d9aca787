//! Acceptance when a project is moved, cloned, or its lock is put elsewhere: tested with the real program.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tests::guests::guest;
use tests::program::Program;

use crate::damaged::{both, ends};

/// A project whose agent reads `src` and `../shared`, trusted and accepted.
struct Project {
    program: Program,
}

const CONFIG: &str = "[agents.env]\ncomponent = \"env.wasm\"\n\
    [[agents.env.files]]\nguest = \"/src\"\nhost = \"src\"\nmode = \"read\"\n\
    [[agents.env.files]]\nguest = \"/shared\"\nhost = \"../shared\"\nmode = \"read\"\n";

impl Project {
    fn new() -> Self {
        let program = Program::new(CONFIG);
        let here = program.config().parent().unwrap().to_owned();
        std::fs::create_dir_all(here.join("src")).unwrap();
        std::fs::create_dir_all(here.join("../shared")).unwrap();
        std::fs::copy(guest("reads_env"), here.join("env.wasm")).unwrap();
        ends(&program, &["trust"], 0);
        ends(&program, &["accept", "env"], 0);
        ends(&program, &["run", "env"], 0);
        Self { program }
    }

    /// A copy of the project in another folder, as `git clone` makes it, with the same home.
    fn cloned(&self, into: &str) -> PathBuf {
        let there = self.program.folder().join(into);
        std::fs::create_dir_all(there.join("src")).unwrap();
        std::fs::create_dir_all(there.join("../shared")).unwrap();
        for file in ["bailiwick.toml", "bailiwick.lock", "env.wasm"] {
            std::fs::copy(self.program.config().with_file_name(file), there.join(file)).unwrap();
        }
        there.join("bailiwick.toml")
    }

    /// Trusts the configuration in that folder, and runs its agent.
    #[track_caller]
    fn run(&self, config: &Path, code: i32) -> String {
        let config = config.to_str().unwrap();
        ends(&self.program, &["trust", "--config", config], 0);
        ends(&self.program, &["run", "env", "--config", config], code)
    }
}

#[test]
fn a_project_that_is_moved_has_to_be_trusted_again_and_keeps_what_was_accepted() {
    let project = Project::new();
    let (here, there) = (project.program.folder().join("here"), project.program.folder().join("moved/deeper"));
    std::fs::create_dir_all(project.program.folder().join("moved/shared")).unwrap();
    std::fs::rename(&here, &there).unwrap();
    std::fs::create_dir(&here).unwrap();
    let config = there.join("bailiwick.toml");
    let said = ends(&project.program, &["run", "env", "--config", config.to_str().unwrap()], 2);
    assert!(said.contains("is not trusted"), "{said}");
    project.run(&config, 0);
    let said = ends(&project.program, &["check", "--config", config.to_str().unwrap()], 0);
    assert!(said.contains("trusted"), "{said}");
    // The lock still pins the component: it refuses another one.
    std::fs::copy(guest("get"), there.join("env.wasm")).unwrap();
    assert!(project.run(&config, 4).contains("held to the component"));
}

#[test]
fn a_clone_in_another_home_keeps_what_was_accepted_and_no_more() {
    let (project, other) = (Project::new(), Program::new(CONFIG));
    let here = other.config().parent().unwrap().to_owned();
    std::fs::create_dir_all(here.join("src")).unwrap();
    std::fs::create_dir_all(here.join("../shared")).unwrap();
    for file in ["bailiwick.lock", "env.wasm"] {
        std::fs::copy(project.program.config().with_file_name(file), here.join(file)).unwrap();
    }
    ends(&other, &["run", "env", "--trust"], 0);
    let lock = std::fs::read_to_string(here.join("bailiwick.lock")).unwrap();
    let there = project.program.folder().canonicalize().unwrap().display().to_string();
    assert!(!lock.contains(&there), "{lock}");
    std::fs::write(other.config(), CONFIG.replace("\"../shared\"", "\".\"")).unwrap();
    assert!(ends(&other, &["run", "env", "--trust"], 4).contains("+ read "));
}

/// Each of these cases makes the same lines of the lock lead to another place. The person trusts the configuration each time, so only
/// the lock refuses. A case has a name, a text of the refusal, and the change.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&Path));

#[test]
fn a_lock_never_stands_for_another_folder_than_the_one_that_was_accepted() {
    let project = Project::new();
    let cases: [Case<'_>; 6] = [
        ("a-link", "+ read ", &|here| {
            std::fs::create_dir(here.join("../elsewhere")).unwrap();
            std::fs::remove_dir(here.join("src")).unwrap();
            symlink("../elsewhere", here.join("src")).unwrap();
        }),
        ("a-link-on-the-way", "+ read ", &|here| {
            std::fs::create_dir_all(here.join("../elsewhere/src")).unwrap();
            symlink("../elsewhere", here.join("deep")).unwrap();
            replace(here, "\"src\"", "\"deep/src\"");
        }),
        ("more-dots", "+ read ", &|here| replace(here, "\"../shared\"", "\"../../shared\"")),
        ("an-absolute-path", "grants.files[0].host is written differently", &|here| {
            let absolute = here.join("src").display().to_string();
            replace(here, "\"src\"", &format!("{absolute:?}"));
        }),
        ("the-place-before", "+ read ", &|here| {
            let absolute = here.parent().unwrap().with_file_name("here").join("src").display().to_string();
            replace(here, "\"src\"", &format!("{absolute:?}"));
        }),
        ("another-case", "+ read ", &|here| {
            std::fs::create_dir(here.join("SRC")).unwrap();
            replace(here, "\"src\"", "\"SRC\"");
        }),
    ];
    std::fs::create_dir_all(project.program.folder().join("shared")).unwrap();
    for (name, told, change) in cases {
        let config = project.cloned(&format!("{name}/project"));
        project.run(&config, 0);
        change(config.parent().unwrap());
        let said = project.run(&config, 4);
        assert!(said.contains(told), "{name}: {said}");
    }
}

fn replace(here: &Path, was: &str, now: &str) {
    let config = here.join("bailiwick.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(was), "{was} is not in {text}");
    std::fs::write(config, text.replace(was, now)).unwrap();
}

#[test]
fn a_lock_of_another_folder_or_one_that_was_edited_is_refused() {
    let project = Project::new();
    // Another project with an agent of the same name, which may read less: the lock does not fit.
    let other = project.cloned("other/project");
    replace(other.parent().unwrap(), "[[agents.env.files]]\nguest = \"/shared\"\nhost = \"../shared\"\nmode = \"read\"\n", "");
    assert!(project.run(&other, 4).contains("- read "));

    let linked = project.cloned("linked/project");
    let lock = linked.with_extension("lock");
    std::fs::remove_file(&lock).unwrap();
    symlink(project.program.config().with_extension("lock"), &lock).unwrap();
    assert!(project.run(&linked, 2).contains("is a link"));

    let edited = project.cloned("edited/project");
    let lock = edited.with_extension("lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    std::fs::write(&lock, text.replace("\"../shared\"", "\"../../shared\"")).unwrap();
    let said = project.run(&edited, 2);
    assert!(said.contains("was changed") && said.contains("accept what it pinned again"), "{said}");
    // The original lock in place of the edited one.
    std::fs::write(&lock, &text).unwrap();
    project.run(&edited, 0);
}

#[test]
fn the_record_the_lock_the_home_and_check_name_the_same_digest() {
    let project = Project::new();
    let json = |args: &[&str]| {
        let output = project.program.run(args);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_else(|err| panic!("{err}: {}", both(&output)))
    };
    let listed = json(&["accept", "ls", "--json"]);
    let digest = listed[0]["authority"].as_str().unwrap().to_owned();
    let lock = std::fs::read_to_string(project.program.config().with_extension("lock")).unwrap();
    assert!(lock.contains(&format!("\ndigest = \"{digest}\"\n")), "{lock}");
    let recorded = |kind: &str| {
        let output = project.program.run(&["audit", "show", "--kind", kind, "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap()["record"]["authority"].clone()
    };
    assert_eq!(recorded("agent-accepted"), digest.as_str());
    assert_eq!(recorded("config-trusted"), json(&["trust", "ls", "--json"])[0]["authority"]);
    assert_eq!(json(&["check", "--json"])["agents"][0]["authority"], digest.as_str());
}
