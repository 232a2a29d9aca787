//! The WIT that toolchains for other languages need, written into a folder: WASI's own text and ours.

use std::path::Path;

use crate::file::{self, FileError};

/// A path within the folder, and the text of the file. They are collected when this crate is built.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/wit.rs"));

/// The world that an agent in Python or JavaScript is built for.
pub const WORLD: &str = "toolchain";

const WORLD_TEXT: &str = r"// Laid out by `bailiwick build`; changes here are overwritten.
package bailiwick:toolchain@0.1.0;

world toolchain {
  include wasi:cli/imports@0.2.12;
  import wasi:http/types@0.2.12;
  import wasi:http/outgoing-handler@0.2.12;
  include bailiwick:agent/agent-world@0.1.0;
}
";

/// Writes the files, so that a toolchain needs only `-d folder -w toolchain`.
///
/// # Errors
/// A file that can't be written.
pub fn lay_out_wit(folder: &Path) -> Result<(), FileError> {
    file::write_if_changed(&folder.join("world.wit"), WORLD_TEXT.as_bytes())?;
    FILES.iter().try_for_each(|(path, text)| file::write_if_changed(&folder.join(path), text.as_bytes()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{WORLD, lay_out_wit};

    #[test]
    fn what_is_laid_out_is_a_world_that_resolves() {
        let folder = tempfile::tempdir().unwrap();
        lay_out_wit(folder.path()).unwrap();
        lay_out_wit(folder.path()).unwrap();
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_dir(folder.path()).unwrap();
        let world = resolve.select_world(&[package], Some(WORLD)).unwrap();
        let world = resolve.worlds.get(world).unwrap();
        assert_eq!(world.exports.len(), 1, "an agent, and nothing else");
    }
}
