//! The credentials of an agent in lines for people. Never a value, nor anything that is made from one.

use effect::{Binding, Grants, May, Placement, SafeText, Scheme, Source};

fn is_sent(grants: &Grants, name: &str) -> bool {
    grants.http.iter().any(|grant| grant.credential.as_deref() == Some(name))
}

/// What may be done with them besides sending, a line each; those that are not sent at all are among them.
pub(super) fn may_lines(grants: &Grants) -> impl Iterator<Item = String> {
    let unsent = grants.credentials.iter().filter(|binding| !is_sent(grants, &binding.name)).map(line);
    let may = grants.may.iter().flat_map(|(name, may)| may.iter().map(move |may| may_line(name, *may)));
    may.chain(unsent)
}

/// Those that are sent, a line each, and one for each placeholder.
pub(super) fn lines(grants: &Grants) -> impl Iterator<Item = String> {
    let placeholders =
        grants.placeholders.iter().map(|(variable, name)| format!("a placeholder of the credential {name} in the variable {variable}"));
    grants.credentials.iter().filter(|binding| is_sent(grants, &binding.name)).map(line).chain(placeholders)
}

fn may_line(name: &str, may: May) -> String {
    match may {
        May::Identify => format!("asks whether a value is the credential {name}"),
        May::Rotate => format!("rotates the credential {name}"),
    }
}

/// One of them: where it comes from, where it may go, and what bounds it.
pub fn line(binding: &Binding) -> String {
    let list = |of: &str, all: Vec<String>| if all.is_empty() { String::new() } else { format!(", {of} {}", all.join(" ")) };
    let hosts: Vec<String> = binding.hosts.iter().map(ToString::to_string).collect();
    let mut line =
        format!("credential {} from {}, as {} to {}", binding.name, source(&binding.source), placed(&binding.placement), hosts.join(", "));
    if let Some(port) = binding.port {
        line.push_str(&format!(", port {port}"));
    }
    line.push_str(&list("only", binding.methods.iter().map(ToString::to_string).collect()));
    line.push_str(&list("on", binding.paths.iter().map(ToString::to_string).collect()));
    if binding.scheme == Scheme::Http {
        line.push_str(", in clear text");
    }
    if let Some(environment) = &binding.environment {
        line.push_str(&format!(", in {} only", SafeText::new(environment, 64)));
    }
    if let Some(uses) = binding.uses {
        line.push_str(&format!(", {uses} times a run"));
    }
    if let Some(rate) = binding.rate {
        line.push_str(&format!(", {rate} at most"));
    }
    if let Some(until) = binding.until {
        line.push_str(&format!(", until {until}"));
    }
    line
}

fn source(source: &Source) -> String {
    match source {
        Source::Local => "the vault".to_owned(),
        Source::Env(name) => format!("the variable {}", SafeText::new(name, 256)),
        Source::File(path) => format!("the file {}", SafeText::new(&path.to_string_lossy(), 4096)),
        Source::Exec(words) => format!("what the command `{}` prints on this machine", SafeText::new(&words.join(" "), 4096)),
        Source::Keyring(name) => format!("the kernel's key ring, {}", SafeText::new(name, 256)),
        Source::Vault(vault) => format!("{} at {}", SafeText::new(&vault.path, 1024), vault.server.address),
    }
}

fn placed(placement: &Placement) -> String {
    let named = |kind: &str, name: &str| format!("{kind} {}", SafeText::new(name, 256));
    match placement {
        Placement::Bearer => "bearer".to_owned(),
        Placement::Basic { user } => named("basic of", user),
        Placement::Header { name, .. } => named("header", name),
        Placement::Query { name } => named("query", name),
        Placement::Path { segment, .. } => format!("segment {segment} of the path"),
        Placement::Form { name } => named("form field", name),
        Placement::Json { field } => named("JSON field", field),
        Placement::Sigv4(sigv4) => named("AWS signature of", &sigv4.key_id),
        Placement::Hmac(hmac) => named("keyed hash in the header", &hmac.header),
        Placement::Jwt(_) => "a signed token".to_owned(),
        Placement::Oauth2(oauth2) => format!("a token from {}", oauth2.token),
    }
}
