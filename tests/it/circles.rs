//! Checks which modules of a room use each other. They may do so in one direction only, so that a person can read and change a module
//! with only the modules in mind that it uses.
//!
//! A module is a file or folder directly below `src`, with everything in it: a parent and its children in one folder may share types.
//! `lib.rs` or `main.rs` is a module too, for the items that it defines; items that it re-exports count for the module that defines them.
//! Tests are left out. Paths that begin with `crate` or `super` are found; calls of methods that another file defines are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tests::tools::root;

/// Known circles, by room, with their members. A circle with a further member fails, and so does a listed member that is not in a
/// circle any more: this list only gets shorter.
const KNOWN: &[(&str, &[&str])] = &[];

/// The name under which the root of a crate is a module.
const ROOT: &str = "(root)";

/// A name, `::`, or one other character.
type Token = String;

/// The tokens of a source text, without comments, string and character literals.
fn tokens(text: &str) -> Vec<Token> {
    let bytes: Vec<char> = text.chars().collect();
    let at = |n: usize| bytes.get(n).copied().unwrap_or('\0');
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (mut found, mut n) = (Vec::new(), 0);
    while n < bytes.len() {
        match (at(n), at(n + 1)) {
            ('/', '/') => n = (n..bytes.len()).find(|n| at(*n) == '\n').unwrap_or(bytes.len()),
            ('/', '*') => n = (n + 3..=bytes.len()).find(|n| at(*n - 1) == '*' && at(*n) == '/').map_or(bytes.len(), |n| n + 1),
            ('"', _) => n = after_text(&bytes, n),
            // A lifetime has no second quote where a character has one.
            ('\'', '\\') => n = (n + 3..bytes.len()).find(|n| at(*n) == '\'').map_or(bytes.len(), |n| n + 1),
            ('\'', _) => n += if at(n + 2) == '\'' { 3 } else { 1 },
            (':', ':') => {
                found.push("::".to_owned());
                n += 2;
            }
            (letter, _) if is_word(letter) => {
                let end = (n..bytes.len()).find(|n| !is_word(at(*n))).unwrap_or(bytes.len());
                let word: String = bytes[n..end].iter().collect();
                let hashes = (end..bytes.len()).take_while(|n| at(*n) == '#').count();
                n = end;
                if ["r", "br"].contains(&word.as_str()) && at(end + hashes) == '"' {
                    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    let from = end + hashes + 1;
                    n = (from..bytes.len()).find(|n| bytes[*n..].starts_with(&close)).map_or(bytes.len(), |n| n + close.len());
                } else {
                    found.push(word);
                }
            }
            (letter, _) => {
                if !letter.is_whitespace() {
                    found.push(letter.to_string());
                }
                n += 1;
            }
        }
    }
    found
}

/// The place after a string literal that begins here.
fn after_text(bytes: &[char], begin: usize) -> usize {
    let mut n = begin + 1;
    while n < bytes.len() && bytes[n] != '"' {
        n += if bytes[n] == '\\' { 2 } else { 1 };
    }
    n + 1
}

/// The tokens of the program without items that are marked `#[cfg(test)]`.
fn built(tokens: &[Token]) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut found, mut n) = (Vec::new(), 0);
    while n < tokens.len() {
        if tokens[n..].iter().zip(mark).filter(|(token, mark)| token == mark).count() < mark.len() {
            found.push(tokens[n].clone());
            n += 1;
            continue;
        }
        n += mark.len();
        let mut depth = 0_usize;
        while n < tokens.len() {
            match tokens[n].as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let is_end = depth == 0 && (tokens[n] == ";" || tokens[n] == "}");
            n += 1;
            if is_end {
                break;
            }
        }
    }
    found
}

