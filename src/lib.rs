//! Filbert: a Gnutella servent and overlay laboratory.
//!
//! One protocol core, three ways to live in it: a live node gives it sockets, a simulator gives
//! it a virtual network, a test gives it bytes. The rooms, in the order data flows:
//!
//! - [`wire`]: bytes to values and back, without state;
//! - [`overlay`]: the servent itself, one state machine a node, without sockets or clocks;
//! - [`swarm`]: transfers as state machines: one file from many sources;
//! - [`topology`]: graphs of servents, generated or read, for the devnet and the simulator;
//! - [`library`]: what a servent shares.
//!
//! These are *pure*: they build with `--no-default-features` and hold no socket, file, clock,
//! thread or global randomness (the library's disk side is behind the feature `node`).

#[cfg(feature = "node")]
pub mod api;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "node")]
pub mod devnet;
pub mod library;
#[cfg(feature = "node")]
pub mod net;
#[cfg(feature = "node")]
pub mod node;
pub mod overlay;
#[cfg(feature = "node")]
pub mod runtime;
#[cfg(feature = "node")]
pub mod store;
pub mod swarm;
pub mod topology;
#[cfg(feature = "node")]
pub mod transfer;
#[cfg(feature = "web")]
pub mod web;
pub mod wire;
