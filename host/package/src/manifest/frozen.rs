//! The manifest inside the component: one custom section of JSON at the outermost level.

use vocabulary::SafeText;
use wasm_encoder::{CustomSection, Section as _};
use wasmparser::{Parser, Payload};

use super::{CONTRADICTION, DECLARES_MAX, LINE_BYTES_MAX, Manifest, is_name, is_version};

/// The section's name.
pub const SECTION: &str = "bailiwick:manifest";

/// BOUND: bytes of a frozen manifest; schemas are a few KiB each.
const SECTION_BYTES_MAX: usize = 1 << 20;

/// A manifest can't be frozen or read.
#[derive(Debug, thiserror::Error)]
pub enum FrozenError {
    /// The bytes are not a WebAssembly binary, or end too early.
    #[error("the component is broken")]
    Component(#[source] wasmparser::BinaryReaderError),
    /// The bytes are a core module.
    #[error("this is a core module, not a component")]
    CoreModule,
    /// There is a manifest where none is expected, or there is more than one.
    #[error("the component has more than one manifest")]
    Several,
    /// The manifest is too long.
    #[error("the manifest has more than {SECTION_BYTES_MAX} bytes")]
    TooLarge,
    /// The section is not the JSON of a manifest.
    #[error("the component's manifest is not of a known form")]
    Json(#[source] serde_json::Error),
    /// A field has a value that an `agent.toml` can't have.
    #[error("the component's manifest has a wrong `{field}`: {why}")]
    Impossible {
        /// The field.
        field: &'static str,
        /// The problem with its value.
        why: &'static str,
    },
}

/// The same component with the manifest in it.
///
/// # Errors
/// A component that already has a manifest, that is broken, or a manifest that could not be read again.
pub fn freeze(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, FrozenError> {
    if read(component)?.is_some() {
        return Err(FrozenError::Several);
    }
    check(manifest)?;
    let json = serde_json::to_vec(manifest).map_err(FrozenError::Json)?;
    if json.len() > SECTION_BYTES_MAX {
        return Err(FrozenError::TooLarge);
    }
    let mut frozen = component.to_vec();
    CustomSection { name: SECTION.into(), data: json.into() }.append_to(&mut frozen);
    Ok(frozen)
}

/// The manifest in a component. `None` if it has none.
///
/// # Errors
/// More than one manifest, or a broken one: a manifest that can't be read must not count as absent.
pub fn read(component: &[u8]) -> Result<Option<Manifest>, FrozenError> {
    let mut depth = 0_u32;
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(FrozenError::Component)? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => return Err(FrozenError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Only the outermost level counts: a component may contain others that anybody wrote.
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => sections.push(section.data()),
            _ => {}
        }
    }
    match sections[..] {
        [] => Ok(None),
        [json] => parse(json).map(Some),
        _ => Err(FrozenError::Several),
    }
}

fn parse(json: &[u8]) -> Result<Manifest, FrozenError> {
    if json.len() > SECTION_BYTES_MAX {
        return Err(FrozenError::TooLarge);
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(FrozenError::Json)?;
    check(&manifest)?;
    Ok(manifest)
}

// SECURITY: anybody may have written the section, so it must satisfy the same rules as `agent.toml`.
fn check(manifest: &Manifest) -> Result<(), FrozenError> {
    let wrong = |field, why| Err(FrozenError::Impossible { field, why });
    if !is_name(&manifest.name) {
        return wrong("name", "not a valid agent name");
    }
    if !is_version(&manifest.version) {
        return wrong("version", "not a version");
    }
    if !is_line(&manifest.description) {
        return wrong("description", NOT_A_LINE);
    }
    if manifest.licence.as_deref().is_some_and(|licence| !is_line(licence)) {
        return wrong("licence", NOT_A_LINE);
    }
    if manifest.declares.len() > DECLARES_MAX {
        return wrong("declares", "too many entries");
    }
    for (n, declared) in manifest.declares.iter().enumerate() {
        if !is_line(&declared.why) {
            return wrong("declares", NOT_A_LINE);
        }
        if declared.read_only && declared.destructive {
            return wrong("declares", CONTRADICTION);
        }
        if manifest.declares.iter().skip(n + 1).any(|later| later.capability == declared.capability) {
            return wrong("declares", "a capability is declared twice");
        }
    }
    for (field, schema) in [("input", &manifest.input), ("output", &manifest.output)] {
        if schema.as_ref().is_some_and(|schema| !schema.is_object() && !schema.is_boolean()) {
            return wrong(field, "a schema is an object or a boolean");
        }
    }
    Ok(())
}

const NOT_A_LINE: &str = "not one plain line, or too long";

fn is_line(text: &str) -> bool {
    let plain = text.replace('\\', "");
    !text.is_empty() && text.len() <= LINE_BYTES_MAX && SafeText::new(&plain, LINE_BYTES_MAX).as_str() == plain
}
