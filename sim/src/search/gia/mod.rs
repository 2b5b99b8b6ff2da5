//! Gia: searches under load, by servents of very different capacities.
//!
//! After Chawathe, Ratnasamy, Breslau, Lanham and Shenker, Making Gnutella-like P2P systems scalable
//! (SIGCOMM 2003): a walker that goes where capacity is, over links that follow capacity, past servents
//! that answer for their neighbours, held back by tokens. No servent speaks it. Other than the
//! strategies beside it, which make one search at a time on a still graph, it is about what many
//! searches do to each other, so that it has a model of its own: what goes in and out of this folder is
//! queues and virtual time, and nothing of a servent's bytes.
//!
//! - `settings`: what an experiment says, with the source of each default;
//! - `capacities`: who can do how much;
//! - `adaptation`: who links to whom, by satisfaction;
//! - `net`: what stays as it is while searches are made: links, capacities, who answers for what;
//! - `tokens`: who may send to whom;
//! - `query`: where a query has been, and where it goes;
//! - `world`: queues, walkers and floods in virtual time;
//! - `collapse`: how many searches it bears;
//! - `outcome`: what came of it.

mod adaptation;
mod capacities;
mod collapse;
mod net;
mod outcome;
mod query;
mod settings;
mod tokens;
mod world;

pub use collapse::conduct;
pub use outcome::Outcome;
pub use settings::{Mechanism, Search, Spec, Variant};
