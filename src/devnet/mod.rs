//! Many real servents on loopback addresses in one process.
