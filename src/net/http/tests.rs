use bytes::Bytes;
use futures::future::{join, pending, ready};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, stream};

use super::*;
use crate::net::testing::pair;
use crate::runtime::{TcpStream, block_on, spawn};

const FILE: &[u8] = b"0123456789abcdefghij";

/// What a servent answers: a piece of `FILE` for a range, all of it without.
async fn file(request: Request<Incoming>) -> Response<Body> {
    let response = Response::builder().header(header::CONTENT_LENGTH, FILE.len());
    match request.headers().get(header::RANGE) {
        _ if request.method() == Method::HEAD => response.body(Body::empty()),
        None => response.body(Body::from(FILE)),
        Some(range) => {
            assert_eq!(range, "bytes=10-14");
            Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, "bytes 10-14/20")
                .body(Body::from(&FILE[10..15]))
        }
    }
    .unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// A server that reads one request and writes `response`; it keeps the stream it gives back.
async fn answer(mut stream: TcpStream, response: &[u8]) -> TcpStream {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        request.extend(byte);
    }
    stream.write_all(response).await.unwrap();
    stream
}

fn patient(limit: u64) -> Limits {
    let limit = Duration::from_millis(limit);
    Limits {
        head: limit,
        stall: limit,
        ..Limits::default()
    }
}

#[test]
fn ranges_and_heads_one_after_the_other_on_one_connection() {
    block_on(async {
        let (here, there) = pair().await;
        let server = spawn(serve(there, file));
        let mut client = connect(here).await.unwrap();

        let mut request = get("/get/1/file");
        let range = HeaderValue::from_static("bytes=10-14");
        request.headers_mut().insert(header::RANGE, range);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes 10-14/20");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
        assert_eq!(read_body(response.into_body(), 5).await.unwrap(), "abcde");

        let head = Request::head("/").body(Body::empty()).unwrap();
        let response = client.send(head).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "20");
        assert_eq!(read_body(response.into_body(), 0).await.unwrap(), "");

        let response = client.send(get("/")).await.unwrap();
        assert_eq!(read_body(response.into_body(), 99).await.unwrap(), FILE);
        drop(client);
        server.await.unwrap();
    });
}

#[test]
fn who_takes_too_little_is_dropped_and_who_takes_enough_is_not() {
    block_on(async {
        const PIECES: usize = 128;
        let long = |_| {
            let piece = Bytes::from(vec![7; 128 * 1024]);
            let pieces = stream::iter((0..PIECES).map(move |_| Ok(piece.clone())));
            ready(Response::new(Body::stream(pieces, None)))
        };
        for (least_rate, all) in [(u64::MAX / 1_000, false), (1, true)] {
            let (mut here, there) = pair().await;
            let limits = Limits {
                least_rate,
                ..patient(200)
            };
            let server = spawn(serve_with(there, limits, long));
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            here.write_all(request).await.unwrap();
            let (mut taken, mut buffer) = (0, vec![0; 64 * 1024]);
            while let Ok(read @ 1..) = here.read(&mut buffer).await {
                taken += read;
                runtime::sleep(Duration::from_millis(4)).await;
            }
            assert_eq!(taken > PIECES * 128 * 1024, all, "{taken}");
            assert_eq!(server.await.is_ok(), all);
        }
    });
}

#[test]
fn a_stream_is_sent_as_it_comes() {
    block_on(async {
        for (length, announced) in [(Some(6), Some("6")), (None, None)] {
            let (here, there) = pair().await;
            let server = serve(there, |_| {
                let chunks = stream::iter(["abc", "def"].map(|text| Ok(text.into())));
                ready(Response::new(Body::stream(chunks, length)))
            });
            let asking = async {
                let mut client = connect(here).await.unwrap();
                let response = client.send(get("/")).await.unwrap();
                let header = response.headers().get(header::CONTENT_LENGTH);
                assert_eq!(header.map(|value| value.to_str().unwrap()), announced);
                read_body(response.into_body(), 6).await.unwrap()
            };
            let (served, body) = join(server, asking).await;
            served.unwrap();
            assert_eq!(body, "abcdef");
        }
    });
}

