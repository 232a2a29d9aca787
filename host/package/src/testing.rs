//! Small components and manifests for tests.

use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentTypeRef,
    ComponentTypeSection, InstanceType,
};

use crate::manifest::{Declared, Manifest};
use vocabulary::Capability;

pub(crate) const AGENT: &str = "bailiwick:agent/agent@0.1.0";
pub(crate) const COMMAND: &str = "wasi:cli/run@0.2.12";

/// A valid component without code that imports and exports empty interfaces of these names.
pub(crate) fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.ty().instance(&InstanceType::new());
    let mut imported = ComponentImportSection::new();
    for name in imports {
        imported.import(*name, ComponentTypeRef::Instance(0));
    }
    let mut instances = ComponentInstanceSection::new();
    instances.export_items::<&str, _>([]);
    let mut exported = ComponentExportSection::new();
    let own = u32::try_from(imports.len()).unwrap_or(0);
    for name in exports {
        exported.export(*name, ComponentExportKind::Instance, own, None);
    }
    let mut component = Component::new();
    component.section(&types).section(&imported).section(&instances).section(&exported);
    component.finish()
}

pub(crate) fn manifest(declares: &[Capability]) -> Manifest {
    let declares = declares.iter().map(|capability| Declared {
        capability: *capability,
        why: format!("uses {capability}"),
        destructive: false,
        read_only: false,
        idempotent: false,
    });
    Manifest {
        name: "probe".to_owned(),
        version: "0.1.0".to_owned(),
        licence: None,
        description: "Looks.".to_owned(),
        declares: declares.collect(),
        input: None,
        output: None,
    }
}
