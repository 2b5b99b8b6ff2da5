//! The three blocks with which a link begins (protocol §2.2), from either side.
//!
//! What to say and whom to take is for the caller; here is who speaks when, how long it may take,
//! and what the two agree on besides being neighbours: compression of each direction and TLS
//! (protocol §14). What comes out is ready for [`link`](super::link). Descriptors that come in the
//! same segment as the last block are not lost.
//!
//! That a servent goes over to TLS here says nothing about whether it takes TLS from the first
//! byte: that is for [`dial`](super::dial) to try.

mod policy;
mod talk;
mod terms;
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
mod upgrade;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use futures::AsyncReadExt;
use futures::future::Either;
use futures::io::{ReadHalf, WriteHalf};
use thiserror::Error;

pub use self::policy::{Policy, Tls};
use self::talk::Talk;
use self::terms::Terms;
use super::deflate::{Deflate, Inflate};
use super::{Rewind, Stream};
use crate::runtime::{self, TimedOut};
use crate::wire;
use crate::wire::handshake::{Block, Headers, StartLine};

/// The oldest version that is spoken.
const OLDEST: (u8, u8) = (0, 6);

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
    /// The headers that go with it.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Accept(headers) | Self::Inform(headers) | Self::Refuse { headers, .. } => headers,
        }
    }

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
        let stream = talk.0;
        #[cfg(feature = "tls")]
        let stream = if terms.tls {
            upgrade::connect(stream, policy).await?
        } else {
            stream
        };
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
        if policy.tls.is_required() && !encrypted && !terms.tls {
            return Err(HandshakeError::Plain);
        }
        let stream = talk.0;
        #[cfg(feature = "tls")]
        let stream = if terms.tls {
            upgrade::accept(stream, policy).await?
        } else {
            stream
        };
        Ok(Shaken::new(hello.headers, last.headers, stream, &terms))
    })
    .await?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::AsyncWriteExt;
    use futures::future::join;

    use super::testing::{accept, headers, plain, responded, rewind, shake, talk};
    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::block_on;

    fn impatient() -> Policy {
        Policy {
            limit: Duration::from_millis(20),
            ..plain()
        }
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
}