#[test]
fn a_stream_that_ends_early_is_noticed() {
    block_on(async {
        let (here, there) = pair().await;
        let server = spawn(serve(there, |_| {
            let chunks = stream::iter([Ok(Bytes::from_static(b"abc"))]);
            ready(Response::new(Body::stream(chunks, Some(4))))
        }));
        let mut client = connect(here).await.unwrap();
        let exchange = async {
            let response = client.send(get("/")).await?;
            read_body(response.into_body(), 9).await
        };
        let error = exchange.await.unwrap_err();
        assert!(matches!(error, Error::Broken(_)), "{error}");
        assert!(server.await.is_err());
    });
}

#[test]
fn heads_that_do_not_come_are_not_waited_for() {
    block_on(async {
        for start in ["", "GET / HT", "GET / HTTP/1.1\r\nHost"] {
            let (mut here, there) = pair().await;
            here.write_all(start.as_bytes()).await.unwrap();
            let served = serve_with(there, patient(20), file).await;
            let error = served.unwrap_err();
            assert!(matches!(error, Error::Broken(_)), "{start:?}: {error}");
        }
    });
}

#[test]
fn an_idle_kept_connection_ends() {
    block_on(async {
        let (mut here, there) = pair().await;
        here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let served = serve_with(there, patient(50), file).await;
        assert!(served.is_err());
        let mut answer = String::new();
        here.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 20\r\n"), "{answer}");
    });
}

#[test]
fn endless_headers_are_cut_off() {
    block_on(async {
        let (mut here, there) = pair().await;
        let server = spawn(serve(there, file));
        here.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while here.write_all(b"X-More: and more\r\n").await.is_ok() {}
        let error = server.await.unwrap_err();
        assert!(matches!(error, Error::Broken(_)), "{error}");
    });
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    block_on(async {
        let (mut here, there) = pair().await;
        here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let served = serve_with(there, patient(50), |_| {
            let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_536])));
            ready(Response::new(Body::stream(endless, None)))
        });
        let error = served.await.unwrap_err().to_string();
        assert!(error.contains("no answer within 50ms"), "{error}");
    });
}

#[test]
fn a_response_that_stops_is_given_up() {
    block_on(async {
        let (here, mut there) = pair().await;
        let mut client = connect_with(here, patient(20)).await.unwrap();
        let error = client.send(get("/")).await.unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error}");
        drop(client);
        there.read_to_end(&mut Vec::new()).await.unwrap();

        let (here, there) = pair().await;
        let start = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        let server = spawn(answer(there, start));
        let mut client = connect(here).await.unwrap();
        let body = client.send(get("/")).await.unwrap().into_body();
        let mut chunks = chunks(body);
        assert_eq!(chunks.next().await.unwrap().unwrap(), "abc");
        let mut chunks = chunks.within(Duration::from_millis(20));
        let error = chunks.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error}");
        drop(server.await);
    });
}

#[test]
fn old_servents_without_lengths_are_read_to_the_end() {
    block_on(async {
        let (here, there) = pair().await;
        let old = b"HTTP/1.0 503 Busy\r\nServer : Old/1.0\r\nbad name: x\r\n\r\nqueue full";
        let mut client = connect(here).await.unwrap();
        let answering = answer(there, old).map(drop);
        let (response, ()) = join(client.send(get("/")), answering).await;
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::SERVER], "Old/1.0");
        let body = read_body(response.into_body(), 99).await.unwrap();
        assert_eq!(body, "queue full");
    });
}

#[test]
fn a_large_body_is_not_kept() {
    block_on(async {
        let (here, there) = pair().await;
        let server = spawn(serve(there, file));
        let mut client = connect(here).await.unwrap();
        let body = client.send(get("/")).await.unwrap().into_body();
        let error = read_body(body, 19).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 19 }), "{error}");
        drop(client);
        server.await.unwrap();
    });
}

#[test]
fn a_body_that_is_let_go_ends_the_connection() {
    block_on(async {
        let (here, there) = pair().await;
        let server = spawn(serve(there, |_| {
            let start = stream::iter([Ok(Bytes::from_static(b"abc"))]);
            let chunks = start.chain(stream::once(pending()));
            ready(Response::new(Body::stream(chunks, Some(9))))
        }));
        let mut client = connect(here).await.unwrap();
        let response = client.send(get("/")).await.unwrap();
        drop((client, response));
        server.await.unwrap_err();
    });
}