/// Collects the paths of a `use` tree from this place on, and returns the place after it. A name after `as` is skipped.
fn used(tokens: &[Token], mut n: usize, front: &[Token], to: &mut Vec<Vec<Token>>) -> usize {
    let mut path = front.to_vec();
    while n < tokens.len() {
        match tokens[n].as_str() {
            "{" => {
                n += 1;
                while n < tokens.len() && tokens[n] != "}" {
                    n = used(tokens, n, &path, to);
                    if tokens.get(n).is_some_and(|token| token == ",") {
                        n += 1;
                    }
                }
                return n + 1;
            }
            "," | "}" | ";" => break,
            "::" => n += 1,
            "as" => {
                path.push(tokens[n + 1].clone());
                to.push(path);
                return n + 2;
            }
            name => {
                path.push(name.to_owned());
                n += 1;
            }
        }
    }
    to.push(path);
    n
}

/// The paths that one file names.
#[derive(Default)]
struct Named {
    /// The paths that it re-exports, each with the exported name.
    handed_on: Vec<Vec<Token>>,
    /// Every other path.
    paths: Vec<Vec<Token>>,
}

fn named(tokens: &[Token]) -> Named {
    let mut named = Named::default();
    let mut n = 0;
    while n < tokens.len() {
        let before = n.checked_sub(1).map_or("", |n| tokens[n].as_str());
        let after = tokens.get(n + 1).map_or("", String::as_str);
        if tokens[n] == "use" && after != "<" {
            let to = if before == "pub" || before == ")" { &mut named.handed_on } else { &mut named.paths };
            n = used(tokens, n + 1, &[], to);
        } else if after == "::" && before != "::" {
            let mut path = vec![tokens[n].clone()];
            while tokens.get(n + 1).is_some_and(|token| token == "::") {
                path.extend(tokens.get(n + 2).cloned());
                n += 2;
            }
            named.paths.push(path);
            n += 1;
        } else {
            n += 1;
        }
    }
    named
}

/// The files of a room except tests, by their path below `src` without the extension.
fn sources(room: &Path) -> BTreeMap<Vec<String>, Named> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(room.join("src"), Vec::new())];
    while let Some((folder, place)) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be listed").map(|entry| entry.expect("it is there")) {
            let name = entry.file_name().into_string().expect("it is a name");
            let inside = |name: &str| place.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
            if name == "tests" || name == "tests.rs" {
                continue;
            }
            if entry.file_type().expect("it is there").is_dir() {
                folders.push((entry.path(), inside(&name)));
            } else if let Some(name) = name.strip_suffix(".rs") {
                let text = fs::read_to_string(entry.path()).expect("it is a text");
                let is_root = place.is_empty() && ["lib", "main"].contains(&name);
                let path = if is_root || name == "mod" { place.clone() } else { inside(name) };
                found.insert(path, named(&built(&tokens(&text))));
            }
        }
    }
    found
}

/// The modules that each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn uses(sources: &BTreeMap<Vec<String>, Named>) -> Uses {
    let modules: BTreeSet<&String> = sources.keys().filter_map(|path| path.first()).collect();
    let root = sources.get(&Vec::new());
    let mut handed_on = BTreeMap::new();
    for path in root.iter().flat_map(|root| &root.handed_on) {
        let from = path.iter().find(|name| *name != "crate" && *name != "self");
        if let (Some(from), Some(name)) = (from.filter(|from| modules.contains(from)), path.last()) {
            handed_on.insert(name.clone(), from.clone());
        }
    }
    let mut uses = Uses::new();
    for (place, named) in sources {
        let module = place.first().map_or(ROOT, String::as_str);
        let hands_on = if place.is_empty() { &[][..] } else { &named.handed_on[..] };
        for path in named.paths.iter().chain(hands_on) {
            let Some(target) = target(place, path, &modules) else { continue };
            let target = if modules.contains(&target) { target } else { handed_on.get(&target).cloned().unwrap_or(ROOT.to_owned()) };
            if target != module {
                uses.entry(module.to_owned()).or_default().insert(target);
            }
        }
    }
    uses
}

/// The module to which a path leads: its first name below the root of the crate; `None` if it leads out of the crate.
fn target(place: &[String], path: &[Token], modules: &BTreeSet<&String>) -> Option<String> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => path.get(1).cloned(),
        "super" => {
            let here = &place[..place.len().saturating_sub(ups)];
            here.iter().chain(&path[ups..]).next().cloned()
        }
        first if place.is_empty() && modules.iter().any(|module| *module == first) => Some(first.to_owned()),
        _ => None,
    }
}

