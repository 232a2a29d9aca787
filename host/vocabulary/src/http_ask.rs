//! One HTTP request, as a guest asks for it.

use bytes::Bytes;

use crate::fields::{Fields, front, put};
use crate::function::Function;
use crate::method::Method;
use crate::resource::{HttpResource, Resource};
use crate::target::HttpTarget;

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
    /// Every byte of it in one unambiguous form, as of the ask that it is.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut to = front(Function::HttpHandle);
        self.canonical_into(&mut to);
        to
    }

    pub(crate) fn canonical_into(&self, to: &mut Vec<u8>) {
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

    /// The request that has these canonical bytes ([`HttpAsk::canonical_bytes`]).
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
        fields.is_at_end().then_some(Self { method, target, headers, body, timeouts })
    }
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
            let bytes = ask.canonical_bytes();
            assert_eq!(HttpAsk::from_canonical_bytes(&bytes), Some(ask), "{url}");
            assert!((0..bytes.len()).all(|len| HttpAsk::from_canonical_bytes(&bytes[..len]).is_none()), "{url}");
        }
    }
}
