//! Compiled components on disk. They are authenticated, because loading one means running native code.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use home::{Access, AsideFile};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use vocabulary::{Digest, SafeText};
use wasmtime::component::Component;

use crate::compile::compile;
use crate::compile_error::CompileError;
use crate::engine::Engine;
use crate::err::SandboxError;

/// How many bytes are read and hashed at once. This fits into the processor's cache.
const PIECE_BYTES: usize = 256 << 10;

/// A folder of compiled components, each beside its authentication code under the home's key.
pub struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    compiler: PathBuf,
    compiler_arguments: Vec<String>,
}

impl Cache {
    /// `key` is the home's key for this purpose alone. `compiler` is started with its arguments to compile. The component's size and the
    /// memory that it may take are added as the last arguments.
    pub fn new(folder: PathBuf, key: [u8; 32], compiler: PathBuf, compiler_arguments: Vec<String>) -> Self {
        Self { folder, key, compiler, compiler_arguments }
    }

    /// Whether the cache has a file for this component. The file may be forged.
    pub fn has(&self, engine: &Engine, digest: Digest) -> bool {
        self.path(engine, digest).exists()
    }

    /// The compiled component, if the cache has it and it is genuine. A caller that gets it does not need the component itself.
    pub fn kept(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(engine, digest);
        let kept = self.load_kept(engine, &path)?.ok();
        if kept.is_some() {
            // This resets the age. If it fails, the component is removed some day, and compiled again.
            let _ = home::touch(&path.with_extension("mac"));
        }
        kept
    }

    /// Removes components that were not used since this moment, in seconds since 1970. Files that can't be removed stay. Returns how many
    /// components were removed.
    pub fn age_out(&self, before_s: i64) -> u64 {
        let names = home::list(&self.folder).unwrap_or_default();
        let codes = names.iter().map(|name| self.folder.join(name)).filter(|path| path.extension().is_some_and(|it| it == "mac"));
        let old = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.mtime() < before_s);
        // The authentication code is removed first, because a file without one does not count.
        let gone = codes.filter(old).filter(|path| home::remove(path).is_ok() && home::remove(&path.with_extension("cwasm")).is_ok());
        u64::try_from(gone.count()).unwrap_or(u64::MAX)
    }

    /// [`Cache::load_within`], with the default of the limit `compile-memory`.
    ///
    /// # Errors
    /// As [`Cache::load_within`].
    pub fn load(&self, engine: &Engine, digest: Digest, component: &[u8]) -> Result<Component, SandboxError> {
        self.load_within(engine, (digest, component), vocabulary::Limits::default().compile_memory_bytes)
    }

    /// The compiled component. It comes from the folder if it is there and genuine. Otherwise it is compiled with at most `memory_max`
    /// bytes of memory, and kept. Blocks while it compiles.
    ///
    /// # Errors
    /// An error of the compiler; a folder that can't be written.
    pub fn load_within(&self, engine: &Engine, (digest, component): (Digest, &[u8]), memory_max: u64) -> Result<Component, SandboxError> {
        if let Some(kept) = self.kept(engine, digest) {
            return Ok(kept);
        }
        let path = self.path(engine, digest);
        let arguments: Vec<&str> = self.compiler_arguments.iter().map(String::as_str).collect();
        let compiled = compile(&self.compiler, &arguments, component, memory_max)?;
        // The compiler does not know the pool, so the sizes are compared here. A component that does not fit is not kept. The file is not
        // read back, because another process may be writing the same file just now.
        let loaded = take(engine, &compiled).map_err(|err| CompileError::NoPlace(SafeText::new(&format!("{err:#}"), 2048)))?;
        self.keep(&path, &compiled).map_err(|cause| SandboxError::Cache { path: path.display().to_string(), cause })?;
        Ok(loaded)
    }

    fn path(&self, engine: &Engine, digest: Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", digest.hex(), engine.profile()))
    }

    /// The authentication code also covers the name, so that one genuine file can't take the place of another.
    fn hasher(&self, path: &Path) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(&[0]);
        hasher
    }

    /// SECURITY: the loaded bytes are those that were authenticated: they are copied to where nobody else can write, hashed on the way, and
    /// sealed.
    fn load_kept(&self, engine: &Engine, path: &Path) -> Option<wasmtime::Result<Component>> {
        let code = authentication_code(&path.with_extension("mac"))?;
        let mut hasher = self.hasher(path);
        let private = sealed_copy(&home::open(path, Access::Read).ok()?, &mut hasher).ok()?;
        // The type compares in constant time.
        if hasher.finalize() != blake3::Hash::from_bytes(code) {
            return None;
        }
        Some(take_file(engine, &private))
    }

    /// Writes the authentication code last. A component whose file has no code, or another writer's code, is compiled again.
    fn keep(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        home::make_folder(&self.folder)?;
        let code = self.hasher(path).update(bytes).finalize();
        let put = |path: &Path, bytes: &[u8]| {
            let mut aside = AsideFile::begin(path, home::PRIVATE)?;
            aside.write(bytes)?;
            // If a loss of power damages the file, the code does not match, and the component is compiled again.
            aside.put_derived()
        };
        put(path, bytes)?;
        put(&path.with_extension("mac"), code.as_bytes())
    }
}

