//! What a build may do: a hostile author's code runs with the operator's compiler and reaches nothing. Uses the real program and the
//! real cargo.

mod accepted;
mod python;
mod target;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tests::program::Program;

const AGENT: &str = "[agent]\nname = \"x\"\nversion = \"0.1.0\"\ndescription = \"Says what its build found.\"\n";
const CARGO: &str = "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nmac = { path = \"mac\" }\n";
const MACRO: &str = "[package]\nname = \"mac\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n";
const MACRO_CODE: &str = r##"include!("../../attempts.rs");
#[proc_macro]
pub fn seen(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    format!("{:?}", attempts(&std::env::temp_dir())).parse().unwrap()
}
"##;
const SCRIPT: &str = r##"include!("attempts.rs");
fn main() {
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    println!("cargo::rustc-env=SEEN={}", attempts(&out));
}
"##;
const MAIN: &str = "fn main() { println!(\"script:{}\\nmacro:{}\", env!(\"SEEN\"), mac::seen!()); }\n";

/// The attempts of both builds, each reported as `yes` if it worked. An honest build makes the first four.
const ATTEMPTS: &str = r##"
fn attempts(out: &std::path::Path) -> String {
    use std::{fs, net, process::Command};
    let shell = |script: &str| Command::new("/bin/sh").args(["-c", script]).output().is_ok_and(|output| output.status.success());
    let done: Vec<(&str, bool)> = vec![
        ("read-own-source", fs::read("attempts.rs").or_else(|_| fs::read("../attempts.rs")).is_ok()),
        ("write-own-output", fs::write(out.join("made"), "made").is_ok()),
        ("copy-own-output", fs::copy(out.join("made"), out.join("copy")).is_ok()),
        ("start-a-program", shell("true")),
        ("read-a-secret", fs::read("@SECRET@").is_ok()),
        ("read-by-a-link", std::os::unix::fs::symlink("@SECRET@", out.join(format!("l{}", std::process::id()))).is_ok() && fs::read(out.join(format!("l{}", std::process::id()))).is_ok()),
        ("take-a-secret-by-another-name", fs::hard_link("@SECRET@", out.join("hard")).is_ok()),
        ("list-the-home", fs::read_dir("@HOME@").is_ok()),
        ("write-into-the-home", fs::write("@HOME@/trust.toml", "").is_ok()),
        ("list-the-project", fs::read_dir("@PROJECT@").is_ok()),
        ("read-beside-the-source", fs::read("@PROJECT@/.git/config").is_ok()),
        ("read-a-token", std::env::vars().any(|(name, value)| name.contains("TOKEN") || value.contains("hunter2"))),
        ("know-the-home", std::env::var("HOME").is_ok_and(|home| home == "@OPERATOR@") || std::env::vars().any(|(name, _)| name.starts_with("BAILIWICK"))),
        ("connect", net::TcpStream::connect("@TCP@").is_ok()),
        ("bind", net::TcpListener::bind("127.0.0.1:0").is_ok()),
        ("send", net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("connect-to-a-socket", std::os::unix::net::UnixStream::connect("@UNIX@").is_ok()),
        ("write-outside", fs::write("@PROJECT@/written", "").is_ok()),
        ("write-into-the-source", fs::write("@PROJECT@/src/written.rs", "").is_ok()),
        ("write-into-the-copy", fs::write("src/written.rs", "").is_ok()),
        ("write-to-a-shared-folder", fs::write("@SHARED@/written", "").is_ok()),
        ("cut-short", fs::OpenOptions::new().write(true).truncate(true).open("@SECRET@").is_ok()),
        ("remove", fs::remove_file("@SECRET@").is_ok()),
        ("rename", fs::rename("@SECRET@", "@SECRET@2").is_ok()),
        ("read-another-process", fs::read("/proc/@VICTIM@/environ").is_ok()),
        ("end-another-process", shell("kill -9 @VICTIM@")),
        ("leave-the-session", shell("setsid true")),
        ("make-a-namespace", shell("unshare --user --map-root-user true")),
        ("limit-another-process", shell("prlimit --pid @VICTIM@ --nofile=1:1")),
    ];
    // These report success and do nothing.
    let _ = fs::set_permissions("@SECRET@", std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let _ = shell("chmod 777 @SECRET@; touch -d 2001-01-01 @SECRET@");
    // Processes that stay behind are ended.
    let _ = Command::new("/bin/sh").args(["-c", "nohup sleep 4242 >/dev/null 2>&1 & echo $!"]).output();
    let left = Command::new("/bin/sh").args(["-c", "sleep 4343 >/dev/null 2>&1 & echo $!"]).output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let done: Vec<String> = done.iter().map(|(name, done)| format!("{name}={}", if *done { "yes" } else { "no" })).collect();
    format!("{} left={}", done.join(" "), left.unwrap_or_default())
}
"##;
const HONEST: [&str; 4] = ["read-own-source", "write-own-output", "copy-own-output", "start-a-program"];

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn data(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", data(output), words(output));
}

/// A project with one agent, `x`, in the folder `x` beside its configuration.
struct Project {
    program: Program,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { program: Program::new("[agents.x]\ncomponent = \"x\"\n") };
        project.write("agent.toml", AGENT);
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    /// An agent that is a command in Rust without dependencies.
    fn rust(files: &[(&str, &str)]) -> Self {
        let project = Self::new(&[
            ("Cargo.toml", &CARGO.replace("[dependencies]\nmac = { path = \"mac\" }\n", "")),
            ("src/main.rs", "fn main() {}\n"),
        ]);
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    fn folder(&self) -> PathBuf {
        self.program.folder().join("here/x")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn program_file(&self, path: &str, text: &str) -> PathBuf {
        self.write(path, text);
        let file = self.folder().join(path);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn run(&self) -> Output {
        self.program.run(&["run", "x", "--trust"])
    }
}

/// A process of the operator that a build must not reach. It ends with the test.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap())
    }

    fn is_well(&mut self) -> bool {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.0.id())).unwrap_or_default();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
        self.0.try_wait().is_ok_and(|ended| ended.is_none()) && files.split_whitespace().nth(3) != Some("1")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_hostile_build_script_and_macro_reach_nothing_but_their_own_source_and_output() {
    let project = Project::new(&[("Cargo.toml", CARGO), ("mac/Cargo.toml", MACRO), ("src/main.rs", MAIN), (".git/config", "token")]);
    let (secret, shared) = (project.program.folder().join("secret"), tempfile::tempdir().unwrap());
    std::fs::write(&secret, "hunter2").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (tcp, socket) = (TcpListener::bind("127.0.0.1:0").unwrap(), project.program.folder().join("socket"));
    let unix = UnixListener::bind(&socket).unwrap();
    let mut victim = Victim::new();
    let operator = std::env::var("HOME").unwrap_or_default();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let attempts = [
        ("@SECRET@", text(&secret)),
        ("@HOME@", text(&project.program.place().home)),
        ("@PROJECT@", text(&project.folder())),
        ("@SHARED@", text(shared.path())),
        ("@UNIX@", text(&socket)),
        ("@TCP@", tcp.local_addr().unwrap().to_string()),
        ("@VICTIM@", victim.0.id().to_string()),
        ("@OPERATOR@", operator),
    ];
    project.write("attempts.rs", &attempts.iter().fold(ATTEMPTS.to_owned(), |text, (mark, real)| text.replace(mark, real)));
    project.write("build.rs", SCRIPT);
    project.write("mac/src/lib.rs", MACRO_CODE);
    let before = std::fs::metadata(&secret).unwrap();
    let output = project.program.command(&[], &["run", "x", "--trust"]).env("GITHUB_TOKEN", "hunter2").output().unwrap();
    ends_with(&output, 0);
    let printed = data(&output);
    assert!(printed.contains("script:") && printed.contains("macro:"), "{printed}");
    for line in printed.lines().filter(|line| line.starts_with("script:") || line.starts_with("macro:")) {
        let (who, tried) = line.split_once(':').unwrap();
        let of = |name: &str| tried.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        for (name, done) in tried.split(' ').filter_map(|word| word.split_once('=')).filter(|(name, _)| *name != "left") {
            assert_eq!(done, if HONEST.contains(&name) { "yes" } else { "no" }, "{who}: {name}");
        }
        let left = of("left").filter(|pid| !pid.is_empty()).unwrap_or_else(|| panic!("{tried}"));
        let is_left = std::fs::read_to_string(format!("/proc/{left}/cmdline")).is_ok_and(|line| line.contains("4343"));
        assert!(!is_left, "{who}: process {left} outlives the build");
    }
    let after = std::fs::metadata(&secret).unwrap();
    assert_eq!((after.permissions().mode(), after.modified().unwrap()), (before.permissions().mode(), before.modified().unwrap()));
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "hunter2");
    assert!(victim.is_well());
    for (name, came) in [
        ("TCP", nobody_came(|| tcp.set_nonblocking(true).and_then(|()| tcp.accept().map(drop)))),
        ("a socket", nobody_came(|| unix.set_nonblocking(true).and_then(|()| unix.accept().map(drop)))),
    ] {
        assert!(came, "{name}");
    }
}

fn nobody_came(accept: impl FnOnce() -> std::io::Result<()>) -> bool {
    accept().is_err_and(|err| err.kind() == std::io::ErrorKind::WouldBlock)
}

/// Files that would run `evil`, which leaves a mark, if a tool used them.
fn mark(project: &Project) -> PathBuf {
    let mark = project.program.folder().join("mark");
    project.program_file("evil", &format!("#!/bin/sh\ntouch {}\nexec \"$@\"\n", mark.display()));
    mark
}

#[test]
fn no_verb_runs_a_program_of_a_folder_that_nobody_trusts() {
    let project = Project::rust(&[]);
    let mark = mark(&project);
    let evil = std::fs::read_to_string(project.folder().join("evil")).unwrap();
    for name in ["rustc", "cargo", "rustup", "componentize-py", "python3", "pyenv", "cc"] {
        for folder in ["", "bin/", "toolchain/bin/", ".venv/bin/"] {
            project.program_file(&format!("{folder}{name}"), &evil);
        }
    }
    let toolchain = project.folder().join("toolchain");
    project.write("rust-toolchain.toml", &format!("[toolchain]\npath = {:?}\n", toolchain.to_str().unwrap()));
    project.write(
        ".cargo/config.toml",
        &format!("[build]\nrustc = {0:?}\nrustc-wrapper = {0:?}\n", project.folder().join("evil").to_str().unwrap()),
    );
    std::fs::write(project.folder().join("bailiwick.toml"), "[agents.x]\ncomponent = \".\"\n").unwrap();
    let usual = std::env::var("PATH").unwrap();
    let real = project.folder().join("bin");
    for path in [usual.clone(), format!(".:bin::{usual}"), format!("{}:{usual}", real.display()), format!("{}", real.display())] {
        for args in [
            &["doctor"][..],
            &["doctor", "--json"],
            &["check"],
            &["inspect", "x"],
            &["completions", "bash"],
            &["run", "x"],
            &["build"],
            &["test"],
            &["accept", "x"],
        ] {
            let mut command = project.program.command(&[], args);
            let output = command.current_dir(project.folder()).env("PATH", &path).output().unwrap();
            assert!(!mark.exists(), "`{args:?}` with PATH={path}: {}", words(&output));
        }
    }
    // The control: a question to the tool outside of the project is answered.
    let told = project.program.command(&[], &["doctor", "--json"]).current_dir(project.folder()).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let target = told.as_array().unwrap().iter().find(|it| it["what"] == "wasm32-wasip2").unwrap().clone();
    assert_eq!(target["ok"], true, "{target}");
}

#[test]
fn a_trusted_folder_names_its_compiler_by_a_channel_and_never_by_a_path() {
    let project = Project::rust(&[]);
    let mark = mark(&project);
    project.program_file("toolchain/bin/cargo", &std::fs::read_to_string(project.folder().join("evil")).unwrap());
    project.write("rust-toolchain.toml", &format!("[toolchain]\npath = {:?}\n", project.folder().join("toolchain").to_str().unwrap()));
    let refused = project.run();
    ends_with(&refused, 4);
    assert!(words(&refused).contains("rust-toolchain.toml") && words(&refused).contains("by its path"), "{}", words(&refused));
    project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"no-such-channel\"\n");
    let missing = project.run();
    ends_with(&missing, 1);
    assert!(words(&missing).contains("rustup toolchain install no-such-channel"), "{}", words(&missing));
    project.write("rust-toolchain.toml", include_str!("../../rust-toolchain.toml"));
    ends_with(&project.run(), 0);
    assert!(!mark.exists());
}

#[test]
fn configurations_of_cargo_and_variables_change_no_build() {
    let project = Project::rust(&[]);
    let mark = mark(&project);
    let evil = project.folder().join("evil");
    let config = format!(
        "[build]\nrustc-wrapper = {0:?}\nrustc-workspace-wrapper = {0:?}\nrustflags = [\"-Clinker={1}\"]\n",
        evil.to_str().unwrap(),
        evil.display()
    );
    let home = project.program.folder().join("user");
    std::fs::create_dir(&home).unwrap();
    for place in [project.folder().join(".cargo"), project.program.folder().join("here/.cargo"), project.program.folder().join(".cargo")] {
        for name in ["config.toml", "config"] {
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(name), &config).unwrap();
        }
    }
    let mut command = project.program.command(&[], &["run", "x", "--trust"]);
    for name in
        ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "CARGO_TARGET_WASM32_WASIP2_LINKER", "CARGO"]
    {
        command.env(name, &evil);
    }
    command.env("RUSTFLAGS", format!("-Clinker={}", evil.display())).env("LD_PRELOAD", "/nonexistent.so").env("CARGO_TARGET_DIR", &home);
    let output = command.output().unwrap();
    ends_with(&output, 0);
    assert!(!mark.exists(), "{}", words(&output));
    assert!(std::fs::read_dir(&home).unwrap().next().is_none(), "cargo wrote where the environment said");
}

