//! A caller in another process names a configuration and an agent, and the host resolves them from what is trusted in its home: nothing
//! that a caller sends grants anything.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use run::own_principal;
use serde_json::{Value, json};
use service::{Configured, Continuation, HostHandle, ServiceError};
use tests::guests::guest;
use tests::host::{loopback, options, place, report};
use tests::named::{admitted, start, trust, written};
use tests::server::{Server, Step, response};
use vocabulary::record::Record;
use vocabulary::{Digest, Grants};

/// A host in this process, a client of it, and a trusted configuration whose agent asks a server.
struct Scene {
    here: HostHandle,
    there: HostHandle,
    file: PathBuf,
    server: Server,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let here = HostHandle::find(&place, &options()).await.unwrap();
        let there = HostHandle::find(&place, &options()).await.unwrap();
        let server = Server::answering(|_, _| vec![Step::Say(response(200, b"here"))]).await;
        let file = written(&folder.path().join("trusted"), ("get", &guest("get")), &grants(&server), "");
        trust(&place, &file);
        Self { here, there, file, server, folder }
    }

    fn place(&self) -> run::HomePlace {
        place(self.folder.path())
    }

    /// The line that a client sends to start the agent, as the program writes it.
    fn request(&self) -> Value {
        let run = admitted(&self.place(), &self.file, "get", &[&self.server.url("/")]);
        json!({ "verb": "run", "request": run.request() })
    }

    /// The host's answer to this line.
    async fn said(&self, line: &Value) -> String {
        let socket = self.place().home.join("host.sock");
        let line = format!("{line}\n");
        let told = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(line.as_bytes()).unwrap();
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            assert!(lines.next().is_some_and(|line| line.starts_with("{\"welcome\":")));
            // Read all lines of a run, to its end.
            lines.filter(|line| !line.starts_with("{\"alive\"")).collect::<Vec<_>>().join("\n")
        });
        told.await.unwrap()
    }

    /// Checks that the host refuses this line with these words and begins no run.
    async fn refuses(&self, line: &Value, words: &str) {
        let before = self.runs();
        let said = self.said(line).await;
        assert!(said.contains("\"failed\"") && said.contains(words), "{line}: {said}");
        assert_eq!((self.runs(), self.server.heard().len()), (before, 0), "{line}");
    }

    /// How many runs were begun.
    fn runs(&self) -> usize {
        self.records().iter().filter(|record| matches!(record, Record::RunOpened(_))).count()
    }

    fn records(&self) -> Vec<Record> {
        let records = journal::Reader::open(&self.place().home).unwrap().records();
        records.map(|record| Record::parse(&record.unwrap().body).unwrap()).collect()
    }

    async fn leave(self) {
        drop(self.there);
        self.here.leave().await.unwrap();
    }
}

fn grants(server: &Server) -> Grants {
    let mut grants = Grants::default();
    loopback(&mut grants, server.port(), &["GET"], &["/**"]);
    grants
}

/// The line with another value at this pointer.
fn with(line: &Value, pointer: &str, value: Value) -> Value {
    let mut line = line.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    line.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    line
}

