//! Where values come from, one source at a time.

use vocabulary::{HttpTarget, Placement, Scheme, VaultServer, VaultSource};

use super::*;
use crate::put::{Put, own};

fn binding(source: Source) -> Binding {
    Binding {
        name: "a".to_owned(),
        agents: Vec::new(),
        environment: None,
        hosts: Vec::new(),
        methods: Vec::new(),
        owner: None,
        paths: Vec::new(),
        pinned: Vec::new(),
        placement: Placement::Bearer,
        port: None,
        rate: None,
        rotate_every_s: None,
        rotation: None,
        scheme: Scheme::Https,
        source,
        until: None,
        uses: None,
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

fn at_server() -> Source {
    let address = HttpTarget::parse(Scheme::Https, "vault.test", "/").unwrap();
    let login = VaultLogin::Token { file: "/nonexistent".into() };
    let server = VaultServer { address, addresses: Vec::new(), login, namespace: None };
    Source::Vault(Box::new(VaultSource { server, path: "secret/data/a".to_owned(), field: "a".to_owned() }))
}

#[tokio::test]
async fn a_file_gives_its_one_line_and_what_is_no_secret_is_told_without_it() {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::new(home.path());
    let path = home.path().join("token");
    let of_file = async || vault.value(&binding(Source::File(path.clone()))).await;
    assert!(matches!(of_file().await, Err(SourceError::File { .. })));
    let folder = Source::File(home.path().to_owned());
    assert!(matches!(vault.value(&binding(folder)).await, Err(SourceError::File { .. })));
    std::fs::write(&path, "correct-horse\r\n").unwrap();
    let value = of_file().await.unwrap();
    assert_eq!((value.secret.expose(), value.version), (&b"correct-horse"[..], None));
    for unfit in ["correct\nhorse", "short", &"x".repeat(5000), "\n"] {
        std::fs::write(&path, unfit).unwrap();
        let err = of_file().await.unwrap_err();
        assert!(matches!(err, SourceError::Unfit(_)) && (unfit.len() < 3 || !format!("{err:?} {err}").contains(unfit)));
    }
    let missing = Source::Env("NO_SUCH_VARIABLE".to_owned());
    assert!(matches!(vault.value(&binding(missing)).await, Err(SourceError::NoVariable(_))));
}

#[tokio::test]
async fn the_vault_of_the_home_gives_a_value_with_its_version() {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::new(home.path());
    assert!(matches!(vault.value(&binding(Source::Local)).await, Err(SourceError::Local(LocalError::Absent(_)))));
    let local = Local::new(home.path());
    local.set("a", secret("first-value"), 1).unwrap();
    local.set("a", secret("second-value"), 2).unwrap();
    local.stage("a", secret("third-value")).unwrap();
    let value = vault.value(&binding(Source::Local)).await.unwrap();
    assert_eq!((value.secret.expose(), value.version), (&b"second-value"[..], Some(2)));
}

#[tokio::test]
async fn the_key_ring_gives_what_was_put_there_under_our_name() {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::new(home.path());
    let name = own("source-test");
    let put = Put::new(&format!("bailiwick:{name}"), b"correct-horse\n");
    match (vault.value(&binding(Source::Keyring(name.clone()))).await, &put) {
        (Ok(value), Some(_)) => assert_eq!((value.secret.expose(), value.version), (&b"correct-horse"[..], None)),
        (Err(SourceError::Keyring { cause: KeyringError::Unavailable, .. }), None) => return,
        (value, _) => panic!("{value:?}"),
    }
    let _others = Put::new(&name, b"of-another-program").unwrap();
    drop(put);
    let err = vault.value(&binding(Source::Keyring(name))).await.unwrap_err();
    assert!(matches!(err, SourceError::Keyring { cause: KeyringError::Absent, .. }), "{err:?}");
}

#[tokio::test]
async fn what_was_revoked_by_name_has_no_value_from_any_source() {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::new(home.path());
    let path = home.path().join("token");
    std::fs::write(&path, "correct-horse").unwrap();
    let name = own("revoked-test");
    let put = Put::new(&format!("bailiwick:{name}"), b"correct-horse");
    // Cargo sets this variable for each test.
    let variable = Source::Env("CARGO_MANIFEST_DIR".to_owned());
    let program = Source::Exec(["/bin/echo", "correct-horse"].map(str::to_owned).to_vec());
    let mut sources = vec![variable, Source::File(path), program];
    sources.extend(put.is_some().then_some(Source::Keyring(name)));
    let local = Local::new(home.path());
    for source in sources {
        let binding = binding(source);
        assert!(vault.value(&binding).await.is_ok(), "{:?}", binding.source);
        local.revoke("other").unwrap();
        assert!(vault.value(&binding).await.is_ok(), "{:?}", binding.source);
        local.revoke("a").unwrap();
        let err = vault.value(&binding).await.unwrap_err();
        assert!(matches!(err, SourceError::Local(LocalError::Revoked(_))), "{:?}: {err:?}", binding.source);
        local.restore("a").unwrap();
        assert!(vault.value(&binding).await.is_ok(), "{:?}", binding.source);
    }
    assert!(matches!(vault.value(&binding(at_server())).await, Err(SourceError::Remote)));
    local.revoke("a").unwrap();
    for source in [at_server(), Source::Local] {
        assert!(matches!(vault.value(&binding(source)).await, Err(SourceError::Local(LocalError::Revoked(_)))));
    }
    std::fs::write(home.path().join("vault"), "changed").unwrap();
    let unknown = vault.value(&binding(Source::Env("CARGO_MANIFEST_DIR".to_owned()))).await;
    assert!(matches!(unknown, Err(SourceError::Local(LocalError::Sealed(_)))), "it is unknown what was revoked");
}

#[tokio::test]
async fn a_program_gives_its_line_until_it_is_revoked_and_its_failure_is_told_without_what_it_printed() {
    let home = tempfile::tempdir().unwrap();
    let vault = Vault::new(home.path());
    let count = home.path().join("count");
    let script = "echo x >> \"$1\"; printf 'value-of-ask-%s\\n' \"$(wc -l < \"$1\" | tr -d ' ')\"";
    let program = Source::Exec(["/bin/sh", "-c", script, "sh", count.to_str().unwrap()].map(str::to_owned).to_vec());
    let ask = async || vault.clone().value(&binding(program.clone())).await.map(|value| value.secret.expose().to_vec());
    assert_eq!((ask().await.unwrap(), ask().await.unwrap()), (b"value-of-ask-1".to_vec(), b"value-of-ask-1".to_vec()));
    let local = Local::new(home.path());
    local.revoke("a").unwrap();
    assert!(ask().await.is_err());
    local.restore("a").unwrap();
    assert_eq!(ask().await.unwrap(), b"value-of-ask-2", "what was kept went with the revocation");
    for (script, cause) in [
        ("echo correct-horse; exit 7", ExecError::Failed(7)),
        ("echo 'correct-horse\nin two lines'", ExecError::Unfit(UnfitError::Control)),
        ("echo horse", ExecError::Unfit(UnfitError::Short)),
    ] {
        let program = Source::Exec(["/bin/sh", "-c", script].map(str::to_owned).to_vec());
        let err = vault.value(&binding(program)).await.unwrap_err();
        assert!(!format!("{err:?} {err}").contains("horse"), "{err:?}");
        assert!(matches!(err, SourceError::Exec { cause: is, .. } if is == cause), "{err:?}");
    }
    let relative = Source::Exec(vec!["echo".to_owned(), "correct-horse".to_owned()]);
    assert!(matches!(vault.value(&binding(relative)).await, Err(SourceError::Exec { cause: ExecError::NotAbsolute, .. })));
}

#[tokio::test]
async fn what_lets_the_host_in_is_read_from_its_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("secret-id");
    let login = VaultLogin::Approle { role: "r".to_owned(), file: file.clone() };
    assert!(matches!(login_secret(&login).await, Err(SourceError::File { .. })));
    std::fs::write(&file, "correct-horse\n").unwrap();
    assert_eq!(login_secret(&login).await.unwrap().expose(), b"correct-horse");
}
