//! The three blocks with which a link begins (protocol §2.2), from either side.
//!
//! What to say and whom to take is for the caller; here is who speaks when, how long it may take,
//! and what the two agree on besides being neighbours: compression of each direction and TLS
//! (protocol §14). What comes out is ready for [`link`](super::link). Descriptors that come in the
//! same segment as the last block are not lost.
//!
//! That a servent goes over to TLS here says nothing about whether it takes TLS from the first
//! byte: that is for [`dial`](super::dial) to try.

mod talk;
mod terms;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::AsyncReadExt;
use futures::future::Either;
use futures::io::{ReadHalf, WriteHalf};
use thiserror::Error;

use self::talk::Talk;
use self::terms::Terms;
use super::deflate::{self, Deflate, Inflate};
#[cfg(feature = "tls")]
use super::tls::Ends;
use super::{Rewind, Stream};
use crate::runtime::{self, TimedOut};
use crate::wire;
use crate::wire::handshake::{Block, Headers, StartLine};

/// The oldest version that is spoken.
const OLDEST: (u8, u8) = (0, 6);

/// What a servent wants of every link.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Compresses at this level where the other side can decompress, and offers to decompress.
    pub deflate: Option<u32>,
    /// The longest that a handshake may take, TLS included.
    pub limit: Duration,
    /// Whether to go over to TLS.
    pub tls: Tls,
}

impl Default for Policy {
    /// Compressed, not encrypted, within 20 seconds (protocol §2.2).
    fn default() -> Self {
        Self {
            deflate: Some(deflate::LEVEL),
            limit: Duration::from_secs(20),
            tls: Tls::Off,
        }
    }
}

/// What a servent makes of TLS.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// Links are plain, unless they came encrypted.
    #[default]
    Off,
    /// Links are encrypted where the other side can.
    #[cfg(feature = "tls")]
    Offer(Ends),
    /// There are no plain links.
    #[cfg(feature = "tls")]
    Require(Ends),
}

impl Tls {
    /// Whether a link may become encrypted.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether a link must not stay plain.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        match self {
            Self::Off => false,
            #[cfg(feature = "tls")]
            Self::Offer(_) => false,
            #[cfg(feature = "tls")]
            Self::Require(_) => true,
        }
    }

    /// What it takes to encrypt, if that is wanted.
    #[cfg(feature = "tls")]
    pub(super) const fn ends(&self) -> Option<&Ends> {
        match self {
            Self::Off => None,
            Self::Offer(ends) | Self::Require(ends) => Some(ends),
        }
    }
}

/// The side of a link that is read from.
pub type Reader = Either<ReadHalf<Rewind<Stream>>, Inflate<ReadHalf<Rewind<Stream>>>>;

/// The side of a link that is written to.
pub type Writer = Either<WriteHalf<Rewind<Stream>>, Deflate<WriteHalf<Rewind<Stream>>>>;

/// A handshake that succeeded.
pub struct Shaken {
    /// What the other side says of itself.
    pub headers: Headers,
    /// What the initiator says in its last block, knowing our answer. Empty at its own side.
    pub last: Headers,
    /// What comes, from the first descriptor on.
    pub reader: Reader,
    /// What goes, from the first descriptor on.
    pub writer: Writer,
    /// The address of this end.
    pub local: Option<SocketAddr>,
    /// Everything travels inside TLS.
    pub tls: bool,
    /// What comes is compressed.
    pub compressed_in: bool,
    /// What goes is compressed.
    pub compressed_out: bool,
}

impl Shaken {
    fn new(headers: Headers, last: Headers, stream: Rewind<Stream>, terms: &Terms) -> Self {
        let local = stream.get_ref().local_addr().ok();
        let tls = stream.get_ref().is_encrypted();
        let (reader, writer) = stream.split();
        Self {
            headers,
            last,
            reader: if terms.inflate {
                Either::Right(Inflate::new(reader))
            } else {
                Either::Left(reader)
            },
            writer: match terms.deflate {
                Some(level) => Either::Right(Deflate::new(writer, level)),
                None => Either::Left(writer),
            },
            local,
            tls,
            compressed_in: terms.inflate,
            compressed_out: terms.deflate.is_some(),
        }
    }
}

