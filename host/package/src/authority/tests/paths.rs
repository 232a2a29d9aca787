//! Tests of the paths of an authority: which paths move with a project, and which ones stay where they are.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use vocabulary::Digest;

use crate::authority::Whole;
use crate::config;

/// An agent that may read this folder, in a configuration in this folder.
fn mounting(folder: &Path, host: &str) -> Whole {
    with(folder, &format!("component = \"a.wasm\"\n[[agents.a.files]]\nguest = \"/m\"\nhost = {host:?}\nmode = \"read\"\n"))
}

/// An agent with these lines.
fn with(folder: &Path, lines: &str) -> Whole {
    let file = folder.join(config::FILE_NAME);
    std::fs::write(&file, format!("[agents.a]\n{lines}")).unwrap();
    Whole::of(&config::read(&file).unwrap().resolve(Path::new("/no/home/of/this/test")).unwrap()).unwrap()
}

fn mount(whole: &Whole) -> PathBuf {
    whole.agents["a"].grants.files[0].host.clone()
}

fn digest(whole: &Whole) -> Digest {
    whole.agents["a"].digest().unwrap()
}

/// Folders, each of which is a project with a folder `src`.
fn projects(root: &Path, names: &[&str]) -> Vec<PathBuf> {
    let root = root.canonicalize().unwrap();
    let make = |name: &&str| {
        std::fs::create_dir_all(root.join(name).join("src/deep")).unwrap();
        root.join(name)
    };
    names.iter().map(make).collect()
}

#[test]
fn what_a_project_names_by_relative_paths_moves_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let both = projects(folder.path(), &["one/project", "other/place/deeper/project"]);
    for project in &both {
        std::fs::create_dir_all(project.with_file_name("shared")).unwrap();
        symlink("src/deep", project.join("inside")).unwrap();
    }
    for (host, written) in
        [("src", "src"), ("./src/../src/deep", "src/deep"), (".", "."), ("../shared", "../shared"), ("inside", "src/deep")]
    {
        let (one, other) = (mounting(&both[0], host), mounting(&both[1], host));
        assert_eq!(mount(&one), Path::new(written), "{host}");
        assert_eq!(digest(&one), digest(&other), "{host}");
    }
}

/// An absolute path means the same place in every project, so it never comes to mean a folder of another project.
#[test]
fn an_absolute_path_stays_where_it_is_and_is_not_the_same_as_a_relative_one() {
    let folder = tempfile::tempdir().unwrap();
    let both = projects(folder.path(), &["one", "other"]);
    let absolute = both[0].join("src");
    let host = absolute.to_str().unwrap();
    let (here, there) = (mounting(&both[0], host), mounting(&both[1], host));
    assert_eq!((mount(&here), mount(&there)), (absolute.clone(), absolute));
    assert_eq!(digest(&here), digest(&there), "a copy of the configuration means the same folder");
    assert_ne!(digest(&here), digest(&mounting(&both[0], "src")), "in a copy, this is another folder");
    assert_ne!(digest(&there), digest(&mounting(&both[1], "../one/src")));
}

#[test]
fn a_link_out_of_the_project_is_the_place_that_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let both = projects(folder.path(), &["one/project", "other/project"]);
    for (n, project) in both.iter().enumerate() {
        // Each project has a link of the same name, written in the same way. It leads to a folder beside that project.
        std::fs::create_dir_all(project.with_file_name("beside")).unwrap();
        symlink("../beside", project.join("out")).unwrap();
        assert_eq!(mount(&mounting(project, "out")), project.with_file_name("beside"), "{n}");
    }
    assert_ne!(digest(&mounting(&both[0], "out")), digest(&mounting(&both[1], "out")));
    // The control: by its own name it is a folder beside the project, and moves with it.
    assert_eq!(digest(&mounting(&both[0], "../beside")), digest(&mounting(&both[1], "../beside")));

    // A folder that became a link is another place, even if the link is in the middle of the path.
    let before = digest(&mounting(&both[0], "src/deep"));
    assert_eq!(before, digest(&mounting(&both[1], "src/deep")), "the control");
    std::fs::create_dir_all(both[0].with_file_name("elsewhere").join("deep")).unwrap();
    std::fs::rename(both[0].join("src"), both[0].join("aside")).unwrap();
    symlink("../elsewhere", both[0].join("src")).unwrap();
    assert_ne!(before, digest(&mounting(&both[0], "src/deep")));
    // Two dots after a link go up from the target of the link.
    assert_ne!(digest(&mounting(&both[0], "src/../elsewhere")), before);
    assert_eq!(mount(&mounting(&both[0], "src/..")), both[0].parent().unwrap());
}

#[test]
fn another_case_is_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let projects = projects(folder.path(), &["one"]);
    std::fs::create_dir_all(projects[0].join("SRC")).unwrap();
    assert_ne!(digest(&mounting(&projects[0], "src")), digest(&mounting(&projects[0], "SRC")));
}

/// If one file has the same place both as a relative and as an absolute path, it is a place of the machine.
#[test]
fn a_place_that_is_named_in_both_ways_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let both = projects(folder.path(), &["one", "other"]);
    let text = |absolute: &Path| {
        format!(
            "component = \"a.wasm\"\n[[agents.a.files]]\nguest = \"/m\"\nhost = \"src\"\nmode = \"read\"\n\
             [[agents.a.files]]\nguest = \"/n\"\nhost = {absolute:?}\nmode = \"read\"\n"
        )
    };
    let (one, other) = (with(&both[0], &text(&both[0].join("src"))), with(&both[1], &text(&both[0].join("src"))));
    assert_eq!(mount(&one), both[0].join("src"));
    assert_eq!(mount(&other), Path::new("src"));
    assert_ne!(digest(&one), digest(&other), "the first mount is another folder");
}

/// Only the program knows what an argument means, so two different spellings are never the same.
#[test]
fn the_words_of_a_command_are_compared_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let projects = projects(folder.path(), &["one"]);
    let project = &projects[0];
    let command = |argument: &str| {
        let lines = format!(
            "component = \"a.wasm\"\n[[agents.a.credentials]]\nname = \"c\"\nmay = [\"identify\"]\n\
             [credentials.c]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nsource = [\"exec:/bin/sh\", {argument:?}]\n"
        );
        digest(&with(project, &lines))
    };
    let absolute = project.join("print").display().to_string();
    let all = ["print", "./print", &absolute, &format!("{absolute}/"), &project.display().to_string(), "."].map(command);
    for (n, one) in all.iter().enumerate() {
        assert!(!all[..n].contains(one), "{n}");
    }
    // A script of the project must keep its bytes.
    std::fs::write(project.join("print"), "echo one").unwrap();
    let one = command(&absolute);
    std::fs::write(project.join("print"), "echo two").unwrap();
    assert_ne!(one, command(&absolute));
}

/// A component that does not exist yet, by two paths.
#[test]
fn a_place_where_nothing_is_yet_is_written_in_one_way() {
    let folder = tempfile::tempdir().unwrap();
    let projects = projects(folder.path(), &["one"]);
    let of = |component: &str| digest(&with(&projects[0], &format!("component = {component:?}\n")));
    assert_eq!(of("absent/a.wasm"), of("src/../absent/./a.wasm"));
    assert_ne!(of("absent/a.wasm"), of("other/a.wasm"));
}
