//! The real gate, ledger and live world, driven by the steps of the model: a machine with its clock, a process, a guest, and people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use policy::vote::{self, Ballot, Question};
use vocabulary::record::{ApprovalClosed, ApprovalVoted, Record, RecordKind, VERSION};
use vocabulary::{ApprovalEnd, ApprovalId, Clock, Digest, Door as _, Limits, OpId, Principal, SafeText, Stop, Vote, VoteMeans};

use super::ballots::signature;
use super::claims::{Claims, Means, Truth};
use super::clock::MachineClock;
use super::rules::{AllRules, PEOPLE, act, held_grants};
use crate::tests::approvals::poll;
use crate::tests::driven::{Begun, live_begins, whole};
use crate::tests::kit::{MemoryLog, header, recorded, run_id};
use crate::{ApprovalState, ClockMark, Gate, Ledger, Live, MaySay, OpenApproval, Resuming, RunWorld};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The guest asks for an act.
    Ask(usize),
    /// The guest gives up one of its acts.
    Abandon(usize),
    Vote {
        card: usize,
        person: usize,
        vote: Vote,
        means: Means,
    },
    Revoke(usize),
    Policy(usize),
    People(usize),
    /// So many seconds pass.
    Pass(u64),
    /// The machine's clock is set.
    Set(i64),
    Restart,
    /// The process dies.
    Kill,
    /// The run is loaded if it is not in memory, and has its turn.
    Wake {
        did: bool,
    },
    /// Effects go on.
    Work,
}

/// What the guest did, so that it does the same when it is rebuilt.
#[derive(Clone, Copy)]
enum Call {
    Ask(usize),
    Abandon(u64),
    Wait,
}

struct InMemory {
    world: RunWorld<Live>,
    begun: Begun,
    /// How many of them the claims know.
    told: usize,
}

pub(super) struct Machine<'a> {
    rules: &'a AllRules,
    clock: Arc<MachineClock>,
    log: MemoryLog,
    gate: Gate,
    /// The fold of the records that were there after the last step.
    folded: Ledger,
    leaves: usize,
    memory: Option<InMemory>,
    calls: Vec<Call>,
    /// The acts that the guest waits for.
    waits: BTreeMap<u64, usize>,
    loads: usize,
    policy: usize,
    people: usize,
    /// The rules that the run in memory has.
    in_force: (usize, usize),
    /// What people were asked first on each operation.
    first: BTreeMap<u64, Digest>,
    pub(super) claims: Claims,
}

impl<'a> Machine<'a> {
    pub(super) fn new(rules: &'a AllRules) -> Self {
        let (clock, log) = (Arc::new(MachineClock::default()), MemoryLog::default());
        let gate = Gate::new(Arc::new(log.clone()), Arc::clone(&clock) as Arc<dyn Clock>, Ledger::new());
        let run = gate.open_run(header(held_grants(rules), Limits::default()), Some(rules.of(0, 0)), Arc::new(crate::Nobody)).unwrap();
        let (live, begun) = live_begins(&log, &run, [whole(), Vec::new()]);
        let world = RunWorld::fresh(live, &Limits::default());
        let mut machine = Self {
            rules,
            clock,
            log,
            gate,
            folded: Ledger::new(),
            leaves: 0,
            memory: None,
            calls: Vec::new(),
            waits: BTreeMap::new(),
            loads: 1,
            policy: 0,
            people: 0,
            in_force: (0, 0),
            first: BTreeMap::new(),
            claims: Claims::default(),
        };
        machine.memory = Some(InMemory { world, begun, told: 0 });
        machine
    }

    fn truth(&self) -> Truth {
        let (policy, people) = if self.memory.is_some() { self.in_force } else { (self.policy, self.people) };
        self.truth_under(policy, people)
    }

    fn truth_under(&self, policy: usize, people: usize) -> Truth {
        let load = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Truth {
            true_ms: load(&self.clock.mono_ns) / 1_000_000,
            boot: load(&self.clock.boot),
            ahead_s: self.clock.ahead_s.load(Ordering::Relaxed),
            policy,
            people,
        }
    }

