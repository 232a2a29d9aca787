//! `audit verify`: proves that the record is complete and unchanged, from nothing but its folder and a key.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use gate::{Ledger, OrderFault};
use journal::{FaultKind, Leaf, Position, PublicKey, SignerEvidence, log_run};
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{Digest, Principal, RunId, SafeText, exit};

use super::cut::CutRecord;
use super::run_keys::Keys;
use crate::err::CliError;
use crate::err::advice::{DAMAGED_RECORD, KEYS_LOST, OTHER_LOG, OTHER_RECORD, PRUNED, STATE_LOST};
use crate::files::read_bounded;
use crate::screen::{Screen, SharedScreen};
use crate::signals::Signals;
use crate::{out, place, words};

/// The number of records after which progress is shown.
const TOLD_EACH: u64 = 65_536;
/// BOUND: bytes of a public key.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// Prove that the record is complete and in order
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A home or a copy of one; without it, this home with what is remembered of it
    folder: Option<PathBuf>,
    /// The public key of the key that the record must be signed with
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file with what a state remembered of it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The folder in which `bailiwick prune --to` has archived its beginning
    #[arg(long, value_name = "FOLDER")]
    with: Option<PathBuf>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit verify
  bailiwick audit verify /backup/bailiwick --key journal.pub --state state/4f0c…
  bailiwick audit verify --with /archive/bailiwick
  bailiwick audit verify --json

Proves that the records are those that were signed, in the same order, and those of each run without a gap. Without --key, the key in the \
folder is used; a person who forged the record may have forged that key too. Without --state, records that were removed at the end, up to \
a checkpoint, are not noticed. The exit code is 6 if there is a fault, and the first place is named. It is 1 if something could not be \
read.";

#[derive(Serialize)]
struct Verified {
    holds: bool,
    log: Option<String>,
    size: u64,
    root: Digest,
    checkpoint: Option<String>,
    batches: u64,
    segments: usize,
    runs: usize,
    not_ended: Vec<RunId>,
    torn_bytes: u64,
    signer: &'static str,
    /// The size that a state remembers, if one was given.
    state: Option<u64>,
    fault: Option<VerifyFault>,
    /// Damaged parts that were set aside, each because a person decided it.
    reanchored: Vec<Reanchor>,
    /// The fault of the keys of the home, if there is one.
    keys: Option<String>,
    /// The first record that can't be where it is.
    order: Option<Order>,
    /// The keys of runs, if the folder has any.
    run_keys: Option<Keys>,
    /// What a newer program wrote: it is proved, but not understood.
    newer: Option<Unread>,
    /// Where the record begins, if its beginning was removed.
    begins: Option<CutRecord>,
}

#[derive(Serialize)]
struct VerifyFault {
    segment: u32,
    byte: u64,
    record: u64,
    what: String,
    /// What to do about it, if there is advice.
    help: Option<Cow<'static, str>>,
    #[serde(skip)]
    kind: FaultKind,
}

/// What this version of the program proves without understanding it.
#[derive(Default, Serialize)]
struct Unread {
    /// Records of a newer form.
    records: u64,
    /// The newest form among them.
    form: u32,
    /// What the copy itself says about its form, if that is newer.
    home: Option<String>,
    #[serde(skip)]
    first: Option<journal::Newer>,
    #[serde(skip)]
    runs: HashSet<RunId>,
}

impl Unread {
    fn of(folder: &Path) -> Self {
        let home = home::form_handed(folder, &::run::FORMS).err().map(|err| err.to_string());
        Self { home, ..Self::default() }
    }

    /// Counts a record. Returns whether its order can't be checked, because it or an earlier one of its run has a newer form.
    fn take(&mut self, leaf: &Leaf<'_>) -> bool {
        let Some(newer) = leaf.newer() else { return self.runs.contains(&leaf.run) };
        self.records += 1;
        self.form = self.form.max(newer.form);
        self.first.get_or_insert(newer);
        if leaf.run != log_run() {
            self.runs.insert(leaf.run);
        }
        true
    }

    fn lines(&self) -> Vec<String> {
        let home = self.home.iter().map(|words| format!("  newer       {}", words::safe(words)));
        let (records, form) = (words::many(self.records, "record is", "records are"), self.form);
        let records = (self.records > 0)
            .then(|| format!("  newer       {records} of a newer form (up to {form}): proved, but not understood by this program"));
        home.chain(records).collect()
    }
}

#[derive(Serialize)]
struct Reanchor {
    at: u64,
    by: Principal,
    reason: SafeText,
    was_size: Option<u64>,
    now_size: u64,
    aside: SafeText,
    /// Whether the part is still there and unchanged.
    kept: bool,
}

