//! What would have allowed a refused request. It is made from the agent's words, so it is shown only on request, and quoted.

use vocabulary::record::AskedFor;
use vocabulary::{Bound, Capability, HttpResource, Reason};

/// What would have allowed a request: lines of configuration if there are any, otherwise words.
pub(crate) fn what_would_allow(ask: &AskedFor, reason: &Reason) -> Vec<String> {
    let words = |text: &str| vec![text.to_owned()];
    match reason {
        Reason::NothingGranted if ask.capability == Capability::Files => words("a mount of a folder, with `mode = \"read\"`"),
        Reason::NothingGranted
        | Reason::HostNotGranted
        | Reason::SchemeNotGranted
        | Reason::PortNotGranted
        | Reason::MethodNotGranted
        | Reason::PathNotGranted => {
            ask.resource.http().map_or_else(|| words("a grant for this capability, if there is such a grant"), http)
        }
        Reason::GrantExpired => words("a later day in the `until` of the grant"),
        Reason::HeaderNotYours(name) => words(&format!("nothing: only the host sets `{name}`")),
        Reason::HeaderNotGranted(name) => words(&format!("`headers = [\"{name}\"]` in the grant, if the agent may send this header")),
        Reason::ResourceNotGranted(_) => {
            words("a grant of the resource that the header names, at the same host and with the same credential")
        }
        Reason::ChangesMeaning(_) => words("nothing: only the method and the target may say what a request means"),
        Reason::CredentialNotBound(name) => {
            words(&format!("the host in the `hosts` of `[credentials.{name}]`, if it may receive the credential"))
        }
        Reason::CredentialExpired(name) => words(&format!("a later day in the `until` of `[credentials.{name}]`")),
        Reason::CredentialUnavailable(name) => words(&format!("a value: `bailiwick credentials set {name}`, or what its `source` names")),
        Reason::CredentialElsewhere(_) => words("nothing: a credential of one environment is not used in another"),
        Reason::CredentialOutside(about) => {
            let name = &about.name;
            words(&format!("`bailiwick credentials set {name} --for URL < /dev/null`, if the value may go there"))
        }
        Reason::CredentialRevoked(name) => words(&format!("a new run, if `{name}` itself was not revoked")),
        Reason::CredentialUnfit(_) => words("another `kind` of the credential, or a request in which it can be placed"),
        Reason::CredentialUseNotGranted(name) => words(&format!("`[[agents.AGENT.credentials]]` with the name `{name}` and `may`")),
        Reason::CredentialNotGranted(name) => words(&format!("`credential = \"{name}\"` in a grant for this request")),
        Reason::PlaceholderMisplaced(_) => words("nothing: a placeholder may stand only where its credential goes"),
        Reason::SecretInRequest => words("nothing: the agent has a value that it should not have; find out where it got it, and rotate it"),
        Reason::ValuesFull(_) => words("a later time: values expire, and a lower `rate` of the credential leaves room for others"),
        Reason::ValuesUnknown(_) => words(
            "opening the home's vault and its list of values (`vault`, `vault.live`) with their own key: put the key file back, or name the file of \
             the passphrase with `BAILIWICK_PASSPHRASE_FILE`; `bailiwick credentials ls` tests it. If the key is lost, first replace the values at the \
             services that accept them, then move the vault away with its list: answers are then no longer searched for these values",
        ),
        Reason::OutsideEngagement(_) => words("an engagement that covers this, or no engagement"),
        Reason::Malformed(_) => words("nothing: the request was not well formed"),
        Reason::AddressNotGranted(_) => words("the address in the `addresses` of the grant, if that name is meant to have it"),
        Reason::AddressNever(_) => words("nothing: no grant allows such an address"),
        Reason::KeyNotPinned => words("the key in the `pins` of the grant, if it is the server's"),
        Reason::LeavesMount => words("a mount of the folder that the path leads to, if the agent may see that"),
        Reason::NotRegular => words("nothing: only regular files and directories are opened"),
        Reason::WriteNotGranted => words("nothing in this version: mounts are read-only"),
        Reason::OverLimit(Bound::Limit(limit)) => words(&format!("a higher `{limit}` in the agent's `limits`")),
        Reason::OverLimit(Bound::RequestBytes(rule)) => words(&format!("a higher `request-bytes` in {rule} of the agent")),
        Reason::OverLimit(Bound::Rate(of)) => words(&format!("a higher `rate` of {of}, or a later time")),
        Reason::OverLimit(Bound::Uses(credential)) => words(&format!("more `uses` of the credential `{credential}`")),
        Reason::OverLimit(Bound::Addresses) => words("nothing: no name may have this many addresses"),
        Reason::OverLimit(Bound::Approvals) => words("a decision about the acts that wait already: `bailiwick approvals ls`"),
        Reason::NobodyToAsk(_) => words("more people of the group in `[people]`, each with a key, besides the one who started the run"),
        Reason::NotApproved(_) => words("the approval of the people whom the policy names, in time"),
        Reason::PolicyForbids(_) => words("a change of the policies that it names, which are part of the configuration"),
        Reason::PolicyPermitsNothing => words("a `permit` policy that covers this act, besides the grant"),
        Reason::PolicyFails(_) => words("a policy that can be evaluated for this act: `bailiwick policy check` finds most faults"),
        Reason::NotServed => words("nothing in this version"),
    }
}