    /// Does one step, and checks every claim after it.
    pub(super) async fn step(&mut self, step: Step) -> Result<(), String> {
        // No two steps are in the same millisecond.
        self.clock.mono_ns.fetch_add(2_000_000, Ordering::Relaxed);
        match step {
            Step::Ask(of) => {
                let op = self.asks(of)?;
                self.calls.push(Call::Ask(of));
                self.waits.insert(op, of);
                self.claims.acts.insert(op, of);
            }
            Step::Abandon(nth) => {
                let op = self.waits.keys().nth(nth).copied();
                if let (Some(memory), Some(op)) = (&mut self.memory, op) {
                    memory.world.abandon(OpId(op)).map_err(|stop| format!("{stop:?}"))?;
                    self.calls.push(Call::Abandon(op));
                    self.waits.remove(&op);
                }
            }
            Step::Vote { card, person, vote, means } => self.vote(card, PEOPLE[person], vote, means)?,
            Step::Revoke(nth) => {
                let Some((op, open)) = self.card(nth) else { return Ok(()) };
                self.claims.revoking = Some(op);
                self.close(op, open.digest, ApprovalEnd::Revoked, false)?;
            }
            Step::Policy(policy) => self.policy = policy,
            Step::People(people) => self.people = people,
            Step::Pass(seconds) => drop(self.clock.mono_ns.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed)),
            Step::Set(seconds) => drop(self.clock.ahead_s.fetch_add(seconds, Ordering::Relaxed)),
            Step::Restart => {
                self.kill()?;
                self.clock.boot.fetch_add(1, Ordering::Relaxed);
                self.clock.booted_ns.store(self.clock.mono_ns.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            Step::Kill => self.kill()?,
            Step::Wake { did } => {
                let waits = self.turn(did)?;
                // A run that is in memory looks again after a second at the latest, and one that need not wait is loaded again at once.
                self.clock.mono_ns.fetch_add(1_100_000_000, Ordering::Relaxed);
                self.turn(did)?;
                if waits {
                    let (policy, people) = self.in_force;
                    self.claims.had_its_turn(&self.truth_under(policy, people))?;
                }
            }
            Step::Work => {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
        }
        self.check()?;
        self.claims.revoking = None;
        Ok(())
    }

    /// Gives the claims everything that is new, and compares the ledger with the fold of the log.
    fn check(&mut self) -> Result<(), String> {
        let (truth, leaves) = (self.truth(), self.log.leaves());
        for leaf in &leaves[self.leaves..] {
            self.folded.fold(run_id(), leaf.seq, &leaf.body).map_err(|fault| format!("record {}: {:?}", leaf.seq, fault.what))?;
            let record = Record::parse(&leaf.body).map_err(|_| "a record that can't be read".to_owned())?;
            if let Record::ApprovalAsked(asked) = &record {
                self.first.entry(asked.op).or_insert(asked.digest);
            }
            self.claims.record(&record, &truth, self.rules)?;
        }
        self.leaves = leaves.len();
        if self.gate.with_ledger(|live| *live != self.folded) {
            return Err("the ledger differs from the fold of the log".to_owned());
        }
        if let Some(memory) = &mut self.memory {
            for op in memory.begun.ops().into_iter().skip(memory.told) {
                memory.told += 1;
                self.claims.begins(op.0)?;
            }
        }
        Ok(())
    }

    /// The process dies: what it did not write is lost, and nothing of it is written any more.
    fn kill(&mut self) -> Result<(), String> {
        self.check()?;
        self.log = MemoryLog::with(self.log.leaves());
        self.memory = None;
        let mut ledger = Ledger::new();
        for leaf in self.log.leaves() {
            ledger.fold(run_id(), leaf.seq, &leaf.body).map_err(|fault| format!("{fault:?}"))?;
        }
        if ledger != self.folded || Ledger::from_snapshot(&ledger.to_snapshot()).as_ref() != Some(&ledger) {
            return Err("the ledger of the log, of its snapshot and the live one differ".to_owned());
        }
        self.gate = Gate::new(Arc::new(self.log.clone()), Arc::clone(&self.clock) as Arc<dyn Clock>, ledger);
        Ok(())
    }

    /// Loads the run if it is not in memory. Its guest does the same as before.
    fn wake(&mut self, did: bool) -> Result<(), String> {
        // A person settles what nobody knows about. There may be more than one such act.
        for _ in 0..10 {
            if self.memory.is_some() {
                return Ok(());
            }
            let recorded = recorded(&self.log.leaves());
            let policies = Some(self.rules.of(self.policy, self.people).clone());
            let resuming = Resuming { policies, ..Resuming::of(&recorded, Principal::new(1000, Some("alice"))) };
            let run =
                self.gate.resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).map_err(|stop| format!("{stop:?}"))?;
            self.in_force = (self.policy, self.people);
            let scripts = (0..4).map(|n| if (self.loads + n) % 2 == 0 { Vec::new() } else { whole() });
            let (live, begun) = live_begins(&self.log, &run, scripts);
            self.loads += 1;
            let world = RunWorld::resume(recorded, live).map_err(|err| format!("{err:?}"))?;
            self.memory = Some(InMemory { world, begun, told: 0 });
            match self.rebuild() {
                Ok(()) => {}
                Err(Stop::Unsettled(op)) => self.settle(op, did)?,
                Err(stop) => return Err(format!("it can't be rebuilt: {stop:?}")),
            }
        }
        Err("it asks for ever more settlements".to_owned())
    }

    /// The guest does again what it did before, as far as the record and the live world let it.
    fn rebuild(&mut self) -> Result<(), Stop> {
        let calls = std::mem::take(&mut self.calls);
        self.waits.clear();
        let Some(memory) = &mut self.memory else { return Ok(()) };
        for call in calls {
            match call {
                Call::Ask(of) => drop(self.waits.insert(memory.world.submit(act(of))?.0, of)),
                Call::Abandon(op) => {
                    memory.world.abandon(OpId(op))?;
                    self.waits.remove(&op);
                }
                Call::Wait => match poll(&mut memory.world) {
                    Poll::Ready(Ok(release)) if release.event.is_last() => drop(self.waits.remove(&release.op.0)),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(Stop::Suspended)) => {
                        self.memory = None;
                        return Ok(());
                    }
                    Poll::Ready(Err(stop)) => return Err(stop),
                },
            }
            self.calls.push(call);
        }
        Ok(())
    }

