//! `docs/demo`: a terminal as it was. Each command is run in a home where nobody has been, and what is printed is what the page shows.

use std::path::Path;
use std::process::Command;

use tests::guests::guest;
use tests::program::agent;
use tests::tools::root;

const CONFIG: &str = r#"[agents.leak-scan]
component = "leak-scan.wasm"

[[agents.leak-scan.files]]
guest = "/src"
host = "shop"
mode = "read"

[agents.fetch]
component = "fetch.wasm"
"#;

/// What is other in each run, made alike: ids, digests, times, and where the test happens to be.
fn alike(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "~").replace(&run::own_principal().to_string(), "alice (uid 1000)");
    text.lines().map(alike_line).collect::<Vec<_>>().join("\n")
}

fn alike_line(line: &str) -> String {
    if line.starts_with("at 20") && line.ends_with(" UTC") {
        return "at 2026-11-26 12:00:00 UTC".to_owned();
    }
    if let Some((head, moment)) = line.split_once(" on 20")
        && moment.ends_with(" UTC")
    {
        return format!("{} on 2026-11-26 12:00:00 UTC", alike_line(head));
    }
    if let Some((head, tail)) = line.split_once(" s (0 s waiting for people)")
        && let Some((before, _)) = head.rsplit_once(' ')
    {
        return format!("{} 0.02 s (0 s waiting for people){tail}", alike_line(before));
    }
    if let Some((head, tail)) = line.split_once("\"spent_ms\": ") {
        return format!("{head}\"spent_ms\": 20{}", tail.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    // The place where a record begins depends on the length of paths in the record before it.
    if let Some((head, tail)) = line.split_once(", byte ")
        && let Some((_, after)) = tail.split_once(", record ")
    {
        return format!("{head}, byte 586, record {after}");
    }
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let (mut out, mut rest) = (String::new(), line);
    while let Some(begin) = rest.find(is_of_word) {
        let end = rest[begin..].find(|letter| !is_of_word(letter)).map_or(rest.len(), |length| begin + length);
        out.push_str(&rest[..begin]);
        out.push_str(&alike_word(&rest[begin..end]));
        rest = &rest[end..];
    }
    (out + rest).trim_end().to_owned()
}

fn alike_word(word: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = word.len() == 26 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_hex = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_moment = word.len() >= 13 && digits(word);
    match word {
        _ if is_id => "01K8M3QZ5W7V9T2R4X6Y8B0C1D".to_owned(),
        _ if is_moment => "1790000000000".to_owned(),
        _ if is_hex => "4c1f08a2b7d3e596".repeat(4)[..word.len().min(64)].to_owned(),
        word => word.to_owned(),
    }
}

/// The page with what each of its commands prints now.
fn played(page: &str, folder: &Path) -> String {
    let mut out = String::new();
    let mut in_console = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_console = line == "```console";
        }
        if in_console && !line.starts_with("```") && !line.starts_with("$ ") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) {
            let said = shell(command, folder);
            if !said.is_empty() {
                out.push_str(&said);
                out.push('\n');
            }
        }
    }
    out
}

fn shell(script: &str, folder: &Path) -> String {
    let path = format!("{}:{}", tests::host::bailiwick().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{script}")]).current_dir(folder.join("desk"));
    for name in ["BAILIWICK_HOME", "BAILIWICK_STATE", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        command.env_remove(name);
    }
    let output = command.env("PATH", path).env("HOME", folder).output().unwrap();
    alike(String::from_utf8_lossy(&output.stdout).trim_end(), folder)
}

#[test]
fn the_terminal_of_the_page_is_what_a_terminal_shows() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().canonicalize().unwrap();
    std::fs::create_dir_all(folder.join("desk/shop")).unwrap();
    std::fs::write(folder.join("desk/bailiwick.toml"), CONFIG).unwrap();
    std::fs::copy(agent("leak-scan"), folder.join("desk/leak-scan.wasm")).unwrap();
    std::fs::copy(guest("get"), folder.join("desk/fetch.wasm")).unwrap();
    std::fs::write(folder.join("desk/shop/README.md"), "# Shop\n").unwrap();
    std::fs::write(folder.join("desk/shop/settings.py"), format!("REGION = \"eu\"\nKEY = \"AK{}{}\"\n", "IA", "Q3RTY5UIOPASDF7G")).unwrap();
    let file = root().join("docs/demo/README.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let now = played(&page, &folder);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&file, &now).unwrap();
    }
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!(now, page, "`BLESS=1 cargo test -p tests --test it -- demo` writes it anew");
}
