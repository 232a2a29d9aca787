//! The credentials of an agent as lines for people. They never show a value, nor anything that is made from one.

use vocabulary::{Binding, Grants, HostPattern, May, PinnedFile, Placement, Rotation, SafeText, Scheme, Source, VaultLogin, VaultSource};

fn is_sent(grants: &Grants, name: &str) -> bool {
    grants.http.iter().any(|grant| grant.credential.as_deref() == Some(name))
}

/// What the agent may do with credentials besides sending them, one line each. Credentials that are never sent are included.
pub(super) fn may_lines(grants: &Grants) -> impl Iterator<Item = String> {
    let unsent = grants.credentials.iter().filter(|binding| !is_sent(grants, &binding.name)).flat_map(all);
    let may = grants.may.iter().flat_map(|(name, may)| may.iter().map(move |may| may_line(name, *may)));
    may.chain(unsent)
}

/// The credentials that are sent, one line each, and one line for each placeholder.
pub(super) fn lines(grants: &Grants) -> impl Iterator<Item = String> {
    let placeholders =
        grants.placeholders.iter().map(|(variable, name)| format!("a placeholder of the credential {name} in the variable {variable}"));
    grants.credentials.iter().filter(|binding| is_sent(grants, &binding.name)).flat_map(all).chain(placeholders)
}

fn may_line(name: &str, may: May) -> String {
    match may {
        May::Identify => format!("asks whether a value is the credential {name}"),
        May::Rotate => format!("rotates the credential {name}"),
    }
}

/// One credential: where it comes from, where it may go, and what bounds it.
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

/// The lines of one credential, including what the host itself does for it.
fn all(binding: &Binding) -> Vec<String> {
    let for_it = |what: String| format!("for the credential {}: {what}", binding.name);
    let mut said = vec![line(binding)];
    let mut effects = effects_of_source(&binding.source);
    effects.extend(binding.pinned.iter().map(pinned));
    effects.extend(details(&binding.placement));
    effects.extend(binding.rotation.iter().map(|rotation| rotates(binding, rotation)));
    if !binding.agents.is_empty() {
        let agent = |pin: &vocabulary::AgentPin| pin.digest.map_or_else(|| pin.name.clone(), |digest| format!("{}@{digest}", pin.name));
        effects.push(format!("used only by {}", binding.agents.iter().map(agent).collect::<Vec<_>>().join(", ")));
    }
    effects.extend(binding.owner.iter().map(|owner| format!("{} answers for it", SafeText::new(owner, 1024))));
    effects.extend(binding.rotate_every_s.map(|every_s| format!("its value must be rotated every {}", time(every_s))));
    said.extend(effects.into_iter().map(for_it));
    said
}

/// A time in the form of `rotate-every`.
fn time(seconds: u64) -> String {
    if seconds.is_multiple_of(86_400) { format!("{}d", seconds / 86_400) } else { format!("{}h", seconds / 3600) }
}

/// What the host reads, runs or asks, on this machine or elsewhere, to get the value.
fn effects_of_source(source: &Source) -> Vec<String> {
    match source {
        Source::Local => Vec::new(),
        Source::Env(name) => {
            vec![format!("reads the variable {} of this program's environment, and sends what is in it", SafeText::new(name, 256))]
        }
        Source::File(path) => vec![format!("reads the file {}, and sends what is in it", shown(path))],
        Source::Exec(words) => vec![format!("runs `{}` on this machine, and sends what it prints", SafeText::new(&words.join(" "), 4096))],
        Source::Keyring(name) => {
            vec![format!("reads the key bailiwick:{} of the kernel, and sends what is in it", SafeText::new(name, 256))]
        }
        Source::Vault(vault) => effects_of_vault(vault),
    }
}

fn effects_of_vault(vault: &VaultSource) -> Vec<String> {
    let server = &vault.server;
    let namespace = server.namespace.as_ref().map_or_else(String::new, |name| format!(" in the namespace {}", SafeText::new(name, 1024)));
    let addresses: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
    let also = if addresses.is_empty() { String::new() } else { format!(", also at {}", addresses.join(", ")) };
    let (path, field) = (SafeText::new(&vault.path, 1024), SafeText::new(&vault.field, 1024));
    let asks = format!("asks {} for the field {field} of {path}{namespace}{also}", server.address);
    let login = match &server.login {
        VaultLogin::Token { file } => format!("sends the token in the file {} to {}", shown(file), server.address),
        VaultLogin::Approle { role, file } => {
            let role = SafeText::new(role, 1024);
            format!("sends the secret id in the file {} to {}, to log in with the AppRole {role}", shown(file), server.address)
        }
        VaultLogin::Kubernetes { role, file } => {
            let role = SafeText::new(role, 1024);
            format!("sends the token in the file {} to {}, to log in with the Kubernetes role {role}", shown(file), server.address)
        }
    };
    vec![asks, login]
}

fn pinned(file: &PinnedFile) -> String {
    let path = shown(&file.path);
    file.digest.map_or_else(|| format!("{path} is not there, so it is not run"), |digest| format!("holds {path} to {digest}"))
}

/// The settings of a placement besides its kind, by the keys of the configuration.
fn details(placement: &Placement) -> Option<String> {
    let json = serde_json::to_value(placement).unwrap_or_default();
    let fields = json.as_object()?.iter().filter(|(name, _)| *name != "kind");
    let shown: Vec<String> = fields.map(|(name, value)| format!("{name} {}", SafeText::new(&value.to_string(), 4096))).collect();
    (!shown.is_empty()).then(|| format!("placed with {}", shown.join(", ")))
}

fn rotates(binding: &Binding, rotation: &Rotation) -> String {
    let host = binding.hosts.iter().find(|host| matches!(host, HostPattern::Exact(_))).map(ToString::to_string).unwrap_or_default();
    let port = binding.port.map_or_else(String::new, |port| format!(":{port}"));
    let at = format!("{}://{host}{port}", binding.scheme.as_str());
    let (body, field) = (SafeText::new(&rotation.set.body, 1024), SafeText::new(&rotation.set.field, 256));
    format!(
        "its rotation sends {} {at}{} with the body {body} and the new value in its field {field}, then GET {at}{} to try it",
        rotation.set.method, rotation.set.path, rotation.test_path
    )
}

fn shown(path: &std::path::Path) -> SafeText {
    SafeText::new(&path.to_string_lossy(), 4096)
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
