//! What an agent says about how its acts can be taken back, and the plan of a rollback.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::decision::Reason;
use crate::fields::{Fields, put};
use crate::function::Function;
use crate::http_ask::{HttpAsk, HttpTimeouts};
use crate::ids::RunId;
use crate::method::Method;
use crate::resource::{HttpResource, Resource};
use crate::target::HttpTarget;
use crate::text::SafeText;

/// BOUND: undos that one run may try to register. Each is on the record, also if it is refused.
pub const UNDOS_MAX: u64 = 256;
/// BOUND: bytes of one undo: its request with its body, and its pre-image.
pub const UNDO_BYTES_MAX: usize = 64 << 10;
/// BOUND: bytes of the agent's words about it.
const WORDS_BYTES_MAX: usize = 300;

/// An ask about undos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoAsk {
    /// Registers one.
    Register(Box<UndoRegistration>),
    /// Withdraws one that was registered, by its number.
    Discharge(u64),
}

/// How a coming act can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoRegistration {
    /// The act.
    pub covers: UndoCovers,
    /// Statuses besides 200 to 299 with which the server says that the act is taken back, or was not there.
    pub done_at: Vec<u16>,
    /// What was there before the act, for people. Nothing is done with it.
    pub pre_image: Bytes,
    /// The request that takes the act back.
    pub request: HttpAsk,
    /// What it does, in the agent's own words.
    pub words: SafeText,
}

/// Which act an undo takes back: the next request with this method and exactly this target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoCovers {
    /// The method.
    pub method: Method,
    /// The target, with its query.
    pub target: HttpTarget,
}

/// Why an ask about an undo was refused, as far as the guest may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoFault {
    /// The request of the undo is not one that the agent may send.
    NotGranted,
    /// It is not well formed, or there is no such undo that could be withdrawn.
    Malformed,
    /// There would be too many, or they would be too large.
    OverLimit,
}

impl UndoFault {
    /// The fault of a refusal.
    pub fn of(reason: &Reason) -> Self {
        match reason {
            Reason::OverLimit(_) => Self::OverLimit,
            Reason::Malformed(_) => Self::Malformed,
            _ => Self::NotGranted,
        }
    }
}

impl UndoAsk {
    /// The function of the interface through which the guest asked.
    pub fn function(&self) -> Function {
        match self {
            Self::Register(_) => Function::UndoRegister,
            Self::Discharge(_) => Function::UndoDischarge,
        }
    }

    pub(crate) fn resource(&self) -> Resource {
        match self {
            Self::Register(undo) => (&undo.request).into(),
            Self::Discharge(id) => Resource::Words(SafeText::new(&format!("undo {id}"), 64)),
        }
    }

    pub(crate) fn canonical_into(&self, to: &mut Vec<u8>) {
        match self {
            Self::Register(undo) => put(to, &undo.canonical_bytes()),
            Self::Discharge(id) => put(to, &id.to_be_bytes()),
        }
    }
}

impl UndoCovers {
    /// Every byte of the method and the target in one unambiguous form.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        self.request().canonical_bytes()
    }

    /// The act, as on the record.
    pub fn resource(&self) -> Resource {
        Resource::Http(HttpResource::new(&self.method, &self.target))
    }

    fn request(&self) -> HttpAsk {
        let (method, target) = (self.method.clone(), self.target.clone());
        HttpAsk { method, target, headers: Vec::new(), body: Bytes::new(), timeouts: HttpTimeouts::default() }
    }

    fn of(request: HttpAsk) -> Self {
        Self { method: request.method, target: request.target }
    }
}

impl From<&HttpAsk> for UndoCovers {
    fn from(ask: &HttpAsk) -> Self {
        Self { method: ask.method.clone(), target: ask.target.clone() }
    }
}

impl UndoRegistration {
    /// The agent's words, bounded and escaped.
    pub fn words_of(text: &str) -> SafeText {
        SafeText::new(text, WORDS_BYTES_MAX)
    }

