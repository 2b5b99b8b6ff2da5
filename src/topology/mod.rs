//! Graphs of servents: read from edge lists or generated from a specification.
//!
//! Pure: text and a random generator come in, a graph goes out.
