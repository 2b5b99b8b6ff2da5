//! Thousands to millions of Filbert servents in one process.
//!
//! A [`network`](network::Network) puts an [`overlay::Servent`](filbert::overlay::Servent) on
//! every node of a graph and carries descriptors between them in virtual time: the servents are
//! those of the live node, only their links are events in a [`calendar`]. From there the commands:
//!
//! - [`reach`]: floods queries and counts whom they reach and what they cost;
//! - [`run`]: does what the file of an [`experiment`] says, and judges its claims;
//! - [`cost`], [`sweep`], [`page`], [`verify`]: plans the points of an experiment, does them all,
//!   makes a page of what came of them, and does it again to compare;
//! - [`living`]: lets servents join by themselves, under churn;
//! - [`describe`]: makes, imports and describes graphs.
//!
//! The same arguments and seed give the same rows, byte for byte, on any number of threads: all
//! random numbers come from [`random`], none from the order in which things happen to be done.

pub mod alarms;
pub mod arguments;
pub mod attack;
pub mod calendar;
pub mod contents;
pub mod cost;
pub mod describe;
mod error;
pub mod experiment;
pub mod flood;
pub mod latency;
pub mod living;
pub mod memory;
pub mod network;
pub mod outcome;
pub mod page;
pub mod parallel;
pub mod parts;
mod plot;
mod population;
pub mod progress;
pub mod random;
pub mod reach;
pub mod replay;
pub mod report;
pub mod results;
pub mod run;
pub mod search;
pub mod sources;
pub mod swarm;
mod swarm_plots;
pub mod sweep;
pub mod table;
pub mod verify;

pub use error::Error;
