//! The credentials of one run: what goes along with its requests, and what is taken out of everything that comes back to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use effect::{Binding, Header, Reason, SafeText};
use net::WireRequest;
use vault::{Scrubber, Scrubbing, Secret, Vault};

/// BOUND: values of one run, older ones too; each takes part in every look at what comes back.
const VALUES_MAX: usize = 64;

/// See the module.
pub(crate) struct Leased {
    vault: Vault,
    bindings: Vec<Binding>,
    known: Mutex<Known>,
}

/// Values that may have gone along, older ones too: a server may give back what it was given before.
#[derive(Default)]
struct Known {
    values: Vec<Secret>,
    scrubber: Option<Arc<Scrubber>>,
}

/// A value that is not known to the scrubber must not leave.
struct Unknown;

impl Leased {
    pub(crate) fn new(vault: Vault, bindings: Vec<Binding>) -> Self {
        Self { vault, bindings, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the credential of that name into a request. Its value is asked for each time: one that was revoked is gone.
    ///
    /// SECURITY: before anything leaves, the scrubber knows all that the run may use, also what another request takes along, or one of this run did
    /// before the host was restarted.
    pub(crate) fn dress(&self, name: Option<&str>, request: &mut WireRequest) -> Result<(), Reason> {
        if self.bindings.is_empty() {
            return Ok(());
        }
        let values: Vec<(&Binding, Option<Secret>)> =
            self.bindings.iter().map(|binding| (binding, self.vault.value(binding).ok())).collect();
        let unavailable = |name: &str| Reason::CredentialUnavailable(SafeText::new(name, 64));
        self.note(values.iter().filter_map(|(_, value)| value.as_ref())).map_err(|_| unavailable(name.unwrap_or("*")))?;
        ask_for_plain(&mut request.headers);
        let Some(name) = name else { return Ok(()) };
        let of_it = values.iter().find(|(binding, _)| binding.covers(name, &request.target));
        let Some((binding, Some(secret))) = of_it else { return Err(unavailable(name)) };
        vault::place(secret, &binding.placement, &mut request.headers, &mut request.target).map_err(|_| unavailable(name))
    }

    fn note<'a>(&self, values: impl Iterator<Item = &'a Secret>) -> Result<(), Unknown> {
        let mut known = self.lock();
        let new: Vec<Secret> = values.filter(|value| !known.values.iter().any(|other| other.is(value))).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let all: Vec<Secret> = known.values.iter().cloned().chain(new).collect();
        if all.len() > VALUES_MAX {
            return Err(Unknown);
        }
        let scrubber = Arc::new(Scrubber::new(&all).map_err(|_| Unknown)?);
        *known = Known { values: all, scrubber: Some(scrubber) };
        Ok(())
    }

    /// What an answer goes through; nothing, in a run without credentials.
    pub(crate) fn wash(self: &Arc<Self>) -> Option<Wash> {
        (!self.bindings.is_empty()).then(|| Wash { leased: Arc::clone(self), stream: Scrubbing::default(), told: 0 })
    }
}

/// One answer on its way to the guest. Each part of it is looked through for all that is known by then.
pub(crate) struct Wash {
    leased: Arc<Leased>,
    stream: Scrubbing,
    told: u64,
}

impl Wash {
    fn scrubber(&self) -> Option<Arc<Scrubber>> {
        self.leased.lock().scrubber.clone()
    }

    /// Header fields or trailers; how many secrets were in them.
    pub(crate) fn fields(&self, fields: &mut [Header]) -> u64 {
        let Some(scrubber) = self.scrubber() else { return 0 };
        let mut hits = 0;
        for field in fields {
            let mut name = std::mem::take(&mut field.name).into_bytes();
            hits += scrubber.scrub(&mut name) + scrubber.scrub(&mut field.value);
            // A star is a letter of names, too.
            field.name = String::from_utf8_lossy(&name).into_owned();
        }
        hits
    }

    /// A piece of the body: what of it, and of what was held back, may be given out; and how many secrets that is more.
    pub(crate) fn piece(&mut self, piece: bytes::Bytes) -> (bytes::Bytes, u64) {
        let Some(scrubber) = self.scrubber() else { return (piece, 0) };
        let out = self.stream.push(&scrubber, &piece);
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

/// SECURITY: what is packed or cut into slices can't be looked through, so whole answers are asked for, plainly. A server that packs or slices all the
/// same is not understood.
fn ask_for_plain(headers: &mut Vec<Header>) {
    headers.retain(|header| !matches!(header.name.as_str(), "accept-encoding" | "accept-charset" | "range" | "if-range"));
    headers.push(Header { name: "accept-encoding".to_owned(), value: b"identity".to_vec() });
}

/// Whether an answer is packed, or a slice.
pub(crate) fn is_opaque(head: &effect::HttpHead) -> bool {
    const PARTIAL_CONTENT: u16 = 206;
    let packs = |header: &Header| header.name == "content-encoding" && !header.value.trim_ascii().eq_ignore_ascii_case(b"identity");
    head.status == PARTIAL_CONTENT || head.headers.iter().any(packs)
}
