//! Checks of the headers of a target's own page: weak ones and missing ones.

use super::{Check, Group, Looks, Root, Sight};
use crate::page::Page;
use crate::show;
use bailiwick_sdk::findings::Severity;

/// BOUND: half a year. With a shorter time, a browser may forget the rule before the next visit.
const HSTS_SECONDS_MIN: u64 = 15_552_000;

/// BOUND: how many versions are shown.
const VERSIONS_MAX: usize = 8;

/// How an answer treats an origin that the server can't know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cors {
    /// The origin may read what anybody may read.
    Reflected,
    /// The origin may read what the user may read.
    WithCredentials,
}

const fn root(
    id: &'static str,
    group: Group,
    severity: Severity,
    cwe: &'static str,
    title: &'static str,
    sees: fn(&Root<'_>) -> Sight,
) -> Check {
    Check { id, group, severity, cwe, title, looks: Looks::AtRoot { sees } }
}

pub(super) static CHECKS: &[Check] = &[
    root("hsts", Group::Headers, Severity::Low, "CWE-319", "Browsers are not told to stay with https", hsts),
    root(
        "content-security-policy",
        Group::Headers,
        Severity::Low,
        "CWE-693",
        "A page has no policy for its content, or a weak one",
        policy,
    ),
    root("content-type-options", Group::Headers, Severity::Low, "CWE-693", "Browsers may guess what an answer is", no_sniff),
    root("frame-options", Group::Headers, Severity::Low, "CWE-1021", "Any site may put the page into a frame", frames),
    root("referrer-policy", Group::Headers, Severity::Info, "CWE-200", "The page does not limit who learns its address", referrer),
    root("cookie-secure", Group::Cookies, Severity::Medium, "CWE-614", "A cookie set over https may travel in clear text", |root| {
        cookies(root, |cookie| !cookie.has("secure"))
    }),
    root("cookie-http-only", Group::Cookies, Severity::Low, "CWE-1004", "Scripts may read a cookie", |root| {
        cookies(root, |cookie| !cookie.has("httponly") && !cookie.is_for_scripts())
    }),
    root(
        "cookie-same-site",
        Group::Cookies,
        Severity::Low,
        "CWE-1275",
        "A cookie leaves open whether other sites' requests carry it",
        |root| cookies(root, |cookie| !cookie.has("samesite")),
    ),
    Check {
        id: "cors-with-credentials",
        group: Group::Cors,
        severity: Severity::High,
        cwe: "CWE-942",
        title: "Any site may read what its visitor may read",
        looks: Looks::AsOthers { sees: Cors::WithCredentials },
    },
    Check {
        id: "cors-reflects-origin",
        group: Group::Cors,
        severity: Severity::Low,
        cwe: "CWE-942",
        title: "Any site may read the answers that anybody gets",
        looks: Looks::AsOthers { sees: Cors::Reflected },
    },
    root("version-header", Group::Versions, Severity::Low, "CWE-497", "A header shows the version of a program", versions),
    root("tls-redirect", Group::Tls, Severity::Medium, "CWE-319", "Clear text is answered instead of redirected to https", clear_text),
];

impl Cors {
    /// What an answer to a request from `origin` allows.
    pub(crate) fn of(page: &Page, origin: &str) -> Option<Self> {
        let is_reflected = page.header("access-control-allow-origin").is_some_and(|allowed| allowed.trim() == origin);
        let with = page.header("access-control-allow-credentials").is_some_and(|with| with.trim() == "true");
        is_reflected.then_some(if with { Self::WithCredentials } else { Self::Reflected })
    }
}

/// The page that is shown to people: not an error and not a redirect. The header checks look only at that.
fn shown<'a>(root: &Root<'a>) -> Option<&'a Page> {
    root.last.filter(|page| page.is_there())
}

fn hsts(root: &Root<'_>) -> Sight {
    let page = shown(root)?;
    let Some(value) = page.header("strict-transport-security") else { return Some("`Strict-Transport-Security` is missing".to_owned()) };
    let lowered = value.to_ascii_lowercase();
    let age = lowered.split(';').find_map(|part| part.trim().strip_prefix("max-age=")).map(|age| age.trim_matches('"').parse::<u64>());
    match age {
        Some(Ok(age)) if age >= HSTS_SECONDS_MIN => None,
        Some(Ok(age)) => Some(format!("`Strict-Transport-Security` is valid for {age} seconds only")),
        Some(Err(_)) | None => Some("`Strict-Transport-Security` says no `max-age`".to_owned()),
    }
}

