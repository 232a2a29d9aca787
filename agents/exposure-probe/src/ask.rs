//! Asking one target, within its budget and the run's: so many at once, so many a second, and redirects a few steps far.
//!
//! Asks by GET alone. What the answers mean is the checks' business.

use crate::pace::Pace;
use crate::page::{BODY_BYTES_MAX, Page};
use crate::target::{Leads, Target};
use crate::why::Why;
use bailiwick_sdk::http::{self, Client, Error, RequestBuilder, Response, StatusCode};
use std::time::Duration;

/// BOUND: how many redirects are followed, one after the other.
const HOPS_MAX: usize = 5;
/// After so many in a row without an answer, a target is given up.
const SILENT_MAX: u32 = 3;
/// Who asks: whoever reads the server's log is to know.
const USER_AGENT: &str = concat!("bailiwick-exposure-probe/", env!("CARGO_PKG_VERSION"));

/// What of an answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    Whole,
    /// The first few bytes, of a server that can give a part.
    Beginning,
    /// As a page of that origin would be answered.
    For {
        origin: String,
    },
}

/// One thing to ask for: an absolute path with its query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) wanted: Wanted,
}

impl Ask {
    pub(crate) fn whole(path: String) -> Self {
        Self { path, wanted: Wanted::Whole }
    }
}

/// What a run has for all of its targets together.
pub(crate) struct Means {
    client: Client,
    in_flight: usize,
    pace: Pace,
    left: u64,
}

impl Means {
    pub(crate) fn new(timeout: Duration, in_flight: usize, per_second: u32, budget: u64) -> Self {
        let client = Client::new().timeout(timeout).body_bytes_max(BODY_BYTES_MAX);
        Self { client, in_flight, pace: Pace::new(per_second), left: budget }
    }
}

/// Asks one target.
pub(crate) struct Asker<'a> {
    means: &'a mut Means,
    pub(crate) target: &'a Target,
    left: u64,
    /// Requests that the host let go.
    pub(crate) asked: u64,
    /// Requests that it did not.
    pub(crate) refused: u64,
    silent: u32,
    given_up: Option<Why>,
}

/// An answer and the redirects before it.
struct Way {
    ask: Ask,
    outcome: Option<Result<Page, Why>>,
}

impl<'a> Asker<'a> {
    pub(crate) const fn new(means: &'a mut Means, target: &'a Target, budget: u64) -> Self {
        Self { means, target, left: budget, asked: 0, refused: 0, silent: 0, given_up: None }
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.means.in_flight
    }

    /// Asks for all of them, no more than may be in flight. A redirect to somewhere below what was asked for is followed; one to
    /// elsewhere within the origin is the answer that nothing is there.
    pub(crate) fn ask(&mut self, asks: &[Ask]) -> Vec<Result<Page, Why>> {
        let mut ways: Vec<Way> = asks.iter().map(|ask| Way { ask: ask.clone(), outcome: None }).collect();
        for _ in 0..=HOPS_MAX {
            let open: Vec<&mut Way> = ways.iter_mut().filter(|way| way.outcome.is_none()).collect();
            if open.is_empty() {
                break;
            }
            self.step(open);
        }
        ways.into_iter().map(|way| way.outcome.unwrap_or(Err(Why::RedirectLoop))).collect()
    }

    /// Asks for the target's own page, and follows it wherever it leads within the origin: every page on the way.
    pub(crate) fn pages_of_root(&mut self) -> (Vec<Page>, Option<Why>) {
        let mut pages = Vec::new();
        let mut ask = Ask::whole(self.target.path(""));
        for _ in 0..=HOPS_MAX {
            let page = match self.send(std::slice::from_ref(&ask)).pop() {
                Some(Ok(page)) => page,
                Some(Err(why)) => return (pages, Some(why)),
                None => return (pages, Some(Why::Host)),
            };
            let leads = self.leads(&page);
            pages.push(page);
            match leads {
                None | Some(Leads::Nowhere) => return (pages, None),
                Some(Leads::Away { .. }) => return (pages, Some(Why::OtherOrigin)),
                Some(Leads::Within(path)) => ask.path = path,
            }
        }
        (pages, Some(Why::RedirectLoop))
    }

    /// Where it sends on to, if it does.
    pub(crate) fn leads(&self, page: &Page) -> Option<Leads> {
        let location = page.header("location").filter(|_| page.status.is_redirection())?;
        Some(self.target.leads(&page.path, &location))
    }

