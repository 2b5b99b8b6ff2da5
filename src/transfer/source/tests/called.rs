//! Sources that are dialled in vain, and called.

use std::net::{SocketAddr, SocketAddrV4, TcpStream};

use futures::FutureExt;
use futures::future::BoxFuture;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::net::Rewind;
use crate::transfer::call_back::{Called, Uncalled, Way};
use crate::transfer::firewalled::Firewalled;
use crate::wire::Guid;

/// Has everybody who is called connect, as it were: the connection leads to an honest servent.
#[derive(Debug)]
struct Caller(SocketAddr);

/// Under which address alternates are known that have to be called.
const STAND_IN: &str = "[100::7]:1";

impl CallBack for Caller {
    fn way(&self, source: SocketAddr) -> Way {
        match source == STAND_IN.parse().unwrap() {
            true => Way::Call,
            false => Way::DialFirst,
        }
    }

    fn introduced(&self, alternate: &Firewalled) -> Option<SocketAddr> {
        let known = alternate.to_string() == ALTERNATE;
        known.then(|| STAND_IN.parse().unwrap())
    }

    fn described(&self, source: SocketAddr) -> Option<Firewalled> {
        let known = source == STAND_IN.parse().unwrap();
        known.then(|| ALTERNATE.parse().unwrap())
    }

    fn heard(&self, _: SocketAddr, _: Option<Guid>, _: &[SocketAddrV4]) {}

    fn call(&self, _: SocketAddr) -> BoxFuture<'static, Result<Called, Uncalled>> {
        let servent = self.0;
        let connect = async move {
            let stream = runtime::connect(None, servent, Duration::from_secs(10)).await;
            let stream = stream.map_err(|_| Uncalled::Silent)?;
            Ok(Rewind::new(Bytes::new(), stream.into()))
        };
        connect.boxed()
    }
}

/// How the alternate is told of that is called.
const ALTERNATE: &str = "0123456789abcdef0123456789abcdef;1.2.3.4:5";

/// A port at which nothing answers as long as all of this is held: its queue is full.
fn silent_port() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
        waiting.push(stream);
        assert!(waiting.len() < 1_000, "the queue is never full");
    }
    (socket, waiting, address)
}

#[test]
fn one_that_never_answers_is_called_meanwhile() {
    let file = file(50_000);
    let servent = honest(&file);
    let (_socket, _waiting, silent) = silent_port();
    let mut attempt = Try::new(&file, &[silent]);
    attempt.job.call_back = Some(Arc::new(Caller(servent.address)));
    // Nobody waits for the end of such a dial.
    attempt.settings.connect = Duration::from_secs(24 * 3_600);
    attempt.settings.head_start = SHORT;
    attempt.succeed(&file, silent);
    assert_eq!(servent.asked().len(), 1);
}

#[test]
fn one_that_refuses_is_called_at_once() {
    let file = file(50_000);
    let servent = honest(&file);
    let (_socket, closed) = crate::transfer::attempt::nobody();
    let mut attempt = Try::new(&file, &[closed]);
    attempt.job.call_back = Some(Arc::new(Caller(servent.address)));
    attempt.settings.head_start = Duration::from_secs(24 * 3_600);
    attempt.succeed(&file, closed);
}

#[test]
fn an_alternate_that_has_to_be_called_is_asked_and_told_to_who_understands_it() {
    let file = file(3_000_000);
    let hidden = honest(&file);
    let contents = file.clone();
    // It has the beginning only, understands such alternates and knows one.
    let knows = Server::new(move |asked| {
        let (first, last) = asked.range();
        let head = "X-Features: fwalt/0.1\r\nX-Available-Ranges: bytes 0-999999\r\n";
        let told = format!("{head}X-Falt: {ALTERNATE}, rubbish\r\n");
        if first >= 1_000_000 {
            return Reply::Keep(answer("416 Not Yet", &told, b""));
        }
        let last = last.min(999_999);
        let range = format!(
            "{told}Content-Range: bytes {first}-{last}/{}\r\n",
            contents.len()
        );
        Reply::Keep(answer(
            "206 Partial Content",
            &range,
            &contents[first..=last],
        ))
    });
    let mut attempt = Try::new(&file, &[knows.address]);
    attempt.job.call_back = Some(Arc::new(Caller(hidden.address)));
    let finished = attempt.run().unwrap();
    assert!(std::fs::read(finished.path).unwrap() == file);
    assert!(!hidden.asked().is_empty(), "nobody else has the end");
    let all = [knows.asked(), hidden.asked()].concat();
    assert!(
        all.iter()
            .all(|asked| asked.header("X-Features") == Some("fwalt/0.1"))
    );
    // Who did not say that it understands them is told none.
    assert!(
        hidden
            .asked()
            .iter()
            .all(|asked| asked.header("X-Falt").is_none())
    );
}
