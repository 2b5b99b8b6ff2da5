//! Sources in whose queue we wait, and that connect to us when it is our turn.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use filbert::node::state::DownloadPhase;
use filbert::runtime::block_on;

use super::common::{PATIENCE, builder, head};
use super::source::File;
use super::{completes, get, reaches, stop};

/// The number of our place.
const ID: &str = "0123456789ABCDEF0123456789ABCDEF";

/// The lines up to an empty one, which come in time.
fn said(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    head(stream).expect("it ended")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// Whether nobody wants to hear what somebody at `from` says.
fn turned_away(to: SocketAddr, from: [u8; 4], said: &str) -> bool {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    if socket.bind(&SocketAddr::from((from, 0)).into()).is_err() {
        // This machine has the usual loopback address only.
        return from != [127, 0, 0, 1];
    }
    socket.connect(&to.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    matches!(stream.read(&mut [0; 9]), Ok(0) | Err(_))
}

fn count(node: &filbert::node::Node, name: &str) -> u64 {
    let samples = node.counters().samples();
    let mut same = samples.iter().filter(|sample| sample.name == name);
    same.next().unwrap().value
}

#[test]
fn who_waits_in_a_queue_is_called_and_asks_on_that_connection() {
    let file = File::new(100_000);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = listener.local_addr().unwrap();
    let node = block_on(builder().start()).unwrap();
    let id = get(&node, &file, &[source]);

    // Our turn is far away: nobody would ask again for as long as this test may last.
    let (mut asking, _) = listener.accept().unwrap();
    let asked = said(&mut asking);
    assert_eq!(header(&asked, "X-Queue"), Some("1.0"), "{asked}");
    assert_eq!(header(&asked, "X-Queued"), None);
    let to = header(&asked, "X-Node").unwrap().parse().unwrap();
    assert_eq!(to, node.address());
    let answer = format!(
        "HTTP/1.1 503 Queued\r\nX-Queue: 1.0\r\nX-Queued: position=7; length=9; ID={ID}\r\n\
         Retry-After: 600\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    asking.write_all(answer.as_bytes()).unwrap();
    drop(asking);
    let state = reaches(&node, id, DownloadPhase::Active);
    super::until("a place in its queue", || {
        !node.download(id).unwrap().queues.is_empty()
    });
    assert_eq!(state.received, 0);

    // Strangers, and what is no place of ours. Nobody connects to whom they name.
    let victim = TcpListener::bind("127.0.0.1:0").unwrap();
    victim.set_nonblocking(true).unwrap();
    let named = victim.local_addr().unwrap();
    let other = ID.replace('0', "F");
    for (from, id) in [
        ([127, 0, 0, 1], &*other),
        ([127, 0, 0, 9], ID),
        ([127, 0, 0, 1], "a;b"),
    ] {
        let said = format!("QUEUE {id} {named}\r\n");
        assert!(turned_away(to, from, &said), "{said}");
    }
    assert_eq!(count(&node, "queue_calls_taken"), 0);
    assert!(count(&node, "queue_calls_unknown") >= 1);

    let bytes = file.bytes.clone();
    let calling = thread::spawn(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        stream
            .write_all(format!("QUEUE {ID} {named}\r\n").as_bytes())
            .unwrap();
        let asked = said(&mut stream);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-Queued: ID={ID}\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&bytes).unwrap();
        // Until it is over: what is asked on it now is the tree.
        let _rest = stream.read(&mut [0; 999]);
        asked
    });
    completes(&node, id, &file);
    let asked = calling.join().unwrap();
    let place = format!("position=7; ID={ID}");
    assert_eq!(header(&asked, "X-Queued"), Some(&*place), "{asked}");
    assert_eq!(count(&node, "queue_calls_taken"), 1);
    assert!(victim.accept().is_err(), "somebody was sent there");
    stop(node);
}