/// All modules that this module uses, directly or not.
fn reached(uses: &Uses, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![from];
    while let Some(next) = left.pop() {
        for used in uses.get(next).into_iter().flatten() {
            if found.insert(used.clone()) {
                left.push(used);
            }
        }
    }
    found
}

/// The members of each circle.
fn circles(uses: &Uses) -> BTreeSet<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<String>> = uses.keys().map(|module| (module, reached(uses, module))).collect();
    let is_mutual = |one: &String, other: &String| reached.get(other).is_some_and(|back| back.contains(one));
    let circle = |(module, all): (&&String, &BTreeSet<String>)| all.iter().filter(|other| is_mutual(module, other)).cloned().collect();
    reached.iter().map(circle).filter(|members: &BTreeSet<String>| !members.is_empty()).collect()
}

/// One line for each use between two members of a circle.
fn shown(uses: &Uses, members: &BTreeSet<String>) -> String {
    let within =
        |module: &String| uses.get(module).into_iter().flatten().filter(|used| members.contains(*used)).cloned().collect::<Vec<_>>();
    members.iter().map(|module| format!("\n    {module} uses {}", within(module).join(", "))).collect()
}

#[test]
fn modules_of_a_room_use_each_other_in_one_direction() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("host")).expect("it can be listed").map(|entry| entry.expect("it is there")) {
        if !entry.path().join("src").is_dir() {
            continue;
        }
        let room = entry.file_name().into_string().expect("it is a name");
        let uses = uses(&sources(&entry.path()));
        let known: BTreeSet<String> =
            KNOWN.iter().filter(|(of, _)| *of == room).flat_map(|(_, members)| *members).map(|&member| member.to_owned()).collect();
        let found = circles(&uses);
        for members in found.iter().filter(|members| !members.is_subset(&known)) {
            let new: Vec<_> = members.difference(&known).cloned().collect();
            wrong.push(format!("{room}: a new circle, or a longer one, with {}:{}", new.join(", "), shown(&uses, members)));
        }
        let cut = known.iter().filter(|member| !found.iter().any(|members| members.contains(*member)));
        wrong.extend(cut.map(|member| format!("{room}: `{member}` is in no circle any more; take it out of `KNOWN`")));
    }
    wrong.sort();
    assert!(wrong.is_empty(), "move what both need into a module of its own:\n  {}", wrong.join("\n  "));
}

#[test]
fn a_circle_is_found_through_any_number_of_modules_and_what_is_no_circle_is_none() {
    let room = |files: &[(&str, &str)]| {
        let path = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let sources = files.iter().map(|(place, text)| (path(place), named(&built(&tokens(text))))).collect();
        circles(&uses(&sources)).into_iter().map(|members| members.into_iter().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let none: &[&str] = &[];
    let three = [("a", "use crate::b::{C, d::{e, f}};"), ("b/d", "fn f() { super::super::c::g(); }"), ("c", "use super::{a::H, x};")];
    assert_eq!(room(&three), ["a b c"]);
    assert_eq!(room(&[("", "mod a; mod b; pub use b::C as D;"), ("a", "use crate::D;"), ("b", "use crate::a;")]), ["a b"]);
    assert_eq!(room(&[("", "mod a; struct B; fn f() { a::g() }"), ("a", "use crate::B;")]), ["(root) a"]);
    assert_eq!(room(&[("a", "use crate::b::C;"), ("b", "// use crate::a;\n/* crate::a */ const T: &str = \"crate::a\";")]), none);
    assert_eq!(room(&[("a", "use crate::b::C;"), ("b", "#[cfg(test)]\nmod tests { use crate::a::D; }\nfn f<'a>() {}")]), none);
    assert_eq!(room(&[("a", "mod b; use b::C;"), ("a/b", "use super::D; use crate::a::E;")]), none, "a parent and its child");
    assert_eq!(room(&[("a", "const T: &str = r#\"\" crate::b \"#; const C: char = '\"';"), ("b", "use crate::a::T;")]), none);
}
