//! Where a home keeps what belongs to stages: what runs write (`stages`), notes of commits (`commits`), what commits took away
//! (`originals`), and folders of agents (`state`).

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use vocabulary::{Digest, FileKind, RunId};

use crate::hashing::Hashing;
use crate::overlay::digest_of;
use crate::root::{Root, join};

/// The folders of a home.
#[derive(Clone, Debug)]
pub struct StageHome {
    home: PathBuf,
}

impl StageHome {
    /// The folders of this home. Nothing is made yet.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    pub(crate) fn commits(&self) -> PathBuf {
        self.home.join("commits")
    }

    pub(crate) fn original(&self, run: RunId, mount: usize) -> PathBuf {
        self.home.join("originals").join(run.to_string()).join(mount.to_string())
    }

    fn stage(&self, run: RunId) -> PathBuf {
        self.home.join("stages").join(run.to_string())
    }

    pub(crate) fn make(path: &Path) -> io::Result<()> {
        home::make_folder(path)
    }

    /// An empty folder for what a run writes beneath a mount. What was there is removed: it is written again.
    ///
    /// # Errors
    /// What the system says.
    pub fn blobs(&self, run: RunId, mount: usize) -> io::Result<Root> {
        let path = self.stage(run).join(mount.to_string());
        Self::make(&path)?;
        let root = Root::at(&path)?;
        for name in root.names("")?.into_iter().flatten() {
            root.remove_file(&name)?;
        }
        Ok(root)
    }

    /// The version of an agent's folder with which a run began: what was noted when it began, or `now`, which is noted.
    ///
    /// # Errors
    /// What the system says.
    pub fn began(&self, run: RunId, mount: usize, now: Digest) -> io::Result<Digest> {
        let stage = self.stage(run);
        Self::make(&stage)?;
        let (root, name) = (Root::at(&stage)?, format!("{mount}.version"));
        let Some(found) = root.find(&name)? else {
            home::replace(&stage.join(&name), now.to_string().as_bytes(), home::PRIVATE)?;
            return Ok(now);
        };
        let noted = crate::overlay::read_at(&root.open(&name, &found.print)?, 0, 128)?;
        str::from_utf8(&noted).ok().and_then(|text| text.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Removes what a run wrote, and the notes of its commits that are done. To be called when the end of the run is on the record.
    pub fn forget(&self, run: RunId) {
        // What stays does no harm: it is removed when the home is opened next.
        let _ = remove_tree(&self.home.join("stages"), &run.to_string());
        if let Ok(commits) = Root::at(&self.commits()) {
            let of_run = |name: &String| name.starts_with(&format!("{run}-")) && name.ends_with(".done");
            for name in commits.names("").unwrap_or_default().into_iter().flatten().filter(of_run) {
                let _ = commits.remove_file(&name);
            }
        }
    }

    /// Removes what runs wrote that are not open any more.
    pub fn sweep(&self, is_open: impl Fn(RunId) -> bool) {
        let of_runs = |folder: &str| -> Vec<RunId> {
            let names = Root::at(&self.home.join(folder)).and_then(|root| root.names("")).unwrap_or_default();
            names.into_iter().flatten().filter_map(|name| name.split('-').next()?.parse().ok()).collect()
        };
        for run in of_runs("stages").into_iter().chain(of_runs("commits")).filter(|run| !is_open(*run)) {
            self.forget(run);
        }
    }

    /// The folder of an agent's own. `key` tells it from the folders of other agents and configurations.
    ///
    /// # Errors
    /// What the system says.
    pub fn state(&self, agent: &str, key: &str) -> io::Result<StateFolder> {
        let path = self.home.join("state").join(agent).join(key);
        let current = path.join("current");
        Self::make(&current)?;
        let lock = Root::at(&path)?;
        Ok(StateFolder { path: current.clone(), root: Root::at(&current)?, lock })
    }
}

/// A folder that an agent keeps between its runs.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
    root: Root,
    lock: Root,
}

impl StateFolder {
    /// The folder.
    pub fn root(&self) -> Root {
        self.root.clone()
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of everything in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn version(&self) -> io::Result<Digest> {
        let mut hash = Hashing::default();
        hash_folder(&self.root, "", &mut hash)?;
        Ok(hash.finish())
    }

    /// Holds the folder for one commit.
    pub(crate) fn held(&self) -> io::Result<std::fs::File> {
        let file = match self.lock.create("lock", 0o600) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => self.lock.open_own("lock")?,
            made => made?,
        };
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }
}

fn hash_folder(root: &Root, folder: &str, hash: &mut Hashing) -> io::Result<()> {
    let mut names: Vec<String> = root.names(folder)?.into_iter().flatten().collect();
    names.retain(|name| !(folder.is_empty() && name.starts_with(crate::overlay::RESERVED)));
    names.sort_unstable();
    for name in names {
        let path = join(folder, &name);
        let Some(found) = root.find(&path)? else { continue };
        let content = match found.kind {
            FileKind::File => digest_of(&root.open(&path, &found.print)?)?.to_string(),
            FileKind::Link => found.target.unwrap_or_default(),
            FileKind::Directory | FileKind::Other => String::new(),
        };
        hash.add(found.kind, &path, &content);
        if found.kind == FileKind::Directory {
            hash_folder(root, &path, hash)?;
        }
    }
    Ok(())
}

/// Removes a folder of the home with everything in it.
pub(crate) fn remove_tree(folder: &Path, name: &str) -> io::Result<()> {
    remove_within(&Root::at(folder)?, name)
}

pub(crate) fn remove_within(root: &Root, path: &str) -> io::Result<()> {
    let Some(found) = root.find(path)? else { return Ok(()) };
    if found.kind != FileKind::Directory {
        return root.remove_file(path);
    }
    for name in root.names(path)? {
        let name = name.ok_or(io::ErrorKind::InvalidData)?;
        remove_within(root, &join(path, &name))?;
    }
    root.remove_folder(path)
}
