//! A job: one guest as the guest threads see it. It has a future, the stage of its turn, and how much it has recently computed.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::{ThreadPlace, guest_threads, now};

/// Computing from this long ago counts a third of computing now.
const MEMORY: Duration = Duration::from_millis(500);
/// BOUND: how much a guest may have recently computed and still go to the front when it is woken: a quarter of one core.
const FRONT_WOKEN: Duration = Duration::from_millis(125);
/// BOUND: the same for a guest that has used up its slice. A short piece of work is done at once, and a loop does not stay in front.
const FRONT_USED_UP: Duration = Duration::from_millis(5);

/// Why a guest waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The thing that it waited for has happened.
    Woken,
    /// It could continue, but others get their turn first.
    UsedUp,
}

/// The stages of a job. It is always in exactly one of them.
mod stage {
    pub(super) const WAITS: u8 = 0;
    pub(super) const QUEUED: u8 = 1;
    pub(super) const COMPUTES: u8 = 2;
    /// It was woken while it computed.
    pub(super) const WOKEN: u8 = 3;
    pub(super) const OVER: u8 = 4;
}

/// How much was recently computed. Older computing counts less.
struct Recent {
    computed: Duration,
    at: Instant,
}

/// A guest that runs to its end.
pub(super) type GuestFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One guest.
pub(crate) struct Job {
    guest: Mutex<Option<GuestFuture>>,
    stage: AtomicU8,
    /// The runtime of the timers in the guest's world.
    runtime: Handle,
    used_up: Arc<AtomicBool>,
    /// Whether the guest is to end. That takes almost no time, so it does not have to wait for its turn.
    ends: AtomicBool,
    recent: Mutex<Recent>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub(super) fn new(guest: GuestFuture, used_up: Arc<AtomicBool>, at: Instant) -> Arc<Self> {
        Arc::new(Self {
            guest: Mutex::new(Some(guest)),
            stage: AtomicU8::new(stage::QUEUED),
            runtime: Handle::current(),
            used_up,
            ends: AtomicBool::new(false),
            recent: Mutex::new(Recent { computed: Duration::ZERO, at }),
        })
    }

    /// Orders the guest to end at its next poll, for which it goes to the front.
    pub(crate) fn ends(&self) {
        self.ends.store(true, Ordering::Release);
    }

    fn recent(&self, now: Instant) -> Duration {
        let recent = held(&self.recent);
        let age = now.saturating_duration_since(recent.at).as_secs_f64() / MEMORY.as_secs_f64();
        recent.computed.mul_f64((-age).exp())
    }

    fn computed(&self, more: Duration, now: Instant) {
        let computed = self.recent(now) + more;
        *held(&self.recent) = Recent { computed, at: now };
    }

    pub(super) fn place(&self, turn: Turn, now: Instant) -> ThreadPlace {
        let most = if turn == Turn::Woken { FRONT_WOKEN } else { FRONT_USED_UP };
        if self.ends.load(Ordering::Acquire) || self.recent(now) <= most { ThreadPlace::Front } else { ThreadPlace::Back }
    }

    /// The key in the queue. It is smaller for a guest that has recently computed less. The past counts less with time, for all guests in
    /// the same way. So the order of waiting guests does not change, and a guest that waits long enough comes before guests that have
    /// computed meanwhile. (The logarithm of a number that decays exponentially is a line.)
    pub(super) fn key(&self, now: Instant, began: Instant) -> u64 {
        const STEPS: f64 = 1_000_000.0;
        let recent = self.recent(now).max(Duration::from_micros(1)).as_secs_f64() / 1e-6;
        let line = recent.ln() + now.saturating_duration_since(began).as_secs_f64() / MEMORY.as_secs_f64();
        // It is positive, and far below 2^53 for as long as any process lives.
        (line * STEPS) as u64
    }

    /// Runs the guest's turn. `computed` returns afterwards how much it has computed. Returns why the guest waits for its next turn, or
    /// `None` if it waits for something else or has ended.
    pub(super) fn poll(self: &Arc<Self>, computed: impl FnOnce() -> Duration) -> Option<Turn> {
        // The swap reads and writes in one step: a waker either sees that the guest computes, or has written before the swap.
        self.stage.swap(stage::COMPUTES, Ordering::AcqRel);
        let waker = Waker::from(Arc::clone(self));
        let entered = self.runtime.enter();
        let mut guest = held(&self.guest);
        let polled =
            guest.as_mut().map(|guest| guarded(|| guest.as_mut().poll(&mut Context::from_waker(&waker))).unwrap_or(Poll::Ready(())));
        let over = !matches!(polled, Some(Poll::Pending));
        if over {
            dropped(guest.take());
        }
        drop((guest, entered));
        self.computed(computed(), now());
        if over {
            self.stage.store(stage::OVER, Ordering::Release);
            return None;
        }
        let used_up = self.used_up.swap(false, Ordering::AcqRel);
        match self.stage.compare_exchange(stage::COMPUTES, stage::WAITS, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => None,
            Err(_) => {
                self.stage.store(stage::QUEUED, Ordering::Release);
                Some(if used_up { Turn::UsedUp } else { Turn::Woken })
            }
        }
    }

