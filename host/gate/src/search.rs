//! Asks the record what was touched: by whom, where, under which credential, since when. The result distinguishes a name that is not on the
//! record from a name that is known but was not touched.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use journal::{ReadError, Reader, log_run};
use serde::{Deserialize, Serialize};
use vocabulary::{Capability, FilesGrant, Grants, HttpTarget, Resource, RunId, SafeText, Scheme};

use crate::index::{OpenedIndex, Part, Visitor, visit};
use crate::run_header::RunHeader;
use crate::times::Times;
use crate::touched::{Only, Touched, TouchedLine, lies_in, normal};

/// BOUND: number of names of one kind that are remembered, to suggest the one that was meant.
const NAMES_MAX: usize = 10_000;
/// BOUND: number of runs whose grants are read.
const GRANTED_MAX: usize = 10_000;

/// A question about what was touched. Only what matches every field that is set is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// By runs of this agent.
    pub agent: Option<String>,
    /// Under this credential.
    pub credential: Option<String>,
    /// This file, or files beneath this folder.
    pub file: Option<FileName>,
    /// At this server.
    pub host: Option<String>,
    /// By this run.
    pub run: Option<RunId>,
    /// By runs that were opened at this time or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// How moments on the record are translated for `since_ms`.
    pub times: Times,
}

/// A file as a person names it: by the guest's path, by the host's path, or by a path relative to a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The name as the person wrote it.
    pub said: String,
    /// What the name means on this machine: the absolute path, and the path with all links followed, if the file exists.
    pub here: Vec<PathBuf>,
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct SearchResult {
    /// What was touched.
    pub touched: Touched,
    /// How much was searched.
    pub searched: Searched,
    /// A name in the question that is not on the record.
    pub unknown: Option<Unknown>,
}

/// How much was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// When the first run that was searched was opened, in milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// Number of records that were searched.
    pub records: u64,
    /// Number of runs that were searched.
    pub runs: u64,
    /// When the last run that was searched was opened, in milliseconds since 1970.
    pub to_ms: Option<u64>,
}

/// A name that is not on the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What the name is for, in words.
    pub what: &'static str,
    /// The name in the question.
    pub name: String,
    /// Names of this kind that are on the record.
    pub known: Vec<String>,
}

/// Answers a question from the record.
///
/// # Errors
/// The log can't be read.
pub fn search(reader: &Reader, question: &Question) -> Result<SearchResult, ReadError> {
    let mut granted = Granted::default();
    if question.file.is_some() || question.host.is_some() || question.credential.is_some() {
        granted = Granted::read(reader)?;
    }
    let only = Only {
        credential: question.credential.clone(),
        files: question.file.as_ref().map(|file| file.guest_paths(&granted.mounts)),
        host: question.host.as_deref().map(host_name),
    };
    let mut searching = Searching::new(question, &only);
    visit(reader, &mut searching)?;
    let Searching { names, searched, touched, .. } = searching;
    let unknown = names.unknown(question, &only, &granted);
    Ok(SearchResult { touched, searched, unknown })
}

/// The state of a search through the record.
struct Searching<'a> {
    question: &'a Question,
    only: &'a Only,
    names: Names,
    left_out: HashSet<RunId>,
    seen: HashSet<RunId>,
    searched: Searched,
    touched: Touched,
}

impl<'a> Searching<'a> {
    fn new(question: &'a Question, only: &'a Only) -> Self {
        let (names, left_out, seen) = (Names::default(), HashSet::new(), HashSet::new());
        Self { question, only, names, left_out, seen, searched: Searched::default(), touched: Touched::only(only.clone()) }
    }

    /// Whether the question includes this run. Records that belong to no run are left out.
    fn takes(&self, run: RunId) -> bool {
        run != log_run() && !self.left_out.contains(&run)
    }

    fn leaves_out(&self, part: &Part, opened: &OpenedIndex) -> bool {
        let Question { agent, run: only, since_ms, times, .. } = self.question;
        let run = part.run;
        agent.as_deref().is_some_and(|agent| opened.agent.as_str() != agent)
            || only.is_some_and(|only| run != only)
            || since_ms.is_some_and(|since| part.opened_ms(times) < since)
    }
}

