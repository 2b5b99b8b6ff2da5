//! The peer that plays a conversation: a bare socket, compressed where the handshake says so.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use filbert::node::Node;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::vendor::Vendor;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::common::PATIENCE;

/// A listener on a free loopback port: what the peer says to listen on.
pub(crate) fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// The kinds of descriptor that answer, any of them.
pub(crate) struct Answer(Vec<String>);

impl Answer {
    /// Reads `pong`, `vendor LIME/24v1`, or several with ` or ` between.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.split(" or ").map(str::to_owned).collect())
    }

    fn takes(&self, descriptor: &Descriptor) -> bool {
        self.0.contains(&name(descriptor))
    }
}

fn name(descriptor: &Descriptor) -> String {
    match descriptor.header.kind {
        Kind::Ping => "ping".to_owned(),
        Kind::Pong => "pong".to_owned(),
        Kind::QueryHit => "query_hit".to_owned(),
        Kind::Push => "push".to_owned(),
        Kind::RouteTableUpdate => "route_table_update".to_owned(),
        Kind::Vendor { .. } => match Vendor::decode(&descriptor.payload) {
            Ok(message) => format!("vendor {}", message.name()),
            Err(error) => format!("damaged vendor message: {error}"),
        },
        other => format!("{other:?}"),
    }
}

/// One end of a link.
pub(crate) struct Peer {
    stream: TcpStream,
    decoder: FrameDecoder,
    deflate: Option<Compress>,
    inflate: Option<Decompress>,
    /// What came and nothing asked for yet.
    early: Vec<Descriptor>,
}

impl Peer {
    /// Opens a link; `here` is where the peer says to listen.
    pub(crate) fn dial(
        to: SocketAddr,
        here: SocketAddr,
        hello: &[String],
        last: &[String],
    ) -> Self {
        let mut peer = Self::new(TcpStream::connect(to).unwrap());
        peer.write(&block(hello, here));
        let theirs = peer.block();
        assert!(theirs.starts_with("GNUTELLA/0.6 200 "), "{theirs}");
        peer.write(&block(last, here));
        peer.compress(&last.join("\n"), &theirs);
        peer
    }

    /// Answers a node that dials.
    pub(crate) fn accept(listener: &TcpListener, answer: &[String]) -> Self {
        let here = listener.local_addr().unwrap();
        let mut peer = Self::new(accept(listener, PATIENCE).expect("the node dials"));
        let theirs = peer.block();
        assert!(theirs.starts_with("GNUTELLA CONNECT/0.6"), "{theirs}");
        peer.write(&block(answer, here));
        let last = peer.block();
        assert!(last.starts_with("GNUTELLA/0.6 200 "), "{last}");
        peer.compress(&answer.join("\n"), &last);
        peer
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            decoder: FrameDecoder::new(),
            deflate: None,
            inflate: None,
            early: Vec::new(),
        }
    }

    /// Each direction is compressed if its sender said so.
    fn compress(&mut self, ours: &str, theirs: &str) {
        const SAID: &str = "Content-Encoding: deflate";
        if ours.contains(SAID) {
            self.deflate = Some(Compress::new(Compression::default(), true));
        }
        if theirs.contains(SAID) {
            self.inflate = Some(Decompress::new(true));
        }
    }

    /// A header block, up to its blank line.
    fn block(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            assert_eq!(self.stream.read(&mut byte).unwrap(), 1, "closed early");
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends one message.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let Some(deflate) = &mut self.deflate else {
            return self.write(bytes);
        };
        let mut packed = Vec::with_capacity(bytes.len() + 1_024);
        deflate
            .compress_vec(bytes, &mut packed, FlushCompress::Sync)
            .unwrap();
        self.write(&packed);
    }

    /// Waits for an answer, which has the GUID of what was `asked`, if anything was.
    ///
    /// # Errors
    /// When it does not come; says what came instead.
    pub(crate) fn expect(
        &mut self,
        answer: &Answer,
        asked: Option<&[u8]>,
        soon: Duration,
        what: &str,
    ) -> Result<(), String> {
        let fits = |descriptor: &Descriptor| {
            let same = |asked: &[u8]| descriptor.header.guid.as_bytes()[..] == asked[..16];
            answer.takes(descriptor) && asked.is_none_or(same)
        };
        if let Some(at) = self.early.iter().position(&fits) {
            self.early.remove(at);
            return Ok(());
        }
        let end = Instant::now() + soon;
        while let Some(descriptor) = self.next(end) {
            if fits(&descriptor) {
                return Ok(());
            }
            self.early.push(descriptor);
        }
        let came: Vec<_> = self.early.iter().map(name).collect();
        Err(format!("no {:?} to {what}; came: {came:?}", answer.0))
    }

    /// The next descriptor, if one comes until `end`.
    fn next(&mut self, end: Instant) -> Option<Descriptor> {
        loop {
            if let Some(descriptor) = self.decoder.next().unwrap() {
                assert_ne!(
                    descriptor.header.kind,
                    Kind::Bye,
                    "{:?}",
                    descriptor.payload
                );
                return Some(descriptor);
            }
            let left = end.checked_duration_since(Instant::now())?;
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut read = [0; 4_096];
            match self.stream.read(&mut read) {
                Ok(0) => panic!("the node closed the link"),
                Ok(length) => self.take(&read[..length]),
                Err(error) if is_late(&error) => return None,
                Err(error) => panic!("the link broke: {error}"),
            }
        }
    }

    fn take(&mut self, mut read: &[u8]) {
        let Some(inflate) = &mut self.inflate else {
            return self.decoder.buffer().extend_from_slice(read);
        };
        loop {
            let mut plain = Vec::with_capacity(16_384);
            let before = inflate.total_in();
            inflate
                .decompress_vec(read, &mut plain, FlushDecompress::Sync)
                .unwrap();
            let taken = usize::try_from(inflate.total_in() - before).unwrap();
            read = &read[taken..];
            self.decoder.buffer().extend_from_slice(&plain);
            if read.is_empty() && plain.len() < plain.capacity() {
                return;
            }
        }
    }

    /// A ping is still answered.
    pub(crate) fn alive(&mut self, soon: Duration) {
        let header = Header {
            guid: Guid::random(&mut rand::rng()),
            kind: Kind::Ping,
            ttl: 1,
            hops: 0,
        };
        let ping = header.encode(0).unwrap();
        self.say(&ping);
        self.expect(&Answer::parse("pong"), Some(&ping), soon, "a last ping")
            .unwrap();
    }
}

