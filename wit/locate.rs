// Included by the build scripts that need WASI's own WIT. The text is not copied here, but read from the crate that
// contains it. A file that includes this one must have `use std::path::PathBuf`.

/// The `wit` folder of the `wasip2` crate that the lock file names. It has the text of WASI 0.2.12, the same as the engine.
fn wasip2_wit() -> PathBuf {
    // The first attempt does not use the network, because the crates of this build have been fetched. A partial fetch (`cargo
    // install`) may lack crates that only tests need, and `cargo metadata` requires them too.
    let metadata = cargo_metadata(&["--offline"]).or_else(|_| cargo_metadata(&[])).expect("cargo metadata");
    let manifest = metadata["packages"]
        .as_array()
        .expect("metadata lists packages")
        .iter()
        .find(|package| package["name"] == "wasip2")
        .and_then(|package| package["manifest_path"].as_str())
        .expect("the crate wasip2 is among the dependencies");
    PathBuf::from(manifest).with_file_name("wit")
}

#[expect(clippy::disallowed_methods, reason = "door: configuration, agents and the home's own files")]
fn cargo_metadata(more: &[&str]) -> Result<serde_json::Value, String> {
    let variable = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let output = std::process::Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform", &variable("TARGET")?])
        .args(more)
        .current_dir(variable("CARGO_MANIFEST_DIR")?)
        .output()
        .map_err(|err| err.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|err| err.to_string())
}
