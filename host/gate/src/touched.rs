//! What one or several runs touched: every path, server and refusal, with counts and bytes, from the records alone.
//!
//! An act is *asked* for. Then it is *refused* or *sent*. An act that was sent is *answered* or not. These are always four separate
//! numbers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use serde::{Deserialize, Serialize};
use vocabulary::RunId;
use vocabulary::record::Record;

mod host_request;
mod line;
mod only;
mod row;

pub use host_request::{TouchedAct, TouchedOwn};
pub use line::{TouchedLine, TouchedLines};
pub use only::{Only, lies_in, normal};
pub use row::{More, TouchedFile, TouchedHttp, TouchedLease, TouchedProbe, TouchedRefusal, TouchedTotals};

/// BOUND: number of rows for objects of mounts.
const FILES_MAX: usize = 120_000;
/// BOUND: number of rows for resources, leases and refusals.
const ROWS_MAX: usize = 10_000;

/// The sum over records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Acts that are not requests: steps with credentials.
    pub acts: Vec<TouchedAct>,
    /// Names of credentials that were sent with a request.
    pub credentials: Vec<String>,
    /// Objects of mounts, by path as the guest saw it.
    pub files: Vec<TouchedFile>,
    /// Requests, by method, resource and credential.
    pub http: Vec<TouchedHttp>,
    /// Leases of credentials, in the order in which they were first asked for.
    pub leases: Vec<TouchedLease>,
    /// Host requests: for tokens, at servers that keep values, for rotations.
    pub own: Vec<TouchedOwn>,
    /// Counts of what was touched and has no row, because there are too many.
    pub more: More,
    /// Refusals, in order. Similar refusals share a row.
    pub refused: Vec<TouchedRefusal>,
    /// Totals over everything, with or without a row.
    pub totals: TouchedTotals,
    #[serde(skip)]
    lines: TouchedLines,
    #[serde(skip)]
    only: Option<Only>,
    #[serde(skip)]
    places: Places,
    #[serde(skip)]
    room: Room,
}

/// How many further rows there may be of each kind, and how many bytes they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    files: usize,
    rows: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { files: FILES_MAX, rows: ROWS_MAX, bytes: usize::MAX }
    }
}

/// Where a row is, by the hash of its subject. If the hashes of two subjects are equal by chance, there are still two rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    acts: HashMap<u64, usize>,
    files: HashMap<u64, usize>,
    http: HashMap<u64, usize>,
    leases: HashMap<u64, usize>,
    own: HashMap<u64, usize>,
    refused: HashMap<u64, usize>,
}

impl Touched {
    /// An empty sum that only takes what passes a filter.
    pub fn only(only: Only) -> Self {
        Self { only: Some(only), ..Self::default() }
    }

    /// An empty sum whose rows take at most this many bytes.
    pub(crate) fn bounded(bytes: usize) -> Self {
        Self { room: Room { bytes, ..Room::default() }, ..Self::default() }
    }

    /// An empty sum for few records, so that there is room for every row.
    pub(crate) fn unbounded() -> Self {
        Self { room: Room { files: usize::MAX, rows: usize::MAX, bytes: usize::MAX }, ..Self::default() }
    }

    /// All rows as lines that add up to the same sum.
    pub(crate) fn into_lines(self) -> impl Iterator<Item = TouchedLine> {
        let files = self.files.into_iter().map(TouchedLine::File);
        let acts = self.http.into_iter().map(TouchedLine::Http).chain(self.acts.into_iter().map(TouchedLine::Act));
        files
            .chain(acts)
            .chain(self.own.into_iter().map(TouchedLine::Own))
            .chain(self.leases.into_iter().map(TouchedLine::Lease))
            .chain(self.refused.into_iter().map(TouchedLine::Refused))
    }

