//! What to do next about an error.

use std::borrow::Cow;

use home::Exposed;
use service::ServiceError;

use super::CliError;

/// For a record that is not the one that the state remembers.
pub(crate) const OTHER_RECORD: &str = "if you restored another copy of the home, run `bailiwick audit accept-rollback`; if nobody restored or moved it, the record was changed from outside: keep the disk as it is and do not run `accept-rollback`";
/// For a home that had another record before, according to the state.
pub(crate) const OTHER_LOG: &str = "if the home is on a disk of its own, check first whether that is mounted (`findmnt`); if you removed the home, or put another one in its place, run `bailiwick audit accept-rollback`; if nobody restored or moved it, the record was changed from outside: keep the disk as it is and do not run `accept-rollback`";
/// For a copy of a home that is used in addition to the original.
const COPY: &str = "use the other home, or move it away if it is no longer needed; or run `bailiwick audit accept-rollback` with this home: then this home replaces the other one, and runs that were open wait for your decision";
/// For second state that is lost or unreadable.
pub(crate) const STATE_LOST: &str = "check first whether `BAILIWICK_STATE` names the right folder, and whether its disk is mounted (`findmnt`). If both are right, put that file back. If that is impossible, and you know why the file is gone or broken, `bailiwick audit accept-rollback` stores the present record in the state";
/// For keys of a home that are lost or belong to another home.
pub(crate) const KEYS_LOST: &str =
    "put the keys back from a copy of the home; if they are lost for good, the next `bailiwick run` says what to do";
/// For a record that is gone completely.
pub(crate) const GONE: &str = "if the home is on a disk of its own, check first whether that is mounted (`findmnt`); otherwise put the folder `journal` back from a copy of the home; if you removed it, run `bailiwick audit accept-rollback`; if nobody removed or moved it, the record was removed from outside: keep the disk as it is and do not run `accept-rollback`";
/// For a signing key that is lost or belongs to another record.
pub(crate) const KEY_LOST: &str = "put it back from a copy of the home: no other key can continue this record; if it is lost for good, move the home away (it can still be read and verified) and run `bailiwick audit accept-rollback`";
/// For a record whose beginning was pruned during a read.
pub(crate) const PRUNED: &str = "run the command again: the record begins later now (`bailiwick audit show --kind pruned`)";
/// For the key of the home, which is needed to open the keys of runs.
const HOME_KEY_LOST: &str = "put it back from a copy of the home; if it is lost for good, move `keys` away too and run `bailiwick audit accept-rollback`: what runs have sealed can't be opened after that";
/// For data that a newer version of the program wrote.
const NEWER: &str = "use this home with the version of the program that wrote it; nothing was changed";
/// For a record with a fault in it.
pub(crate) const DAMAGED_RECORD: &str =
    "restore an undamaged copy of the home, or set the damaged part aside: `bailiwick audit reanchor --reason TEXT`";

