//! What a guest can ask of the world, after parsing. A request reaches the gate only in these forms.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fields::put;
use crate::file::FileAsk;
use crate::function::{ActKind, Capability, Function};
use crate::method::Method;
use crate::resource::{HttpResource, Resource};
use crate::step::{CredentialAsk, CredentialStep};
use crate::target::{HostName, HttpTarget};
use crate::text::SafeText;

/// BOUND: bytes of an ask of a file on the record, if its path is not known.
const FILE_BYTES_MAX: usize = 1024;
/// BOUND: of the line that says where an answer comes from.
const SOURCE_BYTES_MAX: usize = 512;

/// Acts leave the host, and are durable before they begin. Observations stay inside, and are durable before the next act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskClass {
    /// Network, credentials, commits, approvals, other agents.
    Act,
    /// Reading what was granted, listing it.
    Observation,
}

/// One ask. Each variant that can be granted has its form in [`crate::Grants`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Sends one HTTP request.
    Http(HttpAsk),
    /// Does something with a credential besides sending it.
    Credential(CredentialAsk),
    /// Looks at something in a mount, or tries to change it.
    File(FileAsk),
    /// Something that no grant of this version can cover. It is asked so that it is refused in one place, and recorded.
    Closed(ClosedAsk),
}

impl Ask {
    /// Whether the ask is an act or an observation.
    pub fn class(&self) -> AskClass {
        match self {
            Self::Http(_) | Self::Credential(_) => AskClass::Act,
            Self::File(_) | Self::Closed(_) => AskClass::Observation,
        }
    }

    /// The capability of the ask, which a manifest declares and a configuration grants.
    pub fn capability(&self) -> Capability {
        self.function().capability()
    }

    /// The function of the interface through which the guest asked.
    pub fn function(&self) -> Function {
        match self {
            Self::Http(_) => Function::HttpHandle,
            Self::Credential(credential) => credential.step.function(),
            Self::File(file) => file.function(),
            Self::Closed(closed) => closed.function,
        }
    }

    /// The host that it would reach; `None` if it reaches none.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Http(http) => Some(&http.target.host),
            Self::Credential(_) | Self::File(_) | Self::Closed(_) => None,
        }
    }

    /// What the ask is about, without anything that may be secret: for the record and for people.
    pub fn resource(&self) -> Resource {
        match self {
            Self::Http(http) => http.into(),
            Self::Credential(credential) => credential.into(),
            Self::File(file) => Resource::path(&file.resource(), FILE_BYTES_MAX),
            Self::Closed(closed) => Resource::Words(closed.what.clone()),
        }
    }

    /// Every byte of the ask in one unambiguous form (each field is preceded by its length), for the parameter digest. Two asks are the
    /// same exactly if these bytes are the same.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = canonical_front(self.function());
        match self {
            Self::Http(http) => http.canonical_into(&mut to),
            Self::Credential(credential) => credential.canonical_into(&mut to),
            Self::File(file) => put(&mut to, file.resource().as_bytes()),
            Self::Closed(closed) => put(&mut to, closed.what.as_str().as_bytes()),
        }
        to
    }
}

/// An ask that leaves the host: those of [`AskClass::Act`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends one HTTP request.
    Http(HttpAsk),
    /// Does something with a credential besides sending it.
    Credential(CredentialAsk),
}

/// The beginning of the canonical bytes of every ask.
fn canonical_front(function: Function) -> Vec<u8> {
    let mut to = Vec::with_capacity(256);
    put(&mut to, function.capability().as_str().as_bytes());
    put(&mut to, function.as_str().as_bytes());
    to
}

impl Act {
    /// The kind of the act.
    pub fn kind(&self) -> ActKind {
        match self {
            Self::Http(_) => ActKind::Http,
            Self::Credential(_) => ActKind::Credential,
        }
    }

    /// As [`Ask::function`].
    pub fn function(&self) -> Function {
        match self {
            Self::Http(_) => Function::HttpHandle,
            Self::Credential(credential) => credential.step.function(),
        }
    }

    /// As [`Ask::resource`].
    pub fn resource(&self) -> Resource {
        match self {
            Self::Http(http) => http.into(),
            Self::Credential(credential) => credential.into(),
        }
    }

    /// As [`Ask::canonical_bytes`].
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = canonical_front(self.function());
        match self {
            Self::Http(http) => http.canonical_into(&mut to),
            Self::Credential(credential) => credential.canonical_into(&mut to),
        }
        to
    }

    /// Where its answer comes from, in a line of at most 512 bytes.
    pub fn source(&self) -> SafeText {
        let line = match self {
            Self::Http(ask) => format!("{}://{}:{}", ask.target.scheme.as_str(), ask.target.host, ask.target.port),
            Self::Credential(ask) => format!("credential:{}", ask.name),
        };
        SafeText::new(&line, SOURCE_BYTES_MAX)
    }

    /// Whether it may be made again after a crash without a person's word.
    pub fn repeat(&self) -> Repeat {
        let is_safe = match self {
            Self::Http(http) => http.method.is_safe(),
            Self::Credential(credential) => credential.step != CredentialStep::Set,
        };
        if is_safe { Repeat::Safe } else { Repeat::OnWord }
    }
}

