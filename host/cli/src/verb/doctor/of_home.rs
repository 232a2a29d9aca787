//! `doctor --home`: the state of the home, for the person on call and for monitors. Nothing is changed, and a host that hangs is not waited
//! for.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use ::run::HomePlace;
use home::{Exposed, Footing};
use journal::Inspection;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::verb::ps;
use crate::{out, place, words};
use service::HostHandle;

/// Less free space than the first is a warning; with less than the second, the record soon can't grow. A segment takes 16 MiB, or less if
/// there is less.
const FREE_FEW: u64 = 1 << 30;
const FREE_TOO_FEW: u64 = 32 << 20;
/// A sync that takes longer than the first is a warning; longer than the second, it delays every act noticeably.
const SYNC_SLOW: Duration = Duration::from_millis(100);
const SYNC_TOO_SLOW: Duration = Duration::from_secs(2);
/// BOUND: how long to wait for a sync.
const SYNC_MAX: Duration = Duration::from_secs(5);
/// BOUND: how long to wait for the host.
const HOLDER_MAX: Duration = Duration::from_secs(1);
/// A clock that is behind the last batch by more than this is a warning.
const BEHIND_MAX: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum CheckState {
    Ok,
    /// It works, but a person should look at it.
    Warn,
    /// It does not work.
    Bad,
}

#[derive(Serialize)]
struct CheckRow {
    what: &'static str,
    state: CheckState,
    /// What was found.
    words: String,
    /// What to do, if there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// The exit code that this row causes.
    #[serde(skip)]
    exit: u8,
}

fn row(what: &'static str, state: CheckState, words: impl Into<String>) -> CheckRow {
    let exit = if state == CheckState::Bad { exit::HOST } else { exit::DONE };
    CheckRow { what, state, words: words.into(), help: None, exit }
}

impl CheckRow {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn ends(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// The row of an error: why, and what to do.
    fn of_err(what: &'static str, err: &CliError) -> Self {
        row(what, CheckState::Bad, err.in_one_line()).ends(err.exit())
    }
}

pub(super) async fn run(json: bool) -> Result<u8, CliError> {
    let place = place::located()?;
    let rows = match form(&place) {
        // In a home of a newer form, this version understands nothing else.
        form if form.state == CheckState::Bad => vec![form],
        form => {
            let mut rows = vec![form, private(&place)];
            if rows.iter().all(|row| row.state != CheckState::Bad) {
                rows.extend(rest(&place).await);
            }
            rows
        }
    };
    if json {
        out::json(&rows)?;
    } else {
        let mark = |row: &CheckRow| {
            if row.state == CheckState::Bad {
                "BAD"
            } else if row.state == CheckState::Warn {
                "warn"
            } else {
                "ok"
            }
        };
        let said = |row: &CheckRow| row.help.as_ref().map_or_else(|| row.words.clone(), |help| format!("{}; {help}", row.words));
        let table: Vec<Vec<String>> =
            rows.iter().map(|row| vec![mark(row).to_owned(), row.what.to_owned(), words::safe(&said(row))]).collect();
        out::table(&table)?;
    }
    // The worst counts: a damaged record before a host that can't run, and that before an act that waits to be settled.
    let worst = |code: u8| rows.iter().any(|row| row.exit == code).then_some(code);
    Ok([exit::RECORD, exit::HOST, exit::USAGE, exit::UNSETTLED].into_iter().find_map(worst).unwrap_or(exit::DONE))
}

async fn rest(place: &HomePlace) -> Vec<CheckRow> {
    let mut rows = vec![writable(place), holder(place).await, record(place), keys(place), remembered(place)];
    rows.extend([runs(place).await, last_batch(place), clock(place), space(place), sync(&place.home), ground(place), left(place)]);
    rows
}

fn form(place: &HomePlace) -> CheckRow {
    match home::form(&place.home, &::run::FORMS) {
        Ok(Some(form)) => row("form", CheckState::Ok, format!("{}, made by bailiwick {}", form.home, form.made)),
        Ok(None) => row("form", CheckState::Ok, "not written yet: the next run writes it"),
        // Reported with the rights on the home.
        Err(err) if Exposed::of(&err).is_some() => row("form", CheckState::Ok, "not checked: see `private`"),
        Err(err) => CheckRow::of_err("form", &err.into()),
    }
}

fn private(place: &HomePlace) -> CheckRow {
    match home::check(&place.home).and_then(|()| home::check(&place.state)) {
        Ok(()) => row("private", CheckState::Ok, format!("{} and {}", place.home.display(), place.state.display())),
        Err(cause) => CheckRow::of_err("private", &CliError::Home(cause)),
    }
}

/// Whether the disks of the home and of the state can be written.
fn writable(place: &HomePlace) -> CheckRow {
    let refused = |path: &PathBuf| {
        let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).err().map(|cause| (path.clone(), cause))
    };
    match [&place.home, &place.state].into_iter().find_map(refused) {
        None => row("writable", CheckState::Ok, "the home and the state can be written"),
        Some((path, cause)) => row("writable", CheckState::Bad, format!("`{}` can't be written: {cause}", path.display()))
            .help("mount the disk for writing, or name other folders (`BAILIWICK_HOME`, `BAILIWICK_STATE`)"),
    }
}

