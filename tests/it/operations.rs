//! `docs/operations.md`: runs each command of the page in one home, and checks that it ends with the exit code on the page.

use tests::guests::guest;
use tests::program::Program;
use tests::tools::root;

fn page() -> String {
    std::fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The commands of the page in order, each with its exit code.
fn commands(page: &str) -> Vec<(String, i32)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let (command, said) = line.split_once(" # ").unwrap_or((line, ""));
            let ends = said.trim().strip_prefix("ends with ").map_or(0, |number| number.parse().unwrap());
            found.push((command.trim().to_owned(), ends));
        }
    }
    found
}

#[test]
fn each_command_of_the_page_ends_as_the_page_says() {
    let program = Program::new("[agents.hello]\ncomponent = \"hello.wasm\"\n");
    std::fs::copy(guest("reads_env"), program.config().with_file_name("hello.wasm")).unwrap();
    let bailiwick = tests::host::bailiwick();
    let path = format!("{}:{}", bailiwick.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let commands = commands(&page());
    assert!(commands.len() > 30 && commands.iter().any(|(_, ends)| *ends == 6), "{commands:?}");
    for (at, (command, ends)) in commands.iter().enumerate() {
        let output = program.command(&["sh", "-c", command], &[]).env("PATH", &path).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(*ends), "{at}: {command}\n{said}");
    }
}

/// The exit codes are those in the program's own help.
#[test]
fn the_page_has_each_number_that_the_program_ends_with() {
    let help = std::process::Command::new(tests::host::bailiwick()).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, told) = help.split_once("Exit: ").unwrap();
    let numbers =
        |text: &str| -> Vec<u32> { text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect() };
    let page = page();
    let (_, table) = page.split_once("| number |").unwrap();
    let of_table: Vec<u32> = table.lines().filter_map(|line| line.split('|').nth(1)).flat_map(numbers).collect();
    assert!(of_table.len() > 10, "{of_table:?}");
    assert_eq!(numbers(told), of_table);
}

/// Every verb that undoes or repairs something is on the page.
#[test]
fn the_page_names_what_else_only_help_tells() {
    let page = page();
    for words in [
        "trust ls",
        "trust rm",
        "accept ls",
        "accept rm",
        "audit verify",
        "audit reanchor --reason",
        "audit accept-rollback",
        "BAILIWICK_HOME",
        "BAILIWICK_STATE",
        "chmod 700",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

/// The source of the program without tests, which contains all of its messages.
fn sources(folder: &std::path::Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// A user who sees a message finds it in the table, so the table must have the program's own words.
#[test]
fn what_the_page_says_one_sees_is_what_the_program_says_and_each_link_leads_somewhere() {
    let page = page();
    let (_, table) = page.split_once("| what you see |").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let seen: Vec<&str> = rows.iter().filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(seen.len() > 12, "{seen:?}");
    let mut all = String::new();
    for room in ["home", "key", "journal", "vault", "gate", "run", "service", "cli", "vocabulary", "package", "sandbox"] {
        sources(&root().join("host").join(room).join("src"), &mut all);
    }
    for words in seen {
        assert!(all.contains(words) || words == "ps", "nothing says `{words}`");
    }
    let headings: Vec<String> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for link in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(headings.iter().any(|heading| heading == link), "no heading is #{link}: {headings:?}");
    }
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}
