//! Values from a server of HashiCorp Vault or OpenBao, kept for a short time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use effect::{Binding, HttpTarget, Method, Source, VaultSource};
use net::{Pool, Timeouts};
use tokio::time::Instant;
use vault::{Secret, Value, remote};

use crate::own::OwnRequest;

/// How long a value is used before it is asked for anew.
const KEPT: Duration = Duration::from_secs(60);

struct Kept {
    secret: Secret,
    since: Instant,
}

/// One at a time for each credential.
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// By the credential's name.
#[derive(Default)]
pub(crate) struct Servers(Mutex<HashMap<String, Slot>>);

impl Servers {
    /// The value of a binding whose source is such a server.
    #[expect(clippy::disallowed_methods, reason = "door: time-outs")]
    pub(crate) async fn value(&self, binding: &Binding, pool: Option<&Pool>, timeouts: Timeouts) -> Option<Value> {
        let Source::Vault(source) = &binding.source else { return None };
        let slot = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(binding.name.clone()).or_default());
        let mut slot = slot.lock().await;
        if let Some(kept) = &*slot
            && kept.since.elapsed() < KEPT
        {
            return Some(Value { secret: kept.secret.clone(), version: None });
        }
        let secret = read(source, (pool?, timeouts), &binding.name).await?;
        *slot = Some(Kept { secret: secret.clone(), since: Instant::now() });
        Some(Value { secret, version: None })
    }
}

async fn read(source: &VaultSource, (pool, timeouts): (&Pool, Timeouts), name: &str) -> Option<Secret> {
    let server = &source.server;
    let shown = vault::login_secret(&server.login).await.ok()?;
    let request = |method: &str, path: &str| -> Option<OwnRequest> {
        let target = HttpTarget { path: path.to_owned(), ..server.address.clone() };
        Some(OwnRequest { timeouts, ..OwnRequest::new(Method::new(method).ok()?, target, server.addresses.clone()) })
    };
    let token = match remote::login_request(&server.login, &shown).ok()? {
        None => shown,
        Some(login) => {
            let mut request = request("POST", login.path)?;
            request.headers = remote::headers(server, None).ok()?;
            request.body = bytes::Bytes::copy_from_slice(login.body.expose());
            let answer = request.send(pool, name).await?;
            remote::login_answer(answer.status, &answer.body).ok()?.token
        }
    };
    let (path, headers) = remote::read_request(source, &token).ok()?;
    let mut request = request("GET", &path)?;
    request.headers = headers;
    let answer = request.send(pool, name).await?;
    remote::read_answer(answer.status, &answer.body, &source.field).ok()
}