impl Visitor for Searching<'_> {
    fn begin_anew(&mut self) {
        *self = Self::new(self.question, self.only);
    }

    fn part(&mut self, part: &Part) {
        if let Some(opened) = &part.opened {
            remember(&mut self.names.agents, opened.agent.as_str());
            if self.leaves_out(part, opened) {
                self.left_out.insert(part.run);
            }
        }
        if !self.takes(part.run) {
            return;
        }
        let searched = &mut self.searched;
        searched.records += part.records;
        if self.seen.insert(part.run) {
            searched.runs += 1;
            searched.from_ms.get_or_insert(part.run.unix_ms());
            searched.to_ms = searched.to_ms.max(Some(part.run.unix_ms()));
        }
    }

    fn credential(&mut self, name: &SafeText) {
        remember(&mut self.names.credentials, name.as_str());
    }

    fn line(&mut self, run: RunId, line: TouchedLine) {
        self.names.note_line(&line, self.only);
        if self.takes(run) {
            self.touched.add(line);
        }
    }
}

/// Every run on the record, in the order in which they began, with its place and how it was opened.
///
/// # Errors
/// The log can't be read.
pub fn runs(reader: &Reader) -> Result<Vec<Part>, ReadError> {
    let mut runs = Runs::default();
    visit(reader, &mut runs)?;
    Ok(runs.0)
}

#[derive(Default)]
struct Runs(Vec<Part>, HashMap<RunId, usize>);

impl Visitor for Runs {
    fn begin_anew(&mut self) {
        *self = Self::default();
    }

    fn part(&mut self, part: &Part) {
        if part.run == log_run() {
            return;
        }
        let next = self.0.len();
        let place = *self.1.entry(part.run).or_insert(next);
        match self.0.get_mut(place) {
            Some(here) => {
                here.ended = part.ended;
                here.records += part.records;
            }
            None => self.0.push(part.clone()),
        }
    }

    fn credential(&mut self, _name: &SafeText) {}

    fn line(&mut self, _run: RunId, _line: TouchedLine) {}

    fn wants_lines(&self) -> bool {
        false
    }
}

/// The name of a server as records have it: in lower case, without a dot at its end.
fn host_name(said: &str) -> String {
    said.trim_end_matches('.').to_ascii_lowercase()
}

impl FileName {
    /// Every guest path that the name can mean.
    fn guest_paths(&self, mounts: &BTreeSet<(String, PathBuf)>) -> Vec<String> {
        let mut paths = BTreeSet::new();
        if self.said.starts_with('/') {
            paths.insert(normal(&self.said));
        }
        for (guest, host) in mounts {
            if !self.said.starts_with('/') {
                paths.insert(normal(&format!("{guest}/{}", self.said)));
            }
            for here in &self.here {
                let here = normal(&here.to_string_lossy());
                let host = normal(&host.to_string_lossy());
                if let Some(rest) = here.strip_prefix(&host).filter(|_| lies_in(&here, &host)) {
                    paths.insert(normal(&format!("{guest}/{rest}")));
                }
            }
        }
        if paths.is_empty() {
            paths.insert(normal(&self.said));
        }
        paths.into_iter().collect()
    }
}

/// What runs were granted, as far as it can be read. Grants are kept sealed, and are forgotten with their run.
#[derive(Debug, Default)]
struct Granted {
    credentials: BTreeSet<String>,
    hosts: Vec<vocabulary::HostPattern>,
    mounts: BTreeSet<(String, PathBuf)>,
}

impl Granted {
    fn read(reader: &Reader) -> Result<Self, ReadError> {
        let (mut granted, mut seen) = (Self::default(), HashSet::new());
        for part in runs(reader)? {
            let Some(opened) = &part.opened else { continue };
            // All runs of one agent under one configuration were granted the same.
            let grants = (opened.config, opened.component, opened.agent.clone(), opened.config.is_none().then_some(part.run));
            if seen.len() < GRANTED_MAX
                && seen.insert(grants)
                && let Ok(header) = RunHeader::load(reader, &reader.fetch(part.at.into())?)
            {
                granted.add(&header.spec.grants);
            }
        }
        Ok(granted)
    }

