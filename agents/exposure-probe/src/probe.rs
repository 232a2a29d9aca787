//! Probes one target, from its own page to the last check: asks, lets the checks look, and compares each hit with a path that can't exist.
//!
//! INVARIANT: requests and findings have the order of the table, whichever answer comes first.

use crate::ask::{Ask, Asker, Wanted};
use crate::check::{self, Check, Cors, Group, Holds, Looks, Root, Sight};
use crate::dice::Dice;
use crate::page::Page;
use crate::target::Leads;
use crate::why::Why;
use std::collections::{BTreeMap, BTreeSet};

/// What a check found at one target.
pub(crate) struct Found {
    pub(crate) check: &'static Check,
    /// Paths with their queries, in the order of the check.
    pub(crate) paths: Vec<String>,
    /// The text that may be shown, one for each path.
    pub(crate) seen: Vec<String>,
    pub(crate) evidence: Vec<String>,
}

/// The result of one target.
pub(crate) struct Outcome {
    pub(crate) found: Vec<Found>,
    pub(crate) undecided: BTreeMap<Why, BTreeSet<&'static str>>,
    /// Whether the target answers a path that can't exist as if it existed.
    pub(crate) soft_404: bool,
    pub(crate) asked: u64,
    pub(crate) refused: u64,
}

/// Probes one target with the checks of these groups.
pub(crate) fn probe(asker: Asker<'_>, dice: &mut Dice, groups: &BTreeSet<Group>) -> Outcome {
    let wanted = |check: &&Check| groups.contains(&check.group) && check.is_for(asker.target);
    let checks: Vec<&'static Check> = check::all().filter(wanted).collect();
    let mut probe = Probe { asker, dice, checks, found: BTreeMap::new(), undecided: BTreeMap::new(), soft_404: false };
    let (pages, why) = probe.asker.pages_of_root();
    probe.unknown_paths(&pages);
    probe.paths(&pages, why);
    probe.provoke();
    probe.root(&pages, why);
    probe.as_others();
    let Probe { asker, checks, mut found, mut undecided, soft_404, .. } = probe;
    // A real page may answer for a whole folder: a check that found something is decided.
    if let Some(soft) = undecided.get_mut(&Why::SoftNotFound) {
        soft.retain(|id| !found.contains_key(id));
    }
    undecided.retain(|_, checks| !checks.is_empty());
    let found = checks.iter().filter_map(|check| found.remove(check.id)).collect();
    Outcome { found, undecided, soft_404, asked: asker.asked, refused: asker.refused }
}

struct Probe<'a> {
    asker: Asker<'a>,
    dice: &'a mut Dice,
    checks: Vec<&'static Check>,
    found: BTreeMap<&'static str, Found>,
    undecided: BTreeMap<Why, BTreeSet<&'static str>>,
    soft_404: bool,
}

/// A check that looks at a path, with the way in which it looks.
#[derive(Clone, Copy)]
struct AtPath {
    check: &'static Check,
    holds: Holds,
    sees: fn(&Page) -> Sight,
}

