//! Generates the host side of every interface that is served, from the WIT files of WASI and ours.
//!
//! These are our own bindings and not those of `wasmtime-wasi`, because that crate fixes the resource types: its streams and pollables
//! become ready when tokio has run something, and ours only by a release (see `host/ARCHITECTURE.md`).
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a build script fails by panicking")]

use std::path::PathBuf;

use wasmtime_internal_wit_bindgen::{FunctionConfig, FunctionFilter, FunctionFlags, Opts};
use wit_parser::Resolve;

include!("../../wit/locate.rs");

/// The interfaces that are served with typed bindings. `wasi:sockets` is linked in `src/wasi/sockets.rs` without bindings, because no guest
/// can use it.
const WORLD: &str = "
package bailiwick:host;
world served {
  import wasi:io/error@0.2.12;
  import wasi:io/poll@0.2.12;
  import wasi:io/streams@0.2.12;
  import wasi:clocks/monotonic-clock@0.2.12;
  import wasi:clocks/wall-clock@0.2.12;
  import wasi:random/random@0.2.12;
  import wasi:random/insecure@0.2.12;
  import wasi:random/insecure-seed@0.2.12;
  import wasi:cli/environment@0.2.12;
  import wasi:cli/exit@0.2.12;
  import wasi:cli/stdin@0.2.12;
  import wasi:cli/stdout@0.2.12;
  import wasi:cli/stderr@0.2.12;
  import wasi:cli/terminal-input@0.2.12;
  import wasi:cli/terminal-output@0.2.12;
  import wasi:cli/terminal-stdin@0.2.12;
  import wasi:cli/terminal-stdout@0.2.12;
  import wasi:cli/terminal-stderr@0.2.12;
  import wasi:filesystem/types@0.2.12;
  import wasi:filesystem/preopens@0.2.12;
  import wasi:http/types@0.2.12;
  import wasi:http/outgoing-handler@0.2.12;
  import bailiwick:agent/findings@0.1.0;
  import bailiwick:agent/progress@0.1.0;
  import bailiwick:agent/credentials@0.1.0;
}
";

/// The resources, and our type for each.
const RESOURCES: &[(&str, &str)] = &[
    ("wasi:io/error.error", "crate::wasi::io::IoError"),
    ("wasi:io/poll.pollable", "crate::wasi::poll::Pollable"),
    ("wasi:io/streams.input-stream", "crate::wasi::input::InputStream"),
    ("wasi:io/streams.output-stream", "crate::wasi::output::OutputStream"),
    ("wasi:cli/terminal-input.terminal-input", "crate::wasi::cli::Terminal"),
    ("wasi:cli/terminal-output.terminal-output", "crate::wasi::cli::Terminal"),
    ("wasi:filesystem/types.descriptor", "crate::wasi::files::Descriptor"),
    ("wasi:filesystem/types.directory-entry-stream", "crate::wasi::files::DirStream"),
    ("wasi:http/types.fields", "crate::wasi::fields::Fields"),
    ("wasi:http/types.incoming-request", "crate::wasi::http_types::Never"),
    ("wasi:http/types.response-outparam", "crate::wasi::http_types::Never"),
    ("wasi:http/types.outgoing-response", "crate::wasi::http_types::Never"),
    ("wasi:http/types.outgoing-request", "crate::wasi::http_types::OutgoingRequest"),
    ("wasi:http/types.outgoing-body", "crate::wasi::http_types::OutgoingBody"),
    ("wasi:http/types.request-options", "crate::wasi::http_types::RequestOptions"),
    ("wasi:http/types.incoming-response", "crate::wasi::http_types::IncomingResponse"),
    ("wasi:http/types.incoming-body", "crate::wasi::http_types::IncomingBody"),
    ("wasi:http/types.future-trailers", "crate::wasi::http_types::FutureTrailers"),
    ("wasi:http/types.future-incoming-response", "crate::wasi::http_types::FutureResponse"),
];

/// The functions that may wait. All others answer at once, and are bound as plain calls, which are three to six times cheaper.
const WAITS: &[&str] = &[
    "wasi:io/poll.poll",
    "wasi:io/poll.[method]pollable.block",
    "wasi:io/streams.[method]input-stream.blocking-read",
    "wasi:io/streams.[method]input-stream.blocking-skip",
    "wasi:io/streams.[method]output-stream.write",
    "wasi:io/streams.[method]output-stream.write-zeroes",
    "wasi:io/streams.[method]output-stream.blocking-write-and-flush",
    "wasi:io/streams.[method]output-stream.blocking-write-zeroes-and-flush",
    "wasi:io/streams.[method]output-stream.splice",
    "wasi:io/streams.[method]output-stream.blocking-splice",
    "bailiwick:agent/findings.report",
    "bailiwick:agent/credentials.identify",
    "bailiwick:agent/credentials.rotation-create",
    "bailiwick:agent/credentials.rotation-set",
    "bailiwick:agent/credentials.rotation-test",
    "bailiwick:agent/credentials.rotation-finish",
];

#[expect(clippy::disallowed_methods, reason = "door: a build script")]
fn main() {
    let ours = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../wit");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", ours.display());
    let mut resolve = Resolve::default();
    resolve.push_path(wasip2_wit()).expect("WASI's text parses");
    resolve.push_path(&ours).expect("our text parses");
    let package = resolve.push_str("served.wit", WORLD).expect("the world parses");
    let world = resolve.select_world(&[package], Some("served")).expect("the world is there");

    let mut imports = FunctionConfig::new();
    for name in WAITS {
        imports.push(FunctionFilter::Name((*name).to_owned()), FunctionFlags::ASYNC | FunctionFlags::TRAPPABLE);
    }
    imports.push(FunctionFilter::Default, FunctionFlags::TRAPPABLE);
    let opts = Opts {
        imports,
        with: RESOURCES.iter().map(|(wit, ours)| ((*wit).to_owned(), (*ours).to_owned())).collect(),
        require_store_data_send: true,
        ..Opts::default()
    };
    let bindings = opts.generate(&mut resolve, world).expect("bindings are generated");
    // Our resource types are private to the crate, but the generator can only write `pub`.
    let bindings = bindings.replace("pub use ", "pub(crate) use ");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("bindings.rs");
    std::fs::write(out, bindings).expect("the bindings are written");
}
