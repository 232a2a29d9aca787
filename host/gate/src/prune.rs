//! Decides how much of the beginning of the record may be removed, by age and size. Records that are still needed are never removed.
//!
//! Whole segments are removed, from the beginning of the log on. Records of open runs and of runs on legal hold stay. The acceptance of an
//! agent that is still in force stays too, unless the rules say otherwise. `journal` removes what was decided here.

use std::collections::BTreeMap;

use journal::{ReadError, Reader, log_run};
use serde::Deserialize;
use vocabulary::record::Record;
use vocabulary::{RunId, SafeText};

/// The rules for removing the beginning of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Segments whose last record was made before this moment are removed. In milliseconds since 1970.
    pub before_ms: Option<u64>,
    /// The oldest segments are removed until at most this many bytes are left.
    pub bytes_max: Option<u64>,
    /// Whether the acceptance of an agent may be removed although it is still in force.
    pub drops_accepted: bool,
}

/// One segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Number of the segment.
    pub segment: u32,
    /// Size of its file in bytes.
    pub bytes: u64,
    /// How many records it has.
    pub records: u64,
    /// When the first of its records with a time was made, in milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// When the last of its records with a time was made, in milliseconds since 1970.
    pub to_ms: Option<u64>,
}

/// A run, as far as it matters for pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Begun {
    segment: u32,
    ended: bool,
    last_ms: u64,
}

/// What keeps more segments from being removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A run that has not ended.
    Open(RunId),
    /// A run that is on hold, and the reason.
    Held(RunId, SafeText),
    /// The acceptance of an agent that is still in force: the name of the agent and the configuration.
    Accepted(SafeText, SafeText),
    /// The segment to which the log is being written.
    Growing,
}

/// The result of applying the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneVerdict {
    /// The segments that are to be removed, oldest first.
    pub gone: Vec<Stretch>,
    /// What keeps further segments that the rules would remove.
    pub keeper: Option<Keeper>,
}

/// The whole record, as far as it matters for pruning.
#[derive(Clone, Debug, Default)]
pub struct Course {
    stretches: Vec<Stretch>,
    /// How many records the log has.
    size: u64,
    runs: BTreeMap<RunId, Begun>,
    holds: BTreeMap<RunId, SafeText>,
    /// The segment in which each agent was accepted, by configuration and agent.
    accepted: BTreeMap<(SafeText, SafeText), u32>,
}

/// The time that most kinds of record have.
#[derive(Deserialize)]
struct PrunePlace {
    at: Option<u64>,
}

