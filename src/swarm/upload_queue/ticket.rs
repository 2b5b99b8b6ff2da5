//! Tickets: who asks, and what it has.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::wire::urn::Sha1;

/// The number of a ticket, which nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

/// How an asker understands queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Not at all: it is told to come back.
    Unaware,
    /// It keeps its connection and asks again on it.
    Active,
    /// It shows its ticket, on whichever connection.
    Ticket,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The address and port that it asks from: its connection.
    pub line: SocketAddr,
    /// Many may ask from its address, so that no cap for one host holds.
    pub crowd: bool,
    /// How it understands queues.
    pub manner: Manner,
    /// The ticket that it shows.
    pub ticket: Option<Id>,
    /// What it asks for.
    pub content: Sha1,
    /// What it is worth to us, from 1.
    pub weight: u32,
}

/// One that holds a slot or waits.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: Id,
    pub(super) asker: Asker,
    pub(super) state: State,
}

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Waiting {
        since: Duration,
        /// When to ask again: not before, not after.
        window: (Duration, Duration),
        strikes: u32,
    },
    /// A slot since `since`; where nothing is given at the moment, since `idle`.
    Holding {
        since: Duration,
        idle: Option<Duration>,
    },
}

impl Ticket {
    pub(super) const fn holds(&self) -> bool {
        matches!(self.state, State::Holding { .. })
    }

    /// Until when one that waits must have asked again.
    pub(super) const fn waits_until(&self) -> Option<Duration> {
        match self.state {
            State::Waiting {
                window: (_, until), ..
            } => Some(until),
            State::Holding { .. } => None,
        }
    }

    /// What the place goes by.
    pub(super) fn score(&self, now: Duration) -> u128 {
        match self.state {
            State::Waiting { since, .. } => {
                now.saturating_sub(since).as_micros() * u128::from(self.asker.weight.max(1))
            }
            State::Holding { .. } => 0,
        }
    }
}

impl Id {
    pub(super) const fn new(number: [u8; 16]) -> Self {
        Self(number)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = match text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => u128::from_str_radix(text, 16),
            false => return Err(()),
        };
        number
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| ())
    }
}
