//! What is shared, found by keyword, hash or number.