    fn add(&mut self, grants: &Grants) {
        self.credentials.extend(grants.credentials.iter().map(|binding| binding.name.clone()));
        for grant in &grants.http {
            if self.hosts.len() < NAMES_MAX && !self.hosts.contains(&grant.host) {
                self.hosts.push(grant.host.clone());
            }
        }
        let mount = |mount: &FilesGrant| (mount.guest.clone(), mount.host.clone());
        self.mounts.extend(grants.files.iter().map(mount));
    }
}

/// Names that are on the record.
#[derive(Debug, Default)]
struct Names {
    agents: BTreeSet<String>,
    credentials: BTreeSet<String>,
    hosts: BTreeSet<String>,
    /// Whether any run, including those that are left out, touched the server in the question.
    host_is_met: bool,
    file_is_met: bool,
}

fn remember(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

impl Names {
    fn note_line(&mut self, line: &TouchedLine, only: &Only) {
        match line {
            TouchedLine::File(_) => self.file_is_met |= only.files.is_some() && only.takes(line),
            TouchedLine::Http(act) => {
                act.credential.iter().for_each(|name| remember(&mut self.credentials, name));
                self.note_host(&act.resource, only);
            }
            TouchedLine::Act(act) => act.credential.iter().for_each(|name| remember(&mut self.credentials, name)),
            TouchedLine::Own(own) => {
                remember(&mut self.credentials, own.credential.as_str());
                self.note_host(&own.resource, only);
            }
            TouchedLine::Lease(lease) => remember(&mut self.credentials, lease.credential.as_str()),
            TouchedLine::Refused(refused) => {
                refused.credential.iter().for_each(|name| remember(&mut self.credentials, name));
                self.file_is_met |= only.files.is_some() && refused.function.capability() == Capability::Files && only.takes(line);
                self.note_host(&refused.resource, only);
            }
        }
    }

    fn note_host(&mut self, resource: &Resource, only: &Only) {
        if let Some(http) = resource.http() {
            remember(&mut self.hosts, http.host.as_str());
            self.host_is_met |= only.host.as_ref().is_some_and(|only| http.is_at(only));
        }
    }

    /// The first name in a question that is not on the record.
    fn unknown(&self, question: &Question, only: &Only, granted: &Granted) -> Option<Unknown> {
        let unknown = |what, name: &str, known: &BTreeSet<String>| {
            Some(Unknown { what, name: name.to_owned(), known: known.iter().cloned().collect() })
        };
        if let Some(agent) = question.agent.as_ref().filter(|agent| !self.agents.contains(*agent)) {
            return unknown("agent", agent, &self.agents);
        }
        if let Some(name) = &question.credential
            && !self.credentials.contains(name)
            && !granted.credentials.contains(name)
        {
            return unknown("credential", name, &self.credentials.union(&granted.credentials).cloned().collect());
        }
        if let Some(host) = &question.host
            && !self.host_is_met
            && !granted.covers(&host_name(host))
        {
            return unknown("host", host, &self.hosts);
        }
        match (&question.file, &only.files) {
            (Some(file), Some(paths)) if !self.file_is_met && !granted.has(paths) => {
                unknown("file", &file.said, &granted.mounts.iter().map(|(guest, _)| guest.clone()).collect())
            }
            _ => None,
        }
    }
}

impl Granted {
    fn covers(&self, host: &str) -> bool {
        let target = HttpTarget::parse(Scheme::Https, host, "/");
        target.is_ok_and(|target| self.hosts.iter().any(|pattern| pattern.matches(&target.host)))
    }

    /// Whether one of these paths lies in a mount, or has one beneath it.
    fn has(&self, paths: &[String]) -> bool {
        self.mounts.iter().any(|(guest, _)| paths.iter().any(|path| lies_in(path, guest) || lies_in(guest, path)))
    }
}