/// A grant for exactly this request, with any query.
fn http(http: &HttpResource) -> Vec<String> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let host = format!("host = {}", quoted(http.host.as_str()));
    let mut lines = vec!["[[agents.AGENT.http]]".to_owned(), host, format!("scheme = {}", quoted(http.scheme.as_str()))];
    lines.extend(http.other_port().map(|port| format!("port = {port}")));
    lines.push(format!("methods = [{}]", quoted(http.method.as_str())));
    lines.push(format!("paths = [{}]", quoted(http.path.as_str())));
    lines
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::{Method, Resource, SafeText};

    use super::*;

    fn ask(method: &str, url: &str) -> AskedFor {
        let target = url.parse().unwrap();
        AskedFor {
            capability: Capability::Http,
            function: vocabulary::Function::HttpHandle,
            headers: Vec::new(),
            placeholders: 0,
            resolved: None,
            resource: Resource::Http(HttpResource::new(&Method::new(method).unwrap(), &target)),
        }
    }

    #[test]
    fn a_grant_for_just_this_request_and_no_more() {
        let lines = what_would_allow(&ask("POST", "http://127.0.0.1:8080/a/b?q=1"), &Reason::MethodNotGranted);
        let expected = [
            "[[agents.AGENT.http]]",
            "host = \"127.0.0.1\"",
            "scheme = \"http\"",
            "port = 8080",
            "methods = [\"POST\"]",
            "paths = [\"/a/b\"]",
        ];
        assert_eq!(lines, expected);
        let lines = what_would_allow(&ask("GET", "https://[::1]/"), &Reason::HostNotGranted);
        assert!(lines.contains(&"host = \"[::1]\"".to_owned()), "{lines:?}");
    }

    #[test]
    fn words_of_the_agent_can_not_break_out_of_their_quotes() {
        let mut odd = ask("GET", "https://a.test/");
        if let Resource::Http(http) = &mut odd.resource {
            http.host = SafeText::new("a\"\nb", 9);
        }
        let lines = what_would_allow(&odd, &Reason::HostNotGranted);
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("'a\"") || line.contains("\\\"")), "{lines:?}");
    }

    #[test]
    fn what_nothing_allows_says_so() {
        let class = SafeText::new("metadata", 32);
        let lines = what_would_allow(&ask("GET", "http://169.254.169.254/"), &Reason::AddressNever(class));
        assert!(lines.iter().all(|line| line.starts_with("nothing")), "{lines:?}");
    }
}
