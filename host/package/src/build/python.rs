//! An agent in Python: componentize-py, with the SDK on its path.

use std::path::Path;

use effect::Digest;

use super::slot::Slot;
use super::{BuildError, Made, tool};
use crate::{file, wit};

const COMPONENTIZE: &str = "componentize-py";
/// The SDK for Python: path within the folder, and text; collected when this crate is built.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_python.rs"));

/// Stands for the SDK among what a component was built from: another SDK makes another component.
pub(super) fn sdk_digest() -> Digest {
    let all: Vec<u8> = SDK.iter().flat_map(|(path, text)| [path.as_bytes(), &[0], text.as_bytes(), &[0]].concat()).collect();
    Digest::of(&all)
}

pub(super) fn build(folder: &Path, module: &str, slot: &Slot, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let (wit, sdk) = (slot.folder.join("wit"), slot.folder.join("sdk"));
    wit::lay_out_wit(&wit)?;
    SDK.iter().try_for_each(|(path, text)| file::write_if_changed(&sdk.join(path), text.as_bytes()))?;
    let component = slot.folder.join("raw.wasm");
    let mut command = tool::tool(COMPONENTIZE, folder);
    // The agent's own folder comes first: what it brings is what it means.
    command.arg("-d").arg(&wit).args(["-w", wit::WORLD, "componentize", module, "-p", "."]).arg("-p").arg(&sdk).arg("-o").arg(&component);
    // SECURITY: left to itself, componentize-py puts the packages of whatever Python it finds into the component.
    command.env("VIRTUAL_ENV", &slot.folder);
    tool::output(COMPONENTIZE, &mut command, say)?;
    Ok(Made { component, others: Vec::new() })
}
