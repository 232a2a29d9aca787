//! The credentials of one run: what goes along with its requests, and what is taken out of everything that comes back to it.

use std::sync::{Arc, Mutex, PoisonError};

use effect::{Binding, Header, Reason, SafeText};
use net::WireRequest;
use vault::{Scrubber, Scrubbing, Secret, Vault};

/// See the module.
pub(crate) struct Leased {
    vault: Vault,
    bindings: Vec<Binding>,
    used: Mutex<Used>,
}

/// Values that went along so far, older ones too: a server may give back what it was given before.
#[derive(Default)]
struct Used {
    values: Vec<(String, Option<u64>, Secret)>,
    scrubber: Option<Arc<Scrubber>>,
}

impl Leased {
    pub(crate) fn new(vault: Vault, bindings: Vec<Binding>) -> Self {
        Self { vault, bindings, used: Mutex::default() }
    }

    /// Puts the credential of that name into a request. Its value is asked for each time: one that was revoked is gone.
    ///
    /// SECURITY: it is known to the scrubber before it can leave. Where no scrubber can be made, it does not leave.
    pub(crate) fn dress(&self, name: &str, request: &mut WireRequest) -> Result<(), Reason> {
        let unavailable = || Reason::CredentialUnavailable(SafeText::new(name, 64));
        let binding = self.bindings.iter().find(|binding| binding.name == name).ok_or_else(unavailable)?;
        let (secret, version) = self.vault.value(binding).map_err(|_| unavailable())?;
        self.note(name, version, &secret).map_err(|_| unavailable())?;
        vault::place(&secret, &binding.placement, &mut request.headers, &mut request.target).map_err(|_| unavailable())
    }

    fn note(&self, name: &str, version: Option<u64>, secret: &Secret) -> Result<(), vault::TooManyForms> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.values.iter().any(|(other, was, value)| other == name && *was == version && value.is(secret)) {
            return Ok(());
        }
        used.values.push((name.to_owned(), version, secret.clone()));
        used.scrubber = None;
        let scrubber = Scrubber::new(used.values.iter().map(|(_, _, value)| value))?;
        used.scrubber = Some(Arc::new(scrubber));
        Ok(())
    }

    /// Finds everything that went along so far; nothing, where nothing did.
    fn scrubber(&self) -> Option<Arc<Scrubber>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).scrubber.clone()
    }

    /// What an answer goes through that comes from now on.
    pub(crate) fn wash(&self) -> Option<Wash> {
        self.scrubber().map(|scrubber| Wash { scrubber, stream: Scrubbing::default(), told: 0 })
    }
}

/// One answer on its way to the guest.
pub(crate) struct Wash {
    scrubber: Arc<Scrubber>,
    stream: Scrubbing,
    told: u64,
}

impl Wash {
    /// Header fields or trailers; how many secrets were in them.
    pub(crate) fn fields(&self, fields: &mut [Header]) -> u64 {
        let mut hits = 0;
        for field in fields {
            let mut name = std::mem::take(&mut field.name).into_bytes();
            hits += self.scrubber.scrub(&mut name) + self.scrubber.scrub(&mut field.value);
            // A star is a letter of names, too.
            field.name = String::from_utf8_lossy(&name).into_owned();
        }
        hits
    }

    /// A piece of the body: what of it, and of what was held back, is certain; and how many secrets that is more.
    pub(crate) fn piece(&mut self, piece: &[u8]) -> (bytes::Bytes, u64) {
        let out = self.stream.push(&self.scrubber, piece);
        (out, self.more())
    }

    /// What was held back, at the end of the body.
    pub(crate) fn rest(&mut self) -> (bytes::Bytes, u64) {
        let out = self.stream.finish();
        (out, self.more())
    }

    fn more(&mut self) -> u64 {
        let hits = self.stream.hits();
        hits - std::mem::replace(&mut self.told, hits)
    }
}

/// SECURITY: what is packed can't be looked through, so it is asked for plainly; a server that packs it all the same is not understood.
pub(crate) fn ask_for_plain(headers: &mut Vec<Header>) {
    headers.retain(|header| header.name != "accept-encoding");
    headers.push(Header { name: "accept-encoding".to_owned(), value: b"identity".to_vec() });
}

/// Whether a body is packed.
pub(crate) fn is_packed(headers: &[Header]) -> bool {
    let packs = |header: &Header| header.name == "content-encoding" && !header.value.trim_ascii().eq_ignore_ascii_case(b"identity");
    headers.iter().any(packs)
}
