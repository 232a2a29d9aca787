//! Describes a component without running it: digest, size, imports, and how it is called.
//!
//! The whole component is validated for the features of the engine, so that `inspect` shows what would be compiled. [`crate::admission`]
//! decides whether its imports are served.

use std::path::Path;

use vocabulary::{Digest, SafeText};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::file::{self, FileError};
use crate::interface::InterfaceName;
use crate::manifest::{self, FrozenError, Manifest};

/// BOUND: bytes of a component. One from componentize-py has 18 MiB.
pub const COMPONENT_BYTES_MAX: u64 = 128 << 20;
/// BOUND: imports, and exports, of the outermost level. All of WASI has about 40.
const EXTERNS_MAX: usize = 500;
/// BOUND: bytes of the name of an import.
const NAME_BYTES_MAX: usize = 256;
/// BOUND: levels of components within components. Those of toolchains have 2.
const DEPTH_MAX: usize = 16;
/// BOUND: modules and components within one. A componentize-py component has some 20.
const NESTED_MAX: usize = 1000;

/// The features of WebAssembly that our engine accepts. The others are attack surface that no toolchain needs: threads, memory64, several
/// memories, GC, exceptions, tail calls, relaxed SIMD, stack switching, and the async of components.
pub const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A component that is valid, and that the host can call.
#[derive(Clone, Debug)]
pub struct Component {
    /// The digest of all its bytes, including the manifest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it is called.
    pub kind: ComponentKind,
    /// What it imports, in the order of the component.
    pub imports: Vec<Import>,
    /// The manifest that it contains.
    pub manifest: Option<Manifest>,
}

/// How a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// It exports `bailiwick:agent/agent`.
    Agent,
    /// It exports `wasi:cli/run`.
    Command,
}

/// One import of the outermost level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name as written, made safe to print.
    pub name: SafeText,
    /// The interface that it names. `None` for any other import, which is not served.
    pub interface: Option<InterfaceName>,
}

/// These bytes are not a component that can run here.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The component has too many bytes.
    #[error("the component has more than {COMPONENT_BYTES_MAX} bytes")]
    TooLarge,
    /// The bytes are not WebAssembly.
    #[error("this is not WebAssembly: it does not begin as a component does")]
    NotWasm,
    /// The bytes are a core module.
    #[error("this is a core module, not a component; build it for `wasm32-wasip2`")]
    CoreModule,
    /// The component breaks a rule of the format, is truncated, or needs a feature that the engine has turned off.
    #[error("the component is broken, or needs a feature of WebAssembly that is turned off here")]
    Invalid(#[source] wasmparser::BinaryReaderError),
    /// The component has more of something than any toolchain writes.
    #[error("the component has more than {max} {what}")]
    TooMuch {
        /// What is counted.
        what: &'static str,
        /// The largest number that is allowed.
        max: usize,
    },
    /// The component has no export that the host can call.
    #[error("the component exports neither `bailiwick:agent/agent@0.1` nor `wasi:cli/run@0.2`")]
    NotCallable,
    /// The manifest in the component is broken.
    #[error("the component's manifest can't be read")]
    Manifest(#[source] FrozenError),
}

/// Reads the whole file of a component. It must be a regular file that is not longer than a component may be.
///
/// # Errors
/// A file that can't be read, or that is too long.
pub fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    file::read(file, COMPONENT_BYTES_MAX)
}

/// Inspects a component without running it.
///
/// # Errors
/// A [`ComponentError`] for all bytes that are not a valid component which the host can call.
pub fn inspect(bytes: &[u8]) -> Result<Component, ComponentError> {
    inspect_unless(bytes, |_| false)
}

/// Like [`inspect`], but without validating the code of a component that is known to be valid: for a large one that is most of the work.
pub(crate) fn inspect_unless(bytes: &[u8], is_known: impl FnOnce(Digest) -> bool) -> Result<Component, ComponentError> {
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(ComponentError::TooLarge);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(ComponentError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(ComponentError::NotWasm);
    }
    // For a large component each of the two takes milliseconds, and a person waits for both.
    let (outline, digest) = std::thread::scope(|scope| {
        let digest = scope.spawn(|| Digest::of(bytes));
        (outline(bytes), digest.join().unwrap_or_else(|_| Digest::of(bytes)))
    });
    let outline = outline?;
    if !is_known(digest) {
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(ComponentError::Invalid)?;
    }
    Ok(Component {
        digest,
        size: bytes.len() as u64,
        kind: outline.kind.ok_or(ComponentError::NotCallable)?,
        imports: outline.imports,
        manifest: manifest::read(bytes).map_err(ComponentError::Manifest)?,
    })
}

#[derive(Default)]
struct Outline {
    imports: Vec<Import>,
    exports: usize,
    kind: Option<ComponentKind>,
}

/// Reads the outermost imports and exports. It runs before validation, whose cost grows with numbers that are bounded here.
fn outline(bytes: &[u8]) -> Result<Outline, ComponentError> {
    let mut outline = Outline::default();
    let (mut depth, mut nested) = (0_usize, 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(ComponentError::Invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(ComponentError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                nested += 1;
                bounded(depth, DEPTH_MAX, "levels of nesting")?;
                bounded(nested, NESTED_MAX, "modules")?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) => {
                bounded(section.count() as usize, EXTERNS_MAX, "imports")?;
                for import in section.into_iter().filter(|_| depth == 0) {
                    outline.import(import.map_err(ComponentError::Invalid)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                bounded(section.count() as usize, EXTERNS_MAX, "exports")?;
                for export in section.into_iter().filter(|_| depth == 0) {
                    let export = export.map_err(ComponentError::Invalid)?;
                    outline.export(export.name.name, export.kind)?;
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}

impl Outline {
    fn import(&mut self, name: &str) -> Result<(), ComponentError> {
        bounded(name.len(), NAME_BYTES_MAX, "bytes in the name of an import")?;
        self.imports.push(Import { name: SafeText::new(name, NAME_BYTES_MAX), interface: InterfaceName::parse(name) });
        bounded(self.imports.len(), EXTERNS_MAX, "imports")
    }

    fn export(&mut self, name: &str, kind: wasmparser::ComponentExternalKind) -> Result<(), ComponentError> {
        self.exports += 1;
        bounded(self.exports, EXTERNS_MAX, "exports")?;
        let Some(name) = InterfaceName::parse(name).filter(|_| kind == wasmparser::ComponentExternalKind::Instance) else { return Ok(()) };
        if name.is("bailiwick:agent", "agent") && name.is_agent_0_1() {
            self.kind = Some(ComponentKind::Agent);
        } else if name.is("wasi:cli", "run") && name.is_wasi_0_2() && self.kind.is_none() {
            self.kind = Some(ComponentKind::Command);
        }
        Ok(())
    }
}

fn bounded(count: usize, max: usize, what: &'static str) -> Result<(), ComponentError> {
    if count > max { Err(ComponentError::TooMuch { what, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
