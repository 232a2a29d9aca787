//! Components that are not even started: bytes that are not a component, components that cost too much, imports that the host does not
//! serve.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use package::{ComponentError, Refused, effective, inspect};
use run::RunError;
use sandbox::{Cache, CompileError, Engine, EngineOptions, Prepared, SandboxError};
use tests::bombs;
use tests::host::{TestHost, bailiwick};
use tests::wat::wat;
use vocabulary::{Digest, Grants};

use crate::ending::{done, ended, honest, limit, not_started};

fn arguments() -> Vec<String> {
    vec!["compile-component".to_owned()]
}

/// A separate cache, so that the child really compiles everything.
fn cache(folder: &std::path::Path) -> Cache {
    Cache::new(folder.join("cache"), [7; 32], bailiwick(), arguments())
}

fn engine() -> Engine {
    Engine::new(&EngineOptions { slots: 2, ..EngineOptions::default() }).expect("an engine")
}

/// The error with its causes.
fn words(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text = format!("{text}: {err}");
        cause = err.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_component_is_refused_by_both_walls() {
    let host = TestHost::new();
    let whole = wat("does_nothing");
    let cut = &whole[..whole.len() / 2];
    let cases: &[(&str, &[u8], &str)] = &[
        ("core_module", &wat("core_module"), "this is a core module, not a component; build it for `wasm32-wasip2`"),
        ("preview1_module", &wat("preview1_module"), "this is a core module, not a component; build it for `wasm32-wasip2`"),
        ("empty", b"", "this is not WebAssembly: it does not begin as a component does"),
        ("a script", b"#!/bin/sh\nexit 0\n", "this is not WebAssembly: it does not begin as a component does"),
        ("half of one", cut, "the component is broken, or needs a feature of WebAssembly that is turned off here"),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(inspect(bytes).unwrap_err().to_string(), *expected, "{name}");
        // A component that passes the first check gets to the second one.
        let err = not_started(&host, host.order_of(name, bytes, &[])).await;
        assert_eq!(err.exit(), 4, "{name}: {}", err.chain());
        assert!(matches!(err, RunError::Sandbox(SandboxError::Compile(CompileError::Refused(_)))), "{name}: {err:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_turned_off_is_refused_by_both_walls() {
    let host = TestHost::new();
    let off = ["exceptions", "gc_types", "memory64", "relaxed_simd", "shared_memory", "tail_calls", "two_memories"];
    for name in off {
        let bytes = wat(name);
        assert!(matches!(inspect(&bytes), Err(ComponentError::Invalid(_))), "{name}: {:?}", inspect(&bytes));
        let err = not_started(&host, host.order_of(name, &bytes, &[])).await;
        assert!(matches!(err, RunError::Sandbox(SandboxError::Compile(CompileError::Refused(_)))), "{name}: {err:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_truncation_is_refused() {
    let whole = wat("answers_not_json");
    assert!(inspect(&whole).is_ok());
    let (mut shorter, names) = (0, 0);
    for end in 0..whole.len() {
        if inspect(&whole[..end]).is_ok() {
            // A component that is cut off exactly before a section of names, which has no meaning, is whole.
            assert_eq!(whole[end], names, "{end} of {}", whole.len());
            shorter += 1;
        }
    }
    assert!(shorter <= 1, "{shorter}");
}

/// The bytes with a change that the seed decides.
fn mutant(whole: &[u8], seed: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let at = 8 + seed * 7 % (bytes.len() - 8);
    match seed % 4 {
        0 => bytes[at] ^= 1 << (seed / 4 % 8),
        1 => bytes[at] = bytes[at].wrapping_add(1),
        2 => bytes[at] = 0xFF,
        _ => drop(bytes.remove(at)),
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_components_are_refused_or_run_to_some_end() {
    let host = TestHost::new();
    let (mut refused, mut started) = (0, 0);
    for name in ["answers_not_json", "reenters_from_realloc", "grows_tables"] {
        let whole = wat(name);
        for seed in 0..150 {
            let bytes = mutant(&whole, seed);
            let Ok(component) = inspect(&bytes) else {
                refused += 1;
                continue;
            };
            if component
                .imports
                .iter()
                .any(|import| import.interface.as_ref().is_none_or(|name| name.service() != package::Service::Served))
            {
                refused += 1;
                continue;
            }
            let mut order = host.order_of(name, &bytes, &[]);
            order.limits.active_timeout_ms = 200;
            match host.house.start(order, run::own_principal()).await {
                Ok(running) => drop(tests::host::report(running).await),
                Err(RunError::Sandbox(_)) => {}
                Err(err) => panic!("{name} {seed}: {err}"),
            }
            started += 1;
        }
    }
    honest(&host).await;
    assert!(refused > 100 && started > 10, "{refused} were refused, {started} went further");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_refused_or_compiled_within_the_childs_limits() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, engine) = (cache(folder.path()), engine());
    let host = TestHost::new();
    let bombs: [(&str, Vec<u8>, bool); 14] = [
        ("one function of many instructions", bombs::huge_function(300_000), true),
        ("a jump with 50,000 ways", bombs::br_table(50_000), true),
        ("20,000 blocks within each other", bombs::nested_blocks(20_000), true),
        ("four billion locals", bombs::locals(u32::MAX), false),
        ("49,000 locals of 16 bytes", bombs::locals(49_000), true),
        ("10,000 functions", bombs::functions(10_000), true),
        ("a million functions and one", bombs::functions(1_000_001), false),
        ("10,000 types", bombs::types(10_000), true),
        ("50,000 calls", bombs::many_calls(50_000), true),
        ("5,000 instances", bombs::instances(5000), false),
        ("two to the power of 14 instances", bombs::doubling_instances(14), false),
        ("two to the power of 40 instances", bombs::doubling_instances(40), false),
        ("two to the power of 40 fields", bombs::doubling_types(40), false),
        ("1,000 components within each other", bombs::nested_components(1000), false),
    ];
    for (what, bytes, may_compile) in bombs {
        let started = Instant::now();
        let inspected = inspect(&bytes).map(drop).map_err(|err| words(&err));
        let compiled = cache.load(&engine, Digest::of(&bytes), &bytes).map(drop);
        let took = started.elapsed();
        eprintln!(
            "{what}: {} bytes, looked {inspected:?}, compiled {:?}, {took:?}",
            bytes.len(),
            compiled.as_ref().map_err(|err| words(err))
        );
        assert!(took < Duration::from_secs(60), "{what}: {took:?}");
        match compiled {
            Ok(()) => assert!(may_compile || inspected.is_err(), "{what} was taken"),
            // A component without a slot is not kept either.
            Err(SandboxError::Compile(CompileError::Refused(_) | CompileError::NoPlace(_) | CompileError::Stopped { .. })) => {}
            Err(err) => panic!("{what}: {}", words(&err)),
        }
    }
    honest(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dear_components_that_compile_meet_the_limits_of_their_run() {
    let host = TestHost::new();
    // Zeros take no memory until they are used, but they count.
    let mut order = host.order_of("data", &bombs::data(32 << 20), &[]);
    order.limits.memory_bytes = 16 << 20;
    limit(&host, order, "memory").await;
    done(&host, host.order_of("functions", &bombs::functions(5000), &[])).await;
}

/// A cache whose compiler is a shell that runs a script. The shell is used because a file that was just written may still be open in a
/// process that another test is starting, and then can't be executed.
fn scripted(folder: &std::path::Path, key: u8, script: &str) -> Cache {
    Cache::new(folder.join("cache"), [key; 32], PathBuf::from("/bin/sh"), vec!["-c".to_owned(), script.to_owned()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_the_compiler_is_said_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine();
    let component = wat("does_nothing");
    let load = |script: &str| match scripted(folder.path(), 7, script).load(&engine, Digest::of(&component), &component) {
        Ok(_) => panic!("`{script}` compiled something"),
        Err(err) => words(&err),
    };
    let killed = load("kill -9 $$");
    assert!(killed.contains("the compiler was stopped (signal: 9 (SIGKILL))"), "{killed}");
    assert!(killed.contains("may take 2048 MiB (the most that a component of this size may need) and 30 s"), "{killed}");
    let starved = load("kill -XCPU $$");
    assert!(starved.contains("SIGXCPU"), "{starved}");
    let refused = load("printf 'bad\\033[31m\\n' >&2; exit 1");
    assert!(refused.contains("the compiler refused it: bad\\u{1b}[31m"), "{refused}");
    let odd = load("exit 77");
    assert!(odd.contains("exit status: 77"), "{odd}");
    // The result is not code: it is kept under this home's key, but is not run.
    let garbage = load("head -c 100 /dev/zero; exit 0");
    assert!(garbage.contains("the engine has no room for it"), "{garbage}");
    let endless = load("exec cat /dev/zero");
    assert!(endless.contains("it returned more than 64 MiB"), "{endless}");
    assert_eq!(std::fs::read_dir(folder.path().join("cache")).map_or(0, Iterator::count), 0, "nothing was kept");
    let nobody = Cache::new(folder.path().join("cache"), [7; 32], folder.path().join("nobody"), Vec::new());
    let err = nobody.load(&engine, Digest::of(&component), &component).map(drop).unwrap_err();
    assert!(words(&err).contains("the compiler process could not be used"), "{}", words(&err));
    // After that, the real compiler finds a cache that counts as empty.
    let loaded = cache(folder.path()).load(&engine, Digest::of(&component), &component).unwrap();
    assert!(Prepared::new(&engine, &loaded).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_or_foreign_cache_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (own, engine) = (cache(folder.path()), engine());
    let (component, other) = (wat("does_nothing"), wat("returns_an_error"));
    let (digest, other_digest) = (Digest::of(&component), Digest::of(&other));
    own.load(&engine, digest, &component).unwrap();
    own.load(&engine, other_digest, &other).unwrap();
    let file = |digest: Digest, ending: &str| folder.path().join(format!("cache/{}-{}.{ending}", digest.hex(), engine.profile()));
    let genuine = std::fs::read(file(digest, "cwasm")).unwrap();

    // Flip one bit of the native code.
    let mut bent = genuine.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    std::fs::write(file(digest, "cwasm"), &bent).unwrap();
    own.load(&engine, digest, &component).unwrap();
    assert_eq!(std::fs::read(file(digest, "cwasm")).unwrap().len(), genuine.len());
    assert_ne!(std::fs::read(file(digest, "cwasm")).unwrap(), bent, "it was compiled again");

    // A genuine file in the place of another one, with its genuine authentication code.
    for ending in ["cwasm", "mac"] {
        std::fs::copy(file(other_digest, ending), file(digest, ending)).unwrap();
    }
    own.load(&engine, digest, &component).unwrap();
    assert_ne!(std::fs::read(file(digest, "cwasm")).unwrap(), std::fs::read(file(other_digest, "cwasm")).unwrap());

    // A file that was made under another home's key.
    let foreign = scripted(folder.path(), 8, "exit 9");
    assert!(foreign.load(&engine, digest, &component).is_err(), "it called its own compiler, which makes nothing");
    // No authentication code at all.
    std::fs::remove_file(file(digest, "mac")).unwrap();
    let never = scripted(folder.path(), 7, "exit 9");
    assert!(never.load(&engine, digest, &component).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_that_nobody_serves_are_named_and_nothing_stands_in_for_them() {
    let host = TestHost::new();
    let cases: &[(&str, Option<&str>)] = &[
        ("imports_unknown_interface", Some("it imports `evil:things/open@1.0.0`, which this host does not serve")),
        ("imports_unknown_wasi_interface", Some("it imports `wasi:http/x@0.2.12`, which this host does not serve")),
        ("imports_unknown_of_ours", Some("it imports `bailiwick:agent/secrets@0.1.0`, which this host does not serve")),
        (
            "imports_unknown_wasi_version",
            Some("it imports `wasi:http/types@9.0.0`, which is served in another version only (WASI 0.2, bailiwick:agent 0.1)"),
        ),
        (
            "imports_wasi_0_3",
            Some("it imports `wasi:clocks/monotonic-clock@0.3.0`, which is served in another version only (WASI 0.2, bailiwick:agent 0.1)"),
        ),
        (
            "imports_wasi_prerelease",
            Some(
                "it imports `wasi:random/random@0.2.0-rc-2023-11-10`, which is served in another version only (WASI 0.2, bailiwick:agent 0.1)",
            ),
        ),
        (
            "imports_later_of_ours",
            Some("it imports `bailiwick:agent/findings@1.0.0`, which is served in another version only (WASI 0.2, bailiwick:agent 0.1)"),
        ),
        ("imports_credentials", Some("it imports the functions of `credentials`, none of which it was granted")),
        ("imports_bare_function", Some("it imports `open`, which this host does not serve")),
        ("imports_component", Some("it imports `code`, which this host does not serve")),
        ("imports_core_module", Some("it imports `code`, which this host does not serve")),
        // The host serves the name, but not with this content: linking finds that.
        ("imports_unknown_function", None),
        ("imports_unknown_socket_function", None),
        ("imports_another_type", None),
    ];
    for (name, expected) in cases {
        let bytes = wat(name);
        let component = inspect(&bytes).unwrap_or_else(|err| panic!("{name}: {}", words(&err)));
        let refused = effective(None, &component.imports, &Grants::default());
        match expected {
            Some(expected) => assert_eq!(refused.unwrap_err().iter().map(Refused::to_string).collect::<Vec<_>>(), [*expected], "{name}"),
            None => assert!(refused.is_ok(), "{name}"),
        }
        let err = not_started(&host, host.order_of(name, &bytes, &[])).await;
        assert_eq!(err.exit(), 4, "{name}: {}", err.chain());
        // The engine has no message for components that import code; linking finds all other missing imports.
        let takes_code = ["imports_component", "imports_core_module"].contains(name);
        assert!(takes_code || matches!(err, RunError::Sandbox(SandboxError::Link { .. })), "{name}: {err:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_with_names_that_are_none_are_refused_as_broken() {
    let host = TestHost::new();
    for name in ["imports_broken_name", "imports_broken_version", "imports_escape_codes", "same_import_twice"] {
        let bytes = wat(name);
        let err = inspect(&bytes).map(drop).unwrap_err();
        assert!(matches!(err, ComponentError::Invalid(_)), "{name}: {err:?}");
        let err = not_started(&host, host.order_of(name, &bytes, &[])).await;
        assert_eq!(err.exit(), 4, "{name}: {}", err.chain());
        assert!(!err.chain().contains('\u{1b}'), "{name}: {:?}", err.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_patch_of_wasi_0_2_is_served() {
    let host = TestHost::new();
    for name in ["imports_first_patch", "imports_later_patch", "two_patches_of_one_import"] {
        let bytes = wat(name);
        assert!(effective(None, &inspect(&bytes).unwrap().imports, &Grants::default()).is_ok(), "{name}");
        done(&host, host.order_of(name, &bytes, &[])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_called_is_not_started() {
    let host = TestHost::new();
    for name in ["exports_nothing", "exports_run_as_function"] {
        let bytes = wat(name);
        assert!(matches!(inspect(&bytes), Err(ComponentError::NotCallable)), "{name}");
        let err = not_started(&host, host.order_of(name, &bytes, &[])).await;
        assert!(matches!(err, RunError::Sandbox(SandboxError::NoEntryPoint)), "{name}: {err:?}");
        assert_eq!(err.exit(), 4);
    }
    // The name is right but the type is wrong: nothing is called.
    let name = "exports_run_of_another_type";
    let err = not_started(&host, host.order_of(name, &wat(name), &[])).await;
    assert_eq!(err.exit(), 4, "{}", err.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sections_that_somebody_added_prove_nothing() {
    let host = TestHost::new();
    let whole = wat("does_nothing");
    for (section, data) in [("signature", &b"signed by nobody"[..]), ("producers", b"\xff\xff"), ("name", b"\x00\x80")] {
        let bytes = bombs::with_section(&whole, section, data);
        let component = inspect(&bytes).unwrap_or_else(|err| panic!("{section}: {}", words(&err)));
        assert_ne!(component.digest, Digest::of(&whole), "another component");
        assert_eq!(component.manifest, None);
        ended(&host, host.order_of(section, &bytes, &[])).await;
    }
    let forged = bombs::with_section(&whole, "bailiwick:manifest", b"{\"name\":\"forged\"");
    assert!(inspect(&forged).is_err() || inspect(&forged).is_ok_and(|component| component.manifest.is_none()));
}

/// A changed file is refused before it was compiled. After that, the compiled code of the genuine component runs, which the change does
/// not affect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_was_changed_in_the_home_is_not_run() {
    let host = TestHost::new();
    // A component that was never compiled before, since compiled code outlives a test.
    let unique = host.folder.path().display().to_string();
    let genuine = bombs::with_section(&wat("returns_an_error"), "unique", unique.as_bytes());
    let order = host.order_of("does_nothing", &genuine, &[]);
    let kept = package::store::path(&host.place().home, order.agent.digest);
    std::fs::write(&kept, wat("does_nothing")).unwrap();
    let err = not_started(&host, order.clone()).await;
    assert!(err.chain().contains("was changed"), "{}", err.chain());
    std::fs::write(&kept, &genuine).unwrap();
    let first = host.run(order.clone()).await.outcome;
    std::fs::write(&kept, wat("does_nothing")).unwrap();
    assert_ne!(first, vocabulary::Outcome::Done);
    assert_eq!(host.run(order).await.outcome, first);
}

#[test]
fn the_compiler_is_shut_in_before_it_reads_a_byte() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let Some(strace) = tests::tools::tool("strace") else { return };
    let (wasm, folder) = (wat("does_nothing"), tempfile::tempdir().unwrap());
    let log = folder.path().join("calls");
    let mut child = Command::new(strace)
        .args(["-f", "-e", "trace=read,prlimit64,setrlimit,seccomp,prctl,openat,socket,execve", "-o"])
        .arg(&log)
        .arg(bailiwick())
        .args(["compile-component", &wasm.len().to_string(), &(2u64 << 30).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&wasm).unwrap();
    assert!(child.wait().unwrap().success());
    let calls = std::fs::read_to_string(log).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    let first = |sign: &str| calls.iter().position(|call| call.contains(sign)).unwrap_or_else(|| panic!("`{sign}` is not in {calls:#?}"));
    let read = first("read(0,");
    for limit in ["RLIMIT_AS, {", "RLIMIT_CPU, {", "RLIMIT_CORE, {", "RLIMIT_FSIZE, {"] {
        assert!(first(limit) < read, "{limit}");
    }
    let jailed = calls.iter().position(|call| call.contains("SECCOMP_SET_MODE_FILTER") || call.contains("PR_SET_SECCOMP")).unwrap();
    assert!(jailed < read);
    // From there on, calls that its libraries try are not executed.
    let outside = |call: &&&str| ["openat(", "socket(", "execve("].iter().any(|name| call.contains(name));
    let tried: Vec<_> = calls[jailed + 1..].iter().filter(outside).collect();
    assert!(tried.iter().all(|call| call.contains("EPERM")), "{tried:#?}");
    assert!(!tried.is_empty(), "a library looks for its control group, which shows that this check works");
}