    /// Adds one record, in the log's order.
    pub fn take(&mut self, run: RunId, seq: u64, record: &Record) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.take(run, seq, record, &mut |line| self.add(line));
        self.lines = lines;
    }

    /// Counts the acts that are under way where the records end. After that, no record may be added.
    #[must_use]
    pub fn ended(mut self) -> Self {
        let lines = std::mem::take(&mut self.lines);
        lines.without_end(&mut |_, line| self.add(line));
        self
    }

    /// Adds one line, if it passes the filter.
    pub fn add(&mut self, line: TouchedLine) {
        if self.only.as_ref().is_some_and(|only| !only.takes(&line)) {
            return;
        }
        let (bytes, rows, room) = (line.bytes(), self.rows(), self.room);
        if room.bytes < bytes {
            // From now on, existing rows still count further, but no new row is made.
            self.room = Room { files: 0, rows: 0, ..room };
        }
        self.add_to_rows(line);
        let left = if self.rows() > rows { room.bytes.saturating_sub(bytes) } else { room.bytes };
        self.room = Room { bytes: left, ..room };
    }

    fn rows(&self) -> usize {
        self.acts.len() + self.files.len() + self.http.len() + self.leases.len() + self.own.len() + self.refused.len()
    }

    fn add_to_rows(&mut self, line: TouchedLine) {
        match line {
            TouchedLine::File(file) => self.add_file(file),
            TouchedLine::Http(act) => {
                self.totals.add(&act);
                self.add_credential(&act);
                let key = hash(&(&act.resource, &act.credential));
                let is_it = |row: &TouchedHttp| (&row.resource, &row.credential) == (&act.resource, &act.credential);
                match place(&self.http, &mut self.places.http, (key, self.room.rows), is_it) {
                    TouchedRow::At(at) => join_at(&mut self.http, at, |row| row.join(&act)),
                    TouchedRow::New => self.http.push(act),
                    TouchedRow::NoRoom => self.more.http += act.asked,
                }
            }
            TouchedLine::Act(act) => {
                let key = hash(&(&act.resource, &act.credential));
                let is_it = |row: &TouchedAct| (&row.resource, &row.credential) == (&act.resource, &act.credential);
                match place(&self.acts, &mut self.places.acts, (key, self.room.rows), is_it) {
                    TouchedRow::At(at) => join_at(&mut self.acts, at, |row| row.join(&act)),
                    TouchedRow::New => self.acts.push(act),
                    TouchedRow::NoRoom => self.more.acts += act.asked,
                }
            }
            TouchedLine::Own(own) => {
                let key = hash(&(&own.credential, own.purpose.as_str(), &own.resource));
                let of = |row: &TouchedOwn| (row.credential.clone(), row.purpose, row.resource.clone());
                match place(&self.own, &mut self.places.own, (key, self.room.rows), |row| of(row) == of(&own)) {
                    TouchedRow::At(at) => join_at(&mut self.own, at, |row| row.join(&own)),
                    TouchedRow::New => self.own.push(own),
                    TouchedRow::NoRoom => self.more.own += own.asked,
                }
            }
            TouchedLine::Lease(lease) => {
                let key = hash(&lease.lease);
                match place(&self.leases, &mut self.places.leases, (key, self.room.rows), |row| row.lease == lease.lease) {
                    TouchedRow::At(at) => join_at(&mut self.leases, at, |row| row.join(&lease)),
                    TouchedRow::New => self.leases.push(lease),
                    TouchedRow::NoRoom => self.more.leases += lease.asked,
                }
            }
            TouchedLine::Refused(refused) => self.add_refusal(refused),
        }
    }

    /// What one run touched. The run begins at `from`.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn of_run(reader: &journal::Reader, run: RunId, from: journal::Position) -> Result<Self, journal::ReadError> {
        let mut touched = Self::default();
        for record in reader.of_run_from(run, from) {
            let record = record?;
            // Records of an unknown kind can't be summed up.
            if let Ok(body) = Record::parse(&record.body) {
                touched.take(run, record.seq, &body);
            }
            if record.ends {
                break;
            }
        }
        Ok(touched.ended())
    }

    /// Adds another sum to this one.
    pub fn join(&mut self, other: &Self) {
        let totals = self.totals;
        other.files.iter().cloned().map(TouchedLine::File).for_each(|line| self.add(line));
        other.http.iter().cloned().map(TouchedLine::Http).for_each(|line| self.add(line));
        other.acts.iter().cloned().map(TouchedLine::Act).for_each(|line| self.add(line));
        other.own.iter().cloned().map(TouchedLine::Own).for_each(|line| self.add(line));
        other.leases.iter().cloned().map(TouchedLine::Lease).for_each(|line| self.add(line));
        other.refused.iter().cloned().map(TouchedLine::Refused).for_each(|line| self.add(line));
        self.totals = totals.and(&other.totals);
        self.more = self.more.and(&other.more);
    }

    /// Whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        let Self { acts, files, http, leases, own, refused, more, .. } = self;
        acts.is_empty()
            && own.is_empty()
            && files.is_empty()
            && http.is_empty()
            && leases.is_empty()
            && refused.is_empty()
            && *more == More::default()
    }

    fn add_credential(&mut self, act: &TouchedHttp) {
        let new = act.credential.as_ref().filter(|name| act.sent > 0 && !self.credentials.contains(name)).cloned();
        self.credentials.extend(new);
    }

    fn add_file(&mut self, file: TouchedFile) {
        let key = hash(&(&file.path, &file.real, file.what));
        let is_it = |row: &TouchedFile| (&row.path, &row.real, row.what) == (&file.path, &file.real, file.what);
        match place(&self.files, &mut self.places.files, (key, self.room.files), is_it) {
            TouchedRow::At(at) => join_at(&mut self.files, at, |row| {
                row.amount += file.amount;
                row.times += file.times;
                row.untold += file.untold;
            }),
            TouchedRow::New => self.files.push(file),
            TouchedRow::NoRoom => self.more.files += file.times,
        }
    }

    fn add_refusal(&mut self, refused: TouchedRefusal) {
        self.totals.refusals += refused.alike;
        if !refused.intended && refused.function.is_request() {
            self.totals.asked += refused.alike;
            self.totals.refused += refused.alike;
        }
        let key = hash(&(refused.run, &refused.function, &refused.reason, &refused.resource, &refused.resolved));
        match place(&self.refused, &mut self.places.refused, (key, self.room.rows), |row| row.is_alike(&refused)) {
            TouchedRow::At(at) => join_at(&mut self.refused, at, |row| row.alike += refused.alike),
            TouchedRow::New => self.refused.push(refused),
            TouchedRow::NoRoom => self.more.refused += refused.alike,
        }
    }
}

enum TouchedRow {
    At(usize),
    New,
    NoRoom,
}

fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn place<T>(rows: &[T], places: &mut HashMap<u64, usize>, (key, max): (u64, usize), is_it: impl FnOnce(&T) -> bool) -> TouchedRow {
    match places.get(&key) {
        Some(at) if rows.get(*at).is_some_and(is_it) => TouchedRow::At(*at),
        _ if rows.len() >= max => TouchedRow::NoRoom,
        Some(_) => TouchedRow::New,
        None => {
            places.insert(key, rows.len());
            TouchedRow::New
        }
    }
}

fn join_at<T>(rows: &mut [T], at: usize, join: impl FnOnce(&mut T)) {
    if let Some(row) = rows.get_mut(at) {
        join(row);
    }
}
