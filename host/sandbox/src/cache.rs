//! Compiled components on disk, authenticated: loading one is running native code.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use effect::{Digest, SafeText};
use wasmtime::component::Component;

use crate::compile::{CompileError, compile};
use crate::engine::Engine;
use crate::err::SandboxError;

/// A folder of compiled components, each beside its authentication code under the home's key.
pub struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    compiler: PathBuf,
    compiler_arguments: Vec<String>,
}

impl Cache {
    /// `key` is the home's, for this purpose alone. `compiler` with its arguments is started to compile; the last argument
    /// that it gets is the component's size.
    pub fn new(folder: PathBuf, key: [u8; 32], compiler: PathBuf, compiler_arguments: Vec<String>) -> Self {
        Self { folder, key, compiler, compiler_arguments }
    }

    /// Whether a compiled component is there; says nothing of whether it is genuine.
    pub fn has(&self, engine: &Engine, digest: Digest) -> bool {
        self.path(engine, digest).exists()
    }

    /// The compiled component: from the folder where it is there and genuine, else compiled anew and kept. Blocks while it
    /// compiles.
    ///
    /// # Errors
    /// What the compiler said; a folder that can't be written.
    pub fn load(&self, engine: &Engine, digest: Digest, component: &[u8]) -> Result<Component, SandboxError> {
        let path = self.path(engine, digest);
        if let Some(Ok(loaded)) = self.load_kept(engine, &path) {
            return Ok(loaded);
        }
        let arguments: Vec<&str> = self.compiler_arguments.iter().map(String::as_str).collect();
        let compiled = compile(&self.compiler, &arguments, component)?;
        // The compiler knows no pool: here its sizes are compared. What has no place is not kept. And nothing is read back: another
        // process may be writing the same just now.
        let loaded = take(engine, &compiled).map_err(|err| CompileError::NoPlace(SafeText::new(&format!("{err:#}"), 2048)))?;
        self.keep(&path, &compiled).map_err(|cause| SandboxError::Cache { path: path.display().to_string(), cause })?;
        Ok(loaded)
    }

    fn path(&self, engine: &Engine, digest: Digest) -> PathBuf {
        self.folder.join(format!("{}-{}.cwasm", digest.hex(), engine.profile()))
    }

    /// The code covers the name too, so that one genuine file can't stand in for another.
    fn code(&self, path: &Path, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(&[0]);
        hasher.update(bytes);
        hasher.finalize()
    }

    #[expect(clippy::disallowed_methods, reason = "door: the cache of compiled components")]
    fn load_kept(&self, engine: &Engine, path: &Path) -> Option<wasmtime::Result<Component>> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
        let code: [u8; 32] = fs::read(path.with_extension("mac")).ok()?.try_into().ok()?;
        // Compared in constant time by the type.
        if self.code(path, &bytes) != blake3::Hash::from_bytes(code) {
            return None;
        }
        Some(take(engine, &bytes))
    }

    /// Writes the code last: a file without one, or with that of another writer's file, is compiled again.
    #[expect(clippy::disallowed_methods, reason = "door: the cache of compiled components")]
    fn keep(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let code = self.code(path, bytes);
        static WRITERS: AtomicU64 = AtomicU64::new(0);
        let put = |path: &Path, bytes: &[u8]| {
            let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
            let new = path.with_extension(format!("new{}-{writer}", std::process::id()));
            let mut file = File::create(&new)?;
            file.write_all(bytes)?;
            fs::rename(&new, path)
        };
        put(path, bytes)?;
        put(&path.with_extension("mac"), code.as_bytes())
    }
}

/// Only for bytes that a compiler of this host has just given, or that carry this home's authentication code.
#[expect(unsafe_code, reason = "this host made the bytes, for this profile, and nobody else had them since")]
fn take(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes come from `precompile_component` unchanged; both callers have made sure of that.
    unsafe { Component::deserialize(&engine.inner, bytes) }
}
