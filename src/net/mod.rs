//! Everything with a socket: the one port, the handshake, links, HTTP, TLS.
//!
//! Knows `runtime` and `wire` only; what arrives is handed on as values.