/// The result of asking the process that holds the home.
enum Probed {
    /// It answers, and this many runs are active.
    Answers(usize),
    /// It does not answer, or not in time.
    Silent,
    /// It has another version, and can't be asked.
    Other(CliError),
    /// No process has the home.
    Nobody,
}

/// Who holds the home, and whether that process answers.
async fn holder(place: &HomePlace) -> CheckRow {
    let asked = tokio::time::timeout(HOLDER_MAX, async {
        match HostHandle::ask_within(place, HOLDER_MAX).await {
            Ok(Some(host)) => host.going().await.map_or(Probed::Silent, |going| Probed::Answers(going.len())),
            Ok(None) => Probed::Nobody,
            Err(err @ service::ServiceError::OtherVersion { .. }) => Probed::Other(err.into()),
            Err(_) => Probed::Silent,
        }
    });
    let asked = asked.await.unwrap_or(Probed::Silent);
    match (asked, HostHandle::seen(place)) {
        (Probed::Answers(going), who) => {
            let runs = words::many(going as u64, "run", "runs");
            row("host", CheckState::Ok, format!("{} answers; {runs} active", who.unwrap_or_default()))
        }
        (Probed::Other(err), _) => CheckRow::of_err("host", &err),
        (_, None) => row("host", CheckState::Ok, "no process holds the home"),
        (Probed::Nobody, Some(who)) => row("host", CheckState::Ok, format!("{who} has just taken the home")).help("look again in a moment"),
        (Probed::Silent, Some(who)) => {
            let row = row("host", CheckState::Bad, format!("{who} does not answer within a second: every other command waits for it"));
            let pid = who.pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
            let end = format!("`kill -9 {pid}` ends it, and its runs can be resumed: `bailiwick ps`");
            row.help(who.go_on().map_or_else(|| end.clone(), |go_on| format!("`{go_on}` continues it; {end}")))
        }
    }
}

fn record(place: &HomePlace) -> CheckRow {
    match journal::inspect(&place.home, Some(&place.state)) {
        Ok(Inspection::NoLog) => row("record", CheckState::Ok, "nothing was recorded yet"),
        Ok(Inspection::Held) => row("record", CheckState::Ok, "the process that holds it found it undamaged when it started"),
        Ok(Inspection::Opens { size, keys_lacking: 0 }) => row(
            "record",
            CheckState::Ok,
            format!("{}{}, no damage in what is checked first", words::many(size, "record", "records"), gone(place)),
        ),
        Ok(Inspection::Opens { size, keys_lacking }) => {
            let lacking = words::many(keys_lacking, "run is", "runs are");
            let words = format!("{}; the keys of {lacking} missing", words::many(size, "record", "records"));
            row("record", CheckState::Warn, words)
                .help("this is a copy that was made while the home was in use: `bailiwick run` names runs that are open")
        }
        Err(err) => CheckRow::of_err("record", &::run::RunError::Record(err).into()),
    }
}

