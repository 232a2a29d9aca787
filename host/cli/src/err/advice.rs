//! What to do next about an error.

use std::borrow::Cow;

use home::Exposed;
use service::ServiceError;

use super::CliError;

/// For a record that is not the one that the state remembers.
pub(crate) const OTHER_RECORD: &str = "if you put another copy of the home back, say `bailiwick audit accept-rollback`; if nobody did, somebody has changed the record: do not accept that";
/// For a home that is known to have had another record.
pub(crate) const OTHER_LOG: &str = "if the home lies on a disk of its own, see first whether that is mounted (`findmnt`); if you removed the home, or put another one in its place, say `bailiwick audit accept-rollback`; if nobody did, somebody has exchanged the record: do not accept that";
/// For a copy of a home that is used beside it.
const COPY: &str = "use the other one, or move it away if it is to go on no more; or say `bailiwick audit accept-rollback` with this home: that takes it in the other one's place, and runs that were open then wait for your word";
/// For second state that is lost or unreadable.
pub(crate) const STATE_LOST: &str = "see first whether `BAILIWICK_STATE` names the right folder, and whether its disk is mounted (`findmnt`); else put that file back; or, if you know why it is gone or broken, `bailiwick audit accept-rollback` remembers the record anew as it is";
/// For keys of a home that are lost or of another one.
pub(crate) const KEYS_LOST: &str =
    "put the keys back from a copy of the home; what to do if they are lost for ever is said where something runs";
/// For a record that is gone altogether.
pub(crate) const GONE: &str = "if the home lies on a disk of its own, see first whether that is mounted (`findmnt`); else put the folder `journal` back from a copy of the home; if you removed it, say `bailiwick audit accept-rollback`; if nobody did, somebody has taken the record away: do not accept that";
/// For a key that is lost or another one.
pub(crate) const KEY_LOST: &str = "put it back from a copy of the home: nothing else continues this record; if it is lost for ever, move the home away (it can still be read and verified) and say `bailiwick audit accept-rollback`";
/// For a record whose beginning was pruned while it was read.
pub(crate) const PRUNED: &str = "say this again: the record begins later now (`bailiwick audit show --kind pruned`)";
/// For the key of the home, without which the keys of runs open nothing.
const HOME_KEY_LOST: &str = "put it back from a copy of the home; if it is lost for ever, move `keys` away too and say `bailiwick audit accept-rollback`: what runs have sealed can't be opened then";
/// For what a newer program wrote.
const NEWER: &str = "use the program that wrote it with this home; nothing was changed";
/// For a record with a fault in it.
pub(crate) const DAMAGED_RECORD: &str =
    "put an undamaged copy of the home back, or `bailiwick audit reanchor --reason TEXT` sets the damaged part aside";