impl Course {
    /// Reads the whole record. `progress` is called with the number of records that were read.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn read(reader: &Reader, progress: &mut dyn FnMut(u64)) -> Result<Self, ReadError> {
        let sizes: BTreeMap<u32, u64> = reader.segment_sizes()?.into_iter().collect();
        let new = |segment: u32| {
            let bytes = sizes.get(&segment).copied().unwrap_or(0);
            Stretch { segment, bytes, records: 0, from_ms: None, to_ms: None }
        };
        let mut course = Self::default();
        let mut stretches: BTreeMap<u32, Stretch> = sizes.keys().map(|segment| (*segment, new(*segment))).collect();
        for record in reader.records() {
            let record = record?;
            let segment = record.at.segment;
            course.size = record.at.index + 1;
            let at = course.take(&record);
            let stretch = stretches.entry(segment).or_insert_with(|| new(segment));
            stretch.records += 1;
            stretch.from_ms = stretch.from_ms.or(at);
            stretch.to_ms = stretch.to_ms.max(at);
            if record.at.index.is_multiple_of(1 << 16) {
                progress(record.at.index);
            }
        }
        course.stretches = stretches.into_values().collect();
        Ok(course)
    }

    /// Adds a record, and returns the time in it.
    fn take(&mut self, record: &journal::StoredRecord) -> Option<u64> {
        let said = serde_json::from_slice::<PrunePlace>(&record.body).ok().and_then(|at| at.at);
        let segment = record.at.segment;
        if record.run != log_run() {
            let at = said.unwrap_or_else(|| record.run.unix_ms());
            let begun = self.runs.entry(record.run).or_insert(Begun { segment, ended: false, last_ms: at });
            begun.ended = record.ends;
            begun.last_ms = begun.last_ms.max(at);
            return Some(at);
        }
        match Record::parse(&record.body) {
            Ok(Record::HoldSet(set)) => drop(self.holds.insert(set.held, set.reason)),
            Ok(Record::HoldLifted(lifted)) => drop(self.holds.remove(&lifted.held)),
            Ok(Record::AgentAccepted(accepted)) => drop(self.accepted.insert((accepted.path, accepted.agent), segment)),
            Ok(Record::AgentUnaccepted(gone)) => drop(self.accepted.remove(&(gone.path, gone.agent))),
            Ok(_) | Err(_) => {}
        }
        said
    }

    /// How many records the log had when it was read.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Runs on legal hold, with the reason.
    pub fn holds(&self) -> &BTreeMap<RunId, SafeText> {
        &self.holds
    }

    /// Whether this run is on the record.
    pub fn has(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }

    /// Runs that ended before this moment and are not on hold.
    pub fn ended_before(&self, before_ms: u64) -> impl Iterator<Item = RunId> + '_ {
        let old = move |begun: &Begun| begun.ended && begun.last_ms < before_ms;
        self.runs.iter().filter(move |(run, begun)| old(begun) && !self.holds.contains_key(run)).map(|(run, _)| *run)
    }

    /// Applies the rules. A segment is removed if the rule of age or the rule of size removes it.
    pub fn judge(&self, rules: &Rules) -> PruneVerdict {
        let Some((growing, sealed)) = self.stretches.split_last() else { return PruneVerdict { gone: Vec::new(), keeper: None } };
        let by_age = sealed.iter().take_while(|stretch| rules.before_ms.is_some_and(|before| stretch.to_ms.is_some_and(|to| to < before)));
        let mut left: u64 = self.stretches.iter().map(|stretch| stretch.bytes).sum();
        let mut by_size = 0;
        while let Some(stretch) = sealed.get(by_size).filter(|_| rules.bytes_max.is_some_and(|max| left > max)) {
            left = left.saturating_sub(stretch.bytes);
            by_size += 1;
        }
        let wanted = by_age.count().max(by_size);
        let wants_more = rules.bytes_max.is_some_and(|max| left > max) && wanted == sealed.len();
        let (kept_from, keeper) = self.keeper(rules, growing.segment);
        let gone: Vec<Stretch> = sealed.iter().take(wanted).take_while(|stretch| stretch.segment < kept_from).copied().collect();
        let is_kept = gone.len() < wanted || (wants_more && keeper == Keeper::Growing);
        PruneVerdict { gone, keeper: is_kept.then_some(keeper) }
    }

    /// The first segment that has to stay, and what keeps it.
    fn keeper(&self, rules: &Rules, growing: u32) -> (u32, Keeper) {
        let open = self.runs.iter().filter(|(_, begun)| !begun.ended).map(|(run, begun)| (begun.segment, Keeper::Open(*run)));
        let held = self.holds.iter().filter_map(|(run, why)| Some((self.runs.get(run)?.segment, Keeper::Held(*run, why.clone()))));
        let accepted = self.accepted.iter().filter(|_| !rules.drops_accepted);
        let accepted = accepted.map(|((path, agent), segment)| (*segment, Keeper::Accepted(agent.clone(), path.clone())));
        let first = open.chain(held).chain(accepted).min_by_key(|(segment, _)| *segment);
        first.filter(|(segment, _)| *segment < growing).unwrap_or((growing, Keeper::Growing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(segments: u32) -> Course {
        let stretch = |segment: u32| {
            let at = u64::from(segment) * 100;
            Stretch { segment, bytes: 10, records: 1, from_ms: Some(at), to_ms: Some(at + 50) }
        };
        Course { stretches: (1..=segments).map(stretch).collect(), ..Course::default() }
    }

    fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    fn gone(course: &Course, rules: &Rules) -> Vec<u32> {
        course.judge(rules).gone.iter().map(|stretch| stretch.segment).collect()
    }

    #[test]
    fn age_and_size_each_take_the_oldest_and_never_what_grows() {
        let course = course(5);
        let age = |before_ms| Rules { before_ms: Some(before_ms), ..Rules::default() };
        let size = |bytes_max| Rules { bytes_max: Some(bytes_max), ..Rules::default() };
        assert_eq!(gone(&course, &Rules::default()), [0; 0]);
        assert_eq!(gone(&course, &age(150)), [0; 0], "a segment whose last record was made at that moment stays");
        assert_eq!(gone(&course, &age(251)), [1, 2]);
        assert_eq!(gone(&course, &age(10_000)), [1, 2, 3, 4]);
        assert_eq!(gone(&course, &size(50)), [0; 0]);
        assert_eq!(gone(&course, &size(35)), [1, 2]);
        assert_eq!(gone(&course, &size(0)), [1, 2, 3, 4]);
        assert_eq!(course.judge(&size(0)).keeper, Some(Keeper::Growing));
        assert_eq!(gone(&course, &Rules { before_ms: Some(151), bytes_max: Some(25), ..Rules::default() }), [1, 2, 3]);
    }

    #[test]
    fn what_is_open_held_or_accepted_stays_with_all_after_it() {
        let rules = Rules { before_ms: Some(10_000), ..Rules::default() };
        let mut open = course(5);
        open.runs.insert(run(1), Begun { segment: 3, ended: false, last_ms: 1 });
        assert_eq!(open.judge(&rules), PruneVerdict { gone: course(2).stretches, keeper: Some(Keeper::Open(run(1))) });
        open.runs.insert(run(1), Begun { segment: 3, ended: true, last_ms: 1 });
        assert_eq!(gone(&open, &rules), [1, 2, 3, 4], "the control");
        open.holds.insert(run(1), SafeText::new("a case", 64));
        assert_eq!(gone(&open, &rules), [1, 2]);
        assert_eq!(open.ended_before(10_000).count(), 0);
        open.holds.clear();
        assert_eq!(open.ended_before(10_000).collect::<Vec<_>>(), [run(1)]);
        let mut accepted = course(5);
        accepted.accepted.insert((SafeText::new("bailiwick.toml", 64), SafeText::new("hello", 64)), 2);
        assert_eq!(gone(&accepted, &rules), [1]);
        assert_eq!(gone(&accepted, &Rules { drops_accepted: true, ..rules }), [1, 2, 3, 4]);
    }
}
