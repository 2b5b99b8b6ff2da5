//! What a download is told, and what it wants done.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use rand::Rng;

use super::settings::Settings;
use super::source::Trouble;
use crate::swarm::tile_set::TileSet;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody says that it has the file, or part of it.
    Offered(SocketAddr),
    /// The tree is known, in nodes as long as the tiles.
    Tree {
        /// Whether who asked for the file vouches for its root.
        proven: bool,
    },
    /// A source told which tiles it has; nothing means all.
    Has(SocketAddr, Option<TileSet>),
    /// So many more bytes came of what a source was asked.
    Received(SocketAddr, u64),
    /// A whole tile came.
    Arrived {
        /// From whom.
        source: SocketAddr,
        /// Which: always the first that the source was asked for and has not sent.
        tile: u32,
        /// What the tree said of it.
        verdict: Verdict,
    },
    /// A source will not send the rest of what it was asked.
    Failed(SocketAddr, Trouble),
    /// A source in whose queue we wait has room for us now.
    Invited(SocketAddr),
    /// A tile was read again and compared with the tree.
    Checked {
        /// Which.
        tile: u32,
        /// Whether it is as the tree has it.
        right: bool,
    },
    /// The whole was hashed.
    Hashed {
        /// Whether it is the file.
        right: bool,
    },
    /// Time passed: the deadline is over.
    Tick,
}

/// What the tree says of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
    /// There was no tree to compare it with.
    Unknown,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a source for a run of tiles.
    Ask {
        /// Whom.
        source: SocketAddr,
        /// For which.
        tiles: Range<u32>,
    },
    /// End what a source was asked, if anything, and send nothing more of it in.
    Stop(SocketAddr),
    /// Write the tile that just arrived.
    Store {
        /// Who sent it.
        source: SocketAddr,
        /// Which.
        tile: u32,
        /// Whether it is verified, or just there.
        verified: bool,
    },
    /// Read a tile, compare it with the tree, and tell by [`Input::Checked`].
    Check(u32),
    /// Hash the whole, and tell by [`Input::Hashed`].
    Hash,
    /// Forget the tree: it is not the file's. What it verified is not.
    Distrust,
    /// A source sent wrong bytes and is asked no more.
    Blamed {
        /// Who.
        source: SocketAddr,
        /// The tile that shows it, where it is one.
        tile: Option<u32>,
    },
    /// The whole is wrong, and one of these sent wrong bytes; they are fetched again.
    Rejected(Vec<SocketAddr>),
    /// Nobody is left who could be asked; a new source would help.
    Exhausted,
    /// The tree that is vouched for is not of the file that was asked for: there is none such.
    Contradiction,
    /// The whole is there and right.
    Done,
}

/// What a download needs and does not own.
pub struct Surroundings<'a> {
    /// How to go about it.
    pub settings: &'a Settings,
    /// Random numbers.
    pub rng: &'a mut dyn Rng,
    /// Takes what is to be done.
    pub out: &'a mut Vec<Output>,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("out", &self.out)
            .finish_non_exhaustive()
    }
}