impl CliError {
    /// What to do next, if there is advice.
    pub(super) fn help(&self) -> Option<Cow<'static, str>> {
        if let Some(home::GaveUp::TimedOut { other, .. }) = self.gave_up() {
            return Some(unanswered(other).into());
        }
        if let Some(cause) = super::keys::sealed_under(self) {
            return Some(super::keys::sealed_advice(cause).into());
        }
        if journal::is_pruned(self) {
            return Some(PRUNED.into());
        }
        if let Self::Vote(err) = self {
            return err.advice();
        }
        match Exposed::of(self) {
            Some(exposed) => Some(mends(exposed).into()),
            None => {
                let system = self.system_advice().or_else(|| self.named_advice());
                system.map(Cow::Owned).or_else(|| self.advice().map(Cow::Borrowed))
            }
        }
    }

    /// Advice on file systems, rights, or a record that could not be written.
    fn system_advice(&self) -> Option<String> {
        match self {
            Self::Run(err) => err.help(),
            Self::Service(err) => err.help(),
            Self::Failed { help, .. } => help.clone(),
            Self::NotInPlace { cause } => {
                let mend = journal::trouble_of(cause.as_ref())?.mend();
                Some(format!("{mend}; the next command that changes something in the home puts the change in place"))
            }
            // The first cause that has advice counts.
            Self::NotRecorded { cause, .. } => cause.system_advice(),
            _ => journal::trouble_of(self).map(|trouble| format!("{}, then run the command again", trouble.mend())),
        }
    }

    /// Advice whose command names the credential or run.
    fn named_advice(&self) -> Option<String> {
        use vault::LocalError;
        match self {
            Self::Outside(all) => all.first().map(|outside| may_go_there(outside.name())),
            Self::Run(run::RunError::Destination(outside)) => Some(may_go_there(outside.name())),
            Self::Run(run::RunError::Unsettled { run, acts }) => Some(crate::outcome::settle_advice(*run, acts)),
            Self::InUse { name, .. } => {
                Some(format!("`bailiwick credentials revoke {name}` ends their leases; after that, the credential can be removed"))
            }
            Self::ValueIsGone { name } => Some(format!("`bailiwick credentials set {name}` sets a new value")),
            Self::NoValue { name } => Some(format!("`bailiwick credentials set {name} < FILE`, or at a terminal")),
            Self::FormerValue { name } => {
                Some(format!("get a new value from the service; to set this one nevertheless: `bailiwick credentials set {name} --again`"))
            }
            Self::Vault(LocalError::Revoked(name)) if vocabulary::is_name(name) => {
                Some(format!("`bailiwick credentials set {name}` sets a new value"))
            }
            Self::NotRecorded { cause, .. } => cause.help().map(Cow::into_owned),
            Self::Backup(err) => backup_advice(err),
            Self::Run(run::RunError::Restored(run)) => Some(format!(
                "find out what it has done since; then `bailiwick resume {run} --restored` continues it, or `bailiwick stop {run}` closes it"
            )),
            Self::NotInPlace { .. } => {
                Some("repair that; the next command that changes something in the home puts the change in place".to_owned())
            }
            Self::Form(err) | Self::Run(run::RunError::Form(err)) => Some(form_advice(err)),
            Self::Accept(journal::OpenError::Held { other, .. }) => Some(held(other)),
            Self::Keys(err) => err.holder().map(held),
            Self::Service(err) => match &**err {
                ServiceError::Unspoken { other, .. } => Some(unanswered(other)),
                _ => None,
            },
            Self::CutOff { run, .. } | Self::WasCutOff(run) => {
                Some(format!("`bailiwick resume {run}` continues it, `bailiwick stop {run}` closes it"))
            }
            Self::Lost { run, .. } => Some(format!(
                "`bailiwick ps` shows whether it is still running; when no host runs it any more, `bailiwick resume {run}` continues it"
            )),
            _ => None,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        use journal::ReadError;
        use package::project::ProjectError;
        use run::RunError;
        match self {
            Self::NeverAccepted { .. } => Some("`bailiwick accept ls` shows what was accepted"),
            Self::NeverTrusted { .. } => Some("`bailiwick trust ls` shows what is trusted"),
            Self::NoCredential { .. } => {
                Some("`bailiwick credentials ls` shows all; if the configuration is in another place, give `--config FILE`")
            }
            Self::Vault(vault::LocalError::Absent(_)) => Some("`bailiwick credentials ls` shows all credentials"),
            Self::Vault(vault::LocalError::Locked(_)) => Some("put its path into that variable, for this and every other command"),
            Self::Vault(vault::LocalError::OtherPassphrase { .. }) => {
                Some("name the file with the passphrase that the vault was last sealed under")
            }
            Self::Vault(vault::LocalError::NoKey { .. }) => Some(
                "put that file back from a copy of the home; without it, the vault can't be opened, and each value must be set again in another home",
            ),
            Self::HostGone => Some("`bailiwick ps` shows whether the run is active or was cut off"),
            Self::HeldByOther { .. } => {
                Some("if that process is `bailiwick serve`, no second one is needed; otherwise start `serve` again when it has ended")
            }
            Self::Manager { .. } => Some("start it with `Type=notify` in the unit, or without `NOTIFY_SOCKET` in the environment"),
            Self::NotEnding(_) => {
                Some("`bailiwick ps` lists the run until it has ended; `bailiwick status` shows the state of the process that runs it")
            }
            Self::PruneDamaged => Some(DAMAGED_RECORD),
            Self::RevokeWhat => Some("`bailiwick credentials revoke NAME`, or `--agent AGENT`, `--run RUN`, `--lease RUN/NAME`"),
            Self::NothingRevoked { .. } => {
                Some("`bailiwick ps` shows active runs; `bailiwick credentials revoke NAME` withdraws a credential from all runs")
            }
            Self::NoCases => Some("`bailiwick run AGENT --durable`, then `bailiwick test AGENT --keep RUN`"),
            Self::Project(ProjectError::NotAName(_)) => Some("change to the parent folder first: `cd agents && bailiwick new count-lines`"),
            Self::Project(ProjectError::Exists(_)) => Some("choose another name, or move the folder away"),
            Self::NoSuchRun(_) | Self::NotARun(_) => Some(
                "`bailiwick ps` names the open runs, `bailiwick audit show --kind run-opened` names all; `latest` exists after the first `bailiwick run`",
            ),
            Self::RawToTerminal => Some("write them to a file or a pipe: `bailiwick show RUN/SEQ --body --raw > body.bin`"),
            Self::NotOnRecord { .. } => Some(
                "the name may be misspelled, so this is no proof that it was not touched; `audit touched` without filters names everything",
            ),
            Self::NotGoing(_) => Some(
                "a run that was cut off has no lease; `bailiwick ps` shows it, `bailiwick resume` continues it, `bailiwick stop` closes it",
            ),
            Self::Ended(_) => Some("`bailiwick show RUN` shows how it ended; `bailiwick ps` shows runs that have not ended"),
            Self::RawOfMore => {
                Some("for instance `bailiwick show RUN/SEQ --body --raw > body.bin` or `bailiwick show RUN --input --raw > input`")
            }
            Self::WouldBeRefused(_) => Some(
                "add what is missing; look at what changed with `bailiwick inspect AGENT`, and if it is intended, run `bailiwick trust` or `bailiwick accept AGENT`",
            ),
            Self::Read(ReadError::Newer(_)) | Self::Run(RunError::Read(ReadError::Newer(_))) => Some(NEWER),
            Self::Read(ReadError::NoLog { .. }) => {
                Some("nothing has run with this home yet; to use another home, set `BAILIWICK_HOME` to its folder")
            }
            Self::Run(RunError::Record(err)) | Self::Accept(err) => of_opening(err),
            Self::Read(ReadError::Gone { .. }) => Some(GONE),
            Self::Read(ReadError::Fault(_)) => Some(DAMAGED_RECORD),
            Self::Keys(err) => err.advice(),
            Self::Run(RunError::NothingToSettle(_) | RunError::NeedsNoWord { .. }) => {
                Some("`bailiwick ps` names the acts that wait to be settled")
            }
            Self::Run(RunError::SaidOtherwise { .. }) => {
                Some("if the earlier statement was wrong, `bailiwick stop RUN` closes the run with what is known")
            }
            Self::Run(RunError::Load { cause: gate::LoadError::NotKept, .. }) => {
                Some("the run can't be continued; `bailiwick stop RUN` closes it")
            }
            Self::Run(RunError::Diverged { .. }) => Some(
                "no request was sent. If you use the version of the program and the files with which the run began, `bailiwick resume RUN` may continue it; otherwise `bailiwick stop RUN` closes it",
            ),
            Self::Run(RunError::CacheKey(_)) => Some("remove it and everything else in `cache`: components are then compiled again"),
            Self::Run(RunError::InputUnfit(_)) => Some("`bailiwick inspect AGENT` shows the schema of its input"),
            _ => None,
        }
    }
}

