//! The entry point for libFuzzer. It runs the target that `FUZZ_TARGET` names, and writes its seeds into the folder that `FUZZ_SEEDS`
//! names.
#![no_main]
#![expect(clippy::expect_used, reason = "the person who starts it sees why it failed")]

use std::path::PathBuf;
use std::sync::OnceLock;

static TARGET: OnceLock<fuzz::Target> = OnceLock::new();

fn begin() {
    let wanted = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = fuzz::TARGETS.iter().find(|(name, _)| *name == wanted).expect("FUZZ_TARGET names a target").1;
    TARGET.get_or_init(|| target);
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (n, seed) in fuzz::seeds(&wanted).iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{n:03}")), seed).expect("the folder is there");
    }
}

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(bytes);
    }
});
