//! The embedded database under the home directory, one file a table family.
//!
//! The only room that names the database.
