//! The control plane on its own loopback port.
//!
//! The only room that names the web framework; handlers hold no logic beyond `api`.