#[derive(Serialize)]
struct Order {
    run: RunId,
    seq: u64,
    record: u64,
    what: String,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let (mut signals, screen) = (Signals::new()?, Screen::shared());
    let (args, shown) = (args.clone(), screen.clone());
    let verified = signals.reading(move || verified(&args, &shown)).await;
    screen.clear();
    verified
}

fn verified(args: &Args, screen: &SharedScreen) -> Result<u8, CliError> {
    let key = args.key.as_deref().map(public_key).transpose()?;
    let place = if args.folder.is_none() { Some(place::place()?) } else { None };
    let folder = match (&args.folder, &place) {
        (Some(folder), _) => folder.clone(),
        (None, place) => place.as_ref().map(|place| place.home.clone()).unwrap_or_default(),
    };
    if let Some(folder) = &args.folder {
        let log = folder.join("journal");
        std::fs::metadata(&log).map_err(CliError::file("find the log of", folder))?;
    }
    if let Some(state) = &args.state {
        std::fs::metadata(state).map_err(CliError::file("find", state))?;
    }
    let mut ledger = Ledger::new();
    let mut order: Option<(Position, OrderFault)> = None;
    let mut own = false;
    let cut = cut_runs(args.with.as_deref().unwrap_or(&folder), key.as_ref());
    let (mut reanchored, mut cuts, mut end_was_lost, mut forgotten) = (Vec::new(), Vec::new(), false, 0);
    let mut unread = Unread::of(&folder);
    let mut each = |leaf: &Leaf<'_>| {
        if leaf.at.index > 0 && leaf.at.index.is_multiple_of(TOLD_EACH) {
            screen.quietly(&format!("verifying: {} so far", words::many(leaf.at.index, "record", "records")));
        }
        own |= leaf.run == log_run();
        if leaf.run == log_run()
            && let Ok(record) = Record::parse(leaf.body)
        {
            match record {
                Record::Reanchored(record) => reanchored.push(reanchor(&folder, record)),
                Record::Pruned(record) => cuts.push(record),
                Record::PayloadsForgotten(record) => forgotten += record.runs,
                Record::RollbackAccepted(_) => end_was_lost = true,
                _ => {}
            }
        }
        if !unread.take(leaf)
            && order.is_none()
            && !cut.contains(&leaf.run)
            && let Err(fault) = ledger.fold(leaf.run, leaf.seq, leaf.body)
        {
            order = Some((leaf.at, fault));
        }
    };
    let report = match &place {
        // A person who names a key or a state does not want to rely on anything else in this home.
        Some(place) if key.is_none() && args.state.is_none() => {
            journal::verify_home(&place.home, &place.state, args.with.as_deref(), &mut each)?
        }
        _ => journal::verify_with((&folder, args.with.as_deref()), key.as_ref(), args.state.as_deref(), &mut each),
    };
    screen.clear();
    let mut result = result(report, order, args.folder.is_none());
    if let Some(begins) = &mut result.begins {
        // The record of the pruning may have been lost with the end of the record.
        begins.is_recorded = end_was_lost || !reanchored.is_empty() || cuts.iter().any(|cut| begins.is_of(cut));
        // An archive ends before the record of its own pruning. The log that continues has it.
        result.holds &= begins.is_recorded || args.folder.is_some();
    }
    if let Some(keys) = &mut result.run_keys {
        keys.recorded = forgotten;
        // An auditor's copy may have its keys overwritten on purpose, and a person may have continued without keys that were lost.
        result.holds &= !keys.is_taken() || args.folder.is_some() || end_was_lost || !reanchored.is_empty();
    }
    // The parts that were set aside belong to the record.
    result.holds &= reanchored.iter().all(|part| part.kept);
    result.reanchored = reanchored;
    if let (None, Some(newer)) = (&args.folder, unread.first) {
        return Err(CliError::Read(journal::ReadError::Newer(newer)));
    }
    result.newer = (unread.records > 0 || unread.home.is_some()).then_some(unread);
    // The log's own records belong to no run.
    result.runs = result.runs.saturating_sub(usize::from(own));
    if args.json {
        out::json(&result)?
    } else {
        print(&result)?
    }
    Ok(match &result.fault {
        _ if result.holds => exit::DONE,
        Some(VerifyFault { kind: FaultKind::Unreadable(_), .. }) => exit::HOST,
        _ => exit::RECORD,
    })
}

