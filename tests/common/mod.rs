//! What tests of live nodes share: a node in a temporary home, and a peer made of a bare socket.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use filbert::node::state::Role;
use filbert::node::{Builder, Node};
use filbert::wire::frame::FrameDecoder;
use filbert::wire::{Descriptor, Guid, Header, Kind};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An ultrapeer on a free loopback port, with a temporary home, whose links are made by hand.
pub(crate) fn builder() -> Builder {
    seeker().role(Role::Ultrapeer)
}

/// A node on a free loopback port that chooses its role and its neighbours.
pub(crate) fn seeker() -> Builder {
    Node::builder().listen("127.0.0.1:0".parse().unwrap())
}

/// The lines of HTTP, or of something like it, up to an empty one; nothing once the peer has gone.
pub(crate) fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// A directory that may be shared, unlike a hidden one, and goes when it is dropped.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("filbert-test-")
        .tempdir()
        .unwrap()
}

/// Writes a file to share.
pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join(name), bytes).unwrap();
}

/// Waits until `condition` holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A peer without a servent behind it.
pub(crate) struct Probe {
    pub(crate) stream: TcpStream,
    decoder: FrameDecoder,
}

impl Probe {
    /// Connects and says nothing.
    pub(crate) fn dial(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    /// Over a connection that is there, of either side.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            decoder: FrameDecoder::new(),
        }
    }

    /// Connects and shakes hands as an ultrapeer.
    pub(crate) fn neighbour(to: SocketAddr) -> Self {
        Self::shake(to, "True")
    }

    /// Connects and shakes hands as a leaf.
    pub(crate) fn leaf(to: SocketAddr) -> Self {
        Self::shake(to, "False")
    }

    fn shake(to: SocketAddr, ultrapeer: &str) -> Self {
        let mut probe = Self::dial(to);
        let hello = format!(
            "GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\nX-Ultrapeer: {ultrapeer}\r\n\
             Bye-Packet: 0.1\r\n\r\n"
        );
        probe.say(hello.as_bytes());
        let answer = probe.block();
        assert!(answer.starts_with("GNUTELLA/0.6 200 OK\r\n"), "{answer}");
        probe.say(b"GNUTELLA/0.6 200 OK\r\n\r\n");
        probe
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends what may not all be taken.
    pub(crate) fn offer(&mut self, bytes: &[u8]) {
        let _refused = self.stream.write_all(bytes);
    }

    pub(crate) fn send(&mut self, kind: Kind, ttl: u8, hops: u8, payload: &[u8]) -> Guid {
        let guid = Guid::random(&mut rand::rng());
        let header = Header {
            guid,
            kind,
            ttl,
            hops,
        };
        let payload = Bytes::copy_from_slice(payload);
        self.say(&Descriptor { header, payload }.encode().unwrap());
        guid
    }

    /// A header block of text, up to its blank line.
    pub(crate) fn block(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"\r\n\r\n") {
            assert_eq!(
                self.stream.read(&mut byte).unwrap(),
                1,
                "closed within a block"
            );
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    }

    /// The next descriptor, or `None` when the other side closed.
    pub(crate) fn next(&mut self) -> Option<Descriptor> {
        loop {
            if let Some(descriptor) = self.decoder.next().unwrap() {
                return Some(descriptor);
            }
            let mut read = [0; 4096];
            match self.stream.read(&mut read) {
                Ok(0) => return None,
                Ok(length) => self.decoder.buffer().extend_from_slice(&read[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no descriptor came: {error}"),
            }
        }
    }

    /// The next descriptor of a kind; others are passed over.
    pub(crate) fn next_of(&mut self, kind: Kind) -> Descriptor {
        loop {
            let descriptor = self
                .next()
                .unwrap_or_else(|| panic!("closed before a {kind:?}"));
            if descriptor.header.kind == kind {
                return descriptor;
            }
        }
    }

    /// Reads until the other side closes; gives the BYE it said before, if any.
    pub(crate) fn closed(&mut self) -> Option<u16> {
        let mut bye = None;
        while let Some(descriptor) = self.next() {
            if descriptor.header.kind == Kind::Bye {
                bye = filbert::wire::bye::Bye::decode(&descriptor.payload)
                    .ok()
                    .map(|bye| bye.code);
            }
        }
        bye
    }
}