/// A path dependency outside of the folder, and one that is beneath neither the workspace nor the configuration.
#[test]
fn packages_beside_a_folder_are_built_from_the_project_and_from_nowhere_else() {
    let cargo = CARGO.replace("mac = { path = \"mac\" }", "beside = { path = \"../beside\" }");
    let project = Project::new(&[("Cargo.toml", &cargo), ("src/main.rs", "fn main() { println!(\"{}\", beside::WORD); }\n")]);
    let package = "[package]\nname = \"beside\"\nedition = \"2024\"\n[workspace]\n";
    project.write("../beside/Cargo.toml", package);
    project.write("../beside/src/lib.rs", "pub const WORD: &str = \"one\";\n");
    let output = project.run();
    ends_with(&output, 0);
    assert!(data(&output).contains("one"), "{}", data(&output));
    // The dependency is part of the source.
    project.write("../beside/src/lib.rs", "pub const WORD: &str = \"two\";\n");
    assert!(data(&project.run()).contains("two"));
    // The same path elsewhere is outside of the project.
    let elsewhere = project.program.folder().join("beside");
    std::fs::rename(project.folder().join("../beside"), &elsewhere).unwrap();
    project.write("Cargo.toml", &cargo.replace("../beside", "../../beside"));
    let refused = project.run();
    ends_with(&refused, 4);
    assert!(words(&refused).contains("outside of the project"), "{}", words(&refused));
}

