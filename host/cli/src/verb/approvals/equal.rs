//! Equal acts: people see one card with a count. Each of them stays an act of its own, with its own digest, its own votes and its own end.
//!
//! SECURITY: acts are equal only if everything that a person could see of them is the same, and every byte of the request. What can't be
//! compared, because its request can't be opened, is equal to nothing.

use std::collections::BTreeMap;

use ::run::{ApprovalView, HomePlace};
use journal::Reader;
use vocabulary::record::Record;
use vocabulary::{Act, ActKind, Digest, canon};

use crate::err::CliError;
use crate::log;

/// Acts that are equal, in the order in which people were asked. Most often it is one.
pub(super) struct Equal(pub(super) Vec<ApprovalView>);

impl Equal {
    /// The one that was asked first, whose card is shown.
    pub(super) fn first(&self) -> Option<&ApprovalView> {
        self.0.first()
    }
}

/// Puts equal acts together. The order of the first ones stays.
pub(super) fn collapse(place: &HomePlace, views: Vec<ApprovalView>) -> Result<Vec<Equal>, CliError> {
    let looks: Vec<Digest> = views.iter().map(look).collect();
    let mut times = BTreeMap::<Digest, usize>::new();
    looks.iter().for_each(|look| *times.entry(*look).or_default() += 1);
    let (mut all, mut places) = (Vec::<Equal>::new(), BTreeMap::<(Digest, Digest), usize>::new());
    for (view, look) in views.into_iter().zip(looks) {
        // Requests are opened only where there may be equal ones.
        let may_be = times.get(&look).is_some_and(|times| *times > 1) && view.state.as_str() == "pending";
        let whole = if may_be { whole(&log::reader(place)?, &view)? } else { None };
        match whole.and_then(|whole| places.get(&(look, whole)).copied()).and_then(|at| all.get_mut(at)) {
            Some(equal) => equal.0.push(view),
            None => {
                if let Some(whole) = whole {
                    places.insert((look, whole), all.len());
                }
                all.push(Equal(vec![view]));
            }
        }
    }
    Ok(all)
}

/// The acts that are equal to this one, with itself.
pub(super) fn of(place: &HomePlace, view: &ApprovalView, all: Vec<ApprovalView>) -> Result<Equal, CliError> {
    let found = collapse(place, all)?.into_iter().find(|equal| equal.0.iter().any(|one| one.digest == view.digest));
    Ok(found.unwrap_or_else(|| Equal(vec![view.clone()])))
}

/// Everything that the list and the card show of an act, except its name, its digest, its run and its times.
fn look(view: &ApprovalView) -> Digest {
    let votes: Vec<_> = view.votes.iter().map(|vote| (&vote.person, vote.vote, &vote.key)).collect();
    let subject = (&view.agent, &view.asks, &view.credential, &view.environment, &view.headers);
    let people = (&view.groups, &view.policies, view.policy_set, &view.started_by, view.use_within_s, votes);
    Digest::of(&canon::to_vec(&(subject, people)))
}

/// Everything of an act that its list does not show: the agent's component, the bounds, and every byte of the request. `None` if it is no
/// request, or can't be opened.
fn whole(reader: &Reader, view: &ApprovalView) -> Result<Option<Digest>, CliError> {
    let (mut agent, mut found) = (None, None);
    for record in reader.of_run(view.run) {
        let record = record?;
        match Record::parse(&record.body) {
            Ok(Record::RunOpened(opened)) => agent = Some(opened.agent.digest),
            Ok(Record::ApprovalAsked(asked)) if asked.digest == view.digest => found = Some((record, asked)),
            _ => {}
        }
    }
    let (Some(agent), Some((record, asked))) = (agent, found) else { return Ok(None) };
    if asked.ask.capability.act() != Some(ActKind::Http) {
        return Ok(None);
    }
    let Ok(request) = gate::request(reader, &record) else { return Ok(None) };
    let bytes = Digest::of(&Act::Http(request).canonical_bytes());
    Ok(Some(Digest::of(&canon::to_vec(&(agent, asked.ask.function, &asked.bounds, bytes)))))
}
