//! Gets a value from the source that its binding names.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use key::{KeyringError, pinned};
use vocabulary::{Binding, Destination, Source, VaultLogin};
use zeroize::Zeroizing;

use crate::exec::{ExecError, Printed, Recipe};
use crate::local::{Local, LocalError, StoredSecret, VaultEntries, read_open};
use crate::register::Register;
use crate::secret::{Secret, UnfitError, VALUE_BYTES_MAX};

/// There is no value. The error contains nothing of a value.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The home's vault has no value of this name, or has the name as revoked, whatever its source.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The variable is not set.
    #[error("the variable `{0}` is not set")]
    NoVariable(String),
    /// The file can't be read.
    #[error("could not read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The program gave no value.
    #[error("`{}` gave no value", program.escape_debug())]
    Exec {
        /// The path of the program, without arguments.
        program: String,
        /// The reason.
        #[source]
        cause: ExecError,
    },
    /// The kernel gave no value.
    #[error("the key ring of the kernel gave no value: type `user`, description `{}`", description.escape_debug())]
    Keyring {
        /// The description of the key.
        description: String,
        /// The reason.
        #[source]
        cause: KeyringError,
    },
    /// The value has to be fetched over the network, which this room does not use. `broker` does that, with [`crate::remote`].
    #[error("the value is kept by a server, which was not asked")]
    Remote,
    /// The source's content can't be a secret.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// The runtime is shutting down.
    #[error("the host is ending")]
    Ending,
}

impl SourceError {
    /// Whether there is certainly no value that could be sent. Otherwise there may be a value that could not be fetched.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Local(LocalError::Absent(_) | LocalError::Revoked(_)) | Self::NoVariable(_) | Self::Unfit(_) => true,
            Self::File { cause, .. } => cause.kind() == io::ErrorKind::NotFound,
            Self::Keyring { cause, .. } => matches!(cause, KeyringError::Absent),
            Self::Local(_) | Self::Exec { .. } | Self::Remote | Self::Ending => false,
        }
    }
}

/// A value as it is now.
#[derive(Clone, Debug)]
pub struct Value {
    /// The value itself.
    pub secret: Secret,
    /// The version of the value, which counts the values of this name. `None` if its source is not the vault of the home.
    pub version: Option<u64>,
    /// Where its owner allows it to be sent, if its source is the vault of the home. `None` for other sources: the operator trusts the
    /// configuration that names them.
    pub destinations: Option<Vec<Destination>>,
}

/// A value that is being read.
type Reading<'a> = Pin<Box<dyn Future<Output = Result<Value, SourceError>> + Send + 'a>>;

/// A source of values. It need not check whether a name was revoked: [`Vault::value`] does that first.
trait Read: Send + Sync {
    /// The present value of the binding of this name.
    fn read<'a>(&'a self, name: &'a str) -> Reading<'a>;
}

/// All sources of values. Clones share the programs' output that is kept, and the key that was made from a passphrase.
#[derive(Clone)]
pub struct Vault {
    local: Local,
    printed: Arc<Printed>,
    register: Arc<Register>,
    turns: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("local", &self.local).finish_non_exhaustive()
    }
}

impl From<Local> for Vault {
    /// Uses this vault of a home, and its passphrase file.
    fn from(local: Local) -> Self {
        let register = Arc::new(Register::new(local.clone()));
        Self { local, printed: Arc::default(), register, turns: Arc::default() }
    }
}

impl Vault {
    /// Uses the vault of this home. Opens no file.
    pub fn new(home: &Path) -> Self {
        Local::new(home).into()
    }

    /// The vault of the home.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// The values of the home that could still give access to a host.
    pub fn register(&self) -> &Arc<Register> {
        &self.register
    }

    /// Waits until no other run of this home exchanges the value of this name for another one.
    pub async fn turn(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default());
        turn.lock_owned().await
    }

    /// The present value of a binding. It is read for each request, so that a revocation takes effect with the next request. A name that
    /// the home's vault has as revoked has no value, whatever its source. No name has a value while that vault does not open.
    ///
    /// Waits for disks and programs without blocking the runtime, which must have time and I/O enabled. A program's output is kept for 60
    /// s.
    ///
    /// # Errors
    /// There is no value. [`SourceError::Remote`] for [`Source::Vault`], after the name was found not to be revoked.
    pub async fn value(&self, binding: &Binding) -> Result<Value, SourceError> {
        if binding.source == Source::Local {
            // One read shows both whether it was revoked and what its value is.
            return self.reader(binding).read(&binding.name).await;
        }
        if entries(&self.local).await?.is_revoked(&binding.name) {
            self.printed.forget(&binding.name);
            return Err(LocalError::Revoked(binding.name.clone()).into());
        }
        self.reader(binding).read(&binding.name).await
    }

    fn reader(&self, binding: &Binding) -> Box<dyn Read> {
        match &binding.source {
            Source::Local => Box::new(LocalSource(self.local.clone())),
            Source::Env(name) => Box::new(Variable(name.clone())),
            Source::File(path) => Box::new(InFile(path.clone())),
            Source::Exec(command) => Box::new(Program {
                recipe: Recipe { command: command.clone(), pinned: binding.pinned.clone() },
                printed: Arc::clone(&self.printed),
            }),
            Source::Keyring(name) => Box::new(InKeyring(name.clone())),
            Source::Vault(_) => Box::new(AtServer),
        }
    }
}