    /// The run could not continue, because nobody knows whether this act happened. A person says so.
    fn settle(&mut self, op: OpId, did: bool) -> Result<(), String> {
        self.check()?;
        self.memory = None;
        let by = Principal::new(1001, Some("bob"));
        drop(self.gate.settle(run_id(), &[op.0], did, &by).map_err(|err| format!("{err:?}"))?);
        self.claims.note("unknown");
        self.check()
    }

    /// The guest asks for an act. If the record ends just there, the run first has to be able to continue.
    fn asks(&mut self, of: usize) -> Result<u64, String> {
        for _ in 0..10 {
            self.wake(true)?;
            let Some(memory) = &mut self.memory else { continue };
            match memory.world.submit(act(of)) {
                Ok(op) => return Ok(op.0),
                Err(Stop::Unsettled(op)) => self.settle(op, true)?,
                Err(stop) => return Err(format!("{stop:?}")),
            }
        }
        Err("it can't ask".to_owned())
    }

    /// The run goes on as far as it can. Returns whether its guest waited for anything.
    fn turn(&mut self, did: bool) -> Result<bool, String> {
        self.wake(did)?;
        let waits = !self.waits.is_empty();
        self.look(did)?;
        self.check()?;
        Ok(waits)
    }

    /// The guest waits, and takes what there is.
    fn look(&mut self, did: bool) -> Result<(), String> {
        while let Some(memory) = &mut self.memory
            && !self.waits.is_empty()
        {
            match poll(&mut memory.world) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(release)) => {
                    self.calls.push(Call::Wait);
                    if release.event.is_last() {
                        self.waits.remove(&release.op.0);
                    }
                }
                Poll::Ready(Err(Stop::Suspended)) => {
                    self.check()?;
                    self.memory = None;
                    self.claims.note("suspended");
                }
                Poll::Ready(Err(Stop::Unsettled(op))) => {
                    self.settle(op, did)?;
                    self.wake(did)?;
                }
                Poll::Ready(Err(stop)) => return Err(format!("{stop:?}")),
            }
        }
        Ok(())
    }

    /// One of the acts that are held back.
    fn card(&self, nth: usize) -> Option<(u64, OpenApproval)> {
        self.gate.with_ledger(|ledger| {
            let open = &ledger.open_run(run_id())?.approvals;
            open.iter().nth(nth % open.len().max(1)).map(|(op, open)| (*op, open.clone()))
        })
    }

    /// A person votes, as `run/src/approval.rs` takes a vote: the check and the count are the real ones.
    fn vote(&mut self, nth: usize, name: &str, word: Vote, means: Means) -> Result<(), String> {
        let Some((op, open)) = self.card(nth) else { return Ok(()) };
        let rules = Arc::clone(&self.rules.of(self.policy, self.people).rules);
        let now = self.gate.with_ledger(|ledger| ledger.not_before(&ClockMark::of(&*self.clock)));
        if !matches!(open.state(&now), ApprovalState::Pending { .. }) {
            self.claims.note("vote on what is decided");
            return Ok(());
        }
        if rules.digest() != open.policy.set {
            return self.close(op, open.digest, ApprovalEnd::Superseded, true);
        }
        // Handing in an old digest is only something else if people were asked twice.
        let old = self.first.get(&op).copied().filter(|old| *old != open.digest);
        if means == Means::OldDigest && old.is_none() {
            return Ok(());
        }
        let signature = signature(self.people, (op, old.unwrap_or(open.digest)), open.digest, (name, word), means);
        let account = if means == Means::UnsignedFromOtherAccount { "mallory2" } else { name };
        let by = Principal::new(1002, Some(account));
        let started_by = Principal::new(1000, Some("alice"));
        let before = open.cast();
        let question = Question { environment: open.environment.as_str(), needs: &open.needs, started_by: &started_by, votes: &before };
        let approval = ApprovalId { run: run_id(), op: OpId(op) };
        let ballot = Ballot { approval, digest: open.digest, person: name, signature: signature.as_deref(), vote: word, by: &by };
        let checked = vote::check(&rules, &question, &ballot);
        let counts = self.claims.counts(op, name, means, &self.truth_under(self.policy, self.people));
        if checked.is_ok() != counts {
            return Err(format!("a vote of {name} on {op} ({means:?}): {checked:?}, and it should count: {counts}"));
        }
        let Ok(means) = checked else {
            self.claims.note(format!("{means:?} does not count"));
            return Ok(());
        };
        let key = if let VoteMeans::Signed { key, .. } = &means { Some(key.clone()) } else { None };
        let own = vote::CastVote { key, person: name.to_owned(), vote: word };
        let votes: Vec<_> = before.iter().cloned().chain([own]).collect();
        let approved = word == Vote::Approve && vote::is_met(&rules, &Question { votes: &votes, ..question });
        let record = ApprovalVoted {
            approved,
            at: self.clock.unix_ms(),
            by,
            digest: open.digest,
            kind: RecordKind::ApprovalVoted,
            means,
            op,
            person: SafeText::new(name, 64),
            reason: SafeText::default(),
            uptime: self.clock.uptime(),
            v: VERSION,
            vote: word,
        };
        self.say(op, record.into(), open.digest, &|state| matches!(state, ApprovalState::Pending { .. }), true)
    }

    fn close(&mut self, op: u64, digest: Digest, end: ApprovalEnd, with_policies: bool) -> Result<(), String> {
        let (at, by, kind) = (self.clock.unix_ms(), None, RecordKind::ApprovalClosed);
        let record = ApprovalClosed { at, by, digest, end, kind, op, v: VERSION };
        self.say(op, record.into(), digest, &|state| !matches!(state, ApprovalState::Ended(_)), with_policies)
    }

    fn say(
        &mut self,
        op: u64,
        record: Record,
        digest: Digest,
        state: &(dyn Fn(ApprovalState) -> bool + Sync),
        with_policies: bool,
    ) -> Result<(), String> {
        if let Some(memory) = &self.memory {
            let policies = with_policies.then(|| self.rules.of(self.policy, self.people));
            if with_policies {
                self.in_force = (self.policy, self.people);
            }
            let said = memory.world.live().handle().say_of_held(OpId(op), record, &MaySay { digest, state }, policies);
            return said.map(drop).map_err(|stop| format!("{stop:?}"));
        }
        let now = self.gate.with_ledger(|ledger| ledger.not_before(&ClockMark::of(&*self.clock)));
        let open = self.gate.with_ledger(|ledger| ledger.open_run(run_id()).and_then(|open| open.approval(op).cloned()));
        if open.is_some_and(|open| open.digest == digest && state(open.state(&now))) {
            drop(self.gate.append_people(run_id(), record).map_err(|err| format!("{err:?}"))?);
        }
        Ok(())
    }
}
