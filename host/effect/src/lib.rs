//! The vocabulary of the host: pure values, and the two traits that are the only way out of the sandbox.
//!
//! Ids and digests, what can be asked and granted, what is decided and why, what comes back, what is said, what goes onto
//! the record and in which canonical form. No I/O, no clock, no runtime, no engine: every other room speaks these words, so
//! none of them may need another room to be understood. Deciding is `policy`'s, doing is `broker`'s, keeping is `journal`'s.

mod ask;
pub mod canon;
mod claim;
mod credential;
mod decision;
mod destination;
mod door;
mod err;
mod file;
mod grant;
mod ids;
mod limits;
mod outcome;
mod path;
mod pattern;
mod principal;
pub mod record;
mod release;
mod scope;
mod signer;
mod target;
mod text;
mod until;
mod workshop;

pub use ask::{Act, Ask, Class, ClosedAsk, CredentialAsk, CredentialStep, Header, HttpAsk, HttpTimeouts, Method};
pub use claim::{Claim, Finding, LINE_BYTES_MAX, Location, Progress, Severity};
pub use credential::{
    AgentPin, Binding, May, PinnedFile, Placement, Rotation, RotationSet, Source, VaultLogin, VaultServer, VaultSource, is_name,
};
pub use decision::{Bounds, Decision, Reason};
pub use destination::{DESTINATIONS_BYTES_MAX, DESTINATIONS_MAX, Destination};
pub use door::{Divergence, Door, Stop, Timeline, World};
pub use err::ParseError;
pub use file::{AskedPath, ChangeKind, Entry, FileAnswer, FileAsk, FileFault, FileKind, FileOpen, FileStat, GUEST_PATH_BYTES_MAX};
pub use grant::{FilesGrant, FilesMode, Grants, HttpBounds, HttpGrant};
pub use ids::{Digest, FileId, OpId, RunId};
pub use limits::{LIMITS, LimitRow, Limits, Unit};
pub use outcome::{Outcome, UnknownAct};
pub use path::PATH_BYTES_MAX;
pub use pattern::{HostPattern, PathPattern};
pub use principal::{Actor, Means, Principal, Stopping};
pub use release::{Event, HttpFault, HttpHead, Release};
pub use scope::{Engagement, EngagementTarget, Environment, EnvironmentPlace, PRODUCTION, Rate, Tier};
pub use signer::{Encoding, Hash, Hmac, Jwt, JwtAlgorithm, Oauth2, OauthGrant, Sigv4};
pub use target::{Host, HttpTarget, QUERY_BYTES_MAX, Scheme};
pub use text::{SafeText, is_misleading};
pub use until::{Until, date_of_day, utc};
pub use workshop::{Workshop, WorkshopLimits};