fn reanchor(folder: &Path, record: vocabulary::record::Reanchored) -> Reanchor {
    let kept = journal::aside_now(folder, record.aside.as_str()) == Some((record.bytes, record.digest));
    let vocabulary::record::Reanchored { aside, at, by, reason, was_size, now_size, .. } = record;
    Reanchor { at, by, reason, was_size, now_size, aside, kept }
}

/// Runs that began in a part of the log that was removed: without it, the order of their records can't be checked.
fn cut_runs(folder: &Path, key: Option<&PublicKey>) -> HashSet<RunId> {
    let base = journal::base(folder, key).ok().flatten();
    base.into_iter().flat_map(|base| base.heads).map(|(run, ..)| run).filter(|run| *run != log_run()).collect()
}

pub(crate) fn public_key(file: &Path) -> Result<PublicKey, CliError> {
    let text = String::from_utf8_lossy(&read_bounded(file, KEY_BYTES_MAX)?).into_owned();
    text.parse().map_err(|cause| CliError::PublicKey { path: file.to_owned(), cause })
}

fn result(report: journal::VerifyReport, order: Option<(Position, OrderFault)>, is_own: bool) -> Verified {
    let holds = report.holds() && order.is_none();
    let fault = report.fault.map(|fault| VerifyFault {
        segment: fault.at.segment,
        byte: fault.at.offset,
        record: fault.at.index,
        what: fault.what.to_string(),
        help: help(&fault.what, is_own),
        kind: fault.what,
    });
    Verified {
        holds,
        log: report.log.map(|log| log.to_string()),
        size: report.size,
        root: report.root,
        checkpoint: report.checkpoint,
        batches: report.batches,
        segments: report.segments,
        runs: report.runs,
        not_ended: report.not_ended.into_iter().filter(|run| *run != log_run()).collect(),
        torn_bytes: report.torn_bytes,
        signer: match report.evidence.signer {
            SignerEvidence::Given => "given",
            SignerEvidence::InFolder => "in-folder",
            SignerEvidence::None => "none",
        },
        state: report.evidence.state,
        fault,
        reanchored: Vec::new(),
        newer: None,
        keys: report.keys,
        run_keys: report.run_keys.map(Keys::from),
        begins: report.base.map(CutRecord::from),
        order: order.map(|(at, fault)| Order { run: fault.run, seq: fault.seq, record: at.index, what: fault.what.to_string() }),
    }
}

fn print(result: &Verified) -> Result<(), CliError> {
    out::line(match &result.fault {
        _ if result.holds => "WHOLE",
        // The record may be undamaged.
        Some(VerifyFault { kind: FaultKind::Unreadable(_), .. }) => "NOT READ",
        _ => "BROKEN",
    })?;
    if let Some(fault) = &result.fault {
        out::line(&format!(
            "  fault       segment {}, byte {}, record {}: {}",
            fault.segment,
            fault.byte,
            fault.record,
            words::safe(&fault.what)
        ))?;
    }
    if let Some(keys) = &result.keys {
        out::line(&format!("  keys        {}", words::safe(keys)))?;
    }
    if let Some(order) = &result.order {
        out::line(&format!("  order       record {} of run {} ({} of the log): {}", order.seq, order.run, order.record, order.what))?;
    }
    let of_keys = result.run_keys.iter().flat_map(|keys| keys.lines(result.keys.is_some()));
    of_keys.into_iter().try_for_each(|line| out::line(&line))?;
    result.newer.iter().flat_map(Unread::lines).try_for_each(|line| out::line(&line))?;
    for it in &result.reanchored {
        let was = it.was_size.map_or_else(|| "no".to_owned(), words::count);
        let kept = if it.kept { "which is unchanged" } else { "which is MISSING OR CHANGED" };
        let (at, now) = (words::utc(it.at), words::count(it.now_size));
        out::line(&format!("  re-anchored {at} by {}: {}", it.by, it.reason))?;
        out::line(&format!("              from {was} remembered records to {now} undamaged ones; the rest is in {}, {kept}", it.aside))?;
    }
    result.begins.iter().flat_map(CutRecord::lines).try_for_each(|line| out::line(&line))?;
    out::line(&format!("  log         {}", result.log.as_deref().unwrap_or("unknown")))?;
    let (size, batches) = (words::many(result.size, "record", "records"), words::many(result.batches, "batch", "batches"));
    let segments = words::many(result.segments as u64, "segment", "segments");
    match &result.fault {
        // The records before the fault in its own batch are not signed.
        Some(fault) if fault.record > result.size => {
            out::line(&format!("  whole       {size} in {batches}, up to the batch that the fault is in; {segments} in all"))?;
        }
        Some(_) => out::line(&format!("  whole       {size} in {batches}; {segments} in all"))?,
        None => out::line(&format!("  size        {size} in {batches} and {segments}"))?,
    }
    out::line(&format!("  root        {}", result.root))?;
    out::line(&format!("  runs        {}, {} not ended", words::count(result.runs as u64), words::count(result.not_ended.len() as u64)))?;
    for run in result.not_ended.iter().take(20) {
        out::line(&format!("              {run}"))?;
    }
    if result.torn_bytes > 0 {
        out::line(&format!("  torn        {} at the end, which were never acknowledged", words::bytes(result.torn_bytes)))?;
    }
    out::line(&format!("  signer      {}", signer_words(result.signer)))?;
    match result.state {
        Some(size) => out::line(&format!("  remembered  {}", remembered(result, size)))?,
        None => {
            out::line("  remembered  no state was given, so records that were removed at the end, up to a checkpoint, are not noticed")?
        }
    }
    if let Some(checkpoint) = &result.checkpoint {
        out::line("  checkpoint")?;
        checkpoint.lines().try_for_each(|line| out::line(format!("    {}", words::safe(line)).trim_end()))?;
    }
    let of_keys = result.keys.as_ref().map(|_| Cow::Borrowed(KEYS_LOST));
    if let Some(help) = result.fault.as_ref().and_then(|fault| fault.help.clone()).or(of_keys) {
        out::line(&format!("help: {help}"))?;
    }
    Ok(())
}

