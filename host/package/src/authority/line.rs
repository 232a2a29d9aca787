//! An authority as lines for people. They are safe to print, because an attacker may have written the words in them. The lines show
//! everything in the value.

use std::path::Path;

use vocabulary::{Digest, Engagement, Environment, EnvironmentPlace, Grants, LIMITS, Limit, Person, PolicyRules, SafeText, Tier};

use super::{Authority, Code, Reach, Spelling, Whole};
use crate::admission::lines;
use vocabulary::Capability;

/// BOUND: bytes of a variable's value that are shown. If a value is longer, its digest is shown too.
const VALUE_BYTES_MAX: usize = 200;

/// The lines of one agent, or those that belong to no single agent.
pub(super) struct Part<'a> {
    /// The agent's name. `None` for lines that belong to no single agent.
    pub(super) agent: Option<&'a str>,
    pub(super) lines: Vec<String>,
}

impl Whole {
    /// Everything that the configuration would cause, one line each.
    pub fn lines(&self, spelling: &Spelling) -> Vec<String> {
        let mut said = Vec::new();
        for Part { agent, lines } in self.parts(spelling) {
            said.extend(agent.map(|name| format!("agent {name}")));
            let indent = if agent.is_some() { "  " } else { "" };
            said.extend(lines.into_iter().map(|line| format!("{indent}{line}")));
        }
        if said.is_empty() {
            said.push("nothing".to_owned());
        }
        said
    }

    /// The same lines, separated by agents.
    pub(super) fn parts<'a>(&'a self, spelling: &Spelling) -> Vec<Part<'a>> {
        let part = |(name, agent): (&'a String, &'a Authority)| Part { agent: Some(name.as_str()), lines: agent.own_lines(spelling) };
        let mut parts: Vec<Part<'a>> = self.agents.iter().map(part).collect();
        let mut rest = shared(&self.engagements, &spelling.long_reach(&self.network));
        if !self.agents.is_empty() && self.agents.values().all(|agent| agent.grants.environments.is_empty()) {
            rest.extend(self.environments.iter().map(environment));
        }
        let mut others = Grants { credentials: self.credentials.clone(), ..Grants::default() };
        spelling.lengthen_grants(&mut others);
        rest.extend(lines(Capability::Credentials, &others).into_iter().map(|line| format!("granted to no agent: {line}")));
        parts.push(Part { agent: None, lines: rest });
        parts
    }
}

impl Authority {
    /// Everything that this agent may cause, one line each.
    pub fn lines(&self, spelling: &Spelling) -> Vec<String> {
        let mut said = self.own_lines(spelling);
        said.extend(shared(&self.engagements, &spelling.long_reach(&self.network)));
        said
    }

    fn own_lines(&self, spelling: &Spelling) -> Vec<String> {
        let whole = spelling.lengthen(self);
        let mut said = code(&whole.component);
        let code_lines = said.len();
        for capability in Capability::GRANTABLE {
            said.extend(lines(*capability, &whole.grants));
        }
        said.extend(whole.grants.policy.iter().flat_map(policies));
        said.extend(whole.grants.environments.iter().map(environment));
        said.extend(whole.grants.engagement.iter().map(engagement));
        said.extend(whole.grants.env.iter().map(|(name, value)| variable(name, value)));
        said.extend(whole.uses.iter().map(|name| format!("uses {}", SafeText::new(name, 256))));
        if !self.limits.is_empty() {
            let shown: Vec<String> = self.limits.iter().map(|(of, value)| limit(*of, *value)).collect();
            said.push(format!("limits {}", shown.join(", ")));
        }
        if said.len() == code_lines {
            said.push("may do nothing else".to_owned());
        }
        if self.durable {
            said.push("every run is kept so that it can be resumed".to_owned());
        }
        said.extend(self.expires.map(|until| format!("may be started until {until}")));
        said
    }
}