impl CliError {
    /// What to do next, where that is plain.
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
        match Exposed::of(self) {
            Some(exposed) => Some(mends(exposed).into()),
            None => {
                let system = self.system_advice().or_else(|| self.named_advice());
                system.map(Cow::Owned).or_else(|| self.advice().map(Cow::Borrowed))
            }
        }
    }

    /// About a file system, rights, or a record that could not be written.
    fn system_advice(&self) -> Option<String> {
        match self {
            Self::Run(err) => err.help(),
            Self::Service(err) => err.help(),
            Self::Failed { help, .. } => help.clone(),
            Self::NotInPlace { cause } => {
                let mend = journal::trouble_of(cause.as_ref())?.mend();
                Some(format!("{mend}; the next command that changes something in the home puts it in place"))
            }
            // Of several, the first one is said.
            Self::NotRecorded { cause, .. } => cause.system_advice(),
            _ => journal::trouble_of(self).map(|trouble| format!("{}, then say this again", trouble.mend())),
        }
    }

    /// The same, with the name of the credential in the command.
    fn named_advice(&self) -> Option<String> {
        use vault::LocalError;
        match self {
            Self::Outside(all) => all.first().map(|outside| may_go_there(outside.name())),
            Self::Run(run::RunError::Destination(outside)) => Some(may_go_there(outside.name())),
            Self::Run(run::RunError::Unsettled { run, acts }) => Some(crate::outcome::settle_advice(*run, acts)),
            Self::InUse { name, .. } => Some(format!("`bailiwick credentials revoke {name}` ends them, and then it can be removed")),
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
                "find out what it has done since; then `bailiwick resume {run} --restored` goes on, or `bailiwick stop {run}` closes it"
            )),
            Self::NotInPlace { .. } => Some("mend that; the next command that changes something in the home puts it in place".to_owned()),
            Self::Form(err) | Self::Run(run::RunError::Form(err)) => Some(form_advice(err)),
            Self::Accept(journal::OpenError::Held { other, .. }) => Some(held(other)),
            Self::Keys(err) => err.holder().map(held),
            Self::Service(err) => match &**err {
                ServiceError::Unspoken { other, .. } => Some(unanswered(other)),
                _ => None,
            },
            Self::CutOff { run, .. } => Some(format!("`bailiwick resume {run}` goes on with it, `bailiwick stop {run}` closes it")),
            Self::Lost { run, .. } => Some(format!(
                "`bailiwick ps` shows whether it goes on; once nobody has it any more, `bailiwick resume {run}` goes on with it"
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
            Self::NoCredential { .. } => Some("`bailiwick credentials ls`; `--config FILE` names a configuration that lies elsewhere"),
            Self::Vault(vault::LocalError::Absent(_)) => Some("`bailiwick credentials ls` shows which there are"),
            Self::Vault(vault::LocalError::Locked(_)) => Some("put its path into that variable, for this and each other command"),
            Self::Vault(vault::LocalError::OtherPassphrase { .. }) => {
                Some("name the file with the passphrase that it was sealed under last")
            }
            Self::Vault(vault::LocalError::NoKey { .. }) => Some(
                "put that file back from a copy of the home; without it, nobody can open the vault, and each value is set anew in another home",
            ),
            Self::RevokeWhat => Some("`bailiwick credentials revoke NAME`, or `--agent AGENT`, `--run RUN`, `--lease RUN/NAME`"),
            Self::NothingRevoked { .. } => {
                Some("`bailiwick ps` shows runs that go on; `bailiwick credentials revoke NAME` bars a credential from all runs")
            }
            Self::NoCases => Some("`bailiwick run AGENT --durable`, then `bailiwick test AGENT --keep RUN`"),
            Self::Project(ProjectError::NotAName(_)) => Some("go to where it should lie first: `cd agents && bailiwick new count-lines`"),
            Self::Project(ProjectError::Exists(_)) => Some("take another name, or move it away"),
            Self::NoSuchRun(_) | Self::NotARun(_) => Some(
                "`bailiwick ps` names the open runs, `bailiwick audit show --kind run-opened` names all; `latest` is there after the first `bailiwick run`",
            ),
            Self::RawToTerminal => Some("send them to a file or a pipe: `bailiwick show RUN/SEQ --body --raw > body.bin`"),
            Self::NotOnRecord { .. } => {
                Some("that is no all-clear: nothing was looked for. Without filters, `audit touched` names all there is")
            }
            Self::NotGoing(_) => Some(
                "a run that was cut off has no lease; `bailiwick ps` shows it, `bailiwick resume` continues it, `bailiwick stop` closes it",
            ),
            Self::Ended(_) => Some("`bailiwick show RUN` shows how; `bailiwick ps` shows runs that have not ended"),
            Self::RawOfMore => {
                Some("one body or input: `bailiwick show RUN/SEQ --body --raw > body.bin`, `bailiwick show RUN --input --raw > input`")
            }
            Self::WouldBeRefused(_) => Some(
                "put in place what is missing; look at what changed with `bailiwick inspect AGENT`, and if it is intended, say `bailiwick trust` or `bailiwick accept AGENT`",
            ),
            Self::Read(ReadError::Newer(_)) | Self::Run(RunError::Read(ReadError::Newer(_))) => Some(NEWER),
            Self::Read(ReadError::NoLog { .. }) => Some("nothing has run with this home yet; `BAILIWICK_HOME` names another one"),
            Self::Run(RunError::Record(err)) | Self::Accept(err) => of_opening(err),
            Self::Read(ReadError::Gone { .. }) => Some(GONE),
            Self::Read(ReadError::Fault(_)) => Some(DAMAGED_RECORD),
            Self::Keys(err) => err.advice(),
            Self::Run(RunError::NothingToSettle(_) | RunError::NeedsNoWord { .. }) => {
                Some("`bailiwick ps` names the acts that wait for a word")
            }
            Self::Run(RunError::SaidOtherwise { .. }) => {
                Some("if that word was wrong, `bailiwick stop RUN` closes the run with what is known")
            }
            Self::Run(RunError::Load { cause: gate::LoadError::NotKept, .. }) => Some("it can't go on; `bailiwick stop RUN` closes it"),
            Self::Run(RunError::Diverged { .. }) => {
                Some("nothing was asked; under the host and on the files that it began with it may go on, `bailiwick stop RUN` closes it")
            }
            Self::Run(RunError::CacheKey(_)) => Some("remove it, and everything beside it in `cache`: components are compiled again"),
            Self::Run(RunError::InputUnfit(_)) => Some("`bailiwick inspect AGENT` shows the schema of its input"),
            _ => None,
        }
    }
}

