//! Each guest is used by a test: one that nobody runs shows nothing.

use std::fs;

use tests::{guests, tools, wat};

#[test]
fn each_guest_is_named_by_a_test() {
    let tests = fs::read_dir(tools::root().join("tests/it")).unwrap().map(|entry| entry.unwrap().path());
    let source: String = tests.map(|path| fs::read_to_string(path).unwrap()).collect();
    let agents = fs::read_dir(tools::root().join("tests/guests/sdk-agents")).unwrap();
    let agents = agents.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let python = fs::read_dir(tools::root().join("tests/guests/python")).unwrap().map(|entry| entry.unwrap().path());
    let python = python.filter(|path| path.extension().is_some_and(|ending| ending == "py"));
    let python = python.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let all = guests::names().into_iter().chain(wat::names()).chain(agents).chain(python);
    let unused: Vec<_> = all.filter(|name| !source.contains(&format!("\"{name}\""))).collect();
    assert!(unused.is_empty(), "nobody runs {unused:?}");
}

#[test]
fn each_guest_has_its_line_in_the_list() {
    let list = fs::read_to_string(tools::root().join("tests/guests/README.md")).unwrap();
    let unlisted: Vec<_> =
        guests::names().into_iter().chain(wat::names()).filter(|name| !list.contains(&format!("| `{name}` |"))).collect();
    assert!(unlisted.is_empty(), "{unlisted:?} are not in tests/guests/README.md");
}
