//! What was trusted before, for those who are told that a configuration is not.

use package::trust::{Before, Untrusted};

use crate::words::{safe, utc};

/// What is nearest to it among what was trusted, what is other now, and what it asks for, a line each.
pub(crate) fn told(untrusted: &Untrusted) -> Vec<String> {
    let mut lines = untrusted.before.as_ref().map_or_else(Vec::new, |before| said(untrusted, before));
    lines.push("it asks for:".to_owned());
    lines.extend(untrusted.authority.iter().map(|line| format!("  {line}")));
    lines
}

fn said(untrusted: &Untrusted, Before { trust, is_here, is_gone }: &Before) -> Vec<String> {
    let (by, when) = (safe(&trust.by), utc(trust.when.saturating_mul(1000)));
    if !is_here {
        let gone = if *is_gone { ", which is gone" } else { ", where they still are" };
        let place = format!("these bytes were trusted by {by} on {when} UTC as `{}`{gone}", safe(&trust.path));
        return vec![place, "trust is for a place: the same bytes in another one name other folders".to_owned()];
    }
    let is_same = trust.digest == untrusted.digest;
    let what = if is_same { "and what it names is other now though the file is the same" } else { "and was changed since" };
    let first = format!("it was trusted by {by} on {when} UTC, {what}:");
    let lines = difference(&trust.shown, &untrusted.authority);
    let unknown = || vec!["  which part is other is not kept; all that it asks for now is below".to_owned()];
    std::iter::once(first).chain(if lines.is_empty() { unknown() } else { lines }).collect()
}

/// Lines that are no more, and lines that are new, each beneath the agent that it is of.
fn difference(was: &[String], now: &[String]) -> Vec<String> {
    if was.is_empty() {
        return Vec::new();
    }
    // The same line may stand beneath two agents.
    let (was, now) = (of_agents(was), of_agents(now));
    let without = |these: &[(&str, &str)], those: &[(&str, &str)], sign: &str| -> Vec<String> {
        let other = these.iter().filter(|line| !those.contains(line));
        other
            .map(|(agent, line)| if agent.is_empty() { format!("  {sign} {line}") } else { format!("  {sign} {line} ({agent})") })
            .collect()
    };
    let (less, more) = (without(&was, &now, "-"), without(&now, &was, "+"));
    if less.is_empty() && more.is_empty() {
        return vec!["  what it asks for reads the same: its order, its spelling or a digest is other".to_owned()];
    }
    [less, more].concat()
}

/// Each line with the line of the agent that it is beneath.
fn of_agents(lines: &[String]) -> Vec<(&str, &str)> {
    let mut agent = "";
    let beneath = |line: &'_ String| line.starts_with(' ');
    lines
        .iter()
        .map(|line| {
            if !beneath(line) {
                agent = if line.starts_with("agent ") { line } else { "" };
                return ("", line.as_str());
            }
            (agent, line.trim_start())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_line_that_another_agent_has_already_is_new_for_this_one() {
        let lines = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let was = lines("agent a|  request POST https://e.test/|agent b|  read /secrets as /s");
        let now = lines("agent a|  request POST https://e.test/|  read /secrets as /s|agent b|  read /secrets as /s");
        assert_eq!(difference(&was, &now), ["  + read /secrets as /s (agent a)"]);
        assert!(difference(&was, &was).concat().contains("reads the same"), "the control");
    }
}