/// What to do about a record that can't be continued.
pub(super) fn of_opening(err: &journal::OpenError) -> Option<&'static str> {
    use journal::OpenError;
    match err {
        OpenError::Newer(_) => Some(NEWER),
        OpenError::Behind { .. } => Some(OTHER_RECORD),
        OpenError::StateUnreadable { .. } => Some(STATE_LOST),
        OpenError::OtherLog { .. } => Some(OTHER_LOG),
        OpenError::Copy { .. } => Some(COPY),
        OpenError::Key { path } if path.ends_with("home.key") => Some(HOME_KEY_LOST),
        OpenError::Key { .. } | OpenError::KeyOfOtherLog { .. } => Some(KEY_LOST),
        OpenError::OtherHomeKey { .. } => Some(
            "put the newest `home.key` and `keys` back, from one copy of the home; if they are lost for good, move both away and run `bailiwick audit accept-rollback`: what runs have sealed can't be opened after that",
        ),
        OpenError::KeyOpensNothing { .. } => Some(
            "put both back from one copy of the home; if the right one is lost for good, move `keys` away and run `bailiwick audit accept-rollback`: what runs have sealed can't be opened after that",
        ),
        OpenError::KeysGone { .. } => Some(
            "put it back from a copy of the home; if it is lost for good, `bailiwick audit accept-rollback` continues without it: what runs have sealed can't be opened after that",
        ),
        OpenError::Unfit { .. } => Some(
            "put it on a disk of this machine (`BAILIWICK_HOME`, `BAILIWICK_STATE`); if no other machine ever uses it, list its kind of file system in `BAILIWICK_FILE_SYSTEMS`",
        ),
        OpenError::Fault(_) => Some(DAMAGED_RECORD),
        // Errors of the system, of sealed keys and of the process that holds the home have their advice elsewhere. For the rest there is
        // none.
        OpenError::Held { .. }
        | OpenError::KeySealed { .. }
        | OpenError::KeyInHome { .. }
        | OpenError::NotSealed { .. }
        | OpenError::Io { .. }
        | OpenError::NoRandomness
        | OpenError::Unrecorded(_)
        | OpenError::Whole
        | OpenError::Thread(_) => None,
    }
}

