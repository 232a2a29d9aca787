//! Checks that a test uses each guest.

use std::fs;

use tests::{guests, tools, wat};

/// The calls that take a guest whose name is also an ordinary word: `"get"` is a method, too.
const HANDED_OVER: [&str; 4] = ["order(", "order_of(", "guest(", "python(&host, "];

/// The source of the tests, without comments.
fn source() -> String {
    let folders = ["tests/it", "tests/it/ssrf"].map(|folder| fs::read_dir(tools::root().join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let tests = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let text: String = tests.map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// All built guests, including agents with the SDK, in Python and in JavaScript.
fn built() -> Vec<String> {
    let agents = fs::read_dir(tools::root().join("tests/guests/sdk-agents")).unwrap();
    let agents = agents.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts = [("python", "py"), ("javascript", "js")].into_iter().flat_map(|(folder, ending)| {
        let files = fs::read_dir(tools::root().join("tests/guests").join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let scripts = files.filter(move |path| path.extension().is_some_and(|is| is == ending));
        scripts.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
    });
    guests::names().into_iter().chain(agents).chain(scripts).collect()
}

fn is_used(source: &str, name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    if name.contains('_') {
        return source.contains(&quoted);
    }
    HANDED_OVER.iter().any(|call| source.contains(&format!("{call}{quoted}")))
}

#[test]
fn each_guest_is_named_by_a_test() {
    let source = source();
    let unused: Vec<_> = built().into_iter().filter(|name| !is_used(&source, name)).collect();
    assert!(unused.is_empty(), "nobody runs {unused:?}");
    // Components that are written by hand are named in lists; their names have no other meaning in these tests.
    let unused: Vec<_> = wat::names().into_iter().filter(|name| !source.contains(&format!("\"{name}\""))).collect();
    assert!(unused.is_empty(), "nobody takes {unused:?}");
}

#[test]
fn a_word_like_any_other_is_no_use_of_a_guest() {
    assert!(!is_used("for method in [\"put\", \"get\"]", "get"));
    assert!(is_used("host.order(\"get\", &[])", "get") && is_used("guests::guest(\"get\")", "get"));
    assert!(is_used("[(\"many_gets\", 3)]", "many_gets") && !is_used("many_gets", "many_gets"));
}

#[test]
fn each_guest_has_its_line_in_the_list() {
    let list = fs::read_to_string(tools::root().join("tests/guests/README.md")).unwrap();
    let all = built().into_iter().chain(wat::names());
    let unlisted: Vec<_> = all.filter(|name| !list.contains(&format!("| `{name}` |"))).collect();
    assert!(unlisted.is_empty(), "{unlisted:?} are not in tests/guests/README.md");
}
