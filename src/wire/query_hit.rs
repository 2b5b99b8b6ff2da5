//! QUERY HIT: the answer to a search (protocol §5).

/// One file of an answer.
#[derive(Clone, Debug)]
pub struct Record {}
