//! `bailiwick.toml` and `agent.toml`, as they may come with a checkout.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use package::{AuthoredManifest, config};

/// Parses the bytes as either file. Whatever is wrong with them must be returned as an error.
///
/// # Panics
/// A folder or a file can't be made, or the configuration resolves to a path that is not absolute.
pub fn configuration(bytes: &[u8]) {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let place = crate::scratch();
        for folder in ["project/src", "home"] {
            std::fs::create_dir_all(place.join(folder)).expect("there is room");
        }
        std::fs::write(place.join("project/secret"), "a value of a secret\n").expect("there is room");
        place
    });
    let file = place.join("project").join(config::FILE_NAME);
    std::fs::write(&file, bytes).expect("there is room");
    if let Ok(authored) = config::read(&file) {
        match authored.resolve(&place.join("home")) {
            Ok(resolved) => assert!(resolved.agents.values().all(|agent| agent.grants.files.iter().all(|mount| mount.host.is_absolute()))),
            Err(err) => assert!(!err.to_string().is_empty()),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = AuthoredManifest::parse(Path::new("agent.toml"), text);
    }
}
