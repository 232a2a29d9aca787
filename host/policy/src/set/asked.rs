//! An act as a policy sees it: who asks, what for, and what the host knows about it. Nothing here comes from the agent but the act itself.

use std::collections::BTreeSet;
use std::iter;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use vocabulary::{Act, CredentialAsk, Environment, Grants, HttpAsk, HttpTarget, PRODUCTION, PolicyRules, Reason, SafeText, utc};

use super::action::Action;
use super::fields::{self, Fields};
use super::policy_facts::PolicyFacts;
use super::reads::ReadsBodies;
use super::types::{Type, Types};
use super::{AgentPolicies, PolicyAgent};

pub use super::fields::Unclear;

/// The parts of a question to Cedar that do not depend on approvals.
pub(super) struct Question {
    pub(super) action: Action,
    resource: EntityUid,
    entities: Entities,
    context: Vec<(String, RestrictedExpression)>,
    principal: EntityUid,
    action_uid: EntityUid,
}

/// The environments of an act, in order; `production` if it matches none.
pub fn environments(grants: &Grants, act: &Act) -> BTreeSet<String> {
    let named = match act {
        Act::Http(http) => of_target(&grants.environments, &http.target),
        Act::Credential(credential) => of_credential(grants, credential),
    };
    if named.is_empty() { BTreeSet::from([PRODUCTION.to_owned()]) } else { named }
}

fn of_target(environments: &[Environment], target: &HttpTarget) -> BTreeSet<String> {
    environments.iter().filter(|environment| environment.has(target)).map(|environment| environment.name.clone()).collect()
}

/// The environments of a credential: its own, and those of the servers at which it is rotated. A server that is in none is in production.
pub(super) fn of_credential_named(grants: &Grants, name: &str) -> BTreeSet<String> {
    let production = || BTreeSet::from([PRODUCTION.to_owned()]);
    let Some(binding) = grants.credentials.iter().find(|binding| binding.name == name) else { return production() };
    let mut found: BTreeSet<String> = binding.environment.iter().cloned().collect();
    for step in [vocabulary::CredentialStep::Set, vocabulary::CredentialStep::Test] {
        for (_, target) in binding.requests(&step).unwrap_or_default() {
            let there = of_target(&grants.environments, &target);
            if there.is_empty() {
                found.insert(PRODUCTION.to_owned());
            }
            found.extend(there);
        }
    }
    if found.is_empty() { production() } else { found }
}

fn of_credential(grants: &Grants, ask: &CredentialAsk) -> BTreeSet<String> {
    of_credential_named(grants, &ask.name)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn number(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

fn set<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(|value| text(value)))
}

