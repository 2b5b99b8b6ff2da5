//! Swarms: many who fetch one file at once and give each other what they have.
//!
//! Each member runs the servent's own state machines: a [`Download`](filbert::swarm::download::Download)
//! decides whom to ask for what, an [`UploadQueue`](filbert::swarm::upload_queue::UploadQueue) who gets a
//! slot, [`Credit`](filbert::swarm::credit::Credit) what an asker is worth, a
//! [`Mesh`](filbert::swarm::mesh::Mesh) who else has the file. What lies between them is a model:
//!
//! - `settings`: what an experiment says of a swarm, and its variants;
//! - `member`: one that gives, takes, or pretends to;
//! - `world`: links and virtual time;
//! - `outcome`: what came of it.

mod member;
mod outcome;
mod settings;
mod world;

pub use outcome::Outcome;
pub use settings::{Attack, Plan, Policy, Spec, Variant};
pub use world::conduct;
