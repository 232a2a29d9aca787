//! Decides which of many requests is sent next, and how many at once: fewer once the host has shown that it has no more room.

use super::Request;
use std::collections::VecDeque;

/// Requests that are still to be sent, each with its position.
pub(crate) struct Queue {
    waiting: VecDeque<(usize, Request)>,
    room: usize,
}

impl Queue {
    /// A queue that allows at most `in_flight` requests at once, and always at least one.
    pub(crate) fn new(requests: Vec<(usize, Request)>, in_flight: usize) -> Self {
        Self { waiting: requests.into(), room: in_flight.max(1) }
    }

    /// The next request, unless there is none or as many are in flight as there is room for.
    pub(crate) fn next(&mut self, in_flight: usize) -> Option<(usize, Request)> {
        if in_flight < self.room { self.waiting.pop_front() } else { None }
    }

    /// Takes back a request that the host had no room for; it is sent again when one of the `others` in flight is over. Returns false
    /// if no other request is in flight: then there is nothing to wait for.
    ///
    /// BOUND: `others` is less than the room so far, so each request that is taken back lowers the room. So at most `in_flight`
    /// requests are taken back.
    pub(crate) fn take_back(&mut self, index: usize, request: Request, others: usize) -> bool {
        if others == 0 {
            return false;
        }
        self.room = self.room.min(others);
        self.waiting.push_front((index, request));
        true
    }
}
