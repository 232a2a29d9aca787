//! Filters what is summed up. The filter applies before anything is added, so no sum contains parts that the filter leaves out.

use super::{TouchedLine, TouchedRefusal};
use vocabulary::{Capability, CredentialResource, Resource};

/// A filter. A question about a host does not show files, and a question about files does not show hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Only requests under this credential, leases of it, and refusals about it.
    pub credential: Option<String>,
    /// Only files at or beneath one of these paths, in the form of [`normal`].
    pub files: Option<Vec<String>>,
    /// Only requests to this server.
    pub host: Option<String>,
}

impl Only {
    /// Whether a line passes the filter.
    pub fn takes(&self, line: &TouchedLine) -> bool {
        match line {
            TouchedLine::File(file) => {
                let names = [Some(&file.path), file.real.as_ref()];
                self.takes_files() && names.into_iter().flatten().any(|path| self.takes_path(path.as_str()))
            }
            TouchedLine::Http(act) => {
                self.takes_acts() && self.takes_host(&act.resource) && self.takes_credential(act.credential.as_deref())
            }
            TouchedLine::Act(act) => self.takes_acts() && self.host.is_none() && self.takes_act(&act.resource),
            TouchedLine::Own(own) => {
                self.takes_acts() && self.takes_host(&own.resource) && self.takes_credential(Some(own.credential.as_str()))
            }
            TouchedLine::Lease(lease) => self.takes_acts() && self.takes_lease(lease.credential.as_str()),
            TouchedLine::Refused(refused) => self.takes_refusal(refused),
        }
    }

    fn takes_acts(&self) -> bool {
        self.files.is_none() || self.host.is_some() || self.credential.is_some()
    }

    fn takes_files(&self) -> bool {
        self.files.is_some() || (self.host.is_none() && self.credential.is_none())
    }

    fn takes_path(&self, path: &str) -> bool {
        let Some(files) = &self.files else { return true };
        let path = normal(path);
        files.iter().any(|file| lies_in(&path, file))
    }

    fn takes_host(&self, resource: &Resource) -> bool {
        self.host.as_ref().is_none_or(|host| resource.http().is_some_and(|http| http.is_at(host)))
    }

    fn takes_credential(&self, name: Option<&str>) -> bool {
        self.credential.as_deref().is_none_or(|only| name == Some(only))
    }

    /// Whether an act passes. An act that is about no single credential counts as being about all.
    fn takes_act(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Credential(CredentialResource { name: Some(name), .. }) => self.takes_credential(Some(name.as_str())),
            Resource::Credential(CredentialResource { name: None, .. }) => true,
            Resource::Http(_) | Resource::Path(_) | Resource::Several | Resource::Words(_) => self.takes_credential(None),
        }
    }

    /// A lease belongs to no host, so it is left out if only a host is asked for.
    fn takes_lease(&self, name: &str) -> bool {
        self.takes_credential(Some(name)) && (self.host.is_none() || self.credential.is_some())
    }

    fn takes_refusal(&self, refused: &TouchedRefusal) -> bool {
        if refused.function.capability() == Capability::Files {
            let said = match &refused.resource {
                Resource::Path(path) => Some(path),
                Resource::Credential(_) | Resource::Http(_) | Resource::Several | Resource::Words(_) => None,
            };
            return self.takes_files() && said.into_iter().chain(&refused.resolved).any(|path| self.takes_path(path.as_str()));
        }
        let is_http = refused.function.is_request();
        self.takes_acts()
            && self.takes_credential(refused.credential.as_deref())
            && (self.host.is_none() || (is_http && self.takes_host(&refused.resource)))
    }
}

/// A path of a mount without `.`, `..`, double slashes and a trailing slash. Only the text is looked at, so two spellings of one file
/// become the same unless one of them leads through a link.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            // There is nothing above the root. A relative path keeps the `..` that lead out of it.
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    let front = if path.starts_with('/') { "/" } else { "" };
    format!("{front}{}", parts.join("/"))
}

/// Whether a path is the folder itself or lies beneath it.
pub fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{lies_in, normal};

    #[test]
    fn all_spellings_of_a_path_are_one() {
        for path in ["/src/a", "/src/./a", "/src/b/../a", "//src//a/", "/../src/a"] {
            assert_eq!(normal(path), "/src/a", "{path}");
        }
        assert_eq!((normal("../a/"), normal("a/../../b"), normal("/")), ("../a".into(), "../b".into(), "/".into()));
    }

    #[test]
    fn a_folder_has_what_is_beneath_it_and_not_what_begins_alike() {
        assert!(lies_in("/src/a", "/src") && lies_in("/src", "/src") && lies_in("/src", "/"));
        assert!(!lies_in("/srcs/a", "/src") && !lies_in("/s", "/src"));
    }
}