fn block(lines: &[String], here: SocketAddr) -> Vec<u8> {
    let text = lines.join("\r\n").replace("{peer}", &here.to_string());
    format!("{text}\r\n\r\n").into_bytes()
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The next connection, within a time.
fn accept(listener: &TcpListener, patience: Duration) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => return Some(stream),
            Err(error) if is_late(&error) => {
                if start.elapsed() > patience {
                    return None;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => panic!("cannot accept: {error}"),
        }
    }
}

/// The node connects back, says who it is, and serves HTTP there.
///
/// # Errors
/// When it does not.
pub(crate) fn giv(listener: &TcpListener, node: &Node, soon: Duration) -> Result<(), String> {
    let Some(mut stream) = accept(listener, soon) else {
        return Err("nobody connected back".to_owned());
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(soon)).unwrap();
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"\n\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed early");
        said.push(byte[0]);
    }
    let said = String::from_utf8(said).unwrap();
    let servent = node.guid().to_string();
    assert!(said.starts_with("GIV "), "{said}");
    assert!(said.to_lowercase().contains(&servent), "{said}");
    stream
        .write_all(b"GET /get/1/x HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 ");
    Ok(())
}

/// A peer without a link.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Datagrams {
    pub(crate) fn new(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, to }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn say(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).unwrap();
    }

    /// Waits for an answer with the GUID of what was `asked`.
    ///
    /// # Errors
    /// When it does not come; says what came instead.
    pub(crate) fn expect(
        &self,
        answer: &Answer,
        asked: &[u8],
        soon: Duration,
        what: &str,
    ) -> Result<(), String> {
        let end = Instant::now() + soon;
        let mut came = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.socket.set_read_timeout(Some(left)).unwrap();
            let mut read = [0; 4_096];
            let length = match self.socket.recv(&mut read) {
                Ok(length) => length,
                Err(error) if is_late(&error) => break,
                Err(error) => panic!("the socket broke: {error}"),
            };
            let mut decoder = FrameDecoder::new();
            decoder.buffer().extend_from_slice(&read[..length]);
            let descriptor = decoder.next().unwrap().unwrap();
            if answer.takes(&descriptor) && descriptor.header.guid.as_bytes()[..] == asked[..16] {
                return Ok(());
            }
            came.push(name(&descriptor));
        }
        Err(format!("no {:?} to {what}; came: {came:?}", answer.0))
    }
}