impl From<Act> for Ask {
    fn from(act: Act) -> Self {
        match act {
            Act::Http(http) => Self::Http(http),
            Act::Credential(credential) => Self::Credential(credential),
        }
    }
}

/// Whether an act may be repeated if it is unknown whether it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It changes nothing, or repeating it changes nothing more. So it is simply repeated.
    Safe,
    /// It is repeated only if a person says that it did not happen.
    OnWord,
}

/// One header field as the guest set it. The name is a token of RFC 9110 in lower case. The value has no CR, LF or NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, in lower case.
    pub name: String,
    /// The value, byte for byte.
    pub value: Vec<u8>,
}

/// One complete HTTP request. The ask is made when its body is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAsk {
    /// The method.
    pub method: Method,
    /// The target.
    pub target: HttpTarget,
    /// The header fields, in the order in which the guest set them.
    pub headers: Vec<Header>,
    /// The whole body. Empty if there is none.
    pub body: Bytes,
    /// The time-outs that the guest asked for. The broker clamps them.
    pub timeouts: HttpTimeouts,
}

/// Time-outs in milliseconds, as the guest asked for them. `None` stands for the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// The time until the connection is established.
    pub connect_ms: Option<u64>,
    /// The time until the first byte of the response.
    pub first_byte_ms: Option<u64>,
    /// The time between two pieces of the response.
    pub between_bytes_ms: Option<u64>,
}

impl HttpAsk {
    fn canonical_into(&self, to: &mut Vec<u8>) {
        put(to, self.method.as_str().as_bytes());
        put(to, self.target.scheme.as_str().as_bytes());
        put(to, self.target.host.to_string().as_bytes());
        put(to, &self.target.port.to_be_bytes());
        put(to, self.target.path_and_query().as_bytes());
        put(to, &(self.headers.len() as u64).to_be_bytes());
        for header in &self.headers {
            put(to, header.name.as_bytes());
            put(to, &header.value);
        }
        for timeout in [self.timeouts.connect_ms, self.timeouts.first_byte_ms, self.timeouts.between_bytes_ms] {
            put(to, timeout.map_or_else(String::new, |ms| ms.to_string()).as_bytes());
        }
        put(to, &self.body);
    }

    /// The request that has these canonical bytes ([`Ask::canonical_bytes`]).
    pub fn from_canonical_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.next()? != b"http" {
            return None;
        }
        let _function = fields.next()?;
        let method = Method::new(fields.text()?).ok()?;
        let (scheme, host) = (fields.text()?, fields.text()?);
        let port = u16::from_be_bytes(fields.next()?.try_into().ok()?);
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let target = format!("{scheme}://{host}:{port}{}", fields.text()?).parse().ok()?;
        let count = u64::from_be_bytes(fields.next()?.try_into().ok()?);
        let mut headers = Vec::new();
        for _ in 0..count {
            headers.push(Header { name: fields.text()?.to_owned(), value: fields.next()?.to_vec() });
        }
        let mut timeout = || Some(fields.text()?.parse().ok());
        let timeouts = HttpTimeouts { connect_ms: timeout()?, first_byte_ms: timeout()?, between_bytes_ms: timeout()? };
        let body = Bytes::copy_from_slice(fields.next()?);
        fields.0.is_empty().then_some(Self { method, target, headers, body, timeouts })
    }
}

/// Reads fields, each of which is preceded by its length.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<8>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
        self.0 = rest;
        Some(field)
    }

    fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.next()?).ok()
    }
}

/// A call that nothing in this version can allow, or text that could not be parsed into an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedAsk {
    /// The interface and the function.
    pub function: Function,
    /// The guest's words, bounded and escaped.
    pub what: SafeText,
    /// Whether the words were not well formed. Otherwise they ask for something that is not available.
    pub malformed: bool,
}

impl From<&HttpAsk> for Resource {
    fn from(ask: &HttpAsk) -> Self {
        Self::Http(HttpResource::new(&ask.method, &ask.target))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_from_its_canonical_bytes_and_from_no_part_of_them() {
        for url in ["http://a.test/x?y=1", "https://[::1]:8443/", "http://127.0.0.1:80/a%20b"] {
            let ask = HttpAsk {
                method: Method::new("POST").unwrap(),
                target: url.parse().unwrap(),
                headers: vec![Header { name: "x-a".to_owned(), value: b"\xff".to_vec() }],
                body: Bytes::from_static(b"body\0"),
                timeouts: HttpTimeouts { connect_ms: Some(7), ..HttpTimeouts::default() },
            };
            let bytes = Ask::Http(ask.clone()).canonical_bytes();
            assert_eq!(HttpAsk::from_canonical_bytes(&bytes), Some(ask), "{url}");
            assert!((0..bytes.len()).all(|len| HttpAsk::from_canonical_bytes(&bytes[..len]).is_none()), "{url}");
        }
    }
}
