//! Sends requests to one target, within the budgets of the target and of the run: a bounded number at once and per second, and
//! a few redirects.
//!
//! Uses only GET. The checks decide what the answers mean.

use crate::pace::Pace;
use crate::page::{BODY_BYTES_MAX, Page};
use crate::target::{Leads, Target};
use crate::why::Why;
use bailiwick_sdk::http::{self, Client, Error, RequestBuilder, Response, StatusCode};
use std::time::Duration;

/// BOUND: how many redirects are followed, one after the other.
const HOPS_MAX: usize = 5;
/// After this many requests in a row without an answer, a target is given up.
const SILENT_MAX: u32 = 3;
/// The `user-agent` of each request, so that a reader of the server's log knows who asked.
const USER_AGENT: &str = concat!("bailiwick-exposure-probe/", env!("CARGO_PKG_VERSION"));

/// Which part of an answer is wanted, or for whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    Whole,
    /// The first few bytes, if the server can send a part.
    Beginning,
    /// The answer that a page of that origin would get.
    For {
        origin: String,
    },
}

/// One request: an absolute path with its query, and what of the answer is wanted.
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

/// What all targets of a run share.
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

/// Sends requests to one target.
pub(crate) struct Asker<'a> {
    means: &'a mut Means,
    pub(crate) target: &'a Target,
    left: u64,
    /// How many requests the host sent.
    pub(crate) asked: u64,
    /// How many requests the host refused.
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

    /// Sends all of these requests, with no more in flight than allowed. A redirect to a place below the asked path is followed. A redirect
    /// to another place of the origin counts as the answer that nothing is there.
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

    /// Asks for the target's own page, and follows its redirects within the origin. Returns every page on the way.
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

    /// Where this page redirects to, if it does.
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

    /// Sends the requests, a few at a time, and no more than the budgets have left.
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

    /// Takes up to `count` requests from both budgets, and returns how many it got.
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
            // The body exceeds our own bound: ask again, and read it up to the bound.
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

/// Whether a redirect stays with the asked path: the same path with a slash, or something in that folder.
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