/// How many of the records were removed, in words.
fn gone(place: &HomePlace) -> String {
    let base = journal::base(&place.home, None).ok().flatten();
    base.map_or_else(String::new, |base| format!(", the first {} of them removed", words::count(base.size)))
}

/// Whether the signing key exists and belongs to the public key beside it.
fn keys(place: &HomePlace) -> CheckRow {
    if !place.home.join("journal").exists() {
        return row("keys", CheckState::Ok, "none yet: the first run creates them");
    }
    // Both must open: without one of them nothing runs.
    let own = journal::keys_at_hand(&place.home).and_then(|_| journal::public_key(&place.home));
    match (own, journal::public_key_in(&place.home)) {
        (Ok(own), Some(public)) if own == public => {
            let rotated = match own.rotations() {
                0 => String::new(),
                often => format!(", rotated {}", words::many(often as u64, "time", "times")),
            };
            row("keys", CheckState::Ok, format!("{}, and `journal.pub` belongs to `journal.key`{rotated}", kept(place)))
        }
        (Ok(_), Some(_)) => row("keys", CheckState::Bad, "`journal.key` does not belong to `journal.pub`")
            .help("put both back from one copy of the home")
            .ends(exit::RECORD),
        (Ok(_), None) => {
            row("keys", CheckState::Warn, "present, but `journal.pub` is missing").help("the next run writes it; keep a copy elsewhere")
        }
        (Err(err), _) => CheckRow::of_err("keys", &::run::RunError::Record(err).into()),
    }
}

/// Where the keys are kept, in words.
fn kept(place: &HomePlace) -> String {
    let under = |under: Option<key::Under>| under.map_or_else(|| "unsealed".to_owned(), |under| format!("sealed under {}", under.words()));
    match journal::kept(&place.home).map(|both| both.map(under)) {
        Ok([signs, wraps]) if signs == wraps => format!("in the home, {signs}"),
        Ok([signs, wraps]) => format!("in the home, `journal.key` {signs}, `home.key` {wraps}"),
        Err(_) => "in the home".to_owned(),
    }
}

/// What is remembered outside of the home.
fn remembered(place: &HomePlace) -> CheckRow {
    let Some(key) = journal::public_key_in(&place.home) else { return row("state", CheckState::Ok, "nothing to remember yet") };
    match journal::remembered(&journal::state_path(&place.state, key.log())) {
        // Opening checks first whether they are there: see `record`.
        Ok(Some(known)) => {
            row("state", CheckState::Ok, format!("{} remembered outside of the home", words::many(known.size, "record is", "records are")))
        }
        Ok(None) => row("state", CheckState::Warn, "nothing is remembered of this record: nobody would notice if its end were removed")
            .help("is `BAILIWICK_STATE` the right folder, and is its disk mounted (`findmnt`)? If so, the next run remembers the record"),
        Err(_) => row("state", CheckState::Bad, format!("what is remembered in `{}` can't be read", place.state.display()))
            .help("put that file back. If that is impossible, and you know why it is broken, run `bailiwick audit accept-rollback`")
            .ends(exit::RECORD),
    }
}