#[test]
fn a_link_to_a_file_of_the_operators_is_not_built_from() {
    let project = Project::rust(&[("src/main.rs", "fn main() { println!(\"{}\", include_str!(\"key\")); }\n")]);
    let secret = project.program.folder().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    std::os::unix::fs::symlink(&secret, project.folder().join("src/key")).unwrap();
    let refused = project.run();
    ends_with(&refused, 4);
    assert!(words(&refused).contains("is a link to") && !data(&refused).contains("hunter2"), "{}", words(&refused));
    // A path that leads out of the project finds nothing: only the copy of the source is there.
    project.write("src/main.rs", &format!("fn main() {{ println!(\"{{}}\", include_str!({:?})); }}\n", secret.to_str().unwrap()));
    std::fs::remove_file(project.folder().join("src/key")).unwrap();
    let refused = project.run();
    ends_with(&refused, 1);
    assert!(words(&refused).contains("Permission denied") && !data(&refused).contains("hunter2"), "{}", words(&refused));
    project.write("src/main.rs", "fn main() { println!(\"{}\", include_str!(\"key\")); }\n");
    project.write("src/key", "plain");
    let output = project.run();
    ends_with(&output, 0);
    assert!(data(&output).contains("plain"));
}

#[test]
fn nothing_is_fetched_from_this_machine() {
    let cargo = CARGO.replace("mac = { path = \"mac\" }", "own = { git = \"file:///nonexistent/own\" }");
    let project = Project::new(&[("Cargo.toml", &cargo), ("src/main.rs", "fn main() {}\n")]);
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\nsource = \"git+file:///nonexistent/own#0123456789012345678901234567890123456789\"\n");
    let refused = project.run();
    ends_with(&refused, 4);
    assert!(words(&refused).contains("registries and public repositories"), "{}", words(&refused));
}

