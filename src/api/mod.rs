//! What a user can ask of a node: plain serde types, one facade, and a client of the same over HTTP.
