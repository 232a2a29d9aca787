//! An agent in Python: componentize-py.

use std::path::Path;

use super::slot::Slot;
use super::{BuildError, Made, tool};
use crate::wit;

const COMPONENTIZE: &str = "componentize-py";

pub(super) fn build(folder: &Path, module: &str, slot: &Slot, say: &mut dyn FnMut(&str)) -> Result<Made, BuildError> {
    let wit = slot.folder.join("wit");
    wit::lay_out_wit(&wit)?;
    let component = slot.folder.join("raw.wasm");
    let mut command = tool::tool(COMPONENTIZE, folder);
    command.arg("-d").arg(&wit).args(["-w", wit::WORLD, "componentize", module, "-p", "."]).arg("-o").arg(&component);
    tool::output(COMPONENTIZE, &mut command, say)?;
    Ok(Made { component, others: Vec::new() })
}
