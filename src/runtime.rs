//! The one file that names the async runtime.
