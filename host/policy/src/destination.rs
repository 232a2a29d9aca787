//! Where the value of a credential may be sent. Its owner sets this with the value, and a configuration can only narrow it.

use vocabulary::{AboutCredential, Binding, CredentialStep, Destination, HttpGrant, HttpTarget, Reason};

/// A configuration would send a value to a place that its owner does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// The value has no destinations.
    #[error("the value of `{name}` has no destinations yet, but this configuration sends it to {wanted}")]
    Unsaid {
        /// The name of the credential.
        name: String,
        /// Where the configuration would send it.
        wanted: String,
    },
    /// The configuration sends the value elsewhere.
    #[error("the value of `{name}` may go to {allowed}, but this configuration sends it to {wanted}")]
    Outside {
        /// The name of the credential.
        name: String,
        /// The destinations that its owner allows.
        allowed: String,
        /// Where the configuration would send it.
        wanted: String,
    },
    /// A grant covers requests to other places, which would be refused.
    #[error("the value of `{name}` may go to {allowed}, but agent `{agent}` is granted it for {wanted}: {} are refused", if *.wholly { "these requests" } else { "some of these requests" })]
    Granted {
        /// The name of the credential.
        name: String,
        /// The agent that has the grant.
        agent: String,
        /// The destinations that its owner allows.
        allowed: String,
        /// Where the grant would send it.
        wanted: String,
        /// Whether every request of the grant is refused, and not only some.
        wholly: bool,
    },
}

impl OutsideError {
    /// The name of the credential.
    pub fn name(&self) -> &str {
        match self {
            Self::Unsaid { name, .. } | Self::Outside { name, .. } | Self::Granted { name, .. } => name,
        }
    }
}

/// Whether a value, or something that is made with it, may be sent to all of these targets. The reason is for the record.
///
/// # Errors
/// The first target that none of the destinations covers.
pub fn may_go<'a>(name: &str, destinations: &[Destination], mut targets: impl Iterator<Item = &'a HttpTarget>) -> Result<(), Reason> {
    let Some(outside) = targets.find(|target| !destinations.iter().any(|destination| destination.covers(target))) else { return Ok(()) };
    let there = format!("{}://{}", outside.scheme.as_str(), outside.authority());
    let what = match destinations {
        [] => format!("has no destinations yet, so it may not go to {there}"),
        some => format!("may go to {}, but not to {there}{}", list(some), outside.path),
    };
    Err(Reason::CredentialOutside(AboutCredential::new(name, &what, 512)))
}

/// Whether a binding can send the value to any place that its owner allows. This is checked before anything runs.
///
/// # Errors
/// A binding that is wholly outside of the destinations, or an endpoint or a step of a rotation that is.
pub fn check_binding(binding: &Binding, destinations: &[Destination]) -> Result<(), OutsideError> {
    let outside = |wanted: String| {
        let name = binding.name.clone();
        if destinations.is_empty() {
            OutsideError::Unsaid { name, wanted }
        } else {
            OutsideError::Outside { name, allowed: list(destinations), wanted }
        }
    };
    if !destinations.iter().any(|destination| destination.meets(binding)) {
        return Err(outside(list(&Destination::of_binding(binding))));
    }
    let steps = [CredentialStep::Set, CredentialStep::Test].into_iter().filter_map(|step| binding.requests(&step)).flatten();
    let fixed: Vec<HttpTarget> = binding.endpoint().cloned().into_iter().chain(steps.map(|(_, target)| target)).collect();
    let stray = fixed.iter().find(|target| !destinations.iter().any(|destination| destination.covers(target)));
    stray.map_or(Ok(()), |target| Err(outside(target.redacted())))
}

/// The places to which requests of one grant would be refused because the value may not go there. There is at most one error for each place
/// of the grant.
pub fn check_grant(agent: &str, binding: &Binding, grant: &HttpGrant, destinations: &[Destination]) -> Vec<OutsideError> {
    let places = Destination::of_grant(binding, grant);
    let stray = places.into_iter().filter(|place| !destinations.iter().any(|destination| destination.covers_all_of(place)));
    let told = stray.map(|place| OutsideError::Granted {
        name: binding.name.clone(),
        agent: agent.to_owned(),
        allowed: list(destinations),
        wholly: !destinations.iter().any(|destination| destination.overlaps(&place)),
        wanted: place.to_string(),
    });
    told.collect()
}

