//! How a command ends.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use crate::api::{Code, Error};

/// The exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// It did not.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A search found nothing.
    NothingFound = 3,
    /// No daemon answers.
    NotReachable = 4,
    /// The daemon does not take the token.
    NotAuthorised = 5,
    /// There is no neighbour to ask.
    NoNeighbour = 6,
    /// A download is not complete; it goes on where it ended.
    Unfinished = 7,
    /// What came is not what was asked for.
    Verification = 8,
    /// No space left.
    NoSpace = 9,
    /// The user interrupted it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::Unauthorised | Code::Forbidden => Self::NotAuthorised,
            Code::NoNeighbour | Code::ConnectFailed => Self::NoNeighbour,
            Code::NotReachable => Self::NotReachable,
            Code::NoSource | Code::Network => Self::Unfinished,
            Code::Verification => Self::Verification,
            Code::NoSpace => Self::NoSpace,
            Code::BadRequest
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::TooLarge
            | Code::Disk
            | Code::Internal => Self::Error,
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads its output any more, which is for the reader to decide.
    ClosedPipe,
    /// It cannot go on.
    Failed {
        /// How it ends.
        exit: Exit,
        /// What happened, to what, and what to do.
        message: String,
    },
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Failed { exit, message }
    }

    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::ClosedPipe => Exit::Ok,
            Self::Failed { exit, .. } => *exit,
        }
    }

    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::ClosedPipe => None,
            Self::Failed { message, .. } => Some(message),
        }
    }

    /// What it means that output could not be written.
    pub(super) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ClosedPipe,
            ErrorKind::StorageFull => Self::new(Exit::NoSpace, "no space left for the output"),
            _ => Self::new(Exit::Error, format!("cannot write the output: {error}")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.code.into(), error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_download_has_its_own_status() {
        for (code, exit) in [
            (Code::NoSource, 7),
            (Code::Network, 7),
            (Code::Verification, 8),
            (Code::NoSpace, 9),
            (Code::Disk, 1),
        ] {
            assert_eq!(Exit::from(code) as u8, exit, "{code}");
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let exit = |kind: ErrorKind| Failure::of_output(&kind.into()).exit();
        assert_eq!(exit(ErrorKind::BrokenPipe), Exit::Ok);
        assert_eq!(exit(ErrorKind::StorageFull), Exit::NoSpace);
        assert_eq!(exit(ErrorKind::PermissionDenied), Exit::Error);
    }
}
