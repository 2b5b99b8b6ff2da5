//! The servent: one state machine a node, the same for a live node and for a simulated one.
//!
//! Pure: no socket, file, clock, thread or global randomness enters. Inputs and time come in as
//! arguments, effects go out as values. It knows `wire` only.

pub mod catalogue;
