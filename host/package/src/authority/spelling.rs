//! How paths are written in an authority.
//!
//! A place that belongs to the project is relative to the folder of the configuration: `src`, `../shared`, `.`. A project that is moved or
//! cloned has the same paths, and its lock still holds. A place that belongs to the machine is absolute, wherever the configuration is.
//! Such a place was written as an absolute path, or a link leads to it out of the folder ([`Resolved::machine_paths`]).
//!
//! SECURITY: the path that is written has no links, and no `..` in the middle. In one folder, two places never have the same path. An
//! absolute path that was accepted never matches a relative one. A relative path never matches the place to which it led from another
//! folder.
//!
//! [`Resolved::machine_paths`]: crate::config::Resolved::machine_paths

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use vocabulary::{FilesGrant, Grants, Source, VaultLogin};

use super::{Authority, Code, Reach};
use crate::config::ConfigError;

/// Shortens the paths of a configuration to the form that an authority has.
pub(super) struct Shortening<'a> {
    folder: &'a Path,
    machine_paths: &'a BTreeSet<PathBuf>,
}

impl<'a> Shortening<'a> {
    /// For the configuration at this path, which has no links.
    pub(super) fn new(config: &'a Path, machine_paths: &'a BTreeSet<PathBuf>) -> Self {
        Self { folder: folder_of(config), machine_paths }
    }

    /// Shortens one path. `path` is absolute, without links.
    pub(super) fn path(&self, path: &Path) -> Result<PathBuf, ConfigError> {
        if path.to_str().is_none() {
            return Err(ConfigError::NotText(path.to_owned()));
        }
        if self.machine_paths.contains(path) {
            return Ok(path.to_owned());
        }
        let common = path.components().zip(self.folder.components()).take_while(|(one, other)| one == other).count();
        let up = self.folder.components().skip(common).map(|_| Component::ParentDir);
        let short: PathBuf = up.chain(path.components().skip(common)).collect();
        Ok(if short.as_os_str().is_empty() { PathBuf::from(".") } else { short })
    }

    /// Shortens each path of these grants. The words of a command stay as they are: its program has an absolute path, and only the program
    /// knows what an argument means.
    pub(super) fn grants(&self, grants: &mut Grants) -> Result<(), ConfigError> {
        // The digest stands for the text.
        grants.policy.iter_mut().flat_map(|rules| &mut rules.files).for_each(|file| file.text.clear());
        each_path(grants, &mut |path| {
            *path = self.path(path)?;
            Ok(())
        })
    }
}

/// The folder that paths are relative to, to show people the whole paths.
#[derive(Clone, Debug)]
pub struct Spelling {
    folder: PathBuf,
}

impl Spelling {
    /// Paths are relative to the folder of this configuration, whose path has no links.
    pub fn from_folder_of(config: &Path) -> Self {
        Self { folder: folder_of(config).to_owned() }
    }

    /// The path that [`Shortening::path`] shortened.
    fn long(&self, path: &Path) -> PathBuf {
        let mut long = if path.is_absolute() { PathBuf::new() } else { self.folder.clone() };
        for part in path.components() {
            match part {
                Component::ParentDir => drop(long.pop()),
                Component::CurDir => {}
                Component::Normal(_) | Component::RootDir | Component::Prefix(_) => long.push(part),
            }
        }
        long
    }

    /// The same authority with absolute paths, for people.
    pub(super) fn lengthen(&self, authority: &Authority) -> Authority {
        let mut whole = authority.clone();
        let (Code::File { path, .. } | Code::Folder { path, .. }) = &mut whole.component;
        *path = self.long(path);
        self.lengthen_grants(&mut whole.grants);
        whole.network = self.long_reach(&whole.network);
        whole
    }

    pub(super) fn lengthen_grants(&self, grants: &mut Grants) {
        // It can't fail, because paths in an authority are UTF-8.
        let _ = each_path(grants, &mut |path| {
            *path = self.long(path);
            Ok(())
        });
    }

    pub(super) fn long_reach(&self, reach: &Reach) -> Reach {
        let mut reach = reach.clone();
        for root in &mut reach.roots {
            root.path = self.long(&root.path);
        }
        reach
    }
}

fn each_path(grants: &mut Grants, change: &mut dyn FnMut(&mut PathBuf) -> Result<(), ConfigError>) -> Result<(), ConfigError> {
    // Each field is named, so that a new path can't be forgotten here.
    let Grants { credentials, engagement: _, env: _, environments: _, files, http: _, may: _, placeholders: _, policy } = grants;
    for file in policy.iter_mut().flat_map(|rules| &mut rules.files) {
        change(&mut file.path)?;
    }
    for FilesGrant { guest: _, host, mode: _ } in files {
        change(host)?;
    }
    for binding in credentials {
        match &mut binding.source {
            Source::File(path) => change(path)?,
            Source::Vault(vault) => match &mut vault.server.login {
                VaultLogin::Token { file } | VaultLogin::Approle { file, .. } | VaultLogin::Kubernetes { file, .. } => change(file)?,
            },
            Source::Local | Source::Env(_) | Source::Exec(_) | Source::Keyring(_) => {}
        }
        for pinned in &mut binding.pinned {
            change(&mut pinned.path)?;
        }
    }
    Ok(())
}

/// The folder of a configuration.
fn folder_of(config: &Path) -> &Path {
    config.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_from_the_folder_and_comes_back_whole() {
        for (config, paths) in [
            (
                "/srv/alice/repo/bailiwick.toml",
                &[
                    ("/srv/alice/repo", "."),
                    ("/srv/alice/repo/src", "src"),
                    ("/srv/alice/secret", "../secret"),
                    ("/srv/alice", ".."),
                    ("/srv", "../.."),
                    ("/srv/bob/x", "../../bob/x"),
                    ("/run/x", "../../../run/x"),
                    ("/", "../../.."),
                    ("/usr/bin/pass", "/usr/bin/pass"),
                ][..],
            ),
            ("/bailiwick.toml", &[("/", "."), ("/src", "src"), ("/usr/bin/pass", "/usr/bin/pass")]),
        ] {
            let machine_paths = BTreeSet::from([PathBuf::from("/usr/bin/pass")]);
            let (short, spelling) = (Shortening::new(Path::new(config), &machine_paths), Spelling::from_folder_of(Path::new(config)));
            for (whole, written) in paths {
                assert_eq!(short.path(Path::new(whole)).unwrap(), Path::new(written), "{whole}");
                assert_eq!(spelling.long(Path::new(written)), Path::new(whole), "{written}");
            }
        }
    }
}
