//! Swarms: many who fetch one file at once and give each other what they have.
//!
//! Each member runs the servent's own state machines: a [`Download`](filbert::swarm::download::Download)
//! decides whom to ask for what, an [`UploadQueue`](filbert::swarm::upload_queue::UploadQueue) who gets a
//! slot, [`Credit`](filbert::swarm::credit::Credit) what an asker is worth, a
//! [`Mesh`](filbert::swarm::mesh::Mesh) who else has the file. What lies between them is a model:
//!
//! - `settings`: what an experiment says of a swarm, and its variants;
//! - `member`: one that gives, takes, or pretends to;
//! - `transfer`: requests that are under way;
//! - `world`: links and virtual time;
//! - `outcome`: what came of it.

mod member;
mod outcome;
mod settings;
#[cfg(test)]
mod tests;
mod transfer;
mod world;

pub use outcome::{Outcome, SHARES, Who};
pub use settings::{Attack, Defence, Plan, Policy, Spec, Variant};
pub use world::conduct;
