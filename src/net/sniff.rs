//! What a stranger on the one port speaks (protocol §2.1).
//!
//! The first bytes decide, no more of them are awaited than that takes, and they are put back for
//! whoever goes on. Only a `GIV` is read here to its end, since nothing follows it until we ask.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::fill::poll_fill;
#[cfg(feature = "tls")]
use super::tls::Acceptor;
use super::{Rewind, Stream};
use crate::runtime::{self, TimedOut};
use crate::wire::Guid;

/// The longest first line that is waited for.
const LONGEST: usize = 1024;

/// How a Gnutella handshake begins.
const GNUTELLA: &[u8] = b"GNUTELLA CONNECT/";
/// How HTTP requests begin.
const HTTP: [&[u8]; 3] = [b"GET ", b"HEAD ", b"OPTIONS "];
/// How the answer to a push begins.
const GIV: &[u8] = b"GIV ";
/// How a queue calls who waits in it.
const QUEUE: &[u8] = b"QUEUE ";
/// Characters of the number of a place in a queue; what is longer is none.
const LONGEST_ID: usize = 64;
/// How TLS begins: a handshake record of any version.
const TLS: &[u8] = &[0x16, 0x03];

/// What a connection turned out to be.
#[derive(Debug)]
pub enum Opening {
    /// A servent that wants to be a neighbour; its handshake is still to be read.
    Gnutella(Rewind<Stream>),
    /// An HTTP request; all of it is still to be read.
    Http(Rewind<Stream>),
    /// The answer to one of our pushes; an HTTP request may be sent on it.
    Giv {
        /// The index of the file it is about, of information only.
        index: u32,
        /// The servent that gives.
        servent: Guid,
        /// The connection.
        stream: Rewind<Stream>,
    },
    /// A servent in whose queue we wait says that it is our turn (protocol §10.7): the request may
    /// be sent on it.
    Queue {
        /// The number of our place there.
        id: String,
        /// The connection.
        stream: Rewind<Stream>,
    },
    /// Something that is not served here: connect-backs, chat, other networks.
    Other,
}