fn shared(engagements: &[Engagement], reach: &Reach) -> Vec<String> {
    let mut said: Vec<String> = engagements.iter().map(engagement).collect();
    if !reach.resolvers.is_empty() {
        let resolvers: Vec<String> = reach.resolvers.iter().map(ToString::to_string).collect();
        said.push(format!("names are resolved by {}", resolvers.join(", ")));
    }
    let root = |root: &super::RootFile| format!("TLS also trusts the certificates in {}, {}", path(&root.path), root.digest);
    said.extend(reach.roots.iter().map(root));
    said
}

fn code(code: &Code) -> Vec<String> {
    match code {
        Code::Folder { path: folder, source, tools } => {
            let mut said = vec![format!("builds {}, which runs its author's code on this machine", path(folder))];
            said.extend(source.map(|source| format!("held to the source {source}")));
            said.extend(tools.iter().filter(|tools| !tools.is_empty()).map(|tools| format!("built with {}", SafeText::new(tools, 1024))));
            said
        }
        // The bytes determine what the component imports. The imports are shown only if the bytes differ.
        Code::File { path: file, digest, imports: _ } => {
            let mut said = vec![format!("runs {}", path(file))];
            said.extend(digest.map(|digest| format!("held to the component {digest}")));
            said
        }
    }
}

/// The policies that an agent is subject to, and the people who may vote.
fn policies(rules: &PolicyRules) -> Vec<String> {
    let PolicyRules { files, groups, owner, people } = rules;
    let mut said: Vec<String> =
        files.iter().map(|file| format!("subject to the policies in {}, {}", path(&file.path), file.digest)).collect();
    if !groups.is_empty() {
        said.push(format!("in the groups {}", groups.join(", ")));
    }
    said.extend(owner.as_ref().map(|owner| format!("owned by {}, as policies see it", SafeText::new(owner, 1024))));
    for (name, Person { groups, keys, user }) in people {
        let account = user.as_ref().map_or_else(String::new, |user| format!(", whose account is {}", SafeText::new(user, 64)));
        let groups = if groups.is_empty() { "no group".to_owned() } else { groups.join(", ") };
        said.push(format!("{name}{account} may vote for {groups}"));
        said.extend(keys.iter().map(|key| format!("{name} signs with {}", SafeText::new(key, 4096))));
    }
    said
}

fn variable(name: &str, value: &str) -> String {
    let more = if value.len() > VALUE_BYTES_MAX { format!(", {}", Digest::of(value.as_bytes())) } else { String::new() };
    format!("environment {}={}{more}", SafeText::new(name, 256), SafeText::new(value, VALUE_BYTES_MAX))
}

fn limit(of: Limit, value: u64) -> String {
    let row = LIMITS.iter().find(|row| row.name == of.as_str());
    format!("{of} = {}", row.map_or_else(|| value.to_string(), |row| row.show(value)))
}

fn environment(environment: &Environment) -> String {
    let place = |place: &EnvironmentPlace| {
        let paths: String = place.paths.iter().map(|path| format!(" {path}")).collect();
        format!("{}{paths}", place.host)
    };
    let places: Vec<String> = environment.places.iter().map(place).collect();
    format!("the environment {} is {}", environment.name, places.join(", "))
}

fn engagement(engagement: &Engagement) -> String {
    let targets: Vec<String> = engagement.targets.iter().map(ToString::to_string).collect();
    let tier = match engagement.tier {
        Tier::ReadOnly => "read-only",
        Tier::Staged => "staged",
        Tier::Live => "live",
    };
    let rate = engagement.rate.map_or_else(String::new, |rate| format!(", {rate} at most"));
    let Engagement { name, from_s, until_s, .. } = engagement;
    format!("the engagement {name} is {tier} at {}, from {} to {}{rate}", targets.join(", "), moment(*from_s), moment(*until_s))
}

/// A time in seconds since 1970, in the form that configurations use.
fn moment(unix_s: u64) -> String {
    let (date, rest) = (vocabulary::Date::of_day(unix_s / 86_400), unix_s % 86_400);
    format!("{date}T{:02}:{:02}:{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

fn path(path: &Path) -> SafeText {
    SafeText::new(&path.to_string_lossy(), 4096)
}