    /// Drops the guest because it will never get a turn. The caller that waits for its end notices that.
    pub(super) fn give_up(&self) {
        self.stage.store(stage::OVER, Ordering::Release);
        let guest = held(&self.guest).take();
        dropped(guest);
    }
}

/// Catches a panic of the host's own code. It ends only the run, whose caller notices that, and not the thread, which other guests need.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Drops a guest. Values that it holds may panic when they are dropped.
fn dropped(guest: Option<GuestFuture>) {
    let _ = guarded(move || drop(guest));
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        loop {
            let (from, to) = match self.stage.load(Ordering::Acquire) {
                stage::WAITS => (stage::WAITS, stage::QUEUED),
                stage::COMPUTES => (stage::COMPUTES, stage::WOKEN),
                _ => return,
            };
            if self.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                if to == stage::QUEUED {
                    guest_threads().queue(self, Turn::Woken);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, clippy::panic, reason = "a test makes moments of its own, and faults")]
mod tests {
    use super::super::GuestThreads;
    use super::*;

    fn job(at: Instant) -> Arc<Job> {
        Job::new(Box::pin(async {}), Arc::default(), at)
    }

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_guest_that_was_woken_is_in_front_and_one_that_computes_on_is_not() {
        let at = Instant::now();
        let job = job(at);
        assert_eq!([job.place(Turn::Woken, at), job.place(Turn::UsedUp, at)], [ThreadPlace::Front; 2], "it begins in front");
        job.computed(6 * MS, at);
        assert_eq!([job.place(Turn::Woken, at), job.place(Turn::UsedUp, at)], [ThreadPlace::Front, ThreadPlace::Back]);
        job.computed(200 * MS, at);
        assert_eq!(job.place(Turn::Woken, at), ThreadPlace::Back, "waiting again and again does not help");
        let later = at + 1000 * MS;
        assert_eq!(job.place(Turn::Woken, later), ThreadPlace::Front, "computing from long ago no longer counts");
        job.computed(1000 * MS, later);
        job.ends();
        assert_eq!(job.place(Turn::UsedUp, later), ThreadPlace::Front, "an order to end takes no turn from others");
    }

    #[tokio::test]
    async fn whoever_has_computed_least_comes_first_and_nobody_waits_for_ever() {
        let began = Instant::now();
        let (busy, quiet) = (job(began), job(began));
        busy.computed(400 * MS, began);
        quiet.computed(10 * MS, began);
        let waits = busy.key(began, began);
        assert!(quiet.key(began, began) < waits);
        // The quiet guest now computes at a fifth of a core. So the guest that has waited since then overtakes it.
        let mut at = began;
        for _ in 0..400 {
            at += 10 * MS;
            quiet.computed(2 * MS, at);
        }
        assert!(waits < quiet.key(at, began));
    }

    /// A guest that does something in its first turn, then ends or waits, and panics when it is dropped.
    struct Faulty {
        does: Option<Box<dyn FnOnce() + Send>>,
        then: Poll<()>,
    }

    impl Faulty {
        fn boxed(does: impl FnOnce() + Send + 'static, then: Poll<()>) -> GuestFuture {
            Box::pin(Self { does: Some(Box::new(does)), then })
        }
    }

    impl Future for Faulty {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.does.take().into_iter().for_each(|does| does());
            self.then
        }
    }

    impl Drop for Faulty {
        fn drop(&mut self) {
            panic!("a fault of the host");
        }
    }

    #[tokio::test]
    async fn a_guest_that_panics_when_it_is_dropped_has_ended_like_any_other() {
        let ended = |job: &Job| held(&job.guest).is_none() && job.stage.load(Ordering::Acquire) == stage::OVER;
        let job = Job::new(Faulty::boxed(|| (), Poll::Ready(())), Arc::default(), Instant::now());
        assert_eq!(job.poll(|| MS), None);
        assert!(ended(&job) && job.recent(Instant::now()) > Duration::ZERO, "what it computed counts");
        let job = Job::new(Faulty::boxed(|| (), Poll::Pending), Arc::default(), Instant::now());
        assert_eq!(job.poll(|| MS), None);
        assert!(!ended(&job), "it waits");
        job.give_up();
        assert!(ended(&job));
    }

    /// There is one thread, and nobody starts a substitute for it.
    #[tokio::test]
    async fn a_thread_whose_guest_panics_when_it_is_dropped_serves_the_next_one() {
        let guest_threads: &'static GuestThreads = Box::leak(Box::new(GuestThreads::with_cores(1)));
        let (says, said) = std::sync::mpsc::channel();
        let next = async move { says.send(()).unwrap_or_default() };
        // Queued while the thread is with the first one.
        let first = Faulty::boxed(move || drop(guest_threads.start(Box::pin(next), Arc::default())), Poll::Ready(()));
        guest_threads.start(first, Arc::default());
        let served = tokio::task::spawn_blocking(move || said.recv_timeout(Duration::from_secs(20))).await;
        assert_eq!(served.ok(), Some(Ok(())));
    }
}
