//! `filbert devnet`: many real servents on loopback addresses in one process.
