//! How the agent's acts can be taken back. Mirrors the interface `undo`: before an act, the agent registers the request that takes it
//! back. The host sends it only if the operator orders a rollback of the run.
//!
//! Needs `undo = true` in the operator's configuration, and a grant for the request itself.
//!
//! ```
//! use bailiwick_sdk::http::Client;
//! use bailiwick_sdk::undo::{self, Undo};
//!
//! # fn make(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://broker.example.com/api/vhosts/reports";
//! let made = Undo::new(("PUT", url), ("DELETE", url)).done_at(404).words("removes the virtual host").register()?;
//! let answer = client.put(url).send()?;
//! if answer.status().is_client_error() {
//!     // The server refused it, so there is nothing to take back.
//!     undo::discharge(made)?;
//! }
//! # Ok(())
//! # }
//! ```

use crate::Refusal;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing;

/// BOUND: bytes of one undo that the host accepts: the headers and the body of its request, and its pre-image.
pub const UNDO_BYTES_MAX: usize = 64 << 10;

/// How one act can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The method and the URL of the act. The next request with exactly these is the act.
    pub covers: (String, String),
    /// The method of the request that takes the act back.
    pub method: String,
    /// The URL of that request.
    pub url: String,
    /// The header fields of that request. The host adds the credential.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body of that request.
    pub body: Vec<u8>,
    /// What was there before the act, for people who look at it; empty if there was nothing.
    pub pre_image: Vec<u8>,
    /// Statuses besides 200 to 299 with which the server says that there is nothing to take back: 404, 409, 410.
    pub done_at: Vec<u16>,
    /// What the request does, in at most 300 bytes.
    pub words: String,
}

impl Undo {
    /// The act with this method and URL is taken back by the request with that method and URL.
    #[must_use]
    pub fn new(covers: (&str, &str), request: (&str, &str)) -> Self {
        Self {
            covers: (covers.0.to_owned(), covers.1.to_owned()),
            method: request.0.to_owned(),
            url: request.1.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            pre_image: Vec::new(),
            done_at: Vec::new(),
            words: String::new(),
        }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with what was there before the act.
    #[must_use]
    pub fn pre_image(mut self, before: impl Into<Vec<u8>>) -> Self {
        self.pre_image = before.into();
        self
    }

    /// The same with one more status that says that there is nothing to take back.
    #[must_use]
    pub fn done_at(mut self, status: u16) -> Self {
        self.done_at.push(status);
        self
    }

    /// The same with words for people.
    #[must_use]
    pub fn words(mut self, words: impl Into<String>) -> Self {
        self.words = words.into();
        self
    }

    /// Registers it, and returns its number in the run. Natively it is kept for [`crate::testing::take_undos`], within the same bounds.
    ///
    /// # Errors
    /// `not-granted` if the agent may not send the request; `malformed` if it, or what it covers, is not well formed or changes nothing;
    /// `over-limit` past 256 in a run, [`UNDO_BYTES_MAX`] for one, and 4 MiB for all.
    pub fn register(self) -> Result<u64, Refusal> {
        #[cfg(target_arch = "wasm32")]
        return crate::wire::register_undo(self);
        #[cfg(not(target_arch = "wasm32"))]
        testing::keep_undo(self)
    }
}

/// Withdraws a registration, because its act did not happen.
///
/// # Errors
/// `malformed` if there is no such registration, or if its act happened or may have happened.
pub fn discharge(id: u64) -> Result<(), Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::discharge_undo(id);
    #[cfg(not(target_arch = "wasm32"))]
    testing::drop_undo(id)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Undo, discharge};
    use crate::RefusalCode;
    use crate::testing::take_undos;

    #[test]
    fn an_undo_is_kept_for_the_test_until_it_is_withdrawn() {
        let undo = |url| Undo::new(("PUT", url), ("DELETE", url)).done_at(404).header("x-a", "1").pre_image("before").words("removes it");
        let (first, second) = (undo("https://a.test/1").register().unwrap(), undo("https://a.test/2").register().unwrap());
        assert_eq!((first, second), (1, 2));
        discharge(first).unwrap();
        assert_eq!(discharge(first).unwrap_err().code, RefusalCode::Malformed, "it is gone");
        assert_eq!(take_undos(), [(2, undo("https://a.test/2"))]);
    }

    #[test]
    fn an_undo_that_the_host_would_refuse_is_refused_in_a_test_too() {
        let code = |undo: Undo| undo.register().unwrap_err().code;
        let url = "https://a.test/";
        assert_eq!(code(Undo::new(("PUT", url), ("GET", url))), RefusalCode::Malformed, "it changes nothing");
        assert_eq!(code(Undo::new(("GET", url), ("DELETE", url))), RefusalCode::Malformed, "nothing is to be taken back");
        assert_eq!(code(Undo::new(("PUT", url), ("DELETE", url)).done_at(403)), RefusalCode::Malformed, "a refusal is not its end");
        let large = vec![b'x'; super::UNDO_BYTES_MAX + 1];
        assert_eq!(code(Undo::new(("PUT", url), ("PUT", url)).pre_image(large)), RefusalCode::OverLimit);
        assert!(take_undos().is_empty());
    }
}
