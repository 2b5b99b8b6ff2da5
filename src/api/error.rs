//! Why a request was not fulfilled.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::node;

/// Why a request was not fulfilled: a sentence for people and a short word for programs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Error {
    /// What kind of trouble; never changes its spelling.
    pub code: Code,
    /// What happened, to what, and what to do.
    pub message: String,
}

impl Error {
    /// An error of this kind.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What kind of trouble.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request itself is wrong.
    BadRequest,
    /// The token is missing or wrong.
    Unauthorised,
    /// The request comes from where none may come.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The thing knows no such verb.
    MethodNotAllowed,
    /// The request is too long.
    TooLarge,
    /// The node has no neighbour to ask.
    NoNeighbour,
    /// A servent did not become a neighbour.
    ConnectFailed,
    /// Nobody has the content.
    NoSource,
    /// The bytes are not those that were asked for.
    Verification,
    /// No space left.
    NoSpace,
    /// The disk refused otherwise.
    Disk,
    /// Sources could not be reached, or broke off.
    Network,
    /// No node answers on the control plane.
    NotReachable,
    /// Anything else: the node's own trouble.
    Internal,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::Unauthorised,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::NoNeighbour,
        Self::ConnectFailed,
        Self::NoSource,
        Self::Verification,
        Self::NoSpace,
        Self::Disk,
        Self::Network,
        Self::NotReachable,
        Self::Internal,
    ];

    /// The short word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::NoNeighbour => "no_neighbour",
            Self::ConnectFailed => "connect_failed",
            Self::NoSource => "no_source",
            Self::Verification => "verification",
            Self::NoSpace => "no_space",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::NotReachable => "not_reachable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status it travels with.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorised => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::NoNeighbour | Self::NoSource => 409,
            Self::ConnectFailed | Self::Verification | Self::Network => 502,
            Self::NoSpace => 507,
            Self::NotReachable => 503,
            Self::Disk | Self::Internal => 500,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<node::Error> for Error {
    fn from(error: node::Error) -> Self {
        let code = match &error {
            node::Error::Unreachable { .. }
            | node::Error::Handshake { .. }
            | node::Error::NoList { .. } => Code::ConnectFailed,
            node::Error::Query { .. } | node::Error::Unverifiable(_) => Code::BadRequest,
            node::Error::NoSuchResult(_)
            | node::Error::NoSuchDownload(_)
            | node::Error::NoSuchWish(_) => Code::NotFound,
            node::Error::Collection { .. } => Code::Verification,
            node::Error::Unreadable { .. } => Code::BadRequest,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

/// An error as it travels (RFC 9457).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The short word.
    pub(crate) code: Code,
    /// The sentence.
    pub(crate) detail: String,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            status: error.code.http_status(),
            code: error.code,
            detail: error.message,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code, problem.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_words_are_the_same_everywhere() {
        for code in Code::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert!((400..600).contains(&code.http_status()));
        }
    }
}