/// Why a connection was never understood.
#[derive(Debug, Error)]
pub enum SniffError {
    /// The peer closed it or the network broke it.
    #[error("the connection ended before saying what it is: {0}")]
    Ended(#[from] io::Error),
    /// A `GIV` line that does not say who gives.
    #[error("the peer sent a malformed GIV line: {0:?}")]
    MalformedGiv(String),
    /// A `QUEUE` line that does not say for which place.
    #[error("the peer sent a malformed QUEUE line: {0:?}")]
    MalformedQueue(String),
    /// The peer said too little in too much time.
    #[error("the peer did not say what it wants: {0}")]
    Silent(#[from] TimedOut),
    /// The peer's first line does not end.
    #[error("the peer's first line has more than {LONGEST} bytes")]
    TooLong,
}

/// Tells strangers apart.
#[derive(Clone, Debug)]
pub struct Sniffer {
    patience: Duration,
    #[cfg(feature = "tls")]
    tls: Option<Acceptor>,
}

impl Default for Sniffer {
    /// Waits 20 seconds and refuses TLS.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(20),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Sniffer {
    /// How long a stranger may take to say what it wants, TLS included.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Accepts TLS, and what is inside counts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, acceptor: Acceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// Reads as much as it takes to know what a connection is.
    ///
    /// # Errors
    /// When the peer does not say it in time, in bounds, or at all.
    pub async fn sniff(&self, stream: impl Into<Stream>) -> Result<Opening, SniffError> {
        runtime::timeout(self.patience, self.open(stream.into())).await?
    }

    async fn open(&self, stream: Stream) -> Result<Opening, SniffError> {
        match first(stream).await? {
            #[cfg(feature = "tls")]
            (Said::Tls, front, Stream::Plain(stream)) => {
                let Some(acceptor) = &self.tls else {
                    return Ok(Opening::Other);
                };
                let inside = acceptor.accept(Rewind::new(front, stream)).await?;
                let (said, front, stream) = first(inside).await?;
                opening(said, front, stream)
            }
            (said, front, stream) => opening(said, front, stream),
        }
    }
}

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Gnutella,
    Http,
    /// A whole GIV of this length.
    Giv(usize),
    /// A whole line of this length about a place in a queue.
    Queue(usize),
    Tls,
    Other,
}

/// Reads until the first bytes say something.
async fn first(mut stream: Stream) -> Result<(Said, Bytes, Stream), SniffError> {
    let mut front = BytesMut::new();
    loop {
        if let Some(said) = said(&front) {
            return Ok((said, front.freeze(), stream));
        }
        if front.len() >= LONGEST {
            return Err(SniffError::TooLong);
        }
        if poll_fn(|cx| poll_fill(&mut stream, cx, &mut front)).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// What `bytes` say; nothing while more of them could still say something else.
fn said(bytes: &[u8]) -> Option<Said> {
    if bytes.starts_with(GNUTELLA) {
        Some(Said::Gnutella)
    } else if HTTP.iter().any(|method| bytes.starts_with(method)) {
        Some(Said::Http)
    } else if bytes.starts_with(TLS) {
        Some(Said::Tls)
    } else if bytes.starts_with(GIV) {
        giv_end(bytes).map(Said::Giv)
    } else if bytes.starts_with(QUEUE) {
        let end = bytes.iter().position(|byte| *byte == b'\n')? + 1;
        Some(Said::Queue(end))
    } else {
        let known = HTTP.into_iter().chain([GNUTELLA, GIV, QUEUE, TLS]);
        let possible = known.into_iter().any(|start| start.starts_with(bytes));
        (!possible).then_some(Said::Other)
    }
}

/// The end of a GIV line and of the blank line behind it, which must not be left for HTTP.
fn giv_end(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let carriage_return = usize::from(*bytes.get(line)? == b'\r');
    let end = line + carriage_return;
    // Whatever is not a blank line is left, for HTTP to complain about.
    Some(if *bytes.get(end)? == b'\n' {
        end + 1
    } else {
        line
    })
}

fn opening(said: Said, mut front: Bytes, stream: Stream) -> Result<Opening, SniffError> {
    Ok(match said {
        Said::Gnutella => Opening::Gnutella(Rewind::new(front, stream)),
        Said::Http => Opening::Http(Rewind::new(front, stream)),
        Said::Giv(length) => {
            let text = front.split_to(length);
            let text = String::from_utf8_lossy(&text);
            let Some((index, servent)) = giv(text.trim_end()) else {
                return Err(SniffError::MalformedGiv(text.trim_end().to_owned()));
            };
            let stream = Rewind::new(front, stream);
            Opening::Giv {
                index,
                servent,
                stream,
            }
        }
        Said::Queue(length) => {
            let text = front.split_to(length);
            let text = String::from_utf8_lossy(&text);
            // Nothing belongs behind it, but some may end it with a blank line.
            let blank = [&b"\r\n"[..], b"\n"]
                .into_iter()
                .find(|end| front.starts_with(end));
            front.advance(blank.map_or(0, <[u8]>::len));
            let Some(id) = place(text.trim_end()) else {
                return Err(SniffError::MalformedQueue(text.trim_end().to_owned()));
            };
            let stream = Rewind::new(front, stream);
            Opening::Queue { id, stream }
        }
        Said::Tls | Said::Other => Opening::Other,
    })
}

/// Index and servent of `GIV <index>:<GUID in hex>/<name>`.
fn giv(line: &str) -> Option<(u32, Guid)> {
    let (index, rest) = line.strip_prefix("GIV ")?.split_once(':')?;
    let (servent, _name) = rest.split_once('/')?;
    Some((index.parse().ok()?, servent.parse().ok()?))
}

/// The number of the place in `QUEUE <ID> <ip>:<port>`. The address is that of its listener, which
/// nobody needs: the connection is there.
fn place(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("QUEUE ")?.split_ascii_whitespace();
    let id = words.next().filter(|id| is_place(id))?;
    Some(id.to_owned())
}

/// Whether a text may be the number of a place in a queue: nothing in it ends a header's item.
#[must_use]
pub fn is_place(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use futures::future::join;
    use futures::{AsyncReadExt, AsyncWriteExt};
    use proptest::prelude::*;

    use super::*;
    use crate::net::http::{self, Body, Request, Response};
    use crate::net::testing::pair;
    use crate::runtime::block_on;

    const GUID: &str = "000102030405060708090A0b0c0d0e0f";
    const HELLO: &[u8] = b"GNUTELLA CONNECT/0.6\r\nUser-Agent: x\r\n\r\n\x00\xff";

    /// What the sniffer makes of `bytes`, after which nothing comes.
    fn sniffed(bytes: &[u8]) -> Result<Opening, SniffError> {
        block_on(async {
            let (mut here, there) = pair().await;
            here.write_all(bytes).await.unwrap();
            here.close().await.unwrap();
            Sniffer::default().sniff(there).await
        })
    }

    #[test]
    fn a_handshake_that_dribbles_in_is_kept_whole() {
        block_on(async {
            let (mut here, there) = pair().await;
            let dribbling = async {
                for byte in HELLO {
                    here.write_all(&[*byte]).await.unwrap();
                    runtime::yield_now().await;
                }
                here.close().await.unwrap();
            };
            let sniffer = Sniffer::default();
            let (opening, ()) = join(sniffer.sniff(there), dribbling).await;
            let Ok(Opening::Gnutella(mut stream)) = opening else {
                panic!("{opening:?}");
            };
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, HELLO);
        });
    }

    #[test]
    fn a_request_goes_on_as_http_however_long_its_path() {
        block_on(async {
            let (here, there) = pair().await;
            let path = format!("/get/1/{}", "%41".repeat(1000));
            let serving = async {
                let Ok(Opening::Http(stream)) = Sniffer::default().sniff(there).await else {
                    panic!("not HTTP");
                };
                let echo = |request: Request<_>| async move {
                    Response::new(Body::from(request.uri().to_string()))
                };
                http::serve(stream, echo).await.unwrap();
            };
            let asking = async {
                let mut client = http::connect(here).await.unwrap();
                let request = Request::get(&path).body(Body::empty()).unwrap();
                let response = client.send(request).await.unwrap();
                http::read_body(response.into_body(), 4096).await.unwrap()
            };
            let ((), body) = join(serving, asking).await;
            assert_eq!(body, path);
        });
    }

    #[test]
    fn a_giv_turns_the_connection_round() {
        for line in [
            format!("GIV 7:{GUID}/a name: with / all of it\n\n"),
            format!("GIV 7:{GUID}/\r\n\r\n"),
        ] {
            block_on(async {
                let (mut here, there) = pair().await;
                let giving = async {
                    for byte in line.bytes() {
                        here.write_all(&[byte]).await.unwrap();
                        runtime::yield_now().await;
                    }
                    let file = |_| async { Response::new(Body::from("the file")) };
                    http::serve(here, file).await.unwrap();
                };
                let taking = async {
                    let opening = Sniffer::default().sniff(there).await;
                    let Ok(Opening::Giv {
                        index,
                        servent,
                        stream,
                    }) = opening
                    else {
                        panic!("{opening:?}");
                    };
                    assert_eq!((index, servent), (7, GUID.parse().unwrap()));
                    let mut client = http::connect(stream).await.unwrap();
                    let request = Request::get("/").body(Body::empty()).unwrap();
                    let response = client.send(request).await.unwrap();
                    http::read_body(response.into_body(), 99).await.unwrap()
                };
                let ((), body) = join(giving, taking).await;
                assert_eq!(body, "the file");
            });
        }
    }

    #[test]
    fn a_giv_must_say_who_gives() {
        for line in ["GIV 7/x\n\n", "GIV 7:00/x\n\n", "GIV x:00/\n\n", "GIV \n\n"] {
            let error = sniffed(line.as_bytes()).unwrap_err();
            assert!(matches!(error, SniffError::MalformedGiv(_)), "{error}");
        }
    }

    #[test]
    fn a_queue_calls_and_is_asked_on_the_same_connection() {
        for line in [
            "QUEUE 0123456789ABCDEF 192.0.2.1:6346\r\n",
            "QUEUE 0123456789ABCDEF 192.0.2.1:6346\r\n\r\n",
            "QUEUE 0123456789ABCDEF\n",
        ] {
            block_on(async {
                let (mut here, there) = pair().await;
                let calling = async {
                    here.write_all(line.as_bytes()).await.unwrap();
                    let file = |_| async { Response::new(Body::from("the file")) };
                    http::serve(here, file).await.unwrap();
                };
                let asking = async {
                    let opening = Sniffer::default().sniff(there).await;
                    let Ok(Opening::Queue { id, stream }) = opening else {
                        panic!("{opening:?}");
                    };
                    assert_eq!(id, "0123456789ABCDEF");
                    let mut client = http::connect(stream).await.unwrap();
                    let request = Request::get("/").body(Body::empty()).unwrap();
                    let response = client.send(request).await.unwrap();
                    http::read_body(response.into_body(), 99).await.unwrap()
                };
                let ((), body) = join(calling, asking).await;
                assert_eq!(body, "the file", "{line:?}");
            });
        }
        let long = format!("QUEUE {} 192.0.2.1:6346\r\n", "f".repeat(65));
        for line in ["QUEUE \r\n", "QUEUE a;b 1.2.3.4:5\r\n", &long] {
            let error = sniffed(line.as_bytes()).unwrap_err();
            assert!(matches!(error, SniffError::MalformedQueue(_)), "{error}");
        }
    }

    #[test]
    fn other_tongues_are_known_at_once() {
        for start in [
            "\n\n",
            "CONNECT BACK\r\n",
            "CHAT CONNECT/0.1\r\n",
            "G2",
            "\x16\x02",
        ] {
            let opening = sniffed(start.as_bytes()).unwrap();
            assert!(matches!(opening, Opening::Other), "{start:?}: {opening:?}");
        }
    }

    #[test]
    fn who_says_nothing_or_too_much_is_turned_away() {
        for start in ["", "G", "GNUTELLA CONNECT", "GIV 7:"] {
            let error = sniffed(start.as_bytes()).unwrap_err();
            assert!(matches!(error, SniffError::Ended(_)), "{start:?}: {error}");
        }
        let error = sniffed(&[b"GIV 7:", &[b'0'; LONGEST][..]].concat()).unwrap_err();
        assert!(matches!(error, SniffError::TooLong), "{error}");
        block_on(async {
            let (_here, there) = pair().await;
            let sniffer = Sniffer::default().patience(Duration::from_millis(20));
            let error = sniffer.sniff(there).await.unwrap_err();
            assert!(matches!(error, SniffError::Silent(_)), "{error}");
        });
    }

    #[cfg(feature = "tls")]
    #[test]
    fn inside_tls_the_same_is_spoken() {
        use crate::net::tls::{Connector, Identity};

        let acceptor = Acceptor::new(&Identity::generate().unwrap()).unwrap();
        let sniffer = Sniffer::default().tls(acceptor);
        block_on(async {
            let (here, there) = pair().await;
            let dialling = async {
                let connector = Connector::new(&Identity::generate().unwrap()).unwrap();
                let limit = Duration::from_secs(10);
                let mut stream = connector.connect(here, limit).await.unwrap();
                stream.write_all(HELLO).await.unwrap();
                stream.close().await.unwrap();
                stream
            };
            let (opening, _dialled) = join(sniffer.sniff(there), dialling).await;
            let Ok(Opening::Gnutella(mut stream)) = opening else {
                panic!("{opening:?}");
            };
            assert!(stream.get_ref().is_encrypted());
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, HELLO);
        });
        let refused = sniffed(&[0x16, 0x03, 0x01, 0x02]).unwrap();
        assert!(matches!(refused, Opening::Other), "{refused:?}");
    }

    proptest! {
        #[test]
        fn what_was_said_stays_said(
            start in prop::sample::select(vec![GNUTELLA, HTTP[0], HTTP[1], HTTP[2], GIV, QUEUE, TLS, b""]),
            rest in "[GIV\r\n 0]{0,20}",
        ) {
            let bytes = [start, rest.as_bytes()].concat();
            let mut decided = None;
            for length in 0..=bytes.len() {
                let said = said(&bytes[..length]);
                prop_assert!(decided.is_none() || said == decided);
                decided = said;
            }
        }
    }
}
