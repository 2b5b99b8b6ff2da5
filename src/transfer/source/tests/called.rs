//! Sources that are dialled in vain, and called.

use std::net::{SocketAddr, TcpStream};

use futures::FutureExt;
use futures::future::BoxFuture;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::net::Rewind;
use crate::transfer::call_back::{Called, Uncalled, Way};

/// Has everybody who is called connect, as it were: the connection leads to an honest servent.
#[derive(Debug)]
struct Caller(SocketAddr);

impl CallBack for Caller {
    fn way(&self, _: SocketAddr) -> Way {
        Way::DialFirst
    }

    fn heard(&self, _: SocketAddr, _: &[SocketAddr]) {}

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