/// The command that repairs the rights of a folder or file that other users can reach. An empty folder may be a mount point whose disk is
/// missing.
fn mends(exposed: &Exposed) -> String {
    let mend = format!("`{}` repairs it", exposed.mend());
    let is_empty = home::list(exposed.path()).is_ok_and(|names| names.is_empty());
    if is_empty { format!("if a disk belongs there, mount that first (`findmnt`): the folder is empty; otherwise {mend}") } else { mend }
}

fn backup_advice(err: &run::BackupError) -> Option<String> {
    use run::BackupError;
    let words = match err {
        // A read error has its own advice, which was given before.
        BackupError::Damaged(fault) => of_fault(&fault.what),
        BackupError::Unread(journal::ReadError::Gone { .. }) => GONE,
        BackupError::Unread(journal::ReadError::Newer(_)) => NEWER,
        BackupError::Keys(_) => KEYS_LOST,
        BackupError::NotKept { .. } => "move it out of the home, and run the command again",
        BackupError::NoLog(_) | BackupError::Unread(journal::ReadError::NoLog { .. }) => {
            "to use another home, set `BAILIWICK_HOME` to its folder"
        }
        BackupError::Within(_) | BackupError::Exists(_) => "name another file",
        BackupError::Sealed(_) => "name the file with its passphrase: `--passphrase-file FILE`",
        BackupError::OtherPassphrase(_) => "name the file with the passphrase that it was made with",
        BackupError::OtherKey(_) => {
            "look for the backup that you made, or name the `journal.pub` of the home from which this backup was made"
        }
        BackupError::Broken { .. } => "use another copy of it, or an older backup: nothing was put in place",
        BackupError::NotEmpty(_) => "move that home away first, or name an empty folder: `BAILIWICK_HOME=FOLDER bailiwick restore FILE`",
        BackupError::Newer(_) => "use the version of the program that made the backup",
        BackupError::Form(err) => return Some(form_advice(err)),
        BackupError::Key(_) => "put it back from a copy of the home: no other key opens this record",
        BackupError::Busy(_) => "wait until that process has ended",
        BackupError::ChangePending => {
            "run the command again in a moment; a change that was cut off is completed by the next process that opens the home, such as a run"
        }
        BackupError::File { .. }
        | BackupError::Record(_)
        | BackupError::Unrecorded(_)
        | BackupError::Unread(_)
        | BackupError::Changed(_)
        | BackupError::Passphrase(_)
        | BackupError::Random => {
            return None;
        }
    };
    Some(words.to_owned())
}

/// What to do about a fault in the record of this home.
pub(crate) fn of_fault(what: &journal::FaultKind) -> &'static str {
    use journal::FaultKind;
    match what {
        FaultKind::OtherLog { .. } => OTHER_LOG,
        FaultKind::Behind { .. } | FaultKind::OtherHistory { .. } => OTHER_RECORD,
        FaultKind::StateUnreadable => STATE_LOST,
        _ => DAMAGED_RECORD,
    }
}

fn form_advice(err: &home::FormError) -> String {
    match err {
        home::FormError::Newer { needs, .. } => {
            format!("use bailiwick {needs} or a newer one with this home (`bailiwick --version`); nothing in it was changed")
        }
        home::FormError::Restoring(_) => {
            "wait until the restore has ended, or run `bailiwick restore FILE` again: it starts from the beginning".to_owned()
        }
        home::FormError::Broken(_) => "put that file back from a copy of the home".to_owned(),
        home::FormError::Io { .. } => "make the file readable, and run the command again".to_owned(),
    }
}

/// For a verb that needs the home for itself, while `other` holds it.
fn held(other: &home::Other) -> String {
    let wait = "wait until nothing runs (`bailiwick status`), or end the runs with `bailiwick stop`";
    match (other.go_on(), other.pid) {
        (Some(go_on), Some(pid)) => {
            format!("`{go_on}` continues it, then {wait}; `kill -9 {pid}` ends it, and its runs can be resumed")
        }
        _ => wait.to_owned(),
    }
}

/// What can be done about a process that holds a lock and does not answer.
pub(crate) fn unanswered(other: &home::Other) -> String {
    let ends = |pid| format!("`kill -9 {pid}` ends it, and the clients of its runs continue those runs");
    match (other.go_on(), other.pid) {
        (Some(go_on), Some(pid)) => format!("`{go_on}` continues it; {}", ends(pid)),
        (_, Some(pid)) => format!("check what it is doing; {}; `--wait SECONDS` waits longer", ends(pid)),
        (_, None) => "`lslocks` or `fuser` may show which process it is; `--wait SECONDS` waits longer".to_owned(),
    }
}

fn may_go_there(name: &str) -> String {
    format!("to allow this destination: `bailiwick credentials set {name} --for URL < /dev/null`")
}
