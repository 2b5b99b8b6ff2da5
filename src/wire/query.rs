//! QUERY: a search (protocol §4).

/// A search.
#[derive(Clone, Debug)]
pub struct Query {}