/// What the host logs in with at a server of HashiCorp Vault or OpenBao: the token itself, or the secret that is exchanged for one.
///
/// # Errors
/// A file that can't be read, or that has no secret in it.
pub async fn login_secret(login: &VaultLogin) -> Result<Secret, SourceError> {
    let (VaultLogin::Token { file } | VaultLogin::Approle { file, .. } | VaultLogin::Kubernetes { file, .. }) = login;
    let file = file.clone();
    blocking(move || in_file(&file)).await
}

/// What the vault of the home holds now. Goes to another thread only if it has to be read.
async fn entries(local: &Local) -> Result<Arc<VaultEntries>, SourceError> {
    match local.at_hand() {
        Some(entries) => Ok(entries),
        None => {
            let local = local.clone();
            blocking(move || Ok(local.look()?)).await
        }
    }
}

/// Away from the threads that everything else waits on.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SourceError> + Send + 'static) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| SourceError::Ending)?
}

fn of_others(secret: Secret) -> Value {
    Value { secret, version: None, destinations: None }
}

/// A value in the form in which other programs write it.
fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Secret, UnfitError> {
    Secret::of_text(std::mem::take(&mut *bytes))
}

struct LocalSource(Local);

impl Read for LocalSource {
    fn read<'a>(&'a self, name: &'a str) -> Reading<'a> {
        Box::pin(async move {
            let StoredSecret { secret, version, destinations } = entries(&self.0).await?.get(name)?;
            Ok(Value { secret, version: Some(version), destinations: Some(destinations) })
        })
    }
}

struct Variable(String);

impl Read for Variable {
    #[expect(clippy::disallowed_methods, reason = "door: secrets that the operator hands over in the environment")]
    fn read<'a>(&'a self, _: &'a str) -> Reading<'a> {
        let value = std::env::var_os(&self.0).ok_or_else(|| SourceError::NoVariable(self.0.clone()));
        Box::pin(std::future::ready(value.and_then(|value| Ok(of_others(text(Zeroizing::new(value.into_encoded_bytes()))?)))))
    }
}

/// A file as Kubernetes and systemd provide it.
struct InFile(PathBuf);

impl Read for InFile {
    fn read<'a>(&'a self, _: &'a str) -> Reading<'a> {
        let path = self.0.clone();
        Box::pin(blocking(move || in_file(&path).map(of_others)))
    }
}

/// Reads one byte more than a value with its line end can have, so that a longer one is detected.
fn in_file(path: &Path) -> Result<Secret, SourceError> {
    let read = || {
        let file = pinned::open(path)?;
        pinned::check_secret(&file.metadata()?)?;
        read_open(&file, VALUE_BYTES_MAX as u64 + 3)
    };
    let (bytes, _) = read().map_err(|cause| SourceError::File { path: path.to_owned(), cause })?;
    Ok(text(bytes)?)
}

struct Program {
    recipe: Recipe,
    printed: Arc<Printed>,
}

impl Read for Program {
    fn read<'a>(&'a self, name: &'a str) -> Reading<'a> {
        Box::pin(async move {
            let failed = |cause| SourceError::Exec { program: self.recipe.command.first().cloned().unwrap_or_default(), cause };
            self.printed.value(name, &self.recipe).await.map(of_others).map_err(failed)
        })
    }
}

/// SECURITY: keys that programs keep for themselves in the key ring, such as the key of the home's vault, have other descriptions, which no
/// binding can name.
struct InKeyring(String);

impl Read for InKeyring {
    fn read<'a>(&'a self, _: &'a str) -> Reading<'a> {
        let description = format!("bailiwick:{}", self.0);
        Box::pin(blocking(move || match key::read_keyring(&description, VALUE_BYTES_MAX + 2) {
            Ok(bytes) => Ok(of_others(text(bytes)?)),
            Err(cause) => Err(SourceError::Keyring { description, cause }),
        }))
    }
}

struct AtServer;

impl Read for AtServer {
    fn read<'a>(&'a self, _: &'a str) -> Reading<'a> {
        Box::pin(std::future::ready(Err(SourceError::Remote)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking, and makes files of its own")]
mod tests;