/// The build of one agent leaves nothing for the build of the next.
#[test]
fn an_agents_build_sees_no_other_agents_build() {
    let project = Project::rust(&[]);
    ends_with(&project.run(), 0);
    let built = project.program.place().home.join("build");
    let text = built.to_str().unwrap();
    let script =
        format!("fn main() {{ assert!(std::fs::read_dir({text:?}).is_err()); assert!(std::fs::write(\"{text}/x\", \"\").is_err()); }}\n");
    project.write("build.rs", &script);
    ends_with(&project.run(), 0);
}

#[test]
fn what_lies_beside_the_source_changes_no_component_and_a_change_of_it_does() {
    let project = Project::rust(&[]);
    let digest = || {
        let built = project.program.run(&["build", "x", "--trust", "--json"]);
        ends_with(&built, 0);
        (serde_json::from_slice::<Value>(&built.stdout).unwrap()[0]["digest"].clone(), words(&built).contains("building"))
    };
    let (first, _) = digest();
    for left in ["bailiwick.lock", "found.sarif", "report.json", "cases/a.json", "target/x", "src/main.rs~"] {
        project.write(left, "left");
        assert_eq!(digest(), (first.clone(), false), "{left}");
    }
    project.write("src/main.rs", "fn main() { println!(\"other\"); }\n");
    assert_ne!(digest().0, first);
}