/// What to do about a record that can't be gone on with.
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
            "put the newest `home.key` and `keys` back, from one copy of the home; if they are lost for ever, move both away and say `bailiwick audit accept-rollback`: what runs have sealed can't be opened then",
        ),
        OpenError::KeyOpensNothing { .. } => Some(
            "put both back from one copy of the home; if the right one is lost for ever, move `keys` away and say `bailiwick audit accept-rollback`: what runs have sealed can't be opened then",
        ),
        OpenError::KeysGone { .. } => Some(
            "put it back from a copy of the home; if it is lost for ever, `bailiwick audit accept-rollback` goes on without: what runs have sealed can't be opened then",
        ),
        OpenError::Unfit { .. } => Some(
            "put it on a disk of this machine (`BAILIWICK_HOME`, `BAILIWICK_STATE`); if nobody else ever uses it, `BAILIWICK_FILE_SYSTEMS` names kinds that are taken nevertheless",
        ),
        OpenError::Fault(_) => Some(DAMAGED_RECORD),
        // Those of the system, of sealed keys and of the process that holds the home have their advice, and nothing helps against the rest.
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

/// The command that mends a folder or file that others can use. An empty folder may be where a disk is to be mounted, and then it is not the home.
fn mends(exposed: &Exposed) -> String {
    let mend = format!("`{}` mends it", exposed.mend());
    let is_empty = home::list(exposed.path()).is_ok_and(|names| names.is_empty());
    if is_empty { format!("if a disk belongs there, mount that first (`findmnt`): the folder is empty; else {mend}") } else { mend }
}

fn backup_advice(err: &run::BackupError) -> Option<String> {
    use run::BackupError;
    let words = match err {
        // A fault of reading has its own advice, which was given.
        BackupError::Damaged(fault) => of_fault(&fault.what),
        BackupError::Unread(journal::ReadError::Gone { .. }) => GONE,
        BackupError::Unread(journal::ReadError::Newer(_)) => NEWER,
        BackupError::Keys(_) => KEYS_LOST,
        BackupError::NotKept { .. } => "move it out of the home, and say it again",
        BackupError::NoLog(_) | BackupError::Unread(journal::ReadError::NoLog { .. }) => "`BAILIWICK_HOME` names another home",
        BackupError::Within(_) | BackupError::Exists(_) => "name another file",
        BackupError::Sealed(_) => "name the file with its passphrase: `--passphrase-file FILE`",
        BackupError::OtherPassphrase(_) => "name the file with the passphrase that it was made with",
        BackupError::OtherKey(_) => "look for the backup that you made, or give the `journal.pub` of the home that it is of",
        BackupError::Broken { .. } => "look for another copy of it, or an older backup: nothing was put in place",
        BackupError::NotEmpty(_) => "move that home away first, or name an empty one: `BAILIWICK_HOME=FOLDER bailiwick restore FILE`",
        BackupError::Newer(_) => "use the version of the program that made it",
        BackupError::Form(err) => return Some(form_advice(err)),
        BackupError::Key(_) => "put it back from a copy of the home: nothing else opens this record",
        BackupError::Busy(_) => "wait until it has ended",
        BackupError::ChangePending => {
            "say it again in a moment; one that was cut off is finished by whatever opens the home next, such as a run"
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

/// What to do about a fault in one's own record.
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
        home::FormError::Restoring(_) => "wait for it, or say `bailiwick restore FILE` again: it begins anew".to_owned(),
        home::FormError::Broken(_) => "put that file back from a copy of the home".to_owned(),
        home::FormError::Io { .. } => "see that the file can be read, and say it again".to_owned(),
    }
}

/// For what is done while nobody else has the home.
fn held(other: &home::Other) -> String {
    let wait = "wait until nothing runs (`bailiwick status`), or `bailiwick stop` what does";
    match (other.go_on(), other.pid) {
        (Some(go_on), Some(pid)) => {
            format!("`{go_on}` lets it go on, then {wait}; `kill -9 {pid}` ends it, and what it ran can be resumed")
        }
        _ => wait.to_owned(),
    }
}

/// What can be done about a process that holds a lock and does not answer.
pub(crate) fn unanswered(other: &home::Other) -> String {
    let ends = |pid| format!("`kill -9 {pid}` ends it, and whoever waits for a run in it goes on with that run");
    match (other.go_on(), other.pid) {
        (Some(go_on), Some(pid)) => format!("`{go_on}` lets it go on; {}", ends(pid)),
        (_, Some(pid)) => format!("see what it does; {}; `--wait SECONDS` waits longer", ends(pid)),
        (_, None) => "`lslocks` or `fuser` may show who it is; `--wait SECONDS` waits longer".to_owned(),
    }
}

fn may_go_there(name: &str) -> String {
    format!("if it is to go there: `bailiwick credentials set {name} --for URL < /dev/null`")
}