/// Runs that have not ended, from `ps`, which knows which of them are active.
async fn runs(place: &HomePlace) -> CheckRow {
    let (rows, unknown) = match ps::rows(place, HOLDER_MAX).await {
        Ok(found) => found,
        Err(err) => return CheckRow::of_err("runs", &err),
    };
    let count = |states: &[ps::RunState]| rows.iter().filter(|row| states.contains(&row.state)).count();
    if unknown.is_some() {
        let open = words::many(rows.len() as u64, "run is", "runs are");
        return row("runs", CheckState::Warn, format!("{open} open; it is not known which of them are active")).help("see `host`");
    }
    let (going, restored, unsettled) =
        (count(&[ps::RunState::Running]), count(&[ps::RunState::Restored]), count(&[ps::RunState::NeedsSettling]));
    let (cut_off, suspended) = (count(&[ps::RunState::CutOff, ps::RunState::CutOffForGood]), count(&[ps::RunState::Suspended]));
    let said =
        format!("{going} active, {suspended} suspended, {cut_off} cut off, {unsettled} to be settled, {restored} of a restored copy");
    match (cut_off, unsettled + restored) {
        (0, 0) => row("runs", CheckState::Ok, said),
        (_, 0) => row("runs", CheckState::Warn, said).help("`bailiwick ps` names them; `resume` continues, `stop` closes a run"),
        _ => row("runs", CheckState::Warn, said).help("`bailiwick ps` names what waits for a person's decision").ends(exit::UNSETTLED),
    }
}

/// When the last segment was written.
fn last_written(place: &HomePlace) -> Option<SystemTime> {
    let folder = place.home.join("journal");
    let last = home::list(&folder).ok()?.into_iter().filter(|name| Path::new(name).extension().is_some_and(|it| it == "seg")).max()?;
    std::fs::symlink_metadata(folder.join(last)).ok()?.modified().ok()
}