fn pair(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

/// The name of the person who started a run, as `[people]` has it. An account that is nobody's there has a name that no person can have.
pub(crate) fn starter(rules: &PolicyRules, by: &vocabulary::Principal) -> String {
    let account = by.name.as_ref().map(SafeText::as_str);
    let is_his =
        |(name, person): &(&String, &vocabulary::Person)| account.is_some_and(|account| person.user.as_deref().unwrap_or(name) == account);
    let named = rules.people.iter().find(is_his).map(|(name, _)| name.clone());
    named.unwrap_or_else(|| account.map_or_else(|| format!("uid {}", by.uid), |account| format!("account {account}")))
}

/// The entities of an agent: itself, its groups, the person who started the run, and that person's groups.
pub(super) fn agent_entities(types: &Types, rules: &PolicyRules, agent: &PolicyAgent<'_>, groups: Vec<EntityUid>) -> Vec<Entity> {
    let name = starter(rules, agent.started_by);
    let person = types.uid(Type::Person, &name);
    let of_person: Vec<EntityUid> =
        rules.people.get(&name).into_iter().flat_map(|person| &person.groups).map(|group| types.uid(Type::PersonGroup, group)).collect();
    let attributes = [
        pair("name", text(agent.name)),
        pair("digest", text(&agent.digest.to_string())),
        pair("owner", text(rules.owner.as_deref().unwrap_or_default())),
        pair("started_by", RestrictedExpression::new_entity_uid(person.clone())),
    ];
    let parents: Vec<EntityUid> = groups.iter().chain(&of_person).cloned().collect();
    let mut entities: Vec<Entity> = parents.into_iter().map(Entity::with_uid).collect();
    entities.push(Entity::new_no_attrs(person, of_person.into_iter().collect()));
    // Attributes that are plain values can't fail to be evaluated.
    entities.extend(Entity::new(types.uid(Type::Agent, agent.name), attributes.into_iter().collect(), groups.into_iter().collect()).ok());
    entities
}

fn fields_entity(types: &Types, name: &str, fields: Fields) -> Option<Entity> {
    let tags = fields.into_iter().map(|(name, values)| (name, set(&values)));
    Entity::new_with_tags(types.uid(Type::Fields, name), iter::empty(), iter::empty(), tags).ok()
}

fn credential_entity(types: &Types, grants: &Grants, name: &str) -> (EntityUid, Option<Entity>) {
    let id = types.uid(Type::Credential, name);
    let parents = of_credential_named(grants, name);
    let parents = parents.iter().map(|name| types.uid(Type::Env, name)).collect();
    (id.clone(), Entity::new(id, [pair("name", text(name))].into_iter().collect(), parents).ok())
}

impl AgentPolicies {
    /// The question of an act. `credential` is the one that the host adds to a request.
    ///
    /// # Errors
    /// A body that can't be judged.
    pub(super) fn question(
        &self,
        grants: &Grants,
        facts: &PolicyFacts,
        (act, credential): (&Act, Option<&str>),
    ) -> Result<Question, Reason> {
        let (action, types) = (Action::of(act), &self.checked.types);
        let groups: Vec<EntityUid> = action.groups().iter().map(|group| types.uid(Type::Action, group)).collect();
        let mut entities: Vec<Entity> = self.entities.clone();
        entities.push(Entity::new_no_attrs(types.uid(Type::Action, action.as_str()), groups.into_iter().collect()));
        let mut context = vec![
            pair("engagement", text(grants.engagement.as_ref().map_or("", |engagement| engagement.name.as_str()))),
            pair("now", RestrictedExpression::new_datetime(moment(facts.now_unix_s))),
            pair("run", run(grants, facts)),
        ];
        let resource = match act {
            Act::Http(http) => {
                let parts = request(types, http, self.reads(action).bodies()).map_err(unclear)?;
                entities.extend(parts.entities);
                context.push(pair("request", parts.request));
                if let Some(name) = credential {
                    let (id, entity) = credential_entity(types, grants, name);
                    entities.extend(entity);
                    context.push(pair("credential", RestrictedExpression::new_entity_uid(id)));
                }
                let (id, entity) = endpoint(types, grants, act, &http.target);
                entities.extend(entity);
                id
            }
            Act::Credential(ask) => {
                let (id, entity) = credential_entity(types, grants, &ask.name);
                entities.extend(entity);
                id
            }
        };
        let entities = Entities::from_entities(entities, None).map_err(|err| failed(&err.to_string()))?;
        let action_uid = types.uid(Type::Action, action.as_str());
        Ok(Question { action, action_uid, resource, entities, context, principal: self.principal.clone() })
    }
}

impl Question {
    /// The request and the entities, if these groups have approved the act.
    pub(super) fn ask(&self, approved: &BTreeSet<String>) -> Result<(Request, &Entities), Reason> {
        let context = self.context.iter().cloned().chain([pair("approvals", set(approved))]);
        let context = Context::from_pairs(context).map_err(|err| failed(&err.to_string()))?;
        let request = Request::new(self.principal.clone(), self.action_uid.clone(), self.resource.clone(), context, None);
        Ok((request.map_err(|err| failed(&err.to_string()))?, &self.entities))
    }
}

fn failed(why: &str) -> Reason {
    Reason::PolicyFails(SafeText::new(why, 200))
}

fn unclear(why: Unclear) -> Reason {
    Reason::Malformed(SafeText::new(&format!("{why}, so no policy can judge it"), 200))
}

/// A time as Cedar reads it: `2026-10-02T14:07:31Z`.
fn moment(unix_s: u64) -> String {
    format!("{}Z", utc(unix_s.saturating_mul(1000)).replace(' ', "T"))
}

fn run(grants: &Grants, facts: &PolicyFacts) -> RestrictedExpression {
    let proved: BTreeSet<String> = facts.proved.iter().flat_map(|name| of_credential_named(grants, name)).collect();
    let fields = [
        pair("id", text(&facts.run.map(|run| run.to_string()).unwrap_or_default())),
        pair("acts", number(facts.acts)),
        pair("calls_left", number(facts.calls_left)),
        pair("proved", set(&proved)),
    ];
    RestrictedExpression::new_record(fields).unwrap_or_else(|_| text(""))
}

fn endpoint(types: &Types, grants: &Grants, act: &Act, target: &HttpTarget) -> (EntityUid, Option<Entity>) {
    let (scheme, host, port) = (target.scheme.as_str(), target.host.to_string(), target.port);
    let id = types.uid(Type::Endpoint, &format!("{scheme}://{host}:{port}"));
    let attributes = [pair("scheme", text(scheme)), pair("host", text(&host)), pair("port", number(u64::from(port)))];
    let parents = environments(grants, act).iter().map(|name| types.uid(Type::Env, name)).collect();
    (id.clone(), Entity::new(id, attributes.into_iter().collect(), parents).ok())
}

struct RequestParts {
    request: RestrictedExpression,
    entities: Vec<Entity>,
}

fn request(types: &Types, ask: &HttpAsk, reads: ReadsBodies) -> Result<RequestParts, Unclear> {
    let query = fields::of_pairs(ask.target.query.as_deref().unwrap_or_default().as_bytes())?;
    let fields::Body { fields: body, kind } = fields::of_body(ask, reads)?;
    let headers = fields::of_headers(&ask.headers);
    let operations = operations(&query, &headers, (&body, kind));
    let known = [("query", query), ("headers", headers), ("body", body), ("segments", fields::of_path(&ask.target.path))];
    let mut record = vec![
        pair("method", text(ask.method.as_str())),
        pair("path", text(&ask.target.path)),
        pair("body_kind", text(kind)),
        pair("body_bytes", number(ask.body.len() as u64)),
        pair("operations", set(&operations)),
    ];
    let mut entities = Vec::new();
    for (name, fields) in known {
        record.push(pair(name, RestrictedExpression::new_entity_uid(types.uid(Type::Fields, name))));
        entities.extend(fields_entity(types, name, fields));
    }
    Ok(RequestParts { request: RestrictedExpression::new_record(record).unwrap_or_else(|_| text("")), entities })
}

/// The operations that a request names beside its method and path, as AWS and SOAP do.
fn operations(query: &Fields, headers: &Fields, (body, kind): (&Fields, &str)) -> BTreeSet<String> {
    let by_header = ["x-amz-target", "soapaction"].into_iter().filter_map(|name| headers.get(name)).flatten();
    let by_field = [Some(query), (kind == "form").then_some(body)].into_iter().flatten().filter_map(|fields| fields.get("action"));
    by_header.map(|value| value.trim_matches('"').to_owned()).chain(by_field.flatten().cloned()).collect()
}