/// What a state remembers, and whether it is here.
fn remembered(result: &Verified, size: u64) -> String {
    let known = words::many(size, "record", "records");
    match result.fault.as_ref().map(|fault| &fault.kind) {
        None => format!("{known} in the state, which {} here", if size == 1 { "is" } else { "are" }),
        Some(FaultKind::Behind { .. }) => format!("{known} in the state, of which at most {} can be here", words::count(result.size)),
        Some(FaultKind::OtherHistory { .. }) => {
            format!("{known} in the state, and they are NOT the first {} here", words::count(size))
        }
        Some(_) if result.size < size => {
            format!("{known} in the state, of which at most the {} that could be read are here", words::count(result.size))
        }
        Some(_) => format!("{known} in the state; because of the fault, it is unknown whether they are here"),
    }
}

/// What to do about a fault, in this home or in a copy of one.
fn help(what: &FaultKind, is_own: bool) -> Option<Cow<'static, str>> {
    let words = match (what, is_own) {
        (FaultKind::OtherLog { .. }, _) => Some(OTHER_LOG),
        (FaultKind::StateUnreadable, true) => Some(STATE_LOST),
        (FaultKind::StateUnreadable | FaultKind::StateForeign, _) => Some("name the file that remembers this log with `--state FILE`"),
        (FaultKind::KeyUnreadable, _) => Some("name the public key of the home that wrote it with `--key FILE`"),
        (FaultKind::KeyNotHere { .. }, _) => Some("use the newest `journal.pub` of this log: an older copy does not have the present key"),
        (FaultKind::KnownTakenAway { .. }, _) => {
            Some("name the archive with `--with FOLDER`: together with it, the record can be compared")
        }
        (FaultKind::SegmentNewer { .. }, _) => Some("use the version of the program that wrote it: this one can't prove that part"),
        (FaultKind::Unreadable(unread), _) if unread.is_pruned => Some(PRUNED),
        (FaultKind::Unreadable(unread), _) if unread.is_sealed => Some(
            "the records were read and are undamaged: provide what opens the keys (a file, a passphrase, a key of the kernel), then run the command again",
        ),
        (FaultKind::Unreadable(unread), _) => {
            let mend = unread.trouble.as_deref().map_or_else(|| "make the files readable".to_owned(), home::Trouble::mend);
            return Some(format!("{mend}, then run the command again").into());
        }
        (FaultKind::Behind { .. } | FaultKind::OtherHistory { .. }, true) => Some(OTHER_RECORD),
        (FaultKind::Behind { .. } | FaultKind::OtherHistory { .. }, false) => {
            Some("this copy is older than the record that is remembered, or of another record: use another copy")
        }
        (_, true) => Some(DAMAGED_RECORD),
        (_, false) => Some("use an undamaged copy: do not believe anything after the fault in this one"),
    };
    words.map(Cow::Borrowed)
}

fn signer_words(signer: &str) -> &'static str {
    match signer {
        "given" => "checked with the given key",
        "in-folder" => "not checked: the key came from the folder itself; name your own copy with --key",
        _ => "not checked: there is no key",
    }
}
