//! The control plane as any HTTP client meets it.

#![cfg(feature = "web")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::{PATIENCE, builder};
use filbert::api::client::Client;
use filbert::api::{Access, Code, SearchPhase, SearchRequest, Watch};
use filbert::node::Node;
use filbert::runtime::block_on;
use filbert::web::{self, ControlPlane, Options};

const ON_LOOPBACK: Options = Options {
    address: Some(SocketAddr::V4(std::net::SocketAddrV4::new(
        std::net::Ipv4Addr::LOCALHOST,
        0,
    ))),
    home: None,
};

fn start() -> (Node, ControlPlane) {
    let node = block_on(builder().start()).unwrap();
    let control_plane = block_on(web::serve(node.clone(), ON_LOOPBACK)).unwrap();
    (node, control_plane)
}

fn stop((node, control_plane): (Node, ControlPlane)) {
    block_on(async {
        node.stop().await;
        control_plane.stop().await;
    });
}

/// An answer: status, head, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The short word of a problem document.
    fn code(&self) -> String {
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem["code"].as_str().unwrap().to_owned()
    }
}

fn ask(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

/// Asks as one who may.
fn ask_with_token(access: &Access, line: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", access.token);
    let headers = [
        ("Host", "localhost"),
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    ask(access.address, line, &headers, body)
}

#[test]
fn nothing_but_health_is_told_without_the_token() {
    let running = start();
    let to = running.1.access().address;
    let host = ("Host", "127.0.0.1");
    let health = ask(to, "GET /healthz", &[host], "");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    let longer = format!("Bearer {}x", running.1.access().token);
    for path in [
        "GET /api/v1/status",
        "GET /metrics",
        "POST /api/v1/stop",
        "GET /",
        "GET /api/v1/nothing",
    ] {
        for headers in [
            &[host][..],
            &[host, ("Authorization", "Bearer")],
            &[host, ("Authorization", "Bearer wrong")],
            &[host, ("Authorization", &longer)],
        ] {
            let answer = ask(to, path, headers, "");
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthorised")
            );
            assert!(answer.head.contains("www-authenticate: bearer"));
        }
    }
    stop(running);
}

#[test]
fn a_page_of_another_origin_is_kept_out() {
    let running = start();
    let Access { address, token } = running.1.access().clone();
    let bearer = format!("Bearer {token}");
    let ask = |headers: &[(&str, &str)]| {
        let token = ("Authorization", bearer.as_str());
        ask(
            address,
            "GET /api/v1/status",
            &[headers, &[token]].concat(),
            "",
        )
    };
    for headers in [
        &[("Host", "evil.example")][..],
        &[("Host", "127.0.0.1.evil.example")],
        &[("Host", "localhost"), ("Origin", "http://evil.example")],
        &[("Host", "localhost"), ("Origin", "null")],
        &[("Host", "localhost:1"), ("Origin", "http://localhost:2")],
        &[],
    ] {
        let answer = ask(headers);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "forbidden"),
            "{headers:?}"
        );
    }
    for headers in [
        &[
            ("Host", "localhost:7346"),
            ("Origin", "http://localhost:7346"),
        ][..],
        &[("Host", "[::1]:7346")],
    ] {
        let answer = ask(headers);
        assert_eq!(answer.status, 200, "{headers:?}");
        assert!(answer.head.contains("cache-control: no-store"));
    }
    stop(running);
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_one_word() {
    let running = start();
    let access = running.1.access();
    let long = format!("{{\"query\":\"{}\"}}", "x".repeat(70_000));
    for (line, body, status, code) in [
        ("GET /", "", 404, "not_found"),
        ("GET /api/v1/nothing", "", 404, "not_found"),
        ("GET /api/v1/searches/77", "", 404, "not_found"),
        ("GET /api/v1/searches/first", "", 404, "not_found"),
        (
            "GET /api/v1/downloads/77?after=1&wait_ms=60000",
            "",
            404,
            "not_found",
        ),
        ("DELETE /api/v1/status", "", 405, "method_not_allowed"),
        ("PUT /api/v1/searches/1", "", 405, "method_not_allowed"),
        ("GET /api/v1/searches/1?after=x", "", 400, "bad_request"),
        ("POST /api/v1/searches", "", 400, "bad_request"),
        ("POST /api/v1/searches", "{\"query\":7}", 400, "bad_request"),
        (
            "POST /api/v1/searches",
            "{\"query\":\"\"}",
            400,
            "bad_request",
        ),
        ("POST /api/v1/searches", &long, 413, "too_large"),
        (
            "POST /api/v1/downloads",
            "{\"target\":\"hello\"}",
            400,
            "bad_request",
        ),
        (
            "POST /api/v1/downloads",
            "{\"target\":\"9\"}",
            404,
            "not_found",
        ),
        (
            "POST /api/v1/downloads",
            "{\"target\":\"urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN\",\"dir\":\"here\"}",
            400,
            "bad_request",
        ),
        (
            "POST /api/v1/connections",
            "{\"address\":\"x\"}",
            400,
            "bad_request",
        ),
        (
            "POST /api/v1/connections",
            "{\"address\":\"127.0.0.1:1\"}",
            502,
            "connect_failed",
        ),
    ] {
        let answer = ask_with_token(access, line, body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{line} {answer}",
            answer = answer.body
        );
    }
    stop(running);
}

