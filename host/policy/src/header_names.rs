//! What request headers mean, by their names. This is data, without decisions.
//!
//! A name is looked up in one spelling: lower case, with `-` for every character that is not a letter or digit, and no `-` at either end.
//! CGI, WSGI, Rack and PHP pass headers as variables, in which `x_real_ip`, `x.real.ip` and `x-real-ip` are the same.

/// The meaning of a header, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// Only the host or a proxy may set it, or the host could not judge it. No grant allows it.
    Closed,
    /// It names another resource, in a form that can be judged as a resource.
    Resource(NameForm),
    /// It names the person or the tenant on whose behalf something is done. It needs a grant that names it.
    OnBehalf,
    /// It does not state who asks, what is asked, or where the request goes.
    Ordinary,
    /// All other headers.
    Other,
}

/// How a header names another resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameForm {
    /// `/BUCKET/KEY`, percent-encoded, as in S3 and its imitations.
    Object,
    /// An absolute URL, or a path of the same host.
    Url,
    /// A path of the same host. The request moves the resource away from there.
    Moved,
    /// An absolute URL, or a path of the same host, to which the request writes.
    Written,
}

/// Framing and routing of HTTP itself (RFC 9110 section 7.6), credentials, headers of proxies that servers trust, and headers by which
/// frameworks and proxies use another host, method, path or user than those that were judged.
const CLOSED: &[&str] = &[
    // Framing, connections and routing.
    "alt-used",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "max-forwards",
    // `HTTP_PROXY` of a CGI program (httpoxy).
    "proxy",
    // Credentials.
    "authorization",
    "cookie",
    "cookie2",
    "x-authorization",
    "x-amz-security-token",
    "x-api-authorization",
    // Another host.
    "x-host",
    "x-http-host-override",
    "x-original-host",
    "x-forwarded",
    "x-server-name",
    "x-backend-host",
    "x-target-host",
    "x-host-override",
    // Another method.
    "x-http-method",
    "x-http-method-override",
    "x-method",
    "x-method-override",
    // Another path: Symfony, IIS, Azure, nginx ingress, Traefik, Envoy, F5.
    "base-url",
    "client-url",
    "request-uri",
    "uri",
    "x-override-url",
    "x-path",
    "x-proxy-url",
    "x-replaced-path",
    "x-request-uri",
    "x-request-url",
    "x-url",
    "x-waws-unencoded-url",
    "x-http-destinationurl",
    "x-http-path-override",
    "x-script-name",
    "x-sendfile",
    "x-sendfile-type",
    "x-lighttpd-send-file",
    // The client, and the address from which it asks.
    "ali-cdn-real-ip",
    "cdn-src-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "cf-visitor",
    "cf-worker",
    "client-ip",
    "cluster-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "incap-client-ip",
    "remote-addr",
    "true-client-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-client-ip",
    "x-client-cn",
    "x-cluster-client-ip",
    "x-custom-ip-authorization",
    "x-from-ip",
    "x-host-ip",
    "x-nf-client-connection-ip",
    "x-originating-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-true-client-ip",
    "x-trusted-client",
    "x-wap-profile",
    // Another user, as a proxy states or as the request asks.
    "act-as",
    "as-user",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "run-as",
    "sudo",
    "switch-user",
    "x-act-as",
    "x-acting-as",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-auth-user",
    "x-authentik-username",
    "x-consumer-custom-id",
    "x-consumer-groups",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
    "x-credential-username",
    "x-anonymous-consumer",
    "x-email",
    "x-groups",
    "x-hasura-admin-secret",
    "x-impersonate",
    "x-jwt-payload",
    "x-login",
    "x-logged-in-user",
    "x-on-behalf-of",
    "x-proxy-user",
    "x-run-as",
    "x-sudo",
    "x-switch-user",
    "x-token-subject",
    "x-username",
    "x-userid",
    // Within a framework or a mesh: headers that skip steps, or that make calls count as the framework's own.
    "x-rack-cache",
    "x-internal",
    "x-internal-request",
    // Copies and joins in forms that this program does not parse, or under another authority.
    "x-copy-from",
    "x-copy-from-account",
    "destination-account",
    "x-cos-copy-source",
    "x-ms-copy-source-authorization",
    "x-ms-source-lease-id",
    "x-object-manifest",
    "x-symlink-target",
    "x-symlink-target-account",
    "x-symlink-target-bytes",
    "upload-concat",
    // URLs that a server would fetch, or call back.
    "x-callback-url",
    "x-notification-url",
    "x-webhook-url",
];