fn last_batch(place: &HomePlace) -> CheckRow {
    match last_written(place) {
        None => row("last batch", CheckState::Ok, "none yet"),
        Some(at) => {
            let ms = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
            let age = now().duration_since(at).map_or(0, |age| age.as_secs());
            row("last batch", CheckState::Ok, format!("{} UTC, {} ago", words::utc(ms), words::seconds(age.saturating_mul(1000))))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether the clock is behind the last batch.
fn clock(place: &HomePlace) -> CheckRow {
    let behind = last_written(place).and_then(|at| at.duration_since(now()).ok()).unwrap_or_default();
    if behind > BEHIND_MAX {
        let words = format!("{} behind the last batch", words::seconds(u64::try_from(behind.as_millis()).unwrap_or(u64::MAX)));
        return row("clock", CheckState::Warn, words).help("set the clock (`timedatectl`): leases and limits depend on it");
    }
    row("clock", CheckState::Ok, "not behind the last batch")
}

/// How much space is free, and how much the home uses.
fn space(place: &HomePlace) -> CheckRow {
    let there = place.home.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let Ok(disk) = rustix::fs::statvfs(there) else { return row("space", CheckState::Warn, "unknown") };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let used = crate::verb::home::taken(&place.home);
    let words = format!("{} free, {} used by the home", words::bytes(free), words::bytes(used));
    let is_out_of_files = disk.f_files > 0 && disk.f_favail == 0;
    match free {
        _ if is_out_of_files => {
            row("space", CheckState::Bad, format!("{words}; no more files can be created there")).help("remove files on that disk")
        }
        free if free < FREE_TOO_FEW => {
            row("space", CheckState::Bad, words).help("free some space: without it, nothing more is recorded, and nothing runs")
        }
        free if free < FREE_FEW => row("space", CheckState::Warn, words).help("free some space soon"),
        _ => row("space", CheckState::Ok, words),
    }
}

/// How long a sync takes now, of a file without a name on the disk of the home.
fn sync(home: &Path) -> CheckRow {
    let folder = home.to_owned();
    let (tell, told) = mpsc::channel();
    // A disk that hangs blocks this thread, but not the program.
    let measure = std::thread::Builder::new().name("sync".to_owned()).spawn(move || {
        let _ = tell.send(measured(&folder));
    });
    if measure.is_err() {
        return row("sync", CheckState::Warn, "could not be measured");
    }
    match told.recv_timeout(SYNC_MAX) {
        Err(_) => row("sync", CheckState::Bad, "not finished within 5 s").help("look at the disk (`dmesg`): each act waits for a sync"),
        Ok(Err(cause)) if cause.kind() == std::io::ErrorKind::NotFound => row("sync", CheckState::Ok, "not measured: there is no home yet"),
        Ok(Err(cause)) => row("sync", CheckState::Warn, format!("could not be measured: {cause}")),
        Ok(Ok(took)) => {
            let words = format!("{:.1} ms", took.as_secs_f64() * 1000.0);
            match took {
                took if took > SYNC_TOO_SLOW => {
                    row("sync", CheckState::Bad, words).help("look at the disk (`dmesg`): each act waits for a sync")
                }
                took if took > SYNC_SLOW => row("sync", CheckState::Warn, words).help("a faster disk makes each act faster"),
                _ => row("sync", CheckState::Ok, words),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
fn measured(folder: &Path) -> std::io::Result<Duration> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?;
    rustix::io::write(&file, &[0; 4096])?;
    let begun = Instant::now();
    rustix::fs::fdatasync(&file)?;
    Ok(begun.elapsed())
}

fn ground(place: &HomePlace) -> CheckRow {
    let accepted = place::journal_options().file_systems;
    let Ok(ground) = home::ground(&place.home) else { return row("file system", CheckState::Warn, "unknown") };
    let name = ground.name;
    match ground.footing {
        Footing::Firm => row("file system", CheckState::Ok, name),
        Footing::Shared if !accepted.iter().any(|accepted| accepted == name) => {
            row("file system", CheckState::Bad, format!("{name}, which other machines share"))
                .help("move the home to a disk of this machine")
        }
        Footing::Shared => {
            row("file system", CheckState::Warn, format!("{name}, which other machines share, and which `BAILIWICK_FILE_SYSTEMS` allows"))
        }
        Footing::Fleeting => {
            row("file system", CheckState::Warn, format!("{name}: the home is lost with this machine's memory or container"))
        }
        Footing::Weak => {
            row("file system", CheckState::Warn, format!("{name}, without a journal: a crash may lose more than the last batch"))
        }
        Footing::Unknown => {
            row("file system", CheckState::Warn, format!("of a kind ({:#x}) that this version does not know", ground.magic))
        }
    }
}

/// Files that processes left half-written when they died.
fn left(place: &HomePlace) -> CheckRow {
    let mut found: Vec<PathBuf> = Vec::new();
    for beneath in ["", "journal", "cache", "components"] {
        let folder = place.home.join(beneath);
        let names = home::list(&folder).unwrap_or_default();
        found.extend(names.iter().filter(|name| name.to_str().is_some_and(home::is_unfinished)).map(|name| Path::new(beneath).join(name)));
    }
    let mut restoring = place.home.file_name().unwrap_or_default().to_owned();
    restoring.push(".restoring");
    let beside = place.home.with_file_name(restoring);
    found.extend(beside.exists().then_some(beside));
    // A file `….next` is complete and waits to replace another: without it, a home may lack the only key that opens it.
    let waits = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "next");
    if found.iter().any(waits) {
        return row("leftovers", CheckState::Warn, "a rotation of a key was cut off")
            .help("do not touch the files `….next`: the next command that uses the home completes the rotation");
    }
    match found.first() {
        None => row("leftovers", CheckState::Ok, "none"),
        Some(first) => {
            let count = words::many(found.len() as u64, "file is", "files are");
            let words = format!("{count} half-written, for instance `{}`", first.display());
            let help = "the next run removes the files that no process is writing. The next restore removes what a killed restore has \
                        left; you can also remove that yourself";
            row("leftovers", CheckState::Warn, words).help(help)
        }
    }
}
