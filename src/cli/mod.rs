//! The commands: one file each, one definition of the options.
//!
//! Speaks to a node through `api::client` only. The only room that names the argument parser.
