//! Files that contain credentials. A finding shows names from the file, and never a value.

use super::{Check, Group, Holds, Looks, Sight};
use crate::page::Page;
use crate::show;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "env-file",
        group: Group::Secrets,
        severity: Severity::Critical,
        cwe: "CWE-538",
        title: "A file of environment variables can be read",
        looks: Looks::AtPaths {
            paths: &[
                ".env",
                ".env.local",
                ".env.dev",
                ".env.development",
                ".env.test",
                ".env.staging",
                ".env.prod",
                ".env.production",
                ".env.bak",
                ".env.backup",
                ".env.old",
                ".env.save",
                ".env~",
                "api/.env",
                "app/.env",
                "config/.env",
            ],
            holds: Holds::Secrets,
            sees: env,
        },
    },
    Check {
        id: "credential-file",
        group: Group::Secrets,
        severity: Severity::Critical,
        cwe: "CWE-538",
        title: "A file of credentials can be read",
        looks: Looks::AtPaths {
            paths: &[".aws/credentials", ".git-credentials", ".htpasswd", ".netrc", ".npmrc", ".pypirc", ".ssh/id_rsa", ".ssh/id_ed25519"],
            holds: Holds::Secrets,
            sees: credentials,
        },
    },
];

/// A file of environment variables: every line is a comment or sets a variable. A file with other lines is of another kind.
fn env(page: &Page) -> Sight {
    if page.is_html() || page.text().contains('\0') {
        return None;
    }
    let lines = page.text().lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut names = Vec::new();
    let mut odd = 0_usize;
    for line in lines {
        match variable(line) {
            Some(name) => names.push(name),
            // The rest of a value over several lines, for example a private key.
            None => odd += 1,
        }
    }
    let telling = names.iter().any(|name| is_telling(name));
    let enough = names.len() >= 2 || (names.len() == 1 && telling);
    (enough && (odd == 0 || (telling && odd < 40))).then(|| format!("sets {}", show::names(names.into_iter())))
}

fn variable(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).then_some(name)
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASS", "PWD", "DATABASE_URL", "DSN", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

fn credentials(page: &Page) -> Sight {
    if page.is_html() {
        return None;
    }
    let name = page.path.rsplit('/').next().unwrap_or_default();
    let lines = || page.text().lines().map(str::trim);
    let seen = match name {
        "credentials" => page.has("aws_secret_access_key") && page.has("aws_access_key_id"),
        ".git-credentials" => lines().any(|line| line.starts_with("https://") && line.contains('@') && line.matches(':').count() > 1),
        ".htpasswd" => lines().any(|line| line.split_once(':').is_some_and(|(user, hash)| is_name(user) && is_hash(hash))),
        ".netrc" => lines().any(|line| line.starts_with("machine ")) && page.has("password "),
        ".npmrc" => lines().any(|line| line.contains(":_authToken=") || line.starts_with("_auth=")),
        ".pypirc" => page.has("[pypi]") && lines().any(|line| line.starts_with("password")),
        _ => lines().next().is_some_and(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")),
    };
    seen.then(|| format!("what `{name}` is made of"))
}

fn is_name(user: &str) -> bool {
    !user.is_empty() && user.len() < 128 && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte))
}

fn is_hash(text: &str) -> bool {
    ["$apr1$", "$2y$", "$2a$", "$2b$", "$5$", "$6$", "{SHA}", "$y$"].iter().any(|front| text.starts_with(front))
}
