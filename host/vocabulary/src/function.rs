//! The capabilities, and the functions through which a guest asks. Each name is defined once, here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::err::ParseError;

/// The capabilities of acts. Each has its own answer, fault and settled record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// A step with a credential.
    Credential,
    /// An HTTP request.
    Http,
}

impl ActKind {
    /// Whether an act of this kind that has begun continues when its lease ends. A request is cut off. A step that was interrupted between its
    /// requests would leave nobody knowing which value its target takes.
    pub const fn outlasts_its_lease(self) -> bool {
        match self {
            Self::Credential => true,
            Self::Http => false,
        }
    }

    /// Whether the end of its lease is the reason on the record, if it is cut off before it began. A step with a credential names the
    /// credential itself, and only fails.
    pub const fn names_its_credential(self) -> bool {
        match self {
            Self::Credential => false,
            Self::Http => true,
        }
    }
}

/// What a function gives access to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Doing something with credentials besides sending them with requests.
    Credentials,
    /// Folders of the host.
    Files,
    /// HTTP requests.
    Http,
    /// Looking up addresses of names. It can't be granted.
    Names,
    /// Sockets that the guest opens itself. It can't be granted.
    Sockets,
}

impl Capability {
    /// The capabilities that an agent can declare and an operator can grant, in the order in which they are shown.
    pub const GRANTABLE: &[Self] = &[Self::Files, Self::Http, Self::Credentials];

    /// The kind of act that it gives access to. `None` if asks under it are not acts.
    pub const fn act(self) -> Option<ActKind> {
        match self {
            Self::Credentials => Some(ActKind::Credential),
            Self::Http => Some(ActKind::Http),
            Self::Files | Self::Names | Self::Sockets => None,
        }
    }

    /// The name as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Files => "files",
            Self::Http => "http",
            Self::Names => "names",
            Self::Sockets => "sockets",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = ParseError;

    /// Parses the name of a capability that can be granted.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::GRANTABLE.iter().copied().find(|known| known.as_str() == text);
        known.ok_or_else(|| ParseError::new("a capability", text, "`files`, `http` or `credentials`"))
    }
}

macro_rules! functions {
    ($($(#[doc = $doc:literal])+ $variant:ident $capability:ident $name:literal;)+) => {
        /// A function through which a guest asks, with the interface and name that are on the record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Function {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Function {
            /// The interface and the name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The name, without the interface.
            pub fn name(self) -> &'static str {
                self.as_str().rsplit('#').next().unwrap_or_default()
            }

            /// The capability that it belongs to.
            pub const fn capability(self) -> Capability {
                match self {
                    $(Self::$variant => Capability::$capability,)+
                }
            }

            /// Whether a guest sends HTTP requests through it.
            pub const fn is_request(self) -> bool {
                matches!(self, Self::HttpHandle | Self::HttpFinish)
            }

            /// All functions.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

functions! {
    /// Asks which credential a value belongs to.
    CredentialIdentify Credentials "bailiwick:agent/credentials#identify";
    /// Makes a new value.
    RotationCreate Credentials "bailiwick:agent/credentials#rotation-create";
    /// Sets the new value at its target.
    RotationSet Credentials "bailiwick:agent/credentials#rotation-set";
    /// Tests the new value at its target.
    RotationTest Credentials "bailiwick:agent/credentials#rotation-test";
    /// Makes the new value the one in use.
    RotationFinish Credentials "bailiwick:agent/credentials#rotation-finish";
    /// Closes a file or directory.
    FileDrop Files "wasi:filesystem/types#drop";
    /// Opens a file or directory.
    FileOpenAt Files "wasi:filesystem/types#open-at";
    /// Reads from a file.
    FileRead Files "wasi:filesystem/types#read";
    /// Lists a directory.
    FileReadDirectory Files "wasi:filesystem/types#read-directory";
    /// Reads where a link points.
    FileReadlinkAt Files "wasi:filesystem/types#readlink-at";
    /// Reads the attributes of an open file.
    FileStat Files "wasi:filesystem/types#stat";
    /// Reads the attributes of what is at a path.
    FileStatAt Files "wasi:filesystem/types#stat-at";
    /// Writes to a file.
    FileWrite Files "wasi:filesystem/types#write";
    /// Sets the size of a file.
    FileSetSize Files "wasi:filesystem/types#set-size";
    /// Sets the times of a file.
    FileSetTimes Files "wasi:filesystem/types#set-times";
    /// Makes a directory.
    FileCreateDirectoryAt Files "wasi:filesystem/types#create-directory-at";
    /// Makes a hard link.
    FileLinkAt Files "wasi:filesystem/types#link-at";
    /// Makes a symbolic link.
    FileSymlinkAt Files "wasi:filesystem/types#symlink-at";
    /// Removes a directory.
    FileRemoveDirectoryAt Files "wasi:filesystem/types#remove-directory-at";
    /// Renames a file or directory.
    FileRenameAt Files "wasi:filesystem/types#rename-at";
    /// Removes a file.
    FileUnlinkFileAt Files "wasi:filesystem/types#unlink-file-at";
    /// Sends a request.
    HttpHandle Http "wasi:http/outgoing-handler#handle";
    /// Finishes the body of a request.
    HttpFinish Http "wasi:http/types#outgoing-body.finish";
    /// The host dials for a request. Guests can't call this.
    NetDial Http "net#dial";
    /// The host places a credential into a request. Guests can't call this.
    VaultPlace Http "vault#place";
    /// Makes a TCP socket.
    TcpCreateSocket Sockets "wasi:sockets/tcp-create-socket#create-tcp-socket";
    /// Makes a UDP socket.
    UdpCreateSocket Sockets "wasi:sockets/udp-create-socket#create-udp-socket";
    /// Looks up the addresses of a name.
    ResolveAddresses Names "wasi:sockets/ip-name-lookup#resolve-addresses";
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_function_is_written_on_the_record_as_it_is_named() {
        for function in Function::ALL {
            let written = serde_json::to_string(function).unwrap();
            assert_eq!(written, format!("\"{function}\""));
            assert_eq!(serde_json::from_str::<Function>(&written).unwrap(), *function);
        }
    }

    #[test]
    fn only_what_can_be_granted_is_read_as_a_capability() {
        assert_eq!("http".parse(), Ok(Capability::Http));
        for other in ["sockets", "names", "", "HTTP"] {
            assert!(other.parse::<Capability>().is_err(), "{other}");
        }
    }
}
