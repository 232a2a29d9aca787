//! Child processes that run this same program: the compiler, and the ones that contain a build tool. Each has a hidden verb and does
//! nothing else.

use std::process::ExitCode;

use vocabulary::exit;

use crate::{out, words};

/// The verb of the compiler's process.
pub(crate) const COMPILE_COMPONENT: &str = "compile-component";
/// The verb of the process that ends a build when its parent is gone.
pub(crate) const BUILD_KEEPER: &str = "keep-build";
/// The verb of the process that contains itself and becomes the build tool.
pub(crate) const BUILD_TOOL: &str = "build-tool";

/// The compiler's child process, which `sandbox` starts. The function that it calls restricts the process.
pub(crate) fn compile() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != COMPILE_COMPONENT {
        return None;
    }
    let mut number = || arguments.next().and_then(|number| number.to_str()?.parse().ok()).unwrap_or(0);
    let (component_bytes, memory_bytes) = (number(), number());
    Some(match sandbox::compile_child(component_bytes, memory_bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            out::words(&err.to_string());
            ExitCode::from(1)
        }
    })
}

/// The processes between this program and a build tool. `package` starts them.
pub(crate) fn build() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args_os().skip(1).map_while(|word| word.into_string().ok()).collect();
    let ended = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [BUILD_KEEPER, worker, order] => sandbox::keep_contained_build(worker, order),
        [BUILD_TOOL, order] => Err(sandbox::work(order)),
        _ => return None,
    };
    Some(ended.map_or_else(
        |err| {
            let cause = std::error::Error::source(&err).map_or_else(String::new, |cause| format!(": {cause}"));
            out::words(&words::safe(&format!("{err}{cause}")));
            ExitCode::from(exit::HOST)
        },
        ExitCode::from,
    ))
}
