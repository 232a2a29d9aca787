//! The program `bailiwick`, with a home and a configuration for one test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use run::HomePlace;
use tempfile::TempDir;
use vocabulary::Grants;

use crate::{host, tools};

/// A folder with a `bailiwick.toml`, and a home beside it.
pub struct Program {
    folder: TempDir,
    place: HomePlace,
}

impl Drop for Program {
    fn drop(&mut self) {
        host::give_back(&self.place);
    }
}

impl Program {
    /// Writes the configuration.
    ///
    /// # Panics
    /// If there is no space for it.
    #[must_use]
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = host::place(folder.path());
        std::fs::create_dir(folder.path().join("here")).expect("a folder");
        let program = Self { folder, place };
        std::fs::write(program.config(), config).expect("a configuration");
        program
    }

    /// The folder with all files; it is removed when this is dropped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("here/bailiwick.toml")
    }

    /// The path of the home.
    #[must_use]
    pub fn place(&self) -> &HomePlace {
        &self.place
    }

    /// The command of the program, in its folder. `before` is put in front of it: a tracer, for example.
    pub fn command(&self, before: &[&str], args: &[&str]) -> Command {
        let program = host::bailiwick();
        let mut words = before.iter().map(PathBuf::from).chain([program]).chain(args.iter().map(PathBuf::from));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(self.folder.path().join("here"));
        command.env("BAILIWICK_HOME", &self.place.home).env("BAILIWICK_STATE", &self.place.state);
        command
    }

    /// The command of another program, with the same folder and home.
    pub fn beside(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words.first().copied().unwrap_or_default());
        command.args(words.get(1..).unwrap_or_default()).current_dir(self.folder.path().join("here"));
        command.env("BAILIWICK_HOME", &self.place.home).env("BAILIWICK_STATE", &self.place.state);
        command
    }

    /// Runs the program with this text as its standard input.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn run_with(&self, args: &[&str], stdin: &str) -> Output {
        let file = self.folder.path().join("stdin");
        std::fs::write(&file, stdin).expect("a file");
        let output = self.command(&[], args).stdin(std::fs::File::open(&file).expect("a file")).output().expect("it starts");
        std::fs::remove_file(file).expect("it is there");
        output
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(&[], args).output().expect("it starts")
    }
}

/// The home in which agents of the workspace are built; built components are kept there from one test run to the next.
#[must_use]
pub fn agents_home() -> PathBuf {
    tools::target().join("tests-built/home")
}

/// The component of `agents/NAME`, built once by the program itself, and kept under the target folder.
///
/// # Panics
/// If it can't be built, with the output.
#[must_use]
pub fn agent(name: &str) -> PathBuf {
    built_from(name, &format!("agents/{name}"), None)
}

/// The component of an agent in a folder of this repository, as for [`agent`]. `programs` is a folder of programs that its build needs,
/// besides those of the machine.
///
/// # Panics
/// If it can't be built, with the output.
#[must_use]
pub fn built_from(name: &str, folder: &str, programs: Option<&Path>) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(folder.to_owned()).or_insert_with(|| build(name, &tools::root().join(folder), programs)).clone()
}

/// Links everything that was built in [`agents_home`] into a home, so that it is not built there a second time.
///
/// # Panics
/// If it can't be linked.
pub fn share_built(home: &Path) {
    let copied = Command::new("cp").arg("-al").arg(agents_home().join("build")).arg(home.join("build")).status();
    assert!(copied.is_ok_and(|status| status.success()), "what was built can be linked");
}

fn build(name: &str, source: &Path, programs: Option<&Path>) -> PathBuf {
    let folder = tools::target().join("tests-built");
    std::fs::create_dir_all(folder.join("config")).expect("a folder");
    // Files of an earlier version may be readable for others.
    if home::check(&agents_home()).and_then(|()| home::check(&folder.join("state"))).is_err() {
        [agents_home(), folder.join("state")].iter().for_each(|home| drop(std::fs::remove_dir_all(home)));
    }
    let config = format!("[agents.{name}]\ncomponent = {:?}\n", source.display().to_string());
    let file = folder.join("config").join(format!("{name}.toml"));
    std::fs::write(&file, config).expect("a configuration");
    let mut command = Command::new(host::bailiwick());
    command.args(["build", name, "--trust", "--json", "--config"]).arg(&file);
    let of_machine = std::env::var_os("PATH").unwrap_or_default();
    let path = programs.map(Path::to_owned).into_iter().chain(std::env::split_paths(&of_machine));
    command.env("PATH", std::env::join_paths(path).expect("a path"));
    let output = command.env("BAILIWICK_HOME", agents_home()).env("BAILIWICK_STATE", folder.join("state")).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let path = built.pointer("/0/file").and_then(serde_json::Value::as_str).expect("it names the file");
    Path::new(path).to_owned()
}

/// The configuration of one agent with these grants: mounts, and requests without credentials.
#[must_use]
pub fn config(name: &str, component: &Path, grants: &Grants) -> String {
    use std::fmt::Write as _;
    let mut text = format!("[agents.{name}]\ncomponent = {:?}\n", component.display().to_string());
    for mount in &grants.files {
        let _ = write!(text, "\n[[agents.{name}.files]]\nguest = {:?}\nhost = {:?}\nmode = \"read\"\n", mount.guest, mount.host);
    }
    for http in &grants.http {
        let methods: Vec<_> = http.methods.iter().map(vocabulary::Method::as_str).collect();
        let paths: Vec<_> = http.paths.iter().map(ToString::to_string).collect();
        let (host, port, scheme) = (http.host.to_string(), http.port(), http.scheme.as_str());
        let _ = write!(
            text,
            "\n[[agents.{name}.http]]\nhost = {host:?}\nport = {port}\nscheme = {scheme:?}\nmethods = {methods:?}\npaths = {paths:?}\n"
        );
        if !http.addresses.is_empty() {
            let nets: Vec<_> = http.addresses.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "addresses = {nets:?}");
        }
        if let Some(until) = http.until {
            let _ = writeln!(text, "until = {:?}", until.to_string());
        }
    }
    text
}
