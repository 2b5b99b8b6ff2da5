//! Who may come in.
//!
//! Any process of the machine can reach a loopback port, and so can a web page that a browser on it
//! shows. The token keeps out the first, and with the names in `Host` and `Origin` the second too,
//! even when its name resolves to this machine.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Refusal;
use crate::api::Code;

/// The only path that needs no token.
pub(super) const HEALTH: &str = "/healthz";

/// Lets a request in, or answers why not.
pub(super) async fn guard(State(token): State<Token>, request: Request, next: Next) -> Response {
    let mut response = match token.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let sniffing = header::X_CONTENT_TYPE_OPTIONS;
    headers.insert(sniffing, HeaderValue::from_static("nosniff"));
    response
}

/// The word that opens the control plane.
#[derive(Clone)]
pub(super) struct Token(std::sync::Arc<str>);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(token.into())
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        check_names(headers)?;
        if request.uri().path() == HEALTH || self.opens(headers) {
            return Ok(());
        }
        let message = "the token is missing or wrong: send the word in the file `token` of the \
            daemon's home as `Authorization: Bearer WORD`";
        Err(Refusal::new(Code::Unauthorised, message))
    }

    fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, word) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(word.trim())
        });
        given.is_some_and(|word| same(word.as_bytes(), self.0.as_bytes()))
    }
}

fn check_names(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |message: &str| Err(Refusal::new(Code::Forbidden, message));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_loopback(host)) else {
        return refused("only names of this machine itself may stand in Host");
    };
    for origin in headers.get_all(header::ORIGIN) {
        let of = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"));
        if !of.is_some_and(|of| of.eq_ignore_ascii_case(host)) {
            return refused("no page of another origin may ask");
        }
    }
    Ok(())
}

/// Whether `host`, with or without a port, is a name that only this machine has.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Compares in a time that tells nothing about where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LocalHost:7346",
            "127.0.0.1",
            "127.0.0.9:80",
            "[::1]",
            "[::1]:7346",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":7346",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:7346",
            "192.168.0.1:7346",
            "[fe80::1]:7346",
            "localhost:7346:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn words_are_the_same_only_when_they_are() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
        assert!(!same(b"", b"a"));
    }
}
