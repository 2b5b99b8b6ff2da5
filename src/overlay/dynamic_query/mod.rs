//! Dynamic querying: a search asks one neighbour after another, each as far as is needed, until
//! it has enough (protocol §8.4, §8.5).
//!
//! An ultrapeer runs one for each query of its own and of its leaves. The caller offers the query
//! to its own leaves first; from then on:
//!
//! 1. [`DynamicQueries`] holds what runs, by GUID. Hits, the leaf's word, closed links and time
//!    go in; copies to send, questions to a leaf and endings come out as [`Output`]s. One
//!    deadline out.
//! 2. Each is a [`DynamicQuery`]: what was asked, what came back, when it is over. It keeps no
//!    neighbour but those it sent to: the [`Candidate`]s of the moment are handed in each time it
//!    chooses, so who left is never chosen and who came may be.
//! 3. A [`SearchPolicy`] chooses. [`Standard`] probes, then walks; an experiment brings another.
//!
//! All arithmetic is on integers, so that a run gives the same in every build and on every
//! machine. Every parameter is a field of [`Settings`], which says whose column of protocol §8.4
//! it follows.
//!
//! No queries of ultrapeers come here: those are flooded.

mod candidate;
mod guidance;
pub mod horizon;
mod outcomes;
mod output;
mod policy;
mod probe;
mod queries;
mod query;
mod settings;
mod standard;
mod walk;

pub use candidate::{Candidate, Table};
pub use outcomes::{Outcomes, Reason};
pub use output::Output;
pub use policy::{Progress, QueryCopy, Round, SearchPolicy};
pub use queries::{Around, DynamicQueries};
pub use query::{Asker, Demand, DynamicQuery, Step};
pub use settings::Settings;
pub use standard::Standard;