impl fmt::Debug for Shaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaken")
            .field("headers", &self.headers)
            .field("last", &self.last)
            .field("tls", &self.tls)
            .field("compressed_in", &self.compressed_in)
            .field("compressed_out", &self.compressed_out)
            .finish_non_exhaustive()
    }
}

/// What one makes of the other side's block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Be neighbours; these headers answer. Those on compression and TLS come of themselves.
    Accept(Headers),
    /// Say 200 and these headers, hear the last word, and close: for a crawler (protocol §2.7).
    Inform(Headers),
    /// Rather not.
    Refuse {
        /// A status other than 200 (protocol §2.6).
        code: u16,
        /// Why, for people.
        reason: String,
        /// Headers of use to the refused, such as other hosts to try.
        headers: Headers,
    },
}

impl Judgement {
    fn refuse(code: u16, reason: &str) -> Self {
        Self::Refuse {
            code,
            reason: reason.to_owned(),
            headers: Headers::new(),
        }
    }
}

/// Why a handshake did not make a link.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// We did not want to.
    #[error("we refused the servent: {code} {reason}")]
    Declined {
        /// The status we gave.
        code: u16,
        /// The reason we gave.
        reason: String,
    },
    /// The other side got what it asked for, which was not a link.
    #[error("the servent was informed, as it asked")]
    Informed,
    /// The connection broke.
    #[error("the connection broke in the handshake: {0}")]
    Io(#[from] io::Error),
    /// The other side sent what no handshake has.
    #[error("the servent sent a malformed handshake: {0}")]
    Malformed(#[from] wire::Error),
    /// The other side speaks a protocol of the past; it was told so.
    #[error("the servent speaks Gnutella {major}.{minor}, 0.6 is the oldest understood")]
    Obsolete {
        /// The number before the dot.
        major: u8,
        /// The number behind it.
        minor: u8,
    },
    /// The other side began a handshake where an answer was due, or the reverse.
    #[error("the servent spoke out of turn in the handshake: {0}")]
    OutOfTurn(StartLine),
    /// The other side wants to go on without TLS, which is required here.
    #[error("the servent wants to go on without the TLS that is required here")]
    Plain,
    /// The other side does not want to.
    #[error("the servent refused: {code} {reason}")]
    Refused {
        /// The status it gave.
        code: u16,
        /// The reason it gave.
        reason: String,
        /// What else it said, such as other hosts to try.
        headers: Headers,
    },
    /// The other side was too slow.
    #[error("the servent did not finish the handshake: {0}")]
    Silent(#[from] TimedOut),
    /// The two agreed on TLS and did not manage it.
    #[error("TLS with the servent failed: {0}")]
    Tls(io::Error),
}

/// Asks the servent at the other end to be a neighbour; `judge` sees its answer and has the last
/// word.
///
/// # Errors
/// When one of the two refuses, or the other side breaks the rules or the connection, or takes
/// longer than it may.
pub async fn initiate(
    stream: Rewind<Stream>,
    mut ours: Headers,
    policy: &Policy,
    judge: impl FnOnce(&Block) -> Judgement,
) -> Result<Shaken, HandshakeError> {
    let encrypted = stream.get_ref().is_encrypted();
    let mut talk = Talk(stream);
    runtime::timeout(policy.limit, async {
        terms::propose(policy, encrypted, &mut ours);
        talk.say(StartLine::CONNECT, ours).await?;
        let answer = talk.hear_status().await?;
        let terms = Terms::of_answer(&answer.headers, policy, encrypted);
        let judgement = match terms::fault(&answer.headers, &terms, policy, encrypted) {
            None => judge(&answer),
            // In an answer it goes with an offer of ours.
            Some(fault) => fault,
        };
        talk.answer(judgement, |last| terms.conclude(last)).await?;
        let mut stream = talk.0;
        if terms.tls {
            stream = connect(stream, policy).await?;
        }
        Ok(Shaken::new(answer.headers, Headers::new(), stream, &terms))
    })
    .await?
}

/// Answers a servent that asks to be a neighbour, as `judge` says.
///
/// # Errors
/// When one of the two refuses, or the other side breaks the rules or the connection, or takes
/// longer than it may.
pub async fn respond(
    stream: Rewind<Stream>,
    policy: &Policy,
    judge: impl FnOnce(&Block) -> Judgement,
) -> Result<Shaken, HandshakeError> {
    let encrypted = stream.get_ref().is_encrypted();
    let mut talk = Talk(stream);
    runtime::timeout(policy.limit, async {
        let hello = talk.hear().await?;
        match hello.line {
            StartLine::Connect { major, minor } if (major, minor) < OLDEST => {
                talk.refuse(406, "Gnutella 0.6 required", Headers::new())
                    .await?;
                return Err(HandshakeError::Obsolete { major, minor });
            }
            StartLine::Connect { .. } => {}
            StartLine::Status { .. } => return Err(HandshakeError::OutOfTurn(hello.line)),
        }
        let mut terms = Terms::of_hello(&hello.headers, policy, encrypted);
        let judgement = match terms::fault(&hello.headers, &terms, policy, encrypted) {
            None => judge(&hello),
            Some(fault) => fault,
        };
        talk.answer(judgement, |answer| terms.answer(policy, answer))
            .await?;
        let last = talk.hear_status().await?;
        terms.settle(&last.headers);
        let mut stream = talk.0;
        if terms.tls {
            stream = accept(stream, policy).await?;
        } else if policy.tls.is_required() && !encrypted {
            return Err(HandshakeError::Plain);
        }
        Ok(Shaken::new(hello.headers, last.headers, stream, &terms))
    })
    .await?
}

/// Goes over to TLS, as the side that dialled.
#[cfg(feature = "tls")]
async fn connect(
    stream: Rewind<Stream>,
    policy: &Policy,
) -> Result<Rewind<Stream>, HandshakeError> {
    let (front, stream) = stream.into_parts();
    match (stream, policy.tls.ends()) {
        (Stream::Plain(stream), Some(ends)) => {
            let stream = Rewind::new(front, stream);
            let connecting = ends.connector.connect(stream, policy.limit);
            Ok(connecting.await.map_err(HandshakeError::Tls)?.into())
        }
        (stream, _) => Ok(Rewind::new(front, stream)),
    }
}

/// Goes over to TLS, as the side that was dialled. Its hello may have come with the last block.
#[cfg(feature = "tls")]
async fn accept(stream: Rewind<Stream>, policy: &Policy) -> Result<Rewind<Stream>, HandshakeError> {
    let (front, stream) = stream.into_parts();
    match (stream, policy.tls.ends()) {
        (Stream::Plain(stream), Some(ends)) => {
            let accepting = ends.acceptor.accept(Rewind::new(front, stream));
            Ok(accepting.await.map_err(HandshakeError::Tls)?.into())
        }
        (stream, _) => Ok(Rewind::new(front, stream)),
    }
}

/// Without TLS in the build nobody agrees on it.
#[cfg(not(feature = "tls"))]
async fn connect(stream: Rewind<Stream>, _: &Policy) -> Result<Rewind<Stream>, HandshakeError> {
    Ok(stream)
}

#[cfg(not(feature = "tls"))]
use connect as accept;

#[cfg(test)]
mod tests {
    use futures::future::join;
    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::{TcpStream, block_on};

    /// Neither compressed nor encrypted.
    fn plain() -> Policy {
        Policy {
            deflate: None,
            ..Policy::default()
        }
    }

    fn impatient() -> Policy {
        Policy {
            limit: Duration::from_millis(20),
            ..plain()
        }
    }

    fn rewind(stream: TcpStream) -> Rewind<Stream> {
        Stream::from(stream).into()
    }

    fn headers(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    fn accept(_: &Block) -> Judgement {
        Judgement::Accept(headers("User-Agent", "Answerer/1"))
    }

    fn refuse(_: &Block) -> Judgement {
        Judgement::Refuse {
            code: 503,
            reason: "Too many leaves".to_owned(),
            headers: headers("X-Try-Ultrapeers", "192.0.2.1:6346"),
        }
    }

    fn inform(_: &Block) -> Judgement {
        Judgement::Inform(headers("Peers", "192.0.2.1:6346"))
    }

    fn nobody(_: &Block) -> Judgement {
        panic!("nobody is to be judged");
    }

    /// What `respond` makes of `bytes` and what it answered.
    async fn responded(
        bytes: &[u8],
        policy: &Policy,
        judge: fn(&Block) -> Judgement,
    ) -> (Result<Shaken, HandshakeError>, String) {
        let (mut here, there) = pair().await;
        let mut listening = here.clone();
        let talking = async {
            // The other side may hang up before the end.
            for byte in bytes {
                if here.write_all(&[*byte]).await.is_err() {
                    return;
                }
                runtime::yield_now().await;
            }
            here.close().await.ok();
        };
        let answering = async {
            let mut outcome = respond(rewind(there), policy, judge).await;
            if let Ok(shaken) = &mut outcome {
                shaken.writer.close().await.unwrap();
            }
            outcome
        };
        let mut answer = String::new();
        let hearing = async {
            listening.read_to_string(&mut answer).await.ok();
        };
        let ((), (outcome, ())) = join(talking, join(answering, hearing)).await;
        (outcome, answer)
    }

    /// Two servents shake hands.
    async fn shake(
        asking: &Policy,
        answering: &Policy,
    ) -> (
        Result<Shaken, HandshakeError>,
        Result<Shaken, HandshakeError>,
    ) {
        let (here, there) = pair().await;
        join(
            initiate(rewind(here), Headers::new(), asking, accept),
            respond(rewind(there), answering, accept),
        )
        .await
    }

    /// A word in each direction arrives.
    async fn talk(asked: &mut Shaken, answered: &mut Shaken) {
        for (from, to) in [
            (&mut asked.writer, &mut answered.reader),
            (&mut answered.writer, &mut asked.reader),
        ] {
            from.write_all(b"ping").await.unwrap();
            from.flush().await.unwrap();
            let mut bytes = [0; 4];
            to.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"ping");
        }
    }

    #[test]
    fn both_sides_learn_what_the_other_says() {
        block_on(async {
            let (here, there) = pair().await;
            let address = here.local_addr().unwrap();
            let ours = headers("User-Agent", "Asker/1");
            let judge = |block: &Block| {
                assert_eq!(block.headers.get("User-Agent").unwrap(), "Answerer/1");
                Judgement::Accept(headers("X-Ultrapeer", "False"))
            };
            let policy = plain();
            let (asked, answered) = join(
                initiate(rewind(here), ours, &policy, judge),
                respond(rewind(there), &policy, accept),
            )
            .await;
            let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
            assert_eq!(asked.headers.get("User-Agent").unwrap(), "Answerer/1");
            assert_eq!(answered.headers.get("User-Agent").unwrap(), "Asker/1");
            assert_eq!(answered.last.get("X-Ultrapeer").unwrap(), "False");
            assert_eq!(asked.local, Some(address));
            talk(&mut asked, &mut answered).await;
        });
    }

    #[test]
    fn each_direction_is_compressed_if_both_ends_want() {
        block_on(async {
            let both = Policy::default();
            let (asked, answered) = shake(&both, &both).await;
            let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
            for shaken in [&asked, &answered] {
                assert!(shaken.compressed_in && shaken.compressed_out && !shaken.tls);
            }
            talk(&mut asked, &mut answered).await;

            for (asking, answering) in [(&both, &plain()), (&plain(), &both)] {
                let (asked, answered) = shake(asking, answering).await;
                let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
                for shaken in [&asked, &answered] {
                    assert!(!shaken.compressed_in && !shaken.compressed_out);
                }
                talk(&mut asked, &mut answered).await;
            }
        });
    }

    #[test]
    fn compression_begins_behind_the_last_block_of_its_sender() {
        block_on(async {
            // It accepts compression and does not compress itself, and reads plain from the start.
            let hello = "GNUTELLA CONNECT/0.6\r\naccept-encoding: gzip, DEFLATE\r\n\r\n";
            let last = "GNUTELLA/0.6 200 OK\r\n\r\nplain";
            let (mut here, there) = pair().await;
            let all = [hello, last].concat();
            here.write_all(all.as_bytes()).await.unwrap();
            let policy = Policy::default();
            let mut shaken = respond(rewind(there), &policy, accept).await.unwrap();
            assert!(shaken.compressed_out && !shaken.compressed_in);
            let mut rest = [0; 5];
            shaken.reader.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"plain");

            shaken.writer.write_all(b"squeezed").await.unwrap();
            shaken.writer.close().await.unwrap();
            let mut answer = Vec::new();
            here.read_to_end(&mut answer).await.unwrap();
            let expected = "GNUTELLA/0.6 200 OK\r\nUser-Agent: Answerer/1\r\n\
                            Accept-Encoding: deflate\r\nContent-Encoding: deflate\r\n\r\n";
            let (block, stream) = answer.split_at(expected.len());
            assert_eq!(block, expected.as_bytes());
            let mut text = String::new();
            let mut inflate = Inflate::new(futures::io::Cursor::new(stream));
            inflate.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "squeezed");
        });
    }

    #[test]
    fn dribbled_blocks_and_the_descriptors_behind_them_arrive() {
        block_on(async {
            let bytes = b"GNUTELLA CONNECT/0.7\nUser-Agent: X\n\nGNUTELLA/0.6 200 OK\n\n\x00\n\xff";
            let (outcome, answer) = responded(bytes, &plain(), accept).await;
            let mut shaken = outcome.unwrap();
            assert_eq!(
                answer,
                "GNUTELLA/0.6 200 OK\r\nUser-Agent: Answerer/1\r\n\r\n"
            );
            let mut rest = Vec::new();
            shaken.reader.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"\x00\n\xff");
        });
    }

    #[test]
    fn the_past_is_refused_politely() {
        block_on(async {
            let hello = b"GNUTELLA CONNECT/0.4\n\n";
            let (outcome, answer) = responded(hello, &plain(), nobody).await;
            let error = outcome.unwrap_err();
            let expected = HandshakeError::Obsolete { major: 0, minor: 4 };
            assert_eq!(error.to_string(), expected.to_string());
            assert_eq!(answer, "GNUTELLA/0.6 406 Gnutella 0.6 required\r\n\r\n");
        });
    }

    #[test]
    fn a_refusal_reaches_the_other_side_with_its_headers() {
        block_on(async {
            let (here, there) = pair().await;
            let policy = Policy::default();
            let asking = initiate(rewind(here), Headers::new(), &policy, nobody);
            let answering = respond(rewind(there), &policy, refuse);
            let (asked, answered) = join(asking, answering).await;
            let declined = answered.unwrap_err();
            let HandshakeError::Declined { code: 503, .. } = declined else {
                panic!("{declined}");
            };
            let refused = asked.unwrap_err();
            let HandshakeError::Refused {
                code: 503,
                reason,
                headers,
            } = refused
            else {
                panic!("{refused}");
            };
            assert_eq!(reason, "Too many leaves");
            assert_eq!(headers.get("X-Try-Ultrapeers").unwrap(), "192.0.2.1:6346");
        });
    }

    #[test]
    fn the_initiator_has_the_last_word() {
        block_on(async {
            let (here, there) = pair().await;
            let policy = Policy::default();
            let asking = initiate(rewind(here), Headers::new(), &policy, refuse);
            let answering = respond(rewind(there), &policy, accept);
            let (asked, answered) = join(asking, answering).await;
            assert!(matches!(
                asked,
                Err(HandshakeError::Declined { code: 503, .. })
            ));
            assert!(matches!(
                answered,
                Err(HandshakeError::Refused { code: 503, .. })
            ));
        });
    }

    #[test]
    fn a_crawler_is_informed_and_no_neighbour() {
        block_on(async {
            let hello = b"GNUTELLA CONNECT/0.6\r\nCrawler: 0.1\r\nAccept-Encoding: deflate\r\n\r\n";
            let crawl = [&hello[..], b"GNUTELLA/0.6 200 OK\r\n\r\n"].concat();
            let (outcome, answer) = responded(&crawl, &Policy::default(), inform).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::Informed), "{error}");
            assert_eq!(
                answer,
                "GNUTELLA/0.6 200 OK\r\nPeers: 192.0.2.1:6346\r\n\r\n"
            );
        });
    }

    #[test]
    fn who_breaks_the_rules_is_turned_away() {
        block_on(async {
            let endless = b"GNUTELLA CONNECT/0.6\r\n".repeat(200);
            let no_line = [b'x'; 20_000];
            for bytes in [&endless[..], &no_line] {
                let (outcome, answer) = responded(bytes, &plain(), nobody).await;
                let error = outcome.unwrap_err();
                assert!(matches!(error, HandshakeError::Malformed(_)), "{error}");
                assert_eq!(answer, "GNUTELLA/0.6 413 Header too large\r\n\r\n");
            }
            let (outcome, answer) = responded(b"GNUTELLA OK\n\n", &plain(), nobody).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::Malformed(_)), "{error}");
            assert_eq!(answer, "");

            let status = b"GNUTELLA/0.6 200 OK\r\n\r\n";
            let (outcome, _) = responded(status, &plain(), nobody).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::OutOfTurn(_)), "{error}");
            let cut = b"GNUTELLA CONNECT/0.6\r\nA";
            let (outcome, _) = responded(cut, &plain(), nobody).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::Io(_)), "{error}");
        });
    }

    #[test]
    fn an_upgrade_must_say_to_what() {
        block_on(async {
            let hello = b"GNUTELLA CONNECT/0.6\r\nConnection: upgrade\r\n\r\n";
            let (outcome, answer) = responded(hello, &plain(), nobody).await;
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, HandshakeError::Declined { code: 400, .. }),
                "{error}"
            );
            assert_eq!(answer, "GNUTELLA/0.6 400 Upgrade Header Missing\r\n\r\n");
        });
    }

    #[test]
    fn silence_is_not_waited_for() {
        block_on(async {
            let policy = impatient();
            let (here, there) = pair().await;
            let error = respond(rewind(there), &policy, nobody).await.unwrap_err();
            assert!(matches!(error, HandshakeError::Silent(_)), "{error}");
            drop(here);
            let (here, _there) = pair().await;
            let error = initiate(rewind(here), Headers::new(), &policy, nobody)
                .await
                .unwrap_err();
            assert!(matches!(error, HandshakeError::Silent(_)), "{error}");
        });
    }

    #[cfg(feature = "tls")]
    mod encrypted {
        use std::cell::Cell;
        use std::ops::ControlFlow;
        use std::task::{Context, Poll};

        use super::*;
        use crate::net::link::{self, Outbox, Taken};
        use crate::net::tls::Identity;
        use crate::wire::{Descriptor, Guid, Header, Kind};

        fn ends() -> Ends {
            Ends::new(&Identity::generate().unwrap()).unwrap()
        }

        fn policy(tls: fn(Ends) -> Tls) -> Policy {
            Policy {
                tls: tls(ends()),
                ..Policy::default()
            }
        }

        #[test]
        fn a_link_goes_over_to_tls_and_is_compressed_inside() {
            block_on(async {
                for (asking, answering) in [
                    (Tls::Offer as fn(Ends) -> Tls, Tls::Offer as fn(Ends) -> Tls),
                    (Tls::Require, Tls::Offer),
                    (Tls::Offer, Tls::Require),
                ] {
                    let (asked, answered) = shake(&policy(asking), &policy(answering)).await;
                    let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
                    for shaken in [&asked, &answered] {
                        assert!(shaken.tls && shaken.compressed_in && shaken.compressed_out);
                    }
                    assert_eq!(answered.headers.get("Upgrade").unwrap(), "TLS/1.0");
                    assert_eq!(answered.last.get("Connection").unwrap(), "Upgrade");
                    assert_eq!(asked.headers.get("Connection").unwrap(), "Upgrade");
                    talk(&mut asked, &mut answered).await;
                }
            });
        }

        /// Gives so many descriptors and closes.
        struct Many(Cell<u8>);

        impl Outbox for Many {
            fn poll_take(&self, _: &mut Context<'_>, batch: &mut Vec<Descriptor>) -> Poll<Taken> {
                let Some(left) = self.0.get().checked_sub(1) else {
                    return Poll::Ready(Taken::Closed);
                };
                self.0.set(left);
                batch.push(descriptor(left));
                Poll::Ready(Taken::More)
            }
        }

        fn descriptor(mark: u8) -> Descriptor {
            Descriptor {
                header: Header {
                    guid: Guid::from_bytes([mark; 16]),
                    kind: Kind::QueryHit,
                    ttl: 3,
                    hops: 1,
                },
                payload: vec![mark; 100 * usize::from(mark)].into(),
            }
        }

        #[test]
        fn a_link_over_all_of_it_carries_descriptors_and_ends_cleanly() {
            block_on(async {
                let (asked, answered) = shake(&policy(Tls::Offer), &policy(Tls::Offer)).await;
                let (asked, answered) = (asked.unwrap(), answered.unwrap());
                let mut received = Vec::new();
                let limit = Policy::default().limit;
                let reading = link::read(answered.reader, limit, |batch| {
                    received.append(batch);
                    ControlFlow::Continue(())
                });
                let writing = link::write(asked.writer, limit, Many(Cell::new(200)));
                let (written, read) = join(writing, reading).await;
                written.unwrap();
                read.unwrap();
                let expected: Vec<_> = (0..200).rev().map(descriptor).collect();
                assert_eq!(received, expected);
            });
        }

        #[test]
        fn one_who_does_not_know_tls_gets_a_plain_link_or_none() {
            block_on(async {
                let without = Policy::default();
                let (asked, answered) = shake(&policy(Tls::Offer), &without).await;
                let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
                assert!(!asked.tls && !answered.tls);
                talk(&mut asked, &mut answered).await;
                let (asked, answered) = shake(&without, &policy(Tls::Offer)).await;
                let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
                assert!(!asked.tls && !answered.tls);
                talk(&mut asked, &mut answered).await;

                let (declined, refused) = shake(&policy(Tls::Require), &without).await;
                assert_no_tls(&declined.unwrap_err(), &refused.unwrap_err());
                let (refused, declined) = shake(&without, &policy(Tls::Require)).await;
                assert_no_tls(&declined.unwrap_err(), &refused.unwrap_err());
            });
        }

        fn assert_no_tls(declined: &HandshakeError, refused: &HandshakeError) {
            assert!(
                matches!(declined, HandshakeError::Declined { code: 403, .. }),
                "{declined}"
            );
            assert!(
                matches!(refused, HandshakeError::Refused { code: 403, .. }),
                "{refused}"
            );
        }

        #[test]
        fn an_initiator_may_leave_it_at_the_proposal_unless_tls_is_required() {
            block_on(async {
                let hello = "GNUTELLA CONNECT/0.6\r\nUpgrade: tls/1.2\r\n\r\n";
                let talk = [hello, "GNUTELLA/0.6 200 OK\r\n\r\n"].concat();
                let offering = policy(Tls::Offer);
                let (outcome, answer) = responded(talk.as_bytes(), &offering, accept).await;
                assert!(!outcome.unwrap().tls);
                assert!(
                    answer.contains("Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n"),
                    "{answer}"
                );
                let requiring = policy(Tls::Require);
                let (outcome, _) = responded(talk.as_bytes(), &requiring, accept).await;
                let error = outcome.unwrap_err();
                assert!(matches!(error, HandshakeError::Plain), "{error}");
            });
        }

        #[test]
        fn tls_that_does_not_come_ends_the_link() {
            block_on(async {
                let hello = "GNUTELLA CONNECT/0.6\r\nUpgrade: TLS/1.0\r\n\r\n";
                let last = "GNUTELLA/0.6 200 OK\r\nConnection: Upgrade\r\n\r\nnot TLS at all";
                let talk = [hello, last].concat();
                let offering = policy(Tls::Offer);
                let (outcome, _) = responded(talk.as_bytes(), &offering, accept).await;
                let error = outcome.unwrap_err();
                assert!(matches!(error, HandshakeError::Tls(_)), "{error}");
            });
        }

        #[test]
        fn inside_tls_nobody_proposes_it_again() {
            block_on(async {
                let (here, there) = pair().await;
                let ends = ends();
                let limit = Duration::from_secs(10);
                let (here, there) = join(
                    ends.connector.connect(here, limit),
                    ends.acceptor.accept(there.into()),
                )
                .await;
                let policy = Policy {
                    tls: Tls::Require(ends),
                    ..Policy::default()
                };
                let (asked, answered) = join(
                    initiate(here.unwrap().into(), Headers::new(), &policy, accept),
                    respond(there.unwrap().into(), &policy, accept),
                )
                .await;
                let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
                assert!(asked.tls && answered.tls);
                assert!(!answered.headers.contains("Upgrade"));
                talk(&mut asked, &mut answered).await;
            });
        }
    }
}
