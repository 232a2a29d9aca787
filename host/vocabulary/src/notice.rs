//! Notices: how people are told that an act waits for them. A notice never decides anything, and never has a link that does.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::target::HttpTarget;

/// A place where people are told, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NoticeChannel {
    /// Whether a notice has the query, the headers and the body of a request, as the card shows them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub details: bool,
    /// The name: lower-case letters, digits, hyphens.
    pub name: String,
    /// Where it goes.
    pub to: NoticeTo,
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum NoticeTo {
    /// A `POST` to a server.
    Http {
        /// Private addresses to which the name may resolve.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<IpNet>,
        /// The credential with which it is signed or sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<String>,
        /// The form of the body.
        shape: NoticeShape,
        /// The URL, without any secret.
        url: HttpTarget,
    },
    /// A mail that a program of the machine passes on.
    Mail {
        /// The sender.
        from: String,
        /// The program, which understands the options of `sendmail`. An absolute path.
        program: String,
        /// The recipients.
        recipients: Vec<String>,
    },
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeShape {
    /// An event of CloudEvents 1.0, in its structured mode.
    CloudEvents,
    /// What an incoming webhook of Slack takes.
    Slack,
    /// What a workflow of Microsoft Teams takes: an adaptive card.
    Teams,
}

/// How an attempt to tell people ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeEnd {
    /// It failed, and is tried again.
    Again,
    /// The receiver has taken it.
    Delivered,
    /// It failed, and is not tried again.
    GaveUp,
}

impl NoticeEnd {
    /// The word on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Delivered => "delivered",
            Self::GaveUp => "gave-up",
        }
    }
}