fn list(destinations: &[Destination]) -> String {
    destinations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::{Method, Oauth2, OauthGrant, Placement, Rotation, RotationSet, Source};

    use super::*;

    fn places(texts: &[&str]) -> Vec<Destination> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn bound(host: &str, placement: Placement) -> Binding {
        Binding::new("tracker", vec![host.parse().unwrap()], placement, Source::Local)
    }

    #[test]
    fn a_value_goes_where_its_owner_said_and_nowhere_else() {
        let go = |to: &[&str], url: &str| {
            may_go("tracker", &places(to), [&url.parse().unwrap()].into_iter()).map_err(|reason| reason.to_string())
        };
        assert_eq!(go(&["https://a.test", "https://b.test/v1/**"], "https://b.test/v1/x"), Ok(()));
        assert_eq!(
            go(&["https://a.test", "https://b.test/v1/**"], "https://b.test/v2/x?token=y").unwrap_err(),
            "the credential `tracker` may go to https://a.test, https://b.test/v1/**, but not to https://b.test/v2/x"
        );
        assert!(go(&[], "https://a.test/").unwrap_err().contains("has no destinations"));
    }

    #[test]
    fn a_binding_outside_of_what_its_owner_said_is_named_with_both() {
        let check = |binding: &Binding, to: &[&str]| check_binding(binding, &places(to)).map_err(|err| err.to_string());
        let plain = bound("tracker.test", Placement::Bearer);
        assert_eq!(check(&plain, &["https://tracker.test"]), Ok(()));
        assert_eq!(check(&plain, &["https://*.tracker.test", "https://tracker.test/api/**"]), Ok(()));
        let err = check(&bound("evil.test", Placement::Bearer), &["https://tracker.test"]).unwrap_err();
        assert!(err.contains("https://tracker.test") && err.contains("https://evil.test"), "{err}");
        assert!(check(&plain, &[]).unwrap_err().starts_with("the value of `tracker` has no destinations yet"));
        let mut clear = plain.clone();
        clear.scheme = vocabulary::Scheme::Http;
        assert!(check(&clear, &["https://tracker.test"]).is_err());
    }

    #[test]
    fn a_grant_is_named_where_its_requests_would_be_refused_wholly_or_in_part() {
        let binding = bound("*.e.test", Placement::Bearer);
        let grant = |paths: &[&str]| HttpGrant {
            addresses: Vec::new(),
            credential: Some("tracker".to_owned()),
            headers: Vec::new(),
            host: "a.e.test".parse().unwrap(),
            methods: Vec::new(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            port: None,
            scheme: binding.scheme,
            until: None,
            within: vocabulary::HttpBounds::default(),
        };
        let found = |paths: &[&str], to: &[&str]| {
            let all = check_grant("agent", &binding, &grant(paths), &places(to)).into_iter();
            all.map(|it| if let OutsideError::Granted { wanted, wholly, .. } = it { (wanted, wholly) } else { unreachable!() })
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&["/v1/**"], &["https://a.e.test"]), [], "the control");
        assert_eq!(found(&["/**"], &["https://a.e.test/v1/**"]), [("https://a.e.test".to_owned(), false)]);
        assert_eq!(found(&["/v2/**"], &["https://a.e.test/v1/**"]), [("https://a.e.test/v2/**".to_owned(), true)]);
        assert_eq!(found(&["/v1/x", "/v2/x"], &["https://a.e.test/v1/**"]), [("https://a.e.test/v2/x".to_owned(), true)]);
    }

    #[test]
    fn an_endpoint_and_the_steps_of_a_rotation_are_destinations_too() {
        let oauth2 = |token: &str| {
            let oauth2 = Oauth2 {
                client_id: "me".to_owned(),
                grant: OauthGrant::ClientCredentials,
                scope: None,
                token: token.parse().unwrap(),
                token_addresses: Vec::new(),
            };
            bound("api.test", Placement::Oauth2(Box::new(oauth2)))
        };
        let to = places(&["https://api.test", "https://id.test/token"]);
        assert_eq!(check_binding(&oauth2("https://id.test/token"), &to), Ok(()));
        assert!(check_binding(&oauth2("https://evil.test/token"), &to).is_err());
        assert!(check_binding(&oauth2("https://id.test/other"), &to).is_err());
        let mut rotated = bound("api.test", Placement::Bearer);
        let set =
            RotationSet { method: Method::new("PUT").unwrap(), path: "/users/me".to_owned(), body: "{}".to_owned(), field: "p".to_owned() };
        rotated.rotation = Some(Rotation { set, test_path: "/whoami".to_owned() });
        assert_eq!(check_binding(&rotated, &places(&["https://api.test"])), Ok(()));
        assert!(check_binding(&rotated, &places(&["https://api.test/users/**"])).is_err(), "the new value is tested outside");
    }
}
