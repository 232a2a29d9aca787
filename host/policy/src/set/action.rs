//! The actions that policies name: one for each function that is an act, or two if a function can both read and change.

use std::fmt::Write as _;

use vocabulary::{Act, CredentialStep, Function};

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal in [$($group:literal),+] on $resource:literal;)+) => {
        /// An action that a policy can name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[doc = $doc])+ $variant,)+ }

        impl Action {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in policies.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The groups that it is in.
            pub const fn groups(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($group,)+],)+ }
            }

            /// The type of its resource.
            pub const fn resource(self) -> &'static str {
                match self { $(Self::$variant => $resource,)+ }
            }

            const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+),)+ }
            }
        }
    };
}

actions! {
    /// Sends a request of a method that changes nothing: GET, HEAD, OPTIONS.
    HttpRead "http.read" in ["http", "read", "egress"] on "Endpoint";
    /// Sends any other request.
    HttpWrite "http.write" in ["http", "mutate", "egress"] on "Endpoint";
    /// Asks which credential a value belongs to.
    CredentialIdentify "credential.identify" in ["credential", "read", "identity"] on "Credential";
    /// Makes a new value, which is not used yet.
    CredentialCreate "credential.create" in ["credential", "mutate", "identity"] on "Credential";
    /// Sets the new value at its target.
    CredentialSet "credential.set" in ["credential", "mutate", "egress", "identity"] on "Credential";
    /// Tests the new value at its target.
    CredentialTest "credential.test" in ["credential", "read", "egress", "identity"] on "Credential";
    /// Uses the new value from now on, and checks that the old one is refused.
    CredentialFinish "credential.finish" in ["credential", "mutate", "egress", "identity"] on "Credential";
}

/// The groups of actions.
const GROUPS: &[&str] = &["credential", "egress", "http", "identity", "mutate", "read"];

impl Action {
    /// The action of an act.
    pub(crate) fn of(act: &Act) -> Self {
        match act {
            Act::Http(http) if http.method.is_safe() => Self::HttpRead,
            Act::Http(_) => Self::HttpWrite,
            Act::Credential(credential) => match credential.step {
                CredentialStep::Identify(_) => Self::CredentialIdentify,
                CredentialStep::Create => Self::CredentialCreate,
                CredentialStep::Set => Self::CredentialSet,
                CredentialStep::Test => Self::CredentialTest,
                CredentialStep::Finish => Self::CredentialFinish,
            },
        }
    }

    /// The actions through which a function comes to the policies. A new function needs its place here. Functions of mounts, of sockets and
    /// of names have none: the grants alone decide about looks at mounts, and nothing grants sockets or names.
    const fn of_function(function: Function) -> &'static [Self] {
        match function {
            Function::HttpHandle => &[Self::HttpRead, Self::HttpWrite],
            Function::CredentialIdentify => &[Self::CredentialIdentify],
            Function::RotationCreate => &[Self::CredentialCreate],
            Function::RotationSet => &[Self::CredentialSet],
            Function::RotationTest => &[Self::CredentialTest],
            Function::RotationFinish => &[Self::CredentialFinish],
            Function::FileDrop
            | Function::FileOpenAt
            | Function::FileRead
            | Function::FileReadDirectory
            | Function::FileReadlinkAt
            | Function::FileStat
            | Function::FileStatAt
            | Function::FileWrite
            | Function::FileSetSize
            | Function::FileSetTimes
            | Function::FileCreateDirectoryAt
            | Function::FileLinkAt
            | Function::FileSymlinkAt
            | Function::FileRemoveDirectoryAt
            | Function::FileRenameAt
            | Function::FileUnlinkFileAt
            | Function::HttpFinish
            | Function::NetDial
            | Function::VaultPlace
            | Function::TcpCreateSocket
            | Function::UdpCreateSocket
            | Function::ResolveAddresses => &[],
        }
    }
}

/// The schema that policies are checked against, in Cedar's own form. It is generated from the functions of the interfaces.
pub fn schema_text() -> String {
    let mut text = super::schema::TYPES.to_owned();
    for group in GROUPS {
        let _ = writeln!(text, "action \"{group}\";");
    }
    for function in Function::ALL {
        for action in Action::of_function(*function) {
            let groups: Vec<String> = action.groups().iter().map(|group| format!("\"{group}\"")).collect();
            let (doc, resource) = (action.doc().trim(), action.resource());
            let context = if resource == "Endpoint" { "HttpContext" } else { "CredentialContext" };
            let _ = write!(text, "\n// {doc}\n// {function}\naction \"{}\" in [{}] appliesTo {{\n", action.as_str(), groups.join(", "));
            let _ = writeln!(text, "  principal: [Agent],\n  resource: [{resource}],\n  context: {context},\n}};");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use vocabulary::Function;

    use super::Action;

    #[test]
    fn each_action_belongs_to_one_function_and_to_groups_that_exist() {
        for action in Action::ALL {
            let functions = Function::ALL.iter().filter(|function| Action::of_function(**function).contains(action)).count();
            assert_eq!(functions, 1, "{}", action.as_str());
            assert!(action.groups().iter().all(|group| super::GROUPS.contains(group)), "{}", action.as_str());
            // Each act either reads or changes something, so a policy about both covers everything.
            assert_eq!(action.groups().iter().filter(|group| ["read", "mutate"].contains(group)).count(), 1, "{}", action.as_str());
        }
    }

    #[test]
    fn each_function_of_an_act_has_an_action() {
        for function in Function::ALL {
            let is_host = matches!(function, Function::NetDial | Function::VaultPlace | Function::HttpFinish);
            assert_eq!(function.capability().act().is_some() && !is_host, !Action::of_function(*function).is_empty(), "{function}");
        }
    }
}
