//! `docs/demo`: runs each command of the page in a new home folder, and compares the output with the page.

use tests::console::Console;
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
    Console { home: &folder, folder: folder.join("desk"), programs: Vec::new() }.shows(&root().join("docs/demo/README.md"));
}
