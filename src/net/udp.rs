//! The UDP socket on the Gnutella port (protocol §13).
//!
//! Hands on what strangers send, in batches and within limits; what a datagram means, and whether
//! its length is right to the byte, is for `wire` to say. Nothing is answered from here.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::rate::{Gate, Limits, Rate};
use crate::runtime::{self, UdpSocket};

/// The longest datagram that is sent (protocol §13.5).
pub const MAX_SENT: usize = 1_400;

/// The longest datagram that is taken (protocol §13.5).
pub const MAX_RECEIVED: usize = 4_096;

/// Datagrams a batch.
const BATCH: usize = 64;

/// How long to wait when the system refuses to read.
const BREATH: Duration = Duration::from_millis(100);

/// What a servent takes as a rule. One source sends the most when it answers a query out of band:
/// 200 results, in twenty datagrams or as many as there are results. In total, more than a busy
/// ultrapeer hears and a fraction of what a core can decode.
pub const LIMITS: Limits = Limits {
    source: Rate {
        per_second: 50,
        burst: 250,
    },
    total: Rate {
        per_second: 2_000,
        burst: 4_000,
    },
};

/// What came, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The address it claims to come from, which nobody has proven.
    pub from: SocketAddr,
    /// All of it.
    pub bytes: Bytes,
}

/// The socket. Clones are the same socket.
#[derive(Clone, Debug)]
pub struct Udp {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Udp {
    /// A socket on `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address it is on, with the port that was chosen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands on what comes until `on_batch` breaks. Each call gets all that lay ready, up to a few
    /// dozen, and may take it. What is too long or beyond `limits` is passed over.
    pub async fn receive(
        &self,
        limits: Limits,
        mut on_batch: impl FnMut(&mut Vec<Datagram>) -> ControlFlow<()>,
    ) {
        let mut gate = Gate::new(limits);
        let start = Instant::now();
        let mut batch = Vec::new();
        let mut buffer = vec![0; MAX_RECEIVED + 1];
        loop {
            let mut received = self.socket.receive_from(&mut buffer).await;
            let now = start.elapsed();
            for _ in 0..BATCH {
                match received {
                    Ok((length, from)) => {
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        if length <= MAX_RECEIVED && gate.pass(from, now) {
                            let bytes = Bytes::copy_from_slice(&buffer[..length]);
                            batch.push(Datagram { from, bytes });
                        }
                    }
                    Err(error) if is_echo(&error) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        log::warn!("{}: cannot read datagrams: {error}", self.address);
                        runtime::sleep(BREATH).await;
                        break;
                    }
                }
                received = self.socket.try_receive_from(&mut buffer);
            }
            if !batch.is_empty() {
                if on_batch(&mut batch).is_break() {
                    return;
                }
                batch.clear();
                batch.shrink_to(BATCH);
            }
            // More may lie ready; the links of this thread shall have their turn first.
            runtime::yield_now().await;
        }
    }

    /// Sends a datagram of at most [`MAX_SENT`] bytes.
    ///
    /// # Errors
    /// When it is longer, or the system cannot send there.
    pub async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > MAX_SENT {
            let why = "a datagram above 1400 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        match self.socket.send_to(bytes, to).await {
            // That was about an earlier one, which is lost as datagrams are.
            Err(error) if is_echo(&error) => Ok(()),
            sent => sent,
        }
    }
}

/// Whether an error tells only that nobody was there for an earlier datagram.
fn is_echo(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::block_on;

    fn socket() -> Udp {
        Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    /// What `udp` receives up to and with an empty datagram.
    async fn received(udp: &Udp, limits: Limits) -> Vec<Vec<Datagram>> {
        let mut batches = Vec::new();
        let receiving = udp.receive(limits, |batch| {
            let last = batch.iter().any(|datagram| datagram.bytes.is_empty());
            batches.push(std::mem::take(batch));
            if last {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        receiving.await;
        batches
    }

    #[test]
    fn what_lies_ready_comes_in_one_batch_with_its_source() {
        block_on(async {
            let (here, there) = (socket(), socket());
            for bytes in [&b"one"[..], b"two", &[0; MAX_SENT], b""] {
                here.send(there.address(), bytes).await.unwrap();
            }
            let batches = received(&there, LIMITS).await;
            assert_eq!(batches.len(), 1);
            let lengths: Vec<_> = batches[0].iter().map(|one| one.bytes.len()).collect();
            assert_eq!(lengths, [3, 3, MAX_SENT, 0]);
            assert!(batches[0].iter().all(|one| one.from == here.address()));
        });
    }

    #[test]
    fn what_is_too_long_is_neither_sent_nor_taken() {
        block_on(async {
            let (here, there) = (socket(), socket());
            let to = there.address();
            let error = here.send(to, &[0; MAX_SENT + 1]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let huge = vec![0; MAX_RECEIVED + 1];
            here.socket.send_to(&huge, to).await.unwrap();
            here.send(to, b"").await.unwrap();
            let batches = received(&there, LIMITS).await;
            assert_eq!(batches.concat().len(), 1);
        });
    }

    #[test]
    fn a_flood_costs_its_source_only() {
        block_on(async {
            let (loud, quiet, there) = (socket(), socket(), socket());
            let limits = Limits {
                source: Rate {
                    per_second: 1,
                    burst: 5,
                },
                ..LIMITS
            };
            for _ in 0..50 {
                loud.send(there.address(), b"flood").await.unwrap();
            }
            quiet.send(there.address(), b"").await.unwrap();
            let all = received(&there, limits).await.concat();
            assert_eq!(all.len(), 6);
            assert_eq!(all[5].from, quiet.address());
        });
    }

    #[test]
    fn a_port_where_nobody_is_does_not_end_the_socket() {
        block_on(async {
            let (here, there) = (socket(), socket());
            let gone = socket().address();
            for _ in 0..3 {
                here.send(gone, b"anyone?").await.unwrap();
            }
            there.send(here.address(), b"").await.unwrap();
            let all = received(&here, LIMITS).await.concat();
            assert_eq!(all[0].from, there.address());
        });
    }
}