    fn step(&mut self, open: Vec<&mut Way>) {
        let asks: Vec<Ask> = open.iter().map(|way| way.ask.clone()).collect();
        for (way, answer) in open.into_iter().zip(self.send(&asks)) {
            let page = match answer {
                Ok(page) => page,
                Err(why) => {
                    way.outcome = Some(Err(why));
                    continue;
                }
            };
            match self.leads(&page) {
                Some(Leads::Within(path)) if is_below(&path, &way.ask.path) => way.ask.path = path,
                Some(Leads::Away { .. }) => way.outcome = Some(Err(Why::OtherOrigin)),
                Some(Leads::Within(_) | Leads::Nowhere) | None => way.outcome = Some(Ok(page)),
            }
        }
    }

    /// Sends them, a few at a time, and no more than the budgets have left.
    fn send(&mut self, asks: &[Ask]) -> Vec<Result<Page, Why>> {
        let mut answers = Vec::with_capacity(asks.len());
        for some in asks.chunks(self.means.in_flight.max(1)) {
            if let Some(why) = self.given_up {
                answers.extend(some.iter().map(|_| Err(why)));
                continue;
            }
            let (now, never) = some.split_at(self.spend(some.len()));
            self.means.pace.wait(now.len());
            let requests = now.iter().map(|ask| self.request(ask)).collect();
            for (ask, answer) in now.iter().zip(http::all_with(requests, self.means.in_flight)) {
                let answer = self.taken(ask, answer);
                self.note(&answer);
                answers.push(answer);
            }
            answers.extend(never.iter().map(|_| Err(Why::BudgetSpent)));
        }
        answers
    }

    /// Takes as many from both budgets as there are, up to `count`.
    fn spend(&mut self, count: usize) -> usize {
        let count = (count as u64).min(self.left).min(self.means.left);
        self.left -= count;
        self.means.left -= count;
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn request(&self, ask: &Ask) -> RequestBuilder {
        let request = self.means.client.get(&self.target.url(&ask.path)).header("user-agent", USER_AGENT).header("accept", "*/*");
        match &ask.wanted {
            Wanted::Whole => request,
            Wanted::Beginning => request.header("range", "bytes=0-1023"),
            Wanted::For { origin } => request.header("origin", origin.as_str()),
        }
    }

    fn taken(&mut self, ask: &Ask, answer: Result<Response, Error>) -> Result<Page, Why> {
        self.count(answer.as_ref().err());
        let page = match answer.and_then(|answer| Page::whole(&ask.path, answer)) {
            Ok(page) => page,
            // Our own bound: asked again, it is read as far as that.
            Err(Error::TooLarge { code: "body-bytes-max" }) => self.beginning(ask)?,
            Err(err) => return Err(Why::of(&err)),
        };
        if page.status == StatusCode::TOO_MANY_REQUESTS || page.status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Why::Busy);
        }
        Ok(page)
    }

    fn beginning(&mut self, ask: &Ask) -> Result<Page, Why> {
        if self.spend(1) == 0 {
            return Err(Why::BudgetSpent);
        }
        self.means.pace.wait(1);
        let answer = self.request(ask).send();
        self.count(answer.as_ref().err());
        let answer = answer.map_err(|err| Why::of(&err))?;
        Page::beginning(&ask.path, answer).map_err(|err| match err.kind() {
            std::io::ErrorKind::TimedOut => Why::TimedOut,
            _ => Why::BrokenAnswer,
        })
    }

    fn count(&mut self, err: Option<&Error>) {
        match err {
            Some(Error::Refused | Error::Malformed { .. }) => self.refused += 1,
            Some(_) | None => self.asked += 1,
        }
    }

    fn note(&mut self, answer: &Result<Page, Why>) {
        match answer {
            Err(why) if why.is_lasting() => {
                self.silent += 1;
                if self.silent >= SILENT_MAX {
                    self.given_up = Some(*why);
                }
            }
            Ok(_) | Err(_) => self.silent = 0,
        }
    }
}

/// Whether a redirect stays with what was asked for: the same path with a slash, or something in that folder.
fn is_below(path: &str, asked: &str) -> bool {
    let bare = |path: &str| path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let (path, asked) = (bare(path), bare(asked));
    path == asked || path.strip_prefix(&asked).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn only_a_redirect_into_what_was_asked_for_is_followed() {
        assert!(is_below("/docs/", "/docs") && is_below("/docs/index.html?a", "/docs/?b"));
        assert!(!is_below("/login", "/docs") && !is_below("/docsuite", "/docs"));
    }
}