/// From the first `accept` on, which writes the missing lock, each file that affects a build is checked before any part of the build runs.
#[test]
fn a_change_of_an_accepted_source_is_refused_before_anything_of_it_runs() {
    let cargo = CARGO.replace("mac = { path = \"mac\" }", "beside = { path = \"../beside\" }");
    let project = Project::new(&[("Cargo.toml", &cargo), ("src/main.rs", "fn main() { println!(\"{}\", beside::WORD); }\n")]);
    project.write("../beside/Cargo.toml", "[package]\nname = \"beside\"\nedition = \"2024\"\n[workspace]\n");
    project.write("../beside/src/lib.rs", "pub const WORD: &str = \"honest\";\n");
    for args in [&["trust"][..], &["accept", "x"], &["run", "x"]] {
        ends_with(&project.program.run(args), 0);
    }
    let mark = mark(&project);
    let evil = project.folder().join("evil");
    let wrapper = format!("[build]\nrustc-wrapper = {:?}\n", evil.to_str().unwrap());
    let script = "fn main() { panic!(\"it ran\") }\n";
    let lock = std::fs::read_to_string(project.folder().join("Cargo.lock")).unwrap();
    for (path, text) in [
        ("build.rs", script),
        (".cargo/config.toml", &wrapper),
        (".cargo/config", &wrapper),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n"),
        ("rust-toolchain", "stable\n"),
        ("Cargo.lock", &format!("{lock}\n")),
        ("src/main.rs", "fn main() { println!(\"other\"); }\n"),
        ("../beside/build.rs", script),
        ("../beside/src/lib.rs", "pub const WORD: &str = \"other\";\n"),
    ] {
        let file = project.folder().join(path);
        let before = std::fs::read(&file).ok();
        project.write(path, text);
        for verb in ["run", "build"] {
            let refused = project.program.run(&[verb, "x"]);
            ends_with(&refused, 4);
            let said = words(&refused);
            assert!(
                !said.contains("building") && !said.contains("it ran") && data(&refused).is_empty() && !mark.exists(),
                "{path}: {said}"
            );
        }
        match before {
            Some(before) => std::fs::write(&file, before).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        // The control: the accepted source runs, even if it has to be built again.
        ends_with(&project.program.run(&["run", "x"]), 0);
    }
    std::fs::remove_dir_all(project.program.place().home.join("build")).unwrap();
    let again = project.program.run(&["run", "x"]);
    ends_with(&again, 0);
    assert!(data(&again).contains("honest") && words(&again).contains("building"), "{}", words(&again));
}
