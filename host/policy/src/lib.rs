//! Decides whether what is asked is granted, and gives the reason in one word.
//!
//! The functions are pure: no I/O, no runtime, no clock. The time is passed in as a fact. Addresses are data too: code that has resolved
//! them passes them in. The room `gate` records asks and carries out decisions, and `broker` knows which file lies behind a path.
//!
//! INVARIANT: nothing is permitted that no grant covers. An ask that can't be understood is refused.
//!
//! # A decision
//!
//! ```
//! use vocabulary::{Ask, Decision, Grants, HttpAsk, HttpTimeouts, Method, Reason};
//! use policy::{Facts, decide};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let grants: Grants = serde_json::from_value(serde_json::json!({
//!     "http": [{ "host": "api.example.com", "methods": ["GET"], "paths": ["/v1/**"] }],
//! }))?;
//! let facts = Facts { now_unix_s: 1_800_000_000, ..Facts::default() };
//! let decided = |method: &str, url: &str| -> Result<Decision, vocabulary::ParseError> {
//!     let (method, target) = (Method::new(method)?, url.parse()?);
//!     let ask = HttpAsk { method, target, headers: Vec::new(), body: Default::default(), timeouts: HttpTimeouts::default() };
//!     Ok(decide(&grants, &facts, &Ask::Http(ask)))
//! };
//!
//! // A permit comes with its bounds, which name the grant.
//! let Decision::Permit(bounds) = decided("GET", "https://api.example.com/v1/users")? else { return Err("it was refused".into()) };
//! assert_eq!(bounds.rule.to_string(), "http[0]");
//!
//! // The reason of a refusal shows how close the closest grant came.
//! let reason = |decided| if let Decision::Refuse(reason) = decided { reason.code() } else { "permitted" };
//! assert_eq!(reason(decided("DELETE", "https://api.example.com/v1/users")?), "method-not-granted");
//! assert_eq!(reason(decided("GET", "https://api.example.com/v2/users")?), "path-not-granted");
//! assert_eq!(reason(decided("GET", "https://example.com/v1/users")?), "host-not-granted");
//! // No grant allows the addresses at which clouds give out credentials.
//! assert_eq!(reason(decided("GET", "http://169.254.169.254/v1/")?), "address-never");
//!
//! // A path that two servers could read in two ways can't be asked for.
//! assert!("https://api.example.com/v1/../admin".parse::<vocabulary::HttpTarget>().is_err());
//! # Ok(())
//! # }
//! ```
//!
//! A name that was permitted is resolved later, and each of its addresses is judged by [`address`] when it is dialled.

pub mod address;
mod choice;
mod coverage;
mod credential;
mod decide;
pub mod destination;
mod facts;
pub mod grants;
mod header_names;
mod headers;
mod meaning;
mod resource;
mod scope;
mod set;
mod text;
pub mod vote;

pub use choice::{Choice, PLACEHOLDER_FRONT, Placeholder, quoted};
pub use decide::{DecidedAct, Under, decide, decide_act, decide_file, still_covers};
pub use facts::Facts;
pub use headers::{is_token as is_header_name, told as told_headers};
pub use set::{
    Action, AgentPolicies, DecisionCache, PolicyAgent, PolicyFacts, PolicyFault, PolicySet, Unclear, Verdict, environments, schema_text,
};

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
