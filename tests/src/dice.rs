//! Random numbers that are the same for the same seed, and a server whose answers they cut and delay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vocabulary::Digest;

use crate::server::{CHUNKED, Heard, Server, Step, chunk, response};

/// SplitMix64. Clones share their state.
#[derive(Clone, Debug)]
pub struct Dice(Arc<Mutex<u64>>);

impl Dice {
    /// Dice with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// A number below `sides`, which is not 0.
    #[must_use]
    pub fn roll(&self, sides: u64) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    fn wait(&self) -> Step {
        // Mostly no delay, so that much arrives at once; sometimes a delay that is long enough for anything else to arrive first.
        let micros = [0, 0, 0, 200, 1000, 3000].get(usize::try_from(self.roll(6)).unwrap_or(0)).copied().unwrap_or(0);
        Step::Wait(Duration::from_micros(micros))
    }
}

/// The server's answer to a request: bytes that depend only on the request.
#[must_use]
pub fn body_for(heard: &Heard) -> Vec<u8> {
    let digest = Digest::of(&[heard.method.as_bytes(), b" ", heard.path.as_bytes(), b" ", &heard.body].concat());
    let bytes = digest.as_bytes();
    let length = usize::from(bytes.first().copied().unwrap_or(0)) * 20;
    bytes.iter().copied().cycle().take(length).collect()
}

/// A server whose answers depend only on the request, and whose delays and pieces depend only on the dice.
pub async fn server(dice: &Dice) -> Server {
    let dice = dice.clone();
    Server::answering(move |_, heard| {
        let body = body_for(heard);
        if dice.roll(4) == 0 {
            return vec![dice.wait(), Step::Say(response(200, &body))];
        }
        let mut steps = vec![dice.wait(), Step::Say(CHUNKED.to_vec())];
        let mut rest = body.as_slice();
        while !rest.is_empty() {
            let most = usize::try_from(1 + dice.roll(1500)).unwrap_or(1).min(rest.len());
            let (piece, after) = rest.split_at(most);
            steps.extend([dice.wait(), Step::Say(chunk(piece))]);
            rest = after;
        }
        steps.extend([dice.wait(), Step::Say(chunk(b""))]);
        steps
    })
    .await
}
