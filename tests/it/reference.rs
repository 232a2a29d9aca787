//! Compares what a guest sees of WASI here with what it sees under `wasmtime-wasi`, which other hosts use.
//!
//! [`DIFFERENCES`] lists each difference with its reason. An unlisted difference is a fault, and so is a listed one that does not exist
//! any more.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tests::guests::guest;
use tests::host::{TestHost, mount};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use crate::ending::{done, lines};

const INPUT: &str = "some words";

/// The call, the result here, the result under the reference, and the reason.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("append stream", OK, REFUSED, WRITES),
    (
        "insecure",
        "[5,false]",
        "[5,true]",
        "the interface expects one call for the seed; here each call draws new numbers, which a rebuild draws again",
    ),
    ("read 0 at 0", NOTHING, NOTHING_MORE, OF_NOTHING),
    ("read 0 at 10", NOTHING, NOTHING_MORE, OF_NOTHING),
    ("read folder", r#"{"err":"is-directory"}"#, r#"{"err":"bad-descriptor"}"#, "this is the interface's name for it"),
    ("stream-read-0", r#"{"err":"\"closed\""}"#, r#"{"ok":"[]"}"#, "a fault here: reading 0 bytes before the end counts as the end"),
    ("write stream", OK, REFUSED, WRITES),
];
const OK: &str = r#"{"ok":"()"}"#;
const REFUSED: &str = r#"{"err":"not-permitted"}"#;
const WRITES: &str = "the first write is refused here, not the stream: some programs open a stream and never write";
const NOTHING: &str = r#"{"ok":"([], false)"}"#;
const NOTHING_MORE: &str = r#"{"ok":"([], true)"}"#;
const OF_NOTHING: &str = "a read of 0 bytes can't tell whether a file has ended";

struct Reference {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Reference {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "0123456789").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("folder/inner"), "in").unwrap();
    for (to, link) in [("file", "link"), ("nowhere", "dangling"), ("../..", "up"), ("/etc", "absolute")] {
        symlink(to, at(link)).unwrap();
    }
    folder
}

/// The output of the guest under `wasmtime-wasi`.
async fn printed_there(name: &str, root: &Path) -> Vec<Value> {
    let engine = Engine::new(&Config::new()).unwrap();
    let component = Component::from_file(&engine, guest(name)).unwrap();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    let out = MemoryOutputPipe::new(1 << 20);
    let mut wasi = WasiCtx::builder();
    wasi.stdin(MemoryInputPipe::new(INPUT)).stdout(out.clone()).stderr(MemoryOutputPipe::new(1 << 20));
    wasi.args(&[name, "one", "two"]).env("LANG", "C").preopened_dir(root, "/src", FsPerms::ReadOnly).unwrap();
    let mut store = Store::new(&engine, Reference { wasi: wasi.build(), table: ResourceTable::new() });
    let command = Command::instantiate_async(&mut store, &component, &linker).await.unwrap();
    command.wasi_cli_run().call_run(&mut store).await.unwrap().unwrap();
    let bytes = out.contents();
    std::str::from_utf8(&bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_name(lines: Vec<Value>) -> BTreeMap<String, String> {
    let pair = |line: Value| (line["what"].as_str().unwrap().to_owned(), line["saw"].to_string());
    let count = lines.len();
    let by_name: BTreeMap<_, _> = lines.into_iter().map(pair).collect();
    assert_eq!(by_name.len(), count, "two calls have one name");
    by_name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_see_of_wasi_what_they_see_under_the_reference_but_for_what_is_listed() {
    let tree = tree();
    let host = TestHost::new();
    let mut order = host.order("walks_wasi", &["one", "two"]);
    mount(&mut order, "/src", tree.path());
    order.grants.env.insert("LANG".to_owned(), "C".to_owned());
    order.input = INPUT.to_owned();
    let here = by_name(lines(&done(&host, order).await));
    let there = by_name(printed_there("walks_wasi", tree.path()).await);
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    assert!(here.len() > 100, "{}", here.len());

    let mut wrong = Vec::new();
    for (what, saw) in &here {
        let reference = there.get(what).unwrap();
        let listed = DIFFERENCES.iter().find(|(name, ..)| name == what).map(|(_, here, there, _)| (*here, *there));
        let found = (saw != reference).then_some((saw.as_str(), reference.as_str()));
        if found != listed {
            wrong.push(format!("{what}: here {saw}, there {reference}; listed: {listed:?}"));
        }
    }
    wrong.extend(DIFFERENCES.iter().filter(|(name, ..)| !here.contains_key(*name)).map(|(name, ..)| format!("{name}: nobody calls it")));
    assert!(wrong.is_empty(), "{} differ from the list:\n{}", wrong.len(), wrong.join("\n"));
}