/// Reads an authentication code. BOUND: a file of another length is not used.
fn authentication_code(path: &Path) -> Option<[u8; 32]> {
    let mut code = Vec::new();
    home::open(path, Access::Read).ok()?.take(33).read_to_end(&mut code).ok()?;
    code.try_into().ok()
}

/// A copy that only this process has and that can't be changed any more.
fn sealed_copy(mut file: &File, hasher: &mut blake3::Hasher) -> io::Result<File> {
    let mut private = File::from(memfd_create("compiled", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        private.write_all(read)?;
    }
    fcntl_add_seals(&private, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(private)
}

/// Loads a component. Only for bytes that a compiler of this host has just returned.
#[expect(unsafe_code, reason = "this host made the bytes, for this profile, and nobody else had them since")]
fn take(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes come from `precompile_component` unchanged, as the caller has made sure.
    unsafe { Component::deserialize(&engine.inner, bytes) }
}

/// Loads a component from a file. Only for a sealed file whose content matches this home's authentication code. The file is mapped and not
/// read, so code that never runs is never loaded.
#[expect(unsafe_code, reason = "this host made the bytes, for this profile, and nobody can change them any more")]
fn take_file(engine: &Engine, sealed: &File) -> wasmtime::Result<Component> {
    let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
    // SAFETY: `deserialize_file` asks for the output of `precompile_component`, and that the file does not change while it is mapped: it
    // is authenticated, and sealed.
    unsafe { Component::deserialize_file(&engine.inner, path) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and opens what it made")]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn what_nothing_has_used_goes_and_what_was_used_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), [1; 32], PathBuf::new(), Vec::new());
        for name in ["old.cwasm", "old.mac", "new.cwasm", "new.mac", "other"] {
            home::open(&folder.path().join(name), Access::Make).unwrap();
        }
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        for name in ["old.mac", "new.mac"] {
            File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        home::touch(&folder.path().join("new.mac")).unwrap();
        assert_eq!((cache.age_out(1000), cache.age_out(1001)), (0, 1));
        let mut left = home::list(folder.path()).unwrap();
        left.sort();
        assert_eq!(left, ["new.cwasm", "new.mac", "other"]);
    }

    #[test]
    fn a_copy_that_is_loaded_can_neither_be_written_nor_cut_nor_grown_by_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compiled");
        let file = home::open(&path, Access::Make).unwrap();
        file.write_all_at(b"code", 0).unwrap();
        assert!(file.set_len(4).is_ok(), "the control: the file in the home can be changed");
        let mut hasher = blake3::Hasher::new();
        let copy = sealed_copy(&file, &mut hasher).unwrap();
        assert_eq!(hasher.finalize(), blake3::hash(b"code"));
        assert!(copy.write_at(b"evil", 0).is_err() && copy.set_len(2).is_err() && copy.set_len(9).is_err());
        // It can't be changed through another descriptor either.
        let other = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let reopened = std::fs::OpenOptions::new().write(true).open(other);
        assert!(reopened.is_err() || reopened.is_ok_and(|file| file.write_at(b"evil", 0).is_err()));
        let mut bytes = [0; 4];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"code");
    }
}
