//! `doctor`: checks whether this machine has what the host and builds of agents need.

mod of_home;

use std::path::{Path, PathBuf};

use home::{Exposed, Footing};
use journal::Inspection;
use package::tools::Tools;
use run::HomePlace;
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::{out, place, words};

/// Show what is missing on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Check the home instead: record, keys, runs, disk, clock, and the process that holds it
    #[arg(long)]
    home: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick doctor
  bailiwick doctor --home                check the home; for monitors: --home --json
  bailiwick doctor --home --json

Nothing is changed. The exit code is 1 if something that every run needs is missing, and 6 if the record of the home is damaged or is not \
the one that is remembered. Tools that only builds of agents need are shown, but do not change the exit code. The record is checked as far \
as `run` checks it: `bailiwick audit verify` reads all of it.

With --home each row is ok, warn or BAD. The exit code is 0 if nothing is bad, 8 if a run waits to be settled, 1 if something is bad, 2 if \
other users have rights on the home, and 6 if the record, its keys or what is remembered of it are bad. The command does not wait for a \
process that holds the home and hangs.";

/// The row about the record.
const RECORD: &str = "record";
/// The row that replaces it if the home has another form.
const FORM: &str = "form";
/// The row about the file systems.
const DISK: &str = "disk";

#[derive(Serialize)]
struct Diagnosis {
    what: &'static str,
    ok: bool,
    /// Whether a run needs it.
    needed: bool,
    /// What was found, or what to do.
    words: String,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    if args.home {
        return of_home::run(args.json).await;
    }
    let place = place::located()?;
    let tools = Tools::outside_of(&project());
    let (home, disk, record) = (home(&place), disk(&place), record(&place));
    let found = [engine(), home, disk, record, descriptors(), contained(), rustup(&tools), wasm_target(&tools), python(&tools)];
    if args.json {
        out::json(&found)?;
    } else {
        let rows: Vec<Vec<String>> = found.iter().map(|it| vec![mark(it).to_owned(), it.what.to_owned(), words::safe(&it.words)]).collect();
        out::table(&rows)?;
    }
    let lacks = |is_meant: &dyn Fn(&&Diagnosis) -> bool| found.iter().filter(|it| it.needed && !it.ok).any(|it| is_meant(&it));
    Ok(match () {
        () if lacks(&|it| it.what != RECORD) => exit::HOST,
        () if lacks(&|_| true) => exit::RECORD,
        () => exit::DONE,
    })
}

fn mark(finding: &Diagnosis) -> &'static str {
    match (finding.ok, finding.needed) {
        (true, _) => "ok",
        (false, true) if finding.what == RECORD => "BROKEN",
        (false, true) if finding.what == DISK || finding.what == FORM => "UNFIT",
        (false, false) if finding.what == DISK => "weak",
        (false, true) => "MISSING",
        (false, false) => "absent",
    }
}

/// Makes an engine like that of a run: address space for its pool, signals, guard pages.
fn engine() -> Diagnosis {
    let made = sandbox::Engine::new(&sandbox::EngineOptions::default());
    let words = match &made {
        Ok(engine) => format!("wasmtime {}, profile {}", sandbox::WASMTIME, engine.profile()),
        Err(err) => format!("the engine can't start: {err}; is the address space of this process limited (`ulimit -v`)?"),
    };
    Diagnosis { what: "engine", ok: made.is_ok(), needed: true, words }
}

fn home(place: &HomePlace) -> Diagnosis {
    // The nearest folder that exists decides whether the others can be created.
    let writable = |path: &Path| {
        let there = path.ancestors().find(|path| path.exists());
        there.is_some_and(|there| rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok())
    };
    let private = home::check(&place.home).and_then(|()| home::check(&place.state));
    let ok = private.is_ok() && writable(&place.home) && writable(&place.state);
    let words = match private {
        Ok(()) if ok => place.home.display().to_string(),
        Ok(()) => format!("`{}` or `{}` can't be written", place.home.display(), place.state.display()),
        Err(err) => match Exposed::of(&err) {
            Some(exposed) => format!("{exposed}; `{}` repairs it", exposed.mend()),
            None => err.to_string(),
        },
    };
    Diagnosis { what: "home", ok, needed: true, words }
}

/// The file systems of the home and its second state.
fn disk(place: &HomePlace) -> Diagnosis {
    let accepted = place::journal_options().file_systems;
    let (mut ok, mut needed, mut said) = (true, false, Vec::new());
    for (whose, path) in [("home", &place.home), ("state", &place.state)] {
        let Ok(ground) = home::ground(path) else {
            ok = false;
            said.push((whose, "unknown".to_owned()));
            continue;
        };
        let is_refused = ground.footing == Footing::Shared && !accepted.iter().any(|name| name == ground.name);
        ok &= ground.footing == Footing::Firm;
        needed |= is_refused;
        said.push((whose, format!("{}{}", ground.name, footing(ground.footing, is_refused))));
    }
    said.dedup_by(|(_, second), (_, first)| second == first);
    let said: Vec<String> = said.into_iter().map(|(whose, what)| format!("{whose}: {what}")).collect();
    Diagnosis { what: DISK, ok, needed, words: said.join("; ") }
}