/// Names with one of these prefixes are closed too.
const CLOSED_FRONTS: &[&str] = &[
    "bailiwick-",
    "proxy-",
    "x-forwarded-",
    "x-original-",
    "x-originating-",
    "x-rewrite-",
    "x-envoy-",
    "x-istio-",
    "x-linkerd-",
    "l5d-",
    "x-middleware-",
    "x-accel-",
    "x-remote-",
    "x-auth-request-",
    "x-authentik-",
    "x-authelia-",
    "x-pomerium-",
    "x-vouch-",
    "x-webauth-",
    "x-user-",
    "x-authenticated-",
    "x-consumer-",
    "x-credential-",
    "remote-",
    "impersonate-",
    "x-impersonate",
    "x-ssl-",
    "ssl-",
    "x-client-cert",
    "client-cert",
    "x-tls-client-",
    "x-mtls-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-amzn-waf-",
    "x-apigateway-",
    "x-apigw-",
    "x-arr-",
    "x-appgw-",
    "x-azure-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-appengine-",
    "x-cloud-trace-debug",
    "x-serverless-authorization",
    "x-kubernetes-",
    "x-hasura-",
    "x-oidc-",
    "oidc-",
    "x-saml-",
    "shib-",
    "mellon-",
    "x-ldap-",
    "x-krb-",
    "x-gssapi-",
    "x-jwt-",
    "sec-",
    "cf-access-",
    "x-vercel-",
    "x-nextjs-",
    "x-prerender-",
    "x-invoke-",
    "x-matched-path",
    "x-now-",
    "x-netlify-",
    "tailscale-",
    "x-tailscale-",
    "dapr-",
    "x-dapr-",
    "x-sap-login-",
    "sm-user",
    "sm-",
    "iv-",
    "x-isrw-proxy-",
];

/// Names that have such a prefix but are harmless.
const OPEN: &[&str] = &["x-user-agent"];

/// Names of headers for the person or the tenant on whose behalf something is done. They are harmless if a grant names them. Otherwise they
/// could give access to other people's data.
const ON_BEHALF: &[&str] = &[
    "openai-organization",
    "openai-project",
    "x-account-id",
    "x-goog-user-project",
    "x-grafana-org-id",
    "x-org-id",
    "x-organization-id",
    "x-project-id",
    "x-scope-orgid",
    "x-tenant",
    "x-tenant-id",
    "x-vault-namespace",
    "x-workspace-id",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
];

/// The ordinary headers, as they are spelled.
const ORDINARY: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-digest",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "digest",
    "dnt",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "prefer",
    "priority",
    "range",
    "repr-digest",
    "save-data",
    "traceparent",
    "tracestate",
    "user-agent",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
    "x-correlation-id",
    "x-request-id",
];

/// Ordinary headers whose values are lists, so that several lines mean the same as one.
const LISTS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "if-match",
    "if-none-match",
    "pragma",
    "prefer",
    "tracestate",
    "want-content-digest",
    "want-digest",
    "want-repr-digest",
];

/// Headers whose value is on the record too, because it says what was done, to what, or in which form.
const TOLD: &[&str] =
    &["content-type", "range", "soapaction", "x-amz-acl", "x-amz-target", "x-amz-website-redirect-location", "content-location", "slug"];

/// The name in the one spelling in which names are looked up.
pub(crate) fn folded(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    name.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

/// The meaning of a header with this name.
pub(crate) fn kind(name: &str) -> NameKind {
    // Only the exact spelling is ordinary. A name that merely folds to it is another header for most servers.
    if ORDINARY.contains(&name.to_ascii_lowercase().as_str()) && !name.eq_ignore_ascii_case("content-length") {
        return NameKind::Ordinary;
    }
    let folded = folded(name);
    if CLOSED.contains(&folded.as_str())
        || (CLOSED_FRONTS.iter().any(|front| folded.starts_with(front)) && !OPEN.contains(&folded.as_str()))
    {
        return NameKind::Closed;
    }
    match folded.as_str() {
        "x-ms-copy-source" => NameKind::Resource(NameForm::Url),
        "x-ms-rename-source" => NameKind::Resource(NameForm::Moved),
        "destination" => NameKind::Resource(NameForm::Written),
        copy if copy.ends_with("-copy-source") => NameKind::Resource(NameForm::Object),
        on if ON_BEHALF.contains(&on) => NameKind::OnBehalf,
        _ => NameKind::Other,
    }
}

/// Whether several lines of this header mean the same as one.
pub(crate) fn is_list(name: &str) -> bool {
    LISTS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether the value is on the record too.
pub(crate) fn is_told(name: &str) -> bool {
    TOLD.contains(&folded(name).as_str()) || matches!(kind(name), NameKind::Resource(_) | NameKind::OnBehalf)
}

#[cfg(test)]
mod tests {
    use super::{CLOSED, CLOSED_FRONTS, LISTS, NameKind, ON_BEHALF, ORDINARY, TOLD, folded, kind};

    #[test]
    fn names_are_written_as_they_are_looked_up_and_stand_in_one_list() {
        for name in [CLOSED, ON_BEHALF, ORDINARY, LISTS, TOLD].concat() {
            assert_eq!(folded(name), name);
        }
        for front in CLOSED_FRONTS {
            assert_eq!(folded(front), front.trim_end_matches('-'));
        }
        for name in CLOSED {
            assert_eq!(kind(name), NameKind::Closed, "{name}");
        }
        for name in ON_BEHALF {
            assert_eq!(kind(name), NameKind::OnBehalf, "{name}");
        }
        for name in ORDINARY.iter().filter(|name| **name != "content-length") {
            assert_eq!(kind(name), NameKind::Ordinary, "{name}");
            assert!(!CLOSED.contains(name) || *name == "content-length", "{name}");
        }
        assert!(LISTS.iter().all(|name| ORDINARY.contains(name)));
    }
}
