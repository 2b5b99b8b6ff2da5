//! The servent: one state machine a node, the same for a live node and for a simulated one.
//!
//! Pure: no socket, file, clock, thread or global randomness enters. Inputs and time come in as
//! arguments, effects go out as values:
//!
//! 1. the driver (a live node, a simulator, a test) hands an [`Input`] to [`Servent::handle`]
//!    with its [`Surroundings`]: settings, catalogue, random generator, counters, and the list
//!    that takes the effects;
//! 2. the servent appends [`Output`]s to that list: a descriptor to send, the one just received
//!    to pass on, a link to close, a hit for one of its own searches;
//! 3. after a batch the driver reads [`Servent::deadline`] and hands in [`Input::Tick`] then.
//!
//! The servent dispatches; each rule has its own file: [`flood`] (TTL and hops), [`routes`]
//! (duplicates and the way back), `query` and `query_hit` (who gets them),
//! `query_rules` (what may be asked), `answer` (what we have), `scrutiny` and
//! `hit_throttle` (how much of it), `keepalive` (who fell
//! silent), `solitude` (what goes when nobody is left), `misbehaviour` (when it is enough), [`flow`] (the send queue of a link),
//! [`backlog`] (whether its neighbour keeps up), [`limits`]
//! (every cap). A servent that joins an overlay by itself has a [`membership`]: [`role`]
//! (ultrapeer or leaf), [`slots`] (how many neighbours, and whom), [`host_cache`] (whom to dial),
//! [`pong_cache`] (what a ping is answered with). `talk` has vendor messages, pushes and datagrams.
//! [`dynamic_query`]
//! decides how a search spends its budget, [`whatif`] tells what one would reach, [`recording`] is what
//! a servent saw, as text. It knows `wire` only.

mod answer;
pub mod backlog;
pub mod catalogue;
pub mod dynamic_query;
pub mod flood;
pub mod flow;
mod gauges;
pub mod ground;
mod hit_throttle;
pub mod host_cache;
mod input;
mod keepalive;
pub mod limits;
pub mod membership;
mod misbehaviour;
pub mod neighbour;
mod output;
pub mod pong_cache;
mod query;
mod query_hit;
pub mod query_routing;
mod query_rules;
pub mod rate;
pub mod recording;
pub mod role;
pub mod routes;
mod routing;
mod scrutiny;
mod search;
mod servent;
pub mod settings;
pub mod slots;
mod solitude;
pub mod stats;
mod surroundings;
mod talk;
pub mod time;
pub mod whatif;

pub use catalogue::Catalogue;
pub use ground::Ground;
pub use input::Input;
pub use membership::Membership;
pub use neighbour::{Offer, Role};
pub use output::{Output, Recipients};
pub use role::Mode;
pub use search::SearchId;
pub use servent::Servent;
pub use settings::{Profile, Settings};
pub use stats::Stats;
pub use surroundings::Surroundings;
pub use talk::{Acquaintance, Pushed, Reachability};
pub use time::{Duration, Instant};

/// A link to a neighbour: a small number that the driver issues, rising, and never uses again
/// while the servent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub u32);

impl Link {
    /// Stands in route tables for queries of our own; no driver issues it.
    const OWN: Self = Self(u32::MAX);
}
