//! The threads on which guests compute. The threads of the caller's runtime do input and output, and no guest ever runs on those.
//!
//! A guest that was woken goes to the front, to threads of ordinary priority. A guest that has used up its slice goes to the back, to
//! threads that the system runs after others. At each place, the guest that has recently computed least comes first. What a guest may do,
//! and what it sees, does not depend on any of this.
//!
//! - INVARIANT: a thread that does not come back to the queue in time gets a substitute, so no guest and no host call keeps the others waiting.
//! - INVARIANT: only one place holds a guest that waits, computes or ends: the stage of its job.

mod job;
mod thread;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::thread::answer_promptly;
pub(crate) use self::thread::compute_as_others;

use self::job::{GuestFuture, Job, Turn};
use self::thread::{Thread, cpu_of, stand_back};

/// A front thread that has been with one guest for this long is in a long host call. It is moved to the back.
const FRONT_STUCK: Duration = Duration::from_millis(3);
/// A back thread that has been with one guest for this long no longer counts as serving the queue.
const BACK_STUCK: Duration = Duration::from_millis(20);
/// How much a front thread must have computed to be sent to the back. A thread that waits for the disk, or that the system did not run,
/// only gets a substitute.
const FRONT_COMPUTED: Duration = Duration::from_millis(2);

/// Where a guest waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThreadPlace {
    Front,
    Back,
}

/// All threads of this process on which guests compute.
pub(crate) struct GuestThreads {
    state: Mutex<State>,
    front: Condvar,
    back: Condvar,
    cores: usize,
    /// The time from which all keys are counted.
    began: Instant,
}

#[derive(Default)]
struct State {
    front: Queue,
    back: Queue,
    workers: BTreeMap<u64, Worker>,
    next_worker: u64,
    next_job: u64,
}

/// Jobs in the order in which they are served.
type Queue = BTreeMap<(u64, u64), Arc<Job>>;

struct Worker {
    place: ThreadPlace,
    thread: Option<Thread>,
    /// Since when it has been with its current guest, and how much it had computed by then.
    with: Option<(Instant, Duration)>,
}

impl Worker {
    fn is_stuck(&self, now: Instant) -> bool {
        let most = if self.place == ThreadPlace::Front { FRONT_STUCK } else { BACK_STUCK };
        self.with.is_some_and(|(since, _)| now.saturating_duration_since(since) > most)
    }
}

impl State {
    fn queue(&mut self, place: ThreadPlace) -> &mut Queue {
        match place {
            ThreadPlace::Front => &mut self.front,
            ThreadPlace::Back => &mut self.back,
        }
    }

    fn at(&self, place: ThreadPlace) -> impl Iterator<Item = &Worker> {
        self.workers.values().filter(move |worker| worker.place == place)
    }

    /// The number of threads of a place that serve its queue or soon will.
    fn serving(&self, place: ThreadPlace, now: Instant) -> usize {
        self.at(place).filter(|worker| !worker.is_stuck(now)).count()
    }

    fn idle(&self, place: ThreadPlace) -> usize {
        self.at(place).filter(|worker| worker.with.is_none()).count()
    }
}

static CREW: LazyLock<GuestThreads> = LazyLock::new(GuestThreads::new);

/// The guest threads of this process. They are made with the first guest and stay until the process ends.
pub(crate) fn guest_threads() -> &'static GuestThreads {
    &CREW
}

#[expect(clippy::disallowed_methods, reason = "door: whose turn it is to compute is decided by time; no guest sees it")]
fn now() -> Instant {
    Instant::now()
}

impl GuestThreads {
    fn new() -> Self {
        Self::with_cores(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
    }

    /// Guest threads with this many threads at each place.
    fn with_cores(cores: usize) -> Self {
        Self { state: Mutex::default(), front: Condvar::new(), back: Condvar::new(), cores, began: now() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bell(&self, place: ThreadPlace) -> &Condvar {
        match place {
            ThreadPlace::Front => &self.front,
            ThreadPlace::Back => &self.back,
        }
    }

    /// Runs a guest to its end, in the context of the caller's runtime. `used_up` is set whenever the guest yields because its slice is
    /// used up.
    pub(crate) fn start(&'static self, guest: GuestFuture, used_up: Arc<AtomicBool>) -> Arc<Job> {
        let job = Job::new(guest, used_up, now());
        self.queue(Arc::clone(&job), Turn::Woken);
        job
    }

    fn queue(&'static self, job: Arc<Job>, turn: Turn) {
        let now = now();
        let place = job.place(turn, now);
        let key = job.key(now, self.began);
        let mut state = self.lock();
        let number = state.next_job;
        state.next_job += 1;
        state.queue(place).insert((key, number), job);
        self.staff(&mut state, place, now);
        drop(state);
        self.bell(place).notify_one();
    }

    /// Starts a thread for a place if more guests wait there than threads are idle, and fewer threads serve than there are cores.
    fn staff(&'static self, state: &mut State, place: ThreadPlace, now: Instant) {
        if state.queue(place).len() <= state.idle(place) || state.serving(place, now) >= self.cores {
            return;
        }
        let id = state.next_worker;
        state.next_worker += 1;
        state.workers.insert(id, Worker { place, thread: None, with: None });
        if thread::start(move || self.work(id)).is_err() {
            state.workers.remove(&id);
            self.without_threads(state, place);
        }
    }

    /// The system can't start a thread, and this place has no thread. A guest that waits for its turn would wait without end, so it is ended instead.
    fn without_threads(&self, state: &mut State, place: ThreadPlace) {
        if state.at(place).next().is_none() {
            let left = std::mem::take(state.queue(place));
            left.into_values().for_each(|job| job.give_up());
        }
    }

    /// The loop of one thread: it takes guests in turn, at the place that it has at that moment.
    fn work(&'static self, id: u64) {
        let thread = Thread::here();
        let mut state = self.lock();
        if let Some(worker) = state.workers.get_mut(&id) {
            worker.thread = Some(thread);
            if worker.place == ThreadPlace::Back { stand_back(thread) } else { answer_promptly() }
        }
        loop {
            let Some(worker) = state.workers.get_mut(&id) else { return };
            let place = worker.place;
            worker.with = None;
            // A surplus thread ends: it was a substitute, or a substitute was started for it.
            if state.at(place).count() > self.cores && state.idle(place) > 1 && state.queue(place).is_empty() {
                state.workers.remove(&id);
                return;
            }
            let Some((_, job)) = state.queue(place).pop_first() else {
                state = self.bell(place).wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let before = cpu_of(thread);
            if let Some(worker) = state.workers.get_mut(&id) {
                worker.with = Some((now(), before));
            }
            drop(state);
            if let Some(turn) = job.poll(|| cpu_of(thread).saturating_sub(before)) {
                self.queue(job, turn);
            }
            state = self.lock();
        }
    }

    /// Moves long host calls to the back, and ensures that a thread serves each queue. Called with each tick of an engine.
    pub(crate) fn watch(&'static self) {
        let now = now();
        let mut state = self.lock();
        for worker in state.workers.values_mut().filter(|worker| worker.place == ThreadPlace::Front && worker.is_stuck(now)) {
            let (Some(thread), Some((_, before))) = (worker.thread, worker.with) else { continue };
            if cpu_of(thread).saturating_sub(before) >= FRONT_COMPUTED {
                worker.place = ThreadPlace::Back;
                stand_back(thread);
            }
        }
        for place in [ThreadPlace::Front, ThreadPlace::Back] {
            if !state.queue(place).is_empty() {
                self.staff(&mut state, place, now);
            }
        }
    }
}
