//! A built agent that is then accepted is not built again, and if its source changes, the changed files are named.

use super::{Project, ends_with, words};

#[test]
fn what_was_built_once_is_accepted_without_being_built_again() {
    let project = Project::rust(&[]);
    assert!(!project.folder().join("Cargo.lock").exists(), "the first build writes one");
    let built = project.run();
    ends_with(&built, 0);
    assert!(words(&built).contains("building x"), "{}", words(&built));
    ends_with(&project.program.run(&["trust"]), 0);
    for args in [&["build"][..], &["accept", "x"], &["run", "x"], &["accept", "x"]] {
        let said = project.program.run(args);
        ends_with(&said, 0);
        assert!(!words(&said).contains("building"), "{args:?}: {}", words(&said));
    }
    // An agent that was built in a folder with files of an earlier source is built once more before it is accepted, with a message.
    ends_with(&project.program.run(&["accept", "rm", "x"]), 0);
    project.write("src/main.rs", "fn main() { println!(\"other\"); }\n");
    ends_with(&project.program.run(&["build"]), 0);
    let accepted = project.program.run(&["accept", "x"]);
    ends_with(&accepted, 0);
    assert!(words(&accepted).contains("rebuilt from nothing"), "{}", words(&accepted));
}

#[test]
fn an_accepted_source_that_changed_is_told_file_by_file_and_by_whom_it_was_accepted() {
    let project = Project::rust(&[("src/same.rs", ""), ("src/less.rs", "")]);
    for args in [&["trust"][..], &["accept", "x"], &["check"]] {
        ends_with(&project.program.run(args), 0);
    }
    project.write("src/main.rs", "fn main() { println!(\"other\"); }\n");
    project.write("src/more.rs", "");
    std::fs::remove_file(project.folder().join("src/less.rs")).unwrap();
    let by = run::own_principal().to_string();
    for (verb, code) in [(&["run", "x"][..], 4), (&["check"], 2)] {
        let refused = project.program.run(verb);
        ends_with(&refused, code);
        let said = words(&refused);
        let told =
            ["~ file src/main.rs, which has other bytes", "+ file src/more.rs", "- file src/less.rs", &format!("accepted by {by} on 20")];
        for part in told {
            assert!(said.contains(part), "`{part}` is not in: {said}");
        }
        assert!(!said.contains("same.rs") && !said.contains("building"), "{said}");
    }
    // If it was built in another home, the message says that the files are not known.
    std::fs::remove_dir_all(project.program.place().home.join("build")).unwrap();
    let refused = project.program.run(&["run", "x"]);
    ends_with(&refused, 4);
    assert!(words(&refused).contains("which files differ is not known here"), "{}", words(&refused));
}
