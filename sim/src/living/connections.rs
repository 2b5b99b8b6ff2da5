//! Connections between servents: who is at either end, and what waits there.

use filbert::overlay::Link;
use filbert::overlay::backlog::Backlog;

use super::slab::Slab;

/// All connections there are.
pub(super) type Connections = Slab<Connection>;

/// A connection, from the last word of its handshake until both ends know that it is over and
/// nothing travels over it any more.
#[derive(Debug)]
pub(super) struct Connection {
    /// Who dialled, and who was dialled.
    pub(super) ends: [End; 2],
    /// When it began, in microseconds.
    pub(super) since: u64,
    /// What travels over it now.
    pub(super) flying: u32,
    /// Whether nothing passes any more, though nobody was told.
    pub(super) severed: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    /// Who is there.
    pub(super) node: u32,
    /// The link that it is to the servent there; none before and after.
    pub(super) link: Option<Link>,
    /// When the last of what travels there arrives: what is sent later arrives no sooner.
    pub(super) arrival: u64,
    /// What waits there for a turn of its sender's, where something does.
    pub(super) waiting: Option<Box<Backlog>>,
}

/// A servent's end of a connection: the number of the connection, and which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) link: Link,
    pub(super) connection: u32,
    pub(super) side: u8,
}

impl Connection {
    /// Between one who dialled and one who was dialled, neither of whom has a link yet.
    pub(super) fn new(from: u32, to: u32, now: u64) -> Self {
        let end = |node| End {
            node,
            link: None,
            arrival: 0,
            waiting: None,
        };
        Self {
            ends: [end(from), end(to)],
            since: now,
            flying: 0,
            severed: false,
        }
    }

    pub(super) fn end(&mut self, side: u8) -> &mut End {
        &mut self.ends[usize::from(side)]
    }

    pub(super) fn far(&mut self, side: u8) -> &mut End {
        &mut self.ends[usize::from(1 - side)]
    }

    /// Whether both servents have it as a link, and something passes.
    pub(super) fn stands(&self) -> bool {
        !self.severed && self.ends.iter().all(|end| end.link.is_some())
    }

    /// Whether nobody will hear of it again.
    pub(super) fn is_over(&self) -> bool {
        self.flying == 0 && self.ends.iter().all(|end| end.link.is_none())
    }
}
