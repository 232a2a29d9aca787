//! A target: an origin, and the folder on it below which all requests go.

use bailiwick_sdk::http::Uri;

/// BOUND: a longer `Location` counts as leading nowhere.
const LOCATION_BYTES_MAX: usize = 2048;
/// BOUND: how many names of the target's own query are tried.
const NAMES_MAX: usize = 16;

/// A target, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    is_https: bool,
    /// Host and port, in lower case.
    authority: String,
    /// The folder: a path that begins and ends with a slash.
    base: String,
    /// The names in the query of the target's URL.
    names: Vec<String>,
}

/// Where a redirect leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To another path of the same origin.
    Within(String),
    /// To another origin.
    Away { is_https: bool },
    /// The `Location` is not a usable URL.
    Nowhere,
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|err| format!("`{}` is not a URL: {err}", text.escape_default()))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(format!("`{}` begins with neither `http://` nor `https://`", text.escape_default())),
        };
        let authority = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
        if authority.is_empty() || authority.contains('@') {
            return Err(format!("`{}` has no host, or a user", text.escape_default()));
        }
        let base = uri.path().rfind('/').and_then(|end| uri.path().get(..=end)).unwrap_or("/").to_owned();
        let named = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        let names = names.filter(named).take(NAMES_MAX).map(str::to_owned).collect();
        let default_port = if is_https { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority).to_owned();
        Ok(Self { is_https, authority, base, names })
    }

    pub(crate) const fn is_https(&self) -> bool {
        self.is_https
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The path `below` the target's folder, as an absolute path.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("{}{below}", self.base)
    }

    /// The URL of an absolute path and query.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.is_https { "https" } else { "http" }, self.authority)
    }

    /// Whether the target is this machine, by an address or a name that can mean nothing else: its traffic crosses no network.
    pub(crate) fn is_loopback(&self) -> bool {
        if self.authority.starts_with("[::1]") {
            return true;
        }
        let host = self.authority.split(':').next().unwrap_or_default();
        let numbers: Vec<_> = host.split('.').map(str::parse::<u8>).collect();
        host == "localhost" || host.ends_with(".localhost") || (matches!(numbers.as_slice(), [Ok(127), Ok(_), Ok(_), Ok(_)]))
    }

    /// Where a `Location` in the answer of `from` leads. A path with dots is taken as it is: the host refuses it.
    pub(crate) fn leads(&self, from: &str, location: &str) -> Leads {
        let location = location.split('#').next().unwrap_or_default();
        if location.is_empty() || location.len() > LOCATION_BYTES_MAX {
            return Leads::Nowhere;
        }
        let folder = from.split('?').next().unwrap_or_default();
        let folder = folder.rfind('/').and_then(|end| folder.get(..=end)).unwrap_or("/");
        let scheme = if self.is_https { "https:" } else { "http:" };
        let absolute = match location {
            _ if location.starts_with("//") => format!("{scheme}{location}"),
            _ if location.starts_with('/') => return Leads::Within(location.to_owned()),
            _ if location.starts_with('?') => return Leads::Within(format!("{}{location}", from.split('?').next().unwrap_or("/"))),
            _ if location.contains("://") => location.to_owned(),
            _ => return Leads::Within(format!("{folder}{}", location.strip_prefix("./").unwrap_or(location))),
        };
        let Ok(other) = Self::parse(&absolute) else { return Leads::Nowhere };
        if (other.is_https, &other.authority) != (self.is_https, &self.authority) {
            return Leads::Away { is_https: other.is_https };
        }
        let path = absolute.parse::<Uri>().ok().and_then(|uri| uri.path_and_query().map(|path| path.as_str().to_owned()));
        path.map_or(Leads::Nowhere, Leads::Within)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Leads, Target};

    #[test]
    fn a_target_is_an_origin_and_the_folder_of_its_path() {
        let target = Target::parse("HTTP://Shop.test:80/app/index.php?id=1&x;y=2&page=3").unwrap();
        assert_eq!(target.url(&target.path(".env")), "http://shop.test/app/.env");
        assert_eq!(target.names(), ["id", "page"]);
        assert_eq!(Target::parse("https://shop.test").unwrap().path(""), "/");
        for bad in ["shop.test", "ftp://shop.test/", "https://a:b@shop.test/", "/x", "https:///x", ""] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_can_mean_nothing_else_is_loopback() {
        for url in ["http://127.0.0.1:8080/", "http://localhost/", "http://app.localhost:1/", "http://[::1]:80/"] {
            assert!(Target::parse(url).unwrap().is_loopback(), "{url}");
        }
        for url in ["http://127.0.0.1.nip.test/", "http://10.0.0.1/", "http://localhost.test/", "http://[::2]/"] {
            assert!(!Target::parse(url).unwrap().is_loopback(), "{url}");
        }
    }

    #[test]
    fn a_redirect_stays_within_its_origin_or_leads_away() {
        let target = Target::parse("http://shop.test:8080/").unwrap();
        let within = |path: &str| Leads::Within(path.to_owned());
        assert_eq!(target.leads("/a/b?c", "/d#e"), within("/d"));
        assert_eq!(target.leads("/a/b?c", "d"), within("/a/d"));
        assert_eq!(target.leads("/a/b?c", "?d"), within("/a/b?d"));
        assert_eq!(target.leads("/", "http://SHOP.test:8080/x?y"), within("/x?y"));
        assert_eq!(target.leads("/", "https://shop.test/"), Leads::Away { is_https: true });
        assert_eq!(target.leads("/", "//other.test/"), Leads::Away { is_https: false });
        assert_eq!(target.leads("/", "javascript://x"), Leads::Nowhere);
        assert_eq!(target.leads("/", &"x".repeat(3000)), Leads::Nowhere);
    }
}