fn footing(footing: Footing, is_refused: bool) -> &'static str {
    match footing {
        Footing::Firm => "",
        Footing::Fleeting => ", which is lost with the machine's memory or with the container",
        Footing::Weak => ", which has no journal: a crash may lose more than what was not synced",
        Footing::Shared if is_refused => {
            ", which other machines share: nothing runs there, unless `BAILIWICK_FILE_SYSTEMS` names this kind; use a disk of this machine"
        }
        Footing::Shared => ", which other machines share and which `BAILIWICK_FILE_SYSTEMS` allows: no other machine may use this home",
        Footing::Unknown => " to this version: whether its locks hold and its syncs reach a disk is not known",
    }
}

/// What a process would find when it opens the home. A home that another user could have changed is not read.
fn record(place: &HomePlace) -> Diagnosis {
    if home::check(&place.home).and_then(|()| home::check(&place.state)).is_err() {
        return Diagnosis { what: RECORD, ok: true, needed: true, words: "not checked: see `home`".to_owned() };
    }
    // In a home of a newer form, this version understands nothing else.
    if let Err(err) = home::form(&place.home, &::run::FORMS) {
        return Diagnosis { what: FORM, ok: false, needed: true, words: CliError::from(err).in_one_line() };
    }
    let inspected = journal::inspect(&place.home, Some(&place.state));
    let ok = inspected.is_ok();
    let words = match inspected {
        Ok(Inspection::NoLog) => "nothing was recorded yet".to_owned(),
        Ok(Inspection::Held) => "another process holds it, and found it undamaged when it started".to_owned(),
        Ok(Inspection::Opens { size, keys_lacking: 0 }) => {
            format!("{}, no damage in what is checked first", words::many(size, "record", "records"))
        }
        Ok(Inspection::Opens { size, keys_lacking }) => {
            let keys = words::many(keys_lacking, "run is", "runs are");
            format!("{}; the keys of {keys} missing: what these have sealed can't be opened", words::many(size, "record", "records"))
        }
        Err(err) => {
            let err = CliError::from(::run::RunError::Record(err));
            err.in_one_line()
        }
    };
    Diagnosis { what: RECORD, ok, needed: true, words }
}

fn descriptors() -> Diagnosis {
    const FEW: u64 = 4096;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let ok = limit >= FEW;
    let words = if ok { format!("{limit} may be open") } else { format!("only {limit} may be open; raise `ulimit -n`") };
    Diagnosis { what: "descriptors", ok, needed: false, words }
}

/// How well builds are contained on this machine.
fn contained() -> Diagnosis {
    let landlock = sandbox::landlock();
    let words = match landlock {
        Some(version) => format!("no network, no file but the project's; Landlock {version}"),
        None => "no network; this kernel has no Landlock (Linux 5.13), so a build can read and write everything that you can".to_owned(),
    };
    Diagnosis { what: "builds", ok: landlock.is_some(), needed: false, words }
}

/// The folder in which tools are not searched: the project of this folder, whose programs are not trusted. Nothing in it is run or read.
fn project() -> PathBuf {
    let here = Path::new(".");
    package::config::find(here).ok().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_else(|| here.to_owned())
}

fn tool(name: &'static str, without: &str, tools: &Tools) -> Diagnosis {
    let found = tools.find(name);
    let missing = || format!("not on PATH outside of this project; needed to build {without}");
    let words = found.as_ref().map_or_else(missing, |path| path.display().to_string());
    Diagnosis { what: name, ok: found.is_some(), needed: false, words }
}

fn rustup(tools: &Tools) -> Diagnosis {
    tool("rustup", "agents in Rust: https://rustup.rs", tools)
}

fn wasm_target(tools: &Tools) -> Diagnosis {
    let what = "wasm32-wasip2";
    let sysroot = package::build::rust(None, tools).map(|rust| rust.sysroot);
    let installed = sysroot.is_ok_and(|sysroot| sysroot.join("lib/rustlib").join(what).is_dir());
    let words = if installed { "installed" } else { "not installed; `rustup target add wasm32-wasip2`, for agents in Rust" };
    Diagnosis { what, ok: installed, needed: false, words: words.to_owned() }
}

fn python(tools: &Tools) -> Diagnosis {
    tool("componentize-py", "agents in Python: `pip install componentize-py`", tools)
}
