//! The vocabulary of the host: plain values, and the two traits that are the only way out of the sandbox.
//!
//! These are ids and digests, what can be asked and granted, decisions and their reasons, answers, claims, and records with their canonical
//! form. There is no I/O, no clock, no runtime and no engine here. Every other room uses these types, so none of them depends on another
//! room. The room `policy` decides, `broker` acts, and `journal` keeps the record.
//!
//! # Text becomes values
//!
//! The text that a guest or an operator wrote is parsed once. Text that could be read in two ways is refused:
//!
//! ```
//! use vocabulary::{Ask, AskClass, HttpAsk, HttpTarget, HttpTimeouts, Method, PathPattern};
//!
//! # fn main() -> Result<(), vocabulary::ParseError> {
//! let target: HttpTarget = "https://api.example.com/users/7?token=abc".parse()?;
//! assert_eq!((target.port, target.path.as_str()), (443, "/users/7"));
//!
//! // These are a host that some programs read as an address, a path that leads upwards, and a user before the host.
//! for odd in ["https://0x7f.1/", "https://api.example.com/a/../b", "https://me@api.example.com/"] {
//!     assert!(odd.parse::<HttpTarget>().is_err());
//! }
//!
//! // `*` matches within one segment of a path, `**` matches any number of segments.
//! let pattern: PathPattern = "/users/*".parse()?;
//! assert!(pattern.matches("/users/7") && !pattern.matches("/users/7/keys"));
//!
//! // An ask is what reaches the gate. The record has no values of a query.
//! let ask = Ask::Http(HttpAsk {
//!     method: Method::new("GET")?,
//!     target,
//!     headers: Vec::new(),
//!     body: Default::default(),
//!     timeouts: HttpTimeouts::default(),
//! });
//! assert_eq!(ask.class(), AskClass::Act);
//! assert_eq!(ask.resource().to_string(), "GET https://api.example.com/users/7?token");
//!
//! // What is hashed has exactly one form: sorted, without blanks, whole numbers only.
//! let canonical = vocabulary::canon::of_json(&serde_json::json!({ "b": 1, "a": [] }));
//! assert_eq!(canonical.as_deref(), Some(br#"{"a":[],"b":1}"#.as_slice()));
//! # Ok(())
//! # }
//! ```

mod answer;
mod approval;
mod approval_subject;
mod ask;
pub mod canon;
mod claim;
mod clock;
mod contained_build;
mod credential;
mod date;
mod decision;
mod destination;
mod door;
mod err;
pub mod exit;
mod fault;
mod fields;
mod file;
mod function;
mod grant;
mod ids;
mod limits;
mod method;
mod outcome;
mod path;
mod pattern;
mod policy_rules;
mod principal;
pub mod record;
mod release;
mod resource;
mod rule;
mod run_spec;
mod scope;
mod signer;
mod step;
mod target;
mod text;
mod until;

pub use answer::{Answer, CredentialAnswer, Identified, NotDone};
pub use approval::{
    ApprovalEnd, ApprovalId, GroupNeed, PolicyBasis, PolicyNote, Requirement, SANDBOX, VOTE_NAMESPACE, Vote, VoteMeans, VoteStatement,
};
pub use approval_subject::ApprovalSubject;
pub use ask::{Act, Ask, AskClass, ClosedAsk, Header, HttpAsk, HttpTimeouts, Repeat};
pub use claim::{Claim, ClaimedProgress, Finding, LINE_BYTES_MAX, Location, Severity};
pub use clock::Clock;
pub use contained_build::{BuildLimits, ContainedBuild};
pub use credential::{
    AgentPin, Binding, May, PinnedFile, Placement, Rotation, RotationSet, Source, VaultLogin, VaultServer, VaultSource, is_name,
};
pub use date::Date;
pub use decision::{AboutCredential, Bound, Bounds, Decision, Hold, Reason, idempotency_key};
pub use destination::{DESTINATIONS_BYTES_MAX, DESTINATIONS_MAX, Destination};
pub use door::{Divergence, Door, Stop, Timeline, World};
pub use err::ParseError;
pub use fault::{CredentialFault, Fault, HttpFault};
pub use file::{AskedPath, ChangeKind, DirEntry, FileAnswer, FileAsk, FileFault, FileKind, FileOpen, FileStat, GUEST_PATH_BYTES_MAX};
pub use function::{ActKind, Capability, Function};
pub use grant::{FilesGrant, FilesMode, Grants, HttpBounds, HttpGrant};
pub use ids::{Digest, FileId, OpId, RunId};
pub use limits::{LIMITS, Limit, LimitRow, Limits, Unit};
pub use method::Method;
pub use outcome::{Outcome, UnknownAct};
pub use path::PATH_BYTES_MAX;
pub use pattern::{HostPattern, PathPattern};
pub use policy_rules::{Person, PolicyFile, PolicyRules};
pub use principal::{Actor, Means, Principal, Stopping};
pub use release::{GuestEvent, HttpHead, Release};
pub use resource::{CredentialResource, HttpResource, Resource};
pub use rule::{RateOf, Rule};
pub use run_spec::RunSpec;
pub use scope::{Engagement, EngagementTarget, Environment, EnvironmentPlace, PRODUCTION, Rate, Tier};
pub use signer::{Encoding, Hash, Hmac, Jwt, JwtAlgorithm, Oauth2, OauthGrant, Sigv4};
pub use step::{CredentialAsk, CredentialStep, StepKind};
pub use target::{HostName, HttpTarget, QUERY_BYTES_MAX, Scheme};
pub use text::{SafeText, is_misleading, safe};
pub use until::{Until, utc};