fn policy(root: &Root<'_>) -> Sight {
    let page = shown(root).filter(|page| page.says_html())?;
    let Some(policy) = page.header("content-security-policy") else { return Some("`Content-Security-Policy` is missing".to_owned()) };
    let policy = policy.to_ascii_lowercase();
    let part = |name: &str| policy.split(';').map(str::trim).find(|part| part.split(' ').next() == Some(name)).map(str::to_owned);
    let Some(scripts) = part("script-src").or_else(|| part("default-src")) else {
        return Some("`Content-Security-Policy` does not limit scripts".to_owned());
    };
    // With a nonce, a hash or `strict-dynamic`, browsers ignore `unsafe-inline`, which is then there for old browsers.
    let is_narrowed = ["'nonce-", "'sha256-", "'sha384-", "'sha512-", "'strict-dynamic'"].iter().any(|word| scripts.contains(word));
    let is_wide = scripts.split(' ').any(|source| ["*", "http:", "https:", "data:"].contains(&source));
    let weak = (scripts.contains("'unsafe-inline'") || is_wide) && !is_narrowed;
    weak.then(|| "`Content-Security-Policy` allows scripts from anywhere, or inline scripts".to_owned())
}

fn no_sniff(root: &Root<'_>) -> Sight {
    let value = shown(root)?.header("x-content-type-options").map(|value| value.trim().to_ascii_lowercase());
    match value.as_deref() {
        Some("nosniff") => None,
        Some(_) => Some("`X-Content-Type-Options` is not `nosniff`".to_owned()),
        None => Some("`X-Content-Type-Options` is missing".to_owned()),
    }
}

fn frames(root: &Root<'_>) -> Sight {
    let page = shown(root).filter(|page| page.says_html())?;
    let by_policy = page.headers("content-security-policy").any(|policy| policy.to_ascii_lowercase().contains("frame-ancestors"));
    let by_header = page.header("x-frame-options").map(|value| value.trim().to_ascii_lowercase());
    match by_header.as_deref() {
        _ if by_policy => None,
        Some("deny" | "sameorigin") => None,
        Some(_) => Some("`X-Frame-Options` is neither `DENY` nor `SAMEORIGIN`".to_owned()),
        None => Some("neither `X-Frame-Options` nor `frame-ancestors`".to_owned()),
    }
}

fn referrer(root: &Root<'_>) -> Sight {
    let page = shown(root).filter(|page| page.says_html())?;
    match page.header("referrer-policy").map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        Some("unsafe-url") => Some("`Referrer-Policy` is `unsafe-url`".to_owned()),
        Some(_) => None,
        None => Some("`Referrer-Policy` is missing".to_owned()),
    }
}

/// A cookie as it is set; its value is not examined.
struct Cookie {
    name: String,
    flags: String,
}

impl Cookie {
    fn parse(field: &str) -> Option<Self> {
        let (pair, flags) = field.split_once(';').unwrap_or((field, ""));
        let (name, value) = pair.split_once('=')?;
        let flags = flags.to_ascii_lowercase();
        // A server deletes a cookie by setting it with an end in the past.
        let ends = value.trim().is_empty() || flags.contains("max-age=0") || flags.contains("01 jan 1970") || flags.contains("01-jan-1970");
        (!ends).then(|| Self { name: name.trim().to_owned(), flags })
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split(';').any(|part| part.split('=').next().is_some_and(|name| name.trim() == flag))
    }

    /// Whether scripts send this cookie back to show that they run within the site (protection against forged requests).
    fn is_for_scripts(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.contains("csrf") || name.contains("xsrf")
    }
}

fn cookies(root: &Root<'_>, is_at_fault: fn(&Cookie) -> bool) -> Sight {
    let fields = root.pages.iter().flat_map(|page| page.headers("set-cookie"));
    let at_fault: Vec<String> = fields.filter_map(|field| Cookie::parse(&field)).filter(is_at_fault).map(|cookie| cookie.name).collect();
    (!at_fault.is_empty()).then(|| format!("the cookie {}", show::names(at_fault.iter().map(String::as_str))))
}

fn versions(root: &Root<'_>) -> Sight {
    let mut seen: Vec<String> = Vec::new();
    for page in root.pages {
        for name in ["server", "x-powered-by"] {
            let products = page.headers(name).flat_map(|value| show::products(&value));
            seen.extend(products.map(|product| format!("`{name}: {product}`")));
        }
        for name in ["x-aspnet-version", "x-aspnetmvc-version"] {
            let is_number = |value: &String| value.len() < 32 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            seen.extend(page.headers(name).filter(is_number).map(|value| format!("`{name}: {value}`")));
        }
    }
    let mut told = std::collections::BTreeSet::new();
    seen.retain(|version| told.insert(version.clone()) && told.len() <= VERSIONS_MAX);
    (!seen.is_empty()).then(|| seen.join(", "))
}

fn clear_text(root: &Root<'_>) -> Sight {
    shown(root).map(|page| format!("status {} over http", page.status.as_u16()))
}
