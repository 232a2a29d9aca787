//! Which of many requests goes next, and how many at once: fewer as soon as the host has shown that it has no more room.

use super::Request;
use std::collections::VecDeque;

/// Requests that are still to be sent, each with its position.
pub(crate) struct Queue {
    waiting: VecDeque<(usize, Request)>,
    room: usize,
}

impl Queue {
    /// At most `in_flight` of them at once, and always one.
    pub(crate) fn new(requests: Vec<(usize, Request)>, in_flight: usize) -> Self {
        Self { waiting: requests.into(), room: in_flight.max(1) }
    }

    /// The next one, unless there is none or as many are in flight as there is room for.
    pub(crate) fn next(&mut self, in_flight: usize) -> Option<(usize, Request)> {
        if in_flight < self.room { self.waiting.pop_front() } else { None }
    }

    /// Takes one back that the host had no room for, to be sent when one of the `others` in flight is over. Whether it
    /// did: if there were none when it was sent either, there is nothing to wait for.
    ///
    /// BOUND: `others` is less than there was room for, so each that is taken back lowers that, and no more are taken back
    /// than were ever to be in flight.
    pub(crate) fn take_back(&mut self, index: usize, request: Request, others: usize) -> bool {
        if others == 0 {
            return false;
        }
        self.room = self.room.min(others);
        self.waiting.push_front((index, request));
        true
    }
}
