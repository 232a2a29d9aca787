//! How paths are written in an authority: relative to the folder of the configuration, so that a checkout in another place has the same
//! paths.

use std::path::{Component, Path, PathBuf};

use vocabulary::{Grants, Source, VaultLogin};

use super::{Authority, Code, Reach};
use crate::config::ConfigError;

/// The folder that paths are relative to.
#[derive(Clone, Debug)]
pub struct Spelling {
    folder: PathBuf,
}

impl Spelling {
    /// Relative to the folder of this configuration, whose path has no links.
    pub fn from_folder_of(config: &Path) -> Self {
        Self { folder: config.parent().unwrap_or(Path::new("/")).to_owned() }
    }

    /// The path relative to the folder: `src`, `../shared`, `.`. A path that does not share even its first folder with it, such as
    /// `/usr/bin/pass`, belongs to the system and is the same for every checkout. It stays as it is.
    pub(super) fn short(&self, path: &Path) -> Result<PathBuf, ConfigError> {
        if path.to_str().is_none() {
            return Err(ConfigError::NotText(path.to_owned()));
        }
        let common = path.components().zip(self.folder.components()).take_while(|(one, other)| one == other).count();
        if common < 2 && self.folder != Path::new("/") {
            return Ok(path.to_owned());
        }
        let up = self.folder.components().skip(common).map(|_| Component::ParentDir);
        let spelled: PathBuf = up.chain(path.components().skip(common)).collect();
        Ok(if spelled.as_os_str().is_empty() { PathBuf::from(".") } else { spelled })
    }

    /// The path that [`Spelling::short`] was made from.
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

    /// Makes each path of these grants relative to the folder.
    pub(super) fn shorten(&self, grants: &mut Grants) -> Result<(), ConfigError> {
        each_path(grants, &mut |path| {
            *path = self.short(path)?;
            Ok(())
        })?;
        for words in programs(grants) {
            for (at, word) in words.iter_mut().enumerate() {
                if at == 0 || Path::new(word).starts_with(&self.folder) {
                    *word = self.short(Path::new(word))?.to_string_lossy().into_owned();
                }
            }
        }
        Ok(())
    }

    pub(super) fn short_reach(&self, mut reach: Reach) -> Result<Reach, ConfigError> {
        for root in &mut reach.roots {
            root.path = self.short(&root.path)?;
        }
        Ok(reach)
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
        // It can't fail, because paths in an authority are text.
        let _ = each_path(grants, &mut |path| {
            *path = self.long(path);
            Ok(())
        });
        for program in programs(grants).filter_map(|words| words.first_mut()) {
            *program = self.long(Path::new(program)).to_string_lossy().into_owned();
        }
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
    for mount in &mut grants.files {
        change(&mut mount.host)?;
    }
    for binding in &mut grants.credentials {
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

fn programs(grants: &mut Grants) -> impl Iterator<Item = &mut Vec<String>> {
    grants.credentials.iter_mut().filter_map(|binding| match &mut binding.source {
        Source::Exec(words) => Some(words),
        Source::Local | Source::Env(_) | Source::File(_) | Source::Keyring(_) | Source::Vault(_) => None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_spelled_from_the_folder_and_comes_back_whole() {
        let spelling = Spelling::from_folder_of(Path::new("/srv/alice/repo/bailiwick.toml"));
        for (whole, spelled) in [
            ("/srv/alice/repo", "."),
            ("/srv/alice/repo/src", "src"),
            ("/srv/alice/secret", "../secret"),
            ("/srv/alice", ".."),
            ("/srv", "../.."),
            ("/srv/bob/x", "../../bob/x"),
            ("/usr/bin/pass", "/usr/bin/pass"),
            ("/", "/"),
        ] {
            assert_eq!(spelling.short(Path::new(whole)).unwrap(), Path::new(spelled), "{whole}");
            assert_eq!(spelling.long(Path::new(spelled)), Path::new(whole), "{spelled}");
        }
    }
}