impl Probe<'_> {
    /// Asks for paths that can't exist, to see whether the target is a soft-404. Looks for errors on its own page and on these.
    fn unknown_paths(&mut self, pages: &[Page]) {
        for page in pages {
            self.errors(page);
        }
        let (one, other) = (self.dice.word(), self.dice.word());
        let paths = [self.asker.target.path(&one), self.asker.target.path(&format!(".{other}/{one}"))];
        for page in self.asker.ask(&paths.map(Ask::whole)).into_iter().flatten() {
            self.soft_404 |= page.is_there();
            self.errors(&page);
        }
    }

    /// Asks for each path once, even if several checks look at it.
    fn paths(&mut self, pages: &[Page], why: Option<Why>) {
        let mut wanted: Vec<(&'static str, Wanted, Vec<AtPath>)> = Vec::new();
        for check in &self.checks {
            let Looks::AtPaths { paths, holds, sees } = &check.looks else { continue };
            let at_path = AtPath { check, holds: *holds, sees: *sees };
            let how = if *holds == Holds::Much { Wanted::Beginning } else { Wanted::Whole };
            for path in *paths {
                match wanted.iter_mut().find(|(other, wanted, _)| other == path && *wanted == how) {
                    Some((_, _, looking)) => looking.push(at_path),
                    None => wanted.push((path, how.clone(), vec![at_path])),
                }
            }
        }
        let (of_root, below): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(path, _, _)| path.is_empty());
        for (path, _, looking) in of_root {
            match (pages.last(), why) {
                (Some(page), None) => self.look(path, page, &looking),
                (_, why) => self.leave(why.unwrap_or(Why::NoPage), &looking),
            }
        }
        for some in below.chunks(self.asker.in_flight().max(1)) {
            let asks: Vec<Ask> =
                some.iter().map(|(path, wanted, _)| Ask { path: self.asker.target.path(path), wanted: wanted.clone() }).collect();
            for ((path, _, looking), answer) in some.iter().zip(self.asker.ask(&asks)) {
                match answer {
                    Ok(page) => self.look(path, &page, looking),
                    Err(why) => self.leave(why, looking),
                }
            }
        }
    }

    fn leave(&mut self, why: Why, looking: &[AtPath]) {
        for at_path in looking {
            self.undecided.entry(why).or_default().insert(at_path.check.id);
        }
    }

    fn look(&mut self, path: &str, page: &Page, looking: &[AtPath]) {
        self.errors(page);
        for at_path in looking {
            let Some(seen) = Some(page).filter(|page| page.is_there()).and_then(|page| (at_path.sees)(page)) else { continue };
            match self.confirm(path, page, *at_path) {
                Ok(()) => {
                    let shown_instead = if at_path.holds == Holds::Plain { None } else { Some(seen.as_str()) };
                    let evidence = page.evidence(shown_instead);
                    self.keep(at_path.check, page, seen, evidence);
                }
                Err(why) => {
                    self.undecided.entry(why).or_default().insert(at_path.check.id);
                }
            }
        }
    }

    /// Asks for similar paths that can't exist. If these answer the same, nothing has been found.
    fn confirm(&mut self, path: &str, page: &Page, at_path: AtPath) -> Result<(), Why> {
        let wanted = if at_path.holds == Holds::Much { Wanted::Beginning } else { Wanted::Whole };
        let alike = self.dice.alike(path);
        let asks: Vec<Ask> = alike.iter().map(|path| Ask { path: self.asker.target.path(path), wanted: wanted.clone() }).collect();
        for answer in self.asker.ask(&asks) {
            match answer {
                Ok(other) if other.is_there() && ((at_path.sees)(&other).is_some() || other.says_the_same_as(page)) => {
                    return Err(Why::SoftNotFound);
                }
                Ok(_) | Err(Why::OtherOrigin) => {}
                Err(_) => return Err(Why::Unconfirmed),
            }
        }
        Ok(())
    }

    fn keep(&mut self, check: &'static Check, page: &Page, seen: String, evidence: String) {
        let found = self.found.entry(check.id);
        let found = found.or_insert_with(|| Found { check, paths: Vec::new(), seen: Vec::new(), evidence: Vec::new() });
        found.paths.push(page.path.clone());
        found.seen.push(seen);
        found.evidence.push(evidence);
    }

    /// An error needs no confirmation: its status says that it is one, and the first of its kind is enough.
    fn errors(&mut self, page: &Page) {
        if !page.is_error() {
            return;
        }
        for check in self.checks.clone() {
            if let Looks::AtErrors { sees } = check.looks
                && !self.found.contains_key(check.id)
                && let Some(seen) = sees(page)
            {
                // A page of that kind shows the program's own variables.
                let evidence = page.evidence(Some(&seen));
                self.keep(check, page, seen, evidence);
            }
        }
    }

    /// Sends requests that a program with checked input answers with 400 or 404, and that make other programs fail with an error.
    fn provoke(&mut self) {
        let open: Vec<&'static Check> = self.checks.iter().copied().filter(|check| matches!(check.looks, Looks::AtErrors { .. })).collect();
        if open.is_empty() {
            return;
        }
        let mut names: Vec<&str> = self.asker.target.names().iter().map(String::as_str).collect();
        if names.is_empty() {
            names = vec!["id", "page", "q"];
        }
        let each = |form: fn(&str) -> String| names.iter().map(|name| form(name)).collect::<Vec<_>>().join("&");
        let quoted = each(|name| format!("{name}=%27%22%3C"));
        let listed = each(|name| format!("{name}%5B%5D=%27"));
        let paths = ["%FF%FE".to_owned(), format!("?{quoted}"), format!("?{listed}")];
        let asks: Vec<Ask> = paths.iter().map(|path| Ask::whole(self.asker.target.path(path))).collect();
        for answer in self.asker.ask(&asks) {
            match answer {
                Ok(page) => self.errors(&page),
                // Without an answer nobody knows what the program did, so the checks are undecided.
                Err(why) => self.undecided.entry(why).or_default().extend(open.iter().map(|check| check.id)),
            }
        }
    }

    fn root(&mut self, pages: &[Page], why: Option<Why>) {
        let last = if why.is_none() { pages.last() } else { None };
        let goes_to_tls = pages.last().is_some_and(|page| matches!(self.asker.leads(page), Some(Leads::Away { is_https: true })));
        let root = Root { pages, last };
        for check in self.checks.clone() {
            let Looks::AtRoot { sees } = check.looks else { continue };
            // Cookies and versions come with an error too; the other headers matter only on pages for people.
            let is_for_page = matches!(check.group, Group::Headers | Group::Tls);
            let no_page = why.or((is_for_page && !last.is_some_and(Page::is_there)).then_some(Why::NoPage));
            match (sees(&root), last.or(pages.last()), no_page) {
                (Some(seen), Some(page), _) => {
                    let evidence = page.evidence(None);
                    self.keep(check, page, seen, evidence);
                }
                (None, _, Some(_)) if check.group == Group::Tls && goes_to_tls => {}
                (None, _, Some(why)) => {
                    self.undecided.entry(why).or_default().insert(check.id);
                }
                (_, _, None) | (Some(_), None, Some(_)) => {}
            }
        }
    }

    /// Asks as a page of an unknown origin would, and as a page of no origin (`null`).
    fn as_others(&mut self) {
        let looking: Vec<(&'static Check, Cors)> = self.checks.iter().filter_map(|check| cors(check)).collect();
        if looking.is_empty() {
            return;
        }
        let origins = [format!("https://{}.example", self.dice.word()), "null".to_owned()];
        let path = self.asker.target.path("");
        let asks = origins.clone().map(|origin| Ask { path: path.clone(), wanted: Wanted::For { origin } });
        for (origin, answer) in origins.iter().zip(self.asker.ask(&asks)) {
            let page = match answer {
                Ok(page) => page,
                Err(why) => {
                    self.undecided.entry(why).or_default().extend(looking.iter().map(|(check, _)| check.id));
                    continue;
                }
            };
            let allowed = Cors::of(&page, origin);
            if let Some((check, _)) = looking.iter().find(|(_, cors)| Some(*cors) == allowed) {
                let whose = if origin == "null" { "of `null`" } else { "of a made-up site" };
                let evidence = page.evidence(None);
                self.keep(check, &page, format!("`Access-Control-Allow-Origin` repeats the origin {whose}"), evidence);
            }
        }
    }
}

fn cors(check: &'static Check) -> Option<(&'static Check, Cors)> {
    if let Looks::AsOthers { sees } = check.looks { Some((check, sees)) } else { None }
}