#[test]
fn the_client_speaks_to_it() {
    let running = start();
    let client = Client::new(running.1.access().clone());
    block_on(async {
        let status = client.status().await.unwrap();
        assert_eq!(status.listen, running.0.address());
        assert!(!status.connected && status.why.is_some());
        let other = builder().start().await.unwrap();
        client.connect(other.address()).await.unwrap();
        let peers = client.peers().await.unwrap();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].address, other.address());
        assert!(client.status().await.unwrap().connected);
        let request = SearchRequest {
            query: "walnut".into(),
            ..SearchRequest::default()
        };
        let search = client.search(&request).await.unwrap();
        assert_eq!((search.query.as_str(), search.results.len()), ("walnut", 0));
        let ended = client.cancel_search(search.id).await.unwrap();
        assert_eq!(ended.state, SearchPhase::Finished);
        assert_eq!(client.searches().await.unwrap().len(), 1);
        let missing = client
            .search_state(search.id + 1, Watch::default())
            .await
            .unwrap_err();
        assert_eq!(missing.code, Code::NotFound);
        assert!(client.downloads().await.unwrap().is_empty());
        assert!(client.shares().await.unwrap().is_empty());
        let token = "wrong".to_owned();
        let address = client.address();
        let stranger = Client::new(Access { address, token });
        assert_eq!(
            stranger.status().await.unwrap_err().code,
            Code::Unauthorised
        );
        client.stop().await.unwrap();
        running.0.stopped().await;
        other.stop().await;
        running.1.stop().await;
        assert_eq!(client.status().await.unwrap_err().code, Code::NotReachable);
    });
}

#[test]
fn a_watch_is_answered_by_the_change_it_waits_for() {
    let running = start();
    let client = Client::new(running.1.access().clone());
    block_on(async {
        let request = SearchRequest {
            query: "walnut".into(),
            ..SearchRequest::default()
        };
        let search = client.search(&request).await.unwrap();
        let watch = Watch {
            after: search.version,
            wait_ms: 60_000,
        };
        let watching = client.search_state(search.id, watch);
        let ending = client.cancel_search(search.id);
        let (watched, ended) = futures::future::join(watching, ending).await;
        assert_eq!(watched.unwrap(), ended.unwrap());
    });
    stop(running);
}

#[test]
fn only_loopback_addresses_are_listened_on() {
    let node = block_on(builder().start()).unwrap();
    let options = Options {
        address: Some(([0, 0, 0, 0], 0).into()),
        home: None,
    };
    let error = block_on(web::serve(node.clone(), options)).unwrap_err();
    assert!(matches!(error, web::Error::NotLoopback(_)), "{error}");
    block_on(node.stop());
}

#[test]
fn counters_are_told_as_json_and_as_text_for_prometheus() {
    let running = start();
    let access = running.1.access().clone();
    let metrics = ask_with_token(&access, "GET /metrics", "");
    assert!(metrics.head.contains("text/plain; version=0.0.4"));
    for line in [
        "# TYPE filbert_drops_total counter",
        "filbert_drops_total{reason=\"malformed\"} 0",
        "# TYPE filbert_neighbours gauge",
        "filbert_neighbours{of=\"leaves\"} 0",
    ] {
        assert!(metrics.body.lines().any(|told| told == line), "{line}");
    }
    let counters = block_on(Client::new(access).counters()).unwrap();
    let received = |kind: &str| {
        let same = |label: &String| label == kind;
        let mut found = counters.iter().filter(|one| one.name == "received");
        found.any(|one| one.labels.get("kind").is_some_and(same))
    };
    assert!(received("query") && received("query_hit"));
    stop(running);
}

#[test]
fn a_servent_that_saw_nothing_foretells_nothing_and_says_why() {
    let running = start();
    let access = running.1.access().clone();
    let client = Client::new(access);
    let blind = block_on(client.whatif("1-4")).unwrap_err();
    assert_eq!(blind.code, Code::NoNeighbour, "{blind}");
    assert!(blind.message.contains("no ultrapeer among the neighbours"));
    for wrong in ["0-4", "4-1", "1-99", "far"] {
        let error = block_on(client.whatif(wrong)).unwrap_err();
        assert_eq!(error.code, Code::BadRequest, "{wrong}: {error}");
    }
    stop(running);
}