    /// How many bytes count against [`UNDO_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        let headers = self.request.headers.iter().map(|header| header.name.len() + header.value.len()).sum::<usize>();
        self.request.body.len() + self.pre_image.len() + headers
    }

    /// Every byte of it in one unambiguous form.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(512 + self.bytes());
        put(&mut to, &self.request.canonical_bytes());
        put(&mut to, &self.covers.canonical_bytes());
        put(&mut to, self.words.as_str().as_bytes());
        put(&mut to, &self.done_at.iter().flat_map(|status| status.to_be_bytes()).collect::<Vec<u8>>());
        put(&mut to, &self.pre_image);
        to
    }

    /// The registration that has these canonical bytes.
    pub fn from_canonical_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let request = HttpAsk::from_canonical_bytes(fields.next()?)?;
        let covers = UndoCovers::of(HttpAsk::from_canonical_bytes(fields.next()?)?);
        let words = Self::words_of(fields.text()?);
        let statuses = fields.next()?;
        let done_at = statuses.chunks_exact(2).map(|two| two.try_into().map(u16::from_be_bytes)).collect::<Result<_, _>>().ok()?;
        let pre_image = Bytes::copy_from_slice(fields.next()?);
        (fields.is_at_end() && statuses.len() % 2 == 0).then_some(Self { covers, done_at, pre_image, request, words })
    }
}

/// What a rollback does: its steps in order. It is the input of its run, so it is sealed with it, and a rebuild does the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoPlan {
    /// The run whose acts are taken back.
    pub of: RunId,
    /// The undos, the one of the last act first.
    pub steps: Vec<UndoStep>,
}

/// One step of a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoStep {
    /// Statuses besides 200 to 299 with which the server says that it is done.
    pub done_at: Vec<u16>,
    /// The number of the undo in the run that is rolled back.
    pub id: u64,
    /// The canonical bytes of its request, in hexadecimal.
    request: String,
}

impl UndoStep {
    /// The step that carries out an undo.
    pub fn new(id: u64, undo: &UndoRegistration) -> Self {
        use std::fmt::Write as _;
        let bytes = undo.request.canonical_bytes();
        let mut request = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            let _ = write!(request, "{byte:02x}");
        }
        Self { done_at: undo.done_at.clone(), id, request }
    }

    /// The request that it sends. `None` if the step is damaged.
    pub fn request(&self) -> Option<HttpAsk> {
        let digits = self.request.as_bytes();
        let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        HttpAsk::from_canonical_bytes(&bytes)
    }

    /// Whether an answer with this status means that it is done.
    pub fn is_done_at(&self, status: u16) -> bool {
        (200..=299).contains(&status) || self.done_at.contains(&status)
    }
}

impl UndoPlan {
    /// The plan in the input of a run. `None` if it is damaged.
    pub fn parse(input: &str) -> Option<Self> {
        serde_json::from_str(input).ok()
    }

    /// The step that an operation of the rollback carries out. Operations are counted from 1, and a rollback has no others.
    pub fn step(&self, op: u64) -> Option<&UndoStep> {
        self.steps.get(usize::try_from(op.checked_sub(1)?).ok()?)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::http_ask::Header;

    fn undo() -> UndoRegistration {
        let request = HttpAsk {
            method: Method::new("DELETE").unwrap(),
            target: "https://a.test/x?y=1".parse().unwrap(),
            headers: vec![Header { name: "x-a".to_owned(), value: b"\xff".to_vec() }],
            body: Bytes::from_static(b"body\0"),
            timeouts: HttpTimeouts::default(),
        };
        let covers = UndoCovers { method: Method::new("PUT").unwrap(), target: "https://a.test/x".parse().unwrap() };
        let words = UndoRegistration::words_of("deletes what was made");
        UndoRegistration { covers, done_at: vec![404, 410], pre_image: Bytes::from_static(b"before"), request, words }
    }

    #[test]
    fn an_undo_is_read_back_from_its_canonical_bytes_and_from_no_part_of_them() {
        let bytes = undo().canonical_bytes();
        assert_eq!(UndoRegistration::from_canonical_bytes(&bytes), Some(undo()));
        assert!((0..bytes.len()).all(|len| UndoRegistration::from_canonical_bytes(&bytes[..len]).is_none()));
    }

    #[test]
    fn a_plan_keeps_every_byte_of_its_requests_and_a_damaged_step_has_none() {
        let plan = UndoPlan { of: RunId::from_parts(1, [7; 10]), steps: vec![UndoStep::new(3, &undo())] };
        let read = UndoPlan::parse(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!((read.step(1).unwrap().request(), read.step(1).unwrap().id), (Some(undo().request), 3));
        assert!(read.step(0).is_none() && read.step(2).is_none());
        for damaged in ["zz", "00", "0"] {
            let step = UndoStep { request: damaged.to_owned(), ..read.steps[0].clone() };
            assert_eq!(step.request(), None, "{damaged}");
        }
        let step = &read.steps[0];
        assert_eq!([200, 299, 404, 300, 500, 409].map(|status| step.is_done_at(status)), [true, true, true, false, false, false]);
    }
}