/// The same request, as a client sends it if its host is gone.
fn continued(line: &Value) -> Value {
    json!({ "verb": "continue", "run": "01M83DA0REQ40DXRGC9AB0ZHM8", "as_begun": { "started": line["request"] } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_not_send_grants_limits_name_servers_or_certificates() {
    let scene = Scene::new().await;
    let request = scene.request();
    let grants = serde_json::to_value(grants(&scene.server)).unwrap();
    let network = json!({ "resolvers": ["127.0.0.1:53"], "roots": [[1, 2, 3]] });
    for forged in [request.clone(), continued(&request)] {
        let inside = if forged["verb"] == "run" { "/request" } else { "/as_begun/started" };
        for (key, value) in [
            ("grants", grants.clone()),
            ("limits", json!({ "http_requests": 1_000_000 })),
            ("network", network.clone()),
            ("order", json!({ "grants": grants })),
            ("by", json!({ "uid": 0, "name": "root" })),
        ] {
            scene.refuses(&with(&forged, &format!("{inside}/{key}"), value.clone()), "not understood").await;
            scene.refuses(&with(&forged, &format!("/{key}"), value.clone()), "not understood").await;
            scene.refuses(&with(&forged, &format!("{inside}/call/{key}"), value), "not understood").await;
        }
    }
    let resume = json!({ "verb": "resume", "request": { "run": "01M83DA0REQ40DXRGC9AB0ZHM8", "config": null } });
    scene.refuses(&with(&resume, "/network", network.clone()), "not understood").await;
    scene.refuses(&with(&resume, "/request/network", network.clone()), "not understood").await;
    let resumed = json!({ "verb": "continue", "run": "01M83DA0REQ40DXRGC9AB0ZHM8", "as_begun": { "resumed": { "config": null } } });
    scene.refuses(&with(&resumed, "/as_begun/resumed/network", network.clone()), "not understood").await;
    scene.refuses(&with(&resumed, "/network", network), "not understood").await;
    // The control: the request as it is, twice.
    for line in [request.clone(), continued(&request)] {
        let said = scene.said(&line).await;
        assert!(said.contains("\"closed\"") && said.contains("here"), "{said}");
    }
    assert_eq!((scene.runs(), scene.server.heard().len()), (2, 2));
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_names_must_be_trusted_and_what_it_means() {
    let scene = Scene::new().await;
    let request = scene.request();
    let place = scene.place();
    // An untrusted configuration with more grants for the same component.
    let other = written(&scene.folder.path().join("untrusted"), ("get", &guest("get")), &grants(&scene.server), "# more\n");
    let digest = |file: &Path| Digest::of(&std::fs::read(file).unwrap());
    let untrusted = json!({ "path": other, "digest": digest(&other) });
    // The digest of the trusted configuration with the path of the other one, and vice versa.
    let mixed = [json!({ "path": other, "digest": digest(&scene.file) }), json!({ "path": scene.file, "digest": digest(&other) })];
    let link = scene.folder.path().join("link.toml");
    std::os::unix::fs::symlink(&other, &link).unwrap();
    let linked = json!({ "path": link, "digest": digest(&other) });
    let relative = json!({ "path": "bailiwick.toml", "digest": digest(&scene.file) });
    // Another component than the agent's: it is in the home, and other runs may use it.
    let foreign = package::store::put(&place.home, &std::fs::read(guest("prints_a_report")).unwrap()).unwrap();
    for of in [request.clone(), continued(&request)] {
        let inside = if of["verb"] == "run" { "/request" } else { "/as_begun/started" };
        let at = |key: &str| format!("{inside}/{key}");
        scene.refuses(&with(&of, &at("config"), untrusted.clone()), "is not trusted").await;
        scene.refuses(&with(&of, &at("config"), linked.clone()), "is not trusted").await;
        for mixed in &mixed {
            scene.refuses(&with(&of, &at("config"), mixed.clone()), "was changed since it was read").await;
        }
        scene.refuses(&with(&of, &at("config"), relative.clone()), "is not an absolute path").await;
        scene.refuses(&with(&of, &at("component"), json!(foreign)), "but the request names").await;
        scene.refuses(&with(&of, &at("agent"), json!("other")), "has no agent").await;
        scene.refuses(&with(&of, &at("call/engagement"), json!("none")), "has no engagement").await;
    }
    // The trusted file itself is changed: neither its old digest nor its new one is accepted.
    let text = std::fs::read_to_string(&scene.file).unwrap();
    std::fs::write(&scene.file, text.replace("\"/**\"", "\"/**\", \"/more\"")).unwrap();
    scene.refuses(&request, "was changed since it was read").await;
    scene.refuses(&with(&request, "/request/config/digest", json!(digest(&scene.file))), "is not trusted").await;
    // The control.
    std::fs::write(&scene.file, text).unwrap();
    assert!(scene.said(&request).await.contains("\"closed\""));
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_nobody_trusts_is_not_understood() {
    let scene = Scene::new().await;
    // To parse it, the host would have to open a file that it names.
    let root = scene.folder.path().join("root.pem");
    let more = format!("\n[network]\nroots = [{root:?}]\n");
    let file = written(&scene.folder.path().join("names-more"), ("get", &guest("get")), &grants(&scene.server), &more);
    let config = json!({ "path": file, "digest": Digest::of(&std::fs::read(&file).unwrap()) });
    let listed = with(&scene.request(), "/request/config", config.clone());
    let once = with(&listed, "/request/trust", json!({ "once": { "authority": Digest::of(b"") } }));
    scene.refuses(&listed, "is not trusted").await;
    scene.refuses(&continued(&listed), "is not trusted").await;
    scene.refuses(&once, "root.pem").await;
    // A run of another configuration is not resumed with its certificates, which are not even read.
    let resume = json!({ "verb": "resume", "request": { "run": "01M83DA0REQ40DXRGC9AB0ZHM8", "config": config } });
    let said = scene.said(&resume).await;
    assert!(said.contains("\"not-open\"") && !said.contains("root.pem"), "{said}");
    // The control: once the configuration is trusted, the named file is read.
    std::fs::write(&root, tests::certs::Authority::new().root()).unwrap();
    trust(&scene.place(), &file);
    std::fs::remove_file(&root).unwrap();
    scene.refuses(&listed, "root.pem").await;
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_was_exchanged_behind_a_trusted_configuration_is_refused() {
    let scene = Scene::new().await;
    let place = scene.place();
    let component = scene.folder.path().join("agent.wasm");
    std::fs::copy(guest("get"), &component).unwrap();
    let file = written(&scene.folder.path().join("copied"), ("get", &component), &grants(&scene.server), "");
    trust(&place, &file);
    let run = admitted(&place, &file, "get", &[&scene.server.url("/")]);
    let request = json!({ "verb": "run", "request": run.request() });
    let exchanged = std::fs::read(guest("prints_a_report")).unwrap();
    std::fs::write(&component, &exchanged).unwrap();
    scene.refuses(&request, "but the request names").await;
    scene.refuses(&with(&request, "/request/component", json!(Digest::of(&exchanged))), "is not the one that was trusted").await;
    std::fs::copy(guest("get"), &component).unwrap();
    assert!(scene.said(&request).await.contains("\"closed\""), "the control");
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trust_for_one_run_is_for_what_the_caller_saw_and_is_recorded_in_its_name() {
    let scene = Scene::new().await;
    let place = scene.place();
    let file = written(&scene.folder.path().join("once"), ("get", &guest("get")), &grants(&scene.server), "");
    let configured = Configured::load(Some(&file), &place).unwrap();
    let authority = configured.whole.clone().held_to(&configured.components(&place, &["get"])).digest().unwrap();
    let config = json!({ "path": file, "digest": configured.authored.digest });
    let request = with(&scene.request(), "/request/config", config);
    scene.refuses(&request, "is not trusted").await;
    let once = |authority: Digest| with(&request, "/request/trust", json!({ "once": { "authority": authority } }));
    scene.refuses(&once(Digest::of(b"something else")), "was changed after you trusted it for this run").await;
    let without_component = configured.whole.digest().unwrap();
    scene.refuses(&once(without_component), "was changed after you trusted it for this run").await;
    let trusted = || scene.records().into_iter().filter_map(|it| if let Record::ConfigTrusted(it) = it { Some(it) } else { None });
    assert_eq!(trusted().count(), 0, "trust that was refused is not on the record");
    assert!(scene.said(&once(authority)).await.contains("\"closed\""), "the control");
    let found: Vec<_> = trusted().collect();
    assert_eq!(found.len(), 1);
    assert!(found.iter().all(|it| it.once && it.by == own_principal() && it.authority == authority), "{found:?}");
    // The trust was for that run only. Another run needs its own.
    assert!(scene.said(&once(authority)).await.contains("\"closed\""));
    assert_eq!(trusted().count(), 2);
    // A client that has to build first records the trust before that. It is not recorded twice.
    let change = run::TrustChange::Trusted { authority, config: configured.authored.digest, once: true };
    let said = run::TrustSaid { path: configured.authored.file.to_string_lossy().into_owned(), change };
    scene.there.record_trust(said.clone()).await.unwrap();
    assert!(scene.said(&once(authority)).await.contains("\"closed\""));
    assert_eq!(trusted().count(), 3);
    // Trust that was revoked before it was used does not count, nor does trust for the same bytes in another place.
    scene.there.record_trust(said.clone()).await.unwrap();
    let untrusted = run::TrustChange::Untrusted { config: configured.authored.digest };
    scene.there.record_trust(run::TrustSaid { change: untrusted, ..said.clone() }).await.unwrap();
    assert!(scene.said(&once(authority)).await.contains("\"closed\""));
    assert_eq!(trusted().count(), 5, "recorded again after it was revoked");
    let elsewhere = scene.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let copy = elsewhere.join("bailiwick.toml");
    std::fs::copy(&file, &copy).unwrap();
    scene.there.record_trust(said).await.unwrap();
    let there = Configured::load(Some(&copy), &place).unwrap();
    let there = there.whole.clone().held_to(&there.components(&place, &["get"])).digest().unwrap();
    let of_copy = with(&once(there), "/request/config", json!({ "path": copy, "digest": configured.authored.digest }));
    assert!(scene.said(&of_copy).await.contains("\"closed\""));
    assert_eq!(trusted().filter(|it| it.path.as_str() == copy.to_str().unwrap()).count(), 1, "its own place is on the record");
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_began_before_goes_on_although_its_configuration_is_gone() {
    let scene = Scene::new().await;
    let run = admitted(&scene.place(), &scene.file, "get", &[&scene.server.url("/")]);
    let report = report(start(&scene.there, &run).await).await;
    let as_begun = Continuation::Started(Box::new(run.request().clone()));
    std::fs::remove_file(&scene.file).unwrap();
    // The end of the run is on the record, and is reported from there.
    let told = tests::host::report(scene.there.continue_run(report.run, &as_begun).await.unwrap().gone_ahead()).await;
    assert_eq!((told.run, told.outcome), (report.run, report.outcome));
    // A run without records would have to begin anew, but its configuration, and so its grants, are gone.
    let unknown = "01M83DA0REQ40DXRGC9AB0ZHM8".parse().unwrap();
    let refused = scene.there.continue_run(unknown, &as_begun).await;
    assert!(matches!(refused, Err(ServiceError::Refused { exit: 2, .. })), "{:?}", refused.err());
    scene.leave().await;
}
