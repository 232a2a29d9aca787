//! The component cache: components that are compiled, linked and ready to run.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use home::{Access, AsideFile};
use sandbox::{Cache, Engine, EngineOptions, Prepared};
use vocabulary::{Digest, Limits};

use crate::err::RunError;
use crate::place::{HomePlace, HostOptions, held, home_err};

/// Engines, compiled components, linked components. An auditor uses them too, without the home's lock. This is not
/// [`vocabulary::ContainedBuild`], which says what a build tool may reach.
pub(crate) struct ComponentCache {
    home: PathBuf,
    pub(crate) cache: Cache,
    slots: u32,
    engines: Mutex<HashMap<u64, Engine>>,
    prepared: Mutex<HashMap<(Digest, u64), ComponentSlot>>,
}

/// BOUND: components that a long-lived process keeps ready. Beyond it, components are dropped and made ready again when needed.
const PREPARED_MAX: usize = 16;

/// A component that is ready, or is being made ready. A second caller waits for the first one and does not compile.
type ComponentSlot = Arc<Mutex<Option<Prepared>>>;

impl ComponentCache {
    pub(crate) fn new(place: &HomePlace, options: &HostOptions) -> Result<Self, RunError> {
        let key = cache_key(&place.at("cache.key"))?;
        let (compiler, arguments) = options.compiler.clone();
        Ok(Self {
            home: place.home.clone(),
            cache: Cache::new(place.at("cache"), key, compiler, arguments),
            slots: options.slots,
            engines: Mutex::new(HashMap::new()),
            prepared: Mutex::new(HashMap::new()),
        })
    }

    /// An engine for this stack size. The size belongs to the engine and not to the run, so there is one engine for each configured size.
    fn engine(&self, stack_bytes: u64) -> Result<Engine, RunError> {
        let mut engines = held(&self.engines);
        if let Some(engine) = engines.get(&stack_bytes) {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&EngineOptions { slots: self.slots, stack_bytes, ..EngineOptions::default() })?;
        engines.insert(stack_bytes, engine.clone());
        Ok(engine)
    }

    /// The slot of a component, which is added if there is none.
    ///
    /// SECURITY: a host lives as long as any run is active in its home, and each component that is kept ready has its code in memory.
    fn slot(&self, of: (Digest, u64)) -> ComponentSlot {
        let mut prepared = held(&self.prepared);
        if prepared.len() >= PREPARED_MAX && !prepared.contains_key(&of) {
            // Components that are being made ready stay. A run keeps the component that it uses.
            prepared.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(prepared.entry(of).or_default())
    }

    /// A component that is ready. Never blocks: a component that is just being made ready does not count.
    pub(crate) fn ready(&self, digest: Digest, stack_bytes: u64) -> Option<Prepared> {
        let slot = held(&self.prepared).get(&(digest, stack_bytes)).cloned()?;
        slot.try_lock().ok()?.clone()
    }

    /// Makes a component of the home ready, and compiles it if necessary. Blocks while it compiles.
    pub(crate) fn prepare(&self, digest: Digest, limits: &Limits) -> Result<Prepared, RunError> {
        let stack_bytes = limits.stack_bytes;
        let slot = self.slot((digest, stack_bytes));
        let mut slot = held(&slot);
        if let Some(prepared) = &*slot {
            return Ok(prepared.clone());
        }
        let engine = self.engine(stack_bytes)?;
        let compiled = match self.cache.kept(&engine, digest) {
            Some(kept) => kept,
            None => {
                let component = package::store::get(&self.home, digest)?;
                self.cache.load_within(&engine, (digest, &component), limits.compile_memory_bytes)?
            }
        };
        let prepared = Prepared::new(&engine, &compiled)?;
        *slot = Some(prepared.clone());
        Ok(prepared)
    }
}

/// The key that authenticates compiled components. It is made on first use; if two processes make it at once, the first one's key stays. A
/// key of another length was left by a crash while it was made, and is replaced: this only costs compiling again.
fn cache_key(path: &Path) -> Result<[u8; 32], RunError> {
    if let Some(key) = read_cache_key(path)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| RunError::Random)?;
    let mut aside = AsideFile::begin(path, home::PRIVATE).map_err(home_err(path))?;
    aside.write(&key).and_then(|()| aside.put_first()).map_err(home_err(path))?;
    read_cache_key(path)?.ok_or(RunError::CacheKey(path.to_owned()))
}

/// SECURITY: a user who can read this key can make the host run any native code.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn read_cache_key(path: &Path) -> Result<Option<[u8; 32]>, RunError> {
    let file = match home::open(path, Access::Read) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(home_err(path))?,
    };
    let mut key = Vec::new();
    file.take(33).read_to_end(&mut key).map_err(home_err(path))?;
    match <[u8; 32]>::try_from(key) {
        Ok(key) => Ok(Some(key)),
        Err(_) => {
            std::fs::remove_file(path).map_err(home_err(path))?;
            Ok(None)
        }
    }
}
