//! The agent `leak-scan` on a folder, with the real program: it finds the planted tokens, and the touched files are those that the
//! system saw being opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::program::{Program, agent, config};
use tests::tools::tool;
use vocabulary::{FilesGrant, FilesMode, Grants};

/// This many characters that look as random as those of a token.
fn random(alphabet: &str, count: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    (0..count).map(|n| letters[(n * 7 + n / letters.len() * 3 + 5) % letters.len()]).collect()
}

const ALNUM: &str = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW0xYz";

/// A token with the ending of two issuers: the CRC-32 of the text before it, in base 62.
fn with_checksum(entropy: &str) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = u32::MAX;
    for byte in entropy.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let (mut rest, mut digits) = (!crc, Vec::new());
    for _ in 0..6 {
        digits.push(DIGITS[(rest % 62) as usize]);
        rest /= 62;
    }
    digits.reverse();
    format!("{entropy}{}", String::from_utf8(digits).unwrap())
}

/// Rules of the agent with a token for each. The tokens are composed here, so that no scanner finds one in this file.
fn tokens() -> Vec<(&'static str, String)> {
    let alnum = |count| random(ALNUM, count);
    vec![
        ("aws-access-key-id", format!("AK{}{}", "IA", random("Q3RTY5UIOPASDF7GHJKLZX2CVBNM4W6E", 16))),
        ("github-token", format!("gh{}{}", "p_", with_checksum(&alnum(30)))),
        ("github-fine-grained-token", format!("github{}{}_{}", "_pat_", alnum(22), alnum(59))),
        ("gitlab-token", format!("gl{}{}", "pat-", alnum(20))),
        ("slack-token", format!("xo{}{}-{}", "xb-", random("1938274650", 12), alnum(24))),
        ("slack-webhook", format!("https://hooks.{}/services/T0A1B2C3D/B0E4F5G6H/{}", "slack.com", alnum(24))),
        ("stripe-live-key", format!("sk_{}{}", "live_", alnum(24))),
        ("google-api-key", format!("AI{}{}", "za", alnum(35))),
        ("npm-token", format!("np{}{}", "m_", with_checksum(&alnum(30)))),
        ("pypi-token", format!("py{}AgEIcHlwaS5vcmc{}", "pi-", alnum(60))),
        ("sendgrid-key", format!("S{}{}.{}", "G.", alnum(22), alnum(43))),
        ("twilio-api-key", format!("S{}{}", "K", random("0a1b2c3d4e5f6789", 32))),
        ("openai-api-key", format!("sk-{}{}T3Blbk{}{}", "proj-", alnum(24), "FJ", alnum(24))),
        ("anthropic-api-key", format!("sk-{}{}", "ant-api03-", alnum(95))),
        ("private-key", format!("-----BEGIN {}-----\n{}\n", "PRIVATE KEY", alnum(64))),
    ]
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The program, with `leak-scan` and one folder that it may read.
fn scanning(root: &Path) -> Program {
    let files = vec![FilesGrant { guest: "/src".to_owned(), host: root.to_owned(), mode: FilesMode::Read }];
    Program::new(&config("leak-scan", &agent("leak-scan"), &Grants { files, ..Grants::default() }))
}

fn report(output: &std::process::Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_token_that_was_planted_is_found_where_it_is_and_nowhere_else() {
    let tree = tempfile::tempdir().unwrap();
    let mut planted = BTreeSet::new();
    for (n, (rule, token)) in tokens().into_iter().enumerate() {
        let path = ["config.toml", "deep/er/settings.py", "notes.md"][n % 3].to_owned() + &format!(".{n}");
        let before = "nothing here\n".repeat(n);
        write(tree.path(), &path, format!("{before}  key = {token}\nand more\n"));
        planted.insert((rule.to_owned(), format!("/src/{path}"), n as u64 + 1));
    }
    let near = "AKIA is four letters\nghp_tooshort\nsk_test_aB3dE5fG7hJ9kL2mN4pQ6rS8\nglpat-aaaaaaaaaaaaaaaaaaaa\n";
    write(tree.path(), "near.txt", near);
    write(tree.path(), ".git/config", tokens()[1].1.as_bytes());
    write(tree.path(), "binary", [b"\0", tokens()[1].1.as_bytes()].concat());
    let program = scanning(tree.path());
    let output = program.run(&["run", "leak-scan", "--trust", "--json"]);
    let report = report(&output);
    let found: BTreeSet<_> = report["claims"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let place = &finding["location"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&finding["rule"]), text(&place["uri"]), place["line"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, planted);
    // Neither the agent nor the record repeats a found token.
    let everything = [output.stdout, output.stderr, fs::read(program.place().home.join("journal/00000001.seg")).unwrap()].concat();
    for (rule, token) in tokens() {
        let secret = token.lines().last().unwrap().as_bytes();
        let secret = &secret[secret.len() - 16..];
        assert!(!everything.windows(secret.len()).any(|window| window == secret), "{rule}");
    }
}

/// The system's view of a folder: how often each regular file was opened, and each directory was read.
fn seen(trace: &str, root: &Path) -> (BTreeMap<PathBuf, u64>, BTreeMap<PathBuf, u64>) {
    let (mut files, mut listings) = (BTreeMap::new(), BTreeMap::new());
    let path_of = |word: &str| word.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).map(PathBuf::from);
    for line in trace.lines() {
        let Some((call, result)) = line.rsplit_once(" = ") else { continue };
        if call.contains("getdents64(") {
            // The listing was read to its end: its last read returns nothing.
            let folder = call.split_once("getdents64(").and_then(|(_, rest)| rest.split_once('>')).map(|(front, _)| format!("{front}>"));
            if let Some(folder) = folder.and_then(|folder| path_of(&folder)).filter(|path| path.starts_with(root) && result == "0") {
                *listings.entry(folder).or_insert(0) += 1;
            }
        } else if !call.contains("O_PATH")
            && let Some(path) = path_of(result)
            && path.starts_with(root)
            && path.is_file()
        {
            *files.entry(path).or_insert(0) += 1;
        }
    }
    (files, listings)
}

#[test]
fn what_it_touched_is_what_the_system_saw_opened() {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("tree");
    for n in 0..60 {
        write(&root, &format!("d{}/e{}/f{n}.txt", n % 4, n % 3), format!("line {n}\n").repeat(n * 50));
    }
    write(&root, "binary", b"a\0b");
    write(&root, "large", vec![b'x'; 2 << 20]);
    write(&root, ".git/config", "not looked into");
    write(&root, "empty/.keep", "");
    write(folder.path(), "outside.txt", "outside");
    std::os::unix::fs::symlink("../outside.txt", root.join("leaves")).unwrap();
    std::os::unix::fs::symlink("d0/e0/f0.txt", root.join("stays")).unwrap();
    std::os::unix::fs::symlink("d1", root.join("folder")).unwrap();
    let program = scanning(&root);
    let trace = folder.path().join("trace");
    let calls = ["-f", "-y", "-qq", "-e", "trace=openat,openat2,open,getdents64", "-e", "signal=none", "-o", trace.to_str().unwrap()];
    let before: Vec<&str> = std::iter::once(strace.to_str().unwrap()).chain(calls).collect();
    let report = report(&program.command(&before, &["run", "leak-scan", "--trust", "--json"]).output().unwrap());
    let (files, listings) = seen(&whole_lines(&fs::read_to_string(&trace).unwrap()), &root);
    assert!(files.len() > 55 && listings.len() > 12, "{} files, {} listings", files.len(), listings.len());

    let run = report["run"].as_str().unwrap();
    let touched = program.run(&["audit", "touched", run, "--json"]);
    let touched: Value = serde_json::from_slice(&touched.stdout).unwrap();
    assert_eq!(touched["files"], report["evidence"]["touched"]["files"]);
    let recorded = |what: &str| -> BTreeMap<PathBuf, u64> {
        let all = touched["files"].as_array().unwrap().iter().filter(|line| line["what"] == what);
        let host = |line: &Value| match line["path"].as_str().unwrap().strip_prefix("/src").unwrap().strip_prefix('/') {
            Some(path) => root.join(path),
            None => root.clone(),
        };
        all.map(|line| (host(line), line["times"].as_u64().unwrap())).collect()
    };
    assert_eq!(recorded("file"), files);
    assert_eq!(recorded("listing"), listings);
    assert_eq!(touched["refused"], serde_json::json!([]));
}

/// Joins calls that strace wrote in two parts because another thread interrupted them.
fn whole_lines(trace: &str) -> String {
    let (mut open, mut whole) = (BTreeMap::new(), String::new());
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(front) = call.strip_suffix(" <unfinished ...>") {
            open.insert(thread, front.to_owned());
            continue;
        }
        let resumed = call.trim_start().strip_prefix("<... ").and_then(|rest| rest.split_once("resumed>")).map(|(_, rest)| rest);
        let call = match resumed {
            Some(rest) => open.remove(thread).unwrap_or_default() + rest,
            None => call.to_owned(),
        };
        whole.push_str(&call);
        whole.push('\n');
    }
    whole
}

/// With default limits: many or large files, circular links, pipes without a writer and names that are not UTF-8 do not keep the walk from
/// ending.
#[test]
fn a_tree_of_100_000_files_with_everything_odd_in_it_is_searched_to_its_end() {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    for folder in 0..100 {
        let folder = root.join(format!("many/{folder:02}"));
        fs::create_dir_all(&folder).unwrap();
        (0..1000).for_each(|file| fs::write(folder.join(format!("{file:03}")), "x\n").unwrap());
    }
    // A sparse file: it takes no space on the disk, but each byte would be read as text.
    let huge = fs::File::create(root.join("huge.log")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&huge, &[b'a'; 8192], 0).unwrap();
    huge.set_len(10 << 30).unwrap();
    std::os::unix::fs::symlink("..", root.join("many/round")).unwrap();
    std::os::unix::fs::symlink("self", root.join("self")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd-\xff")), "x").unwrap();
    write(root, "zz-last.txt", tokens()[1].1.as_bytes());
    let report = report(&scanning(root).run(&["run", "leak-scan", "--trust", "--json"]));
    let output = &report["claims"]["output"];
    assert_eq!(output["files_scanned"], 100_001, "{output}");
    let skipped = json!({ "archive": 0, "binary": 0, "excluded": 0, "symlink": 2, "too_large": 1, "unreadable": 1 });
    assert_eq!(output["files_skipped"], skipped);
    assert_eq!(report.pointer("/claims/findings/0/location/uri"), Some(&json!("/src/zz-last.txt")));
    let listed = report.pointer("/evidence/touched/files").unwrap().as_array().unwrap();
    let root_listed = listed.iter().find(|file| file["path"] == "/src" && file["what"] == "listing").unwrap();
    assert_eq!(root_listed["untold"], 1, "the agent can't get this name, but the operator sees it");
}
