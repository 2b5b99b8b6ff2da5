//! The three blocks with which a link begins (protocol §2.2), from either side.
//!
//! What to say and whom to take is for the caller; here is who speaks when, and how long it may
//! take. Descriptors that come in the same segment as the last block stay in the stream.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use thiserror::Error;

use super::Rewind;
use super::fill::poll_fill;
use crate::runtime::{self, TimedOut};
use crate::wire;
use crate::wire::handshake::{Block, Headers, MAX_BLOCK, StartLine, parse_block};

/// The oldest version that is spoken.
const OLDEST: (u8, u8) = (0, 6);

/// A handshake that succeeded.
#[derive(Debug)]
pub struct Shaken<S> {
    /// What the other side says of itself.
    pub headers: Headers,
    /// What the initiator says in its last block, knowing our answer. Empty at its own side.
    pub last: Headers,
    /// The link, at its first descriptor.
    pub stream: Rewind<S>,
}

/// What one makes of the other side's block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Be neighbours; these headers answer.
    Accept(Headers),
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
    /// The other side began a handshake where an answer was due, or the reverse.
    #[error("the servent spoke out of turn in the handshake: {0}")]
    OutOfTurn(StartLine),
}

/// Asks the servent at the other end to be a neighbour, and takes whatever it says of itself.
///
/// # Errors
/// When it refuses, breaks the rules or the connection, or takes longer than `limit`.
pub async fn initiate<S>(
    stream: Rewind<S>,
    ours: Headers,
    limit: Duration,
) -> Result<Shaken<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    initiate_with(stream, ours, limit, |_| Judgement::Accept(Headers::new())).await
}

/// [`initiate`], where `judge` sees the answer and has the last word.
///
/// # Errors
/// As [`initiate`], and when `judge` refuses.
pub async fn initiate_with<S>(
    stream: Rewind<S>,
    ours: Headers,
    limit: Duration,
    judge: impl FnOnce(&Block) -> Judgement,
) -> Result<Shaken<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk(stream);
    let answer = runtime::timeout(limit, async {
        talk.say(StartLine::CONNECT, ours).await?;
        let answer = talk.hear_status().await?;
        talk.answer(judge(&answer)).await?;
        Ok::<_, HandshakeError>(answer)
    })
    .await??;
    Ok(Shaken {
        headers: answer.headers,
        last: Headers::new(),
        stream: talk.0,
    })
}

/// Answers a servent that asks to be a neighbour, as `judge` says.
///
/// # Errors
/// When one of the two refuses, or the other side breaks the rules or the connection, or takes
/// longer than `limit`.
pub async fn respond<S>(
    stream: Rewind<S>,
    limit: Duration,
    judge: impl FnOnce(&Block) -> Judgement,
) -> Result<Shaken<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk(stream);
    let (hello, last) = runtime::timeout(limit, async {
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
        talk.answer(judge(&hello)).await?;
        Ok((hello, talk.hear_status().await?))
    })
    .await??;
    Ok(Shaken {
        headers: hello.headers,
        last: last.headers,
        stream: talk.0,
    })
}

/// Blocks said and heard on a stream.
struct Talk<S>(Rewind<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    async fn say(&mut self, line: StartLine, headers: Headers) -> io::Result<()> {
        let block = Block { line, headers };
        self.0.write_all(&block.encode()).await?;
        self.0.flush().await
    }

    async fn answer(&mut self, judgement: Judgement) -> Result<(), HandshakeError> {
        match judgement {
            Judgement::Accept(headers) => Ok(self.say(StartLine::ok(), headers).await?),
            Judgement::Refuse {
                code,
                reason,
                headers,
            } => {
                self.refuse(code, &reason, headers).await?;
                Err(HandshakeError::Declined { code, reason })
            }
        }
    }

    async fn refuse(&mut self, code: u16, reason: &str, headers: Headers) -> io::Result<()> {
        let reason = reason.to_owned();
        self.say(StartLine::Status { code, reason }, headers)
            .await?;
        self.0.close().await
    }

    /// The next block; what came behind it stays in the stream.
    async fn hear(&mut self) -> Result<Block, HandshakeError> {
        let mut bytes = BytesMut::new();
        loop {
            let before = bytes.len();
            if poll_fn(|cx| poll_fill(&mut self.0, cx, &mut bytes)).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            // Only the end of a line can complete a block: dribbled bytes are not parsed each time.
            if !bytes[before..].contains(&b'\n') && bytes.len() <= MAX_BLOCK {
                continue;
            }
            if let Some((block, length)) = parse_block(&bytes)? {
                self.0.put_back(bytes.split_off(length).freeze());
                return Ok(block);
            }
        }
    }

    /// The next block, which must be an answer and accept.
    async fn hear_status(&mut self) -> Result<Block, HandshakeError> {
        let block = self.hear().await?;
        match block.line {
            StartLine::Status { code: 200, .. } => Ok(block),
            StartLine::Status { code, reason } => Err(HandshakeError::Refused {
                code,
                reason,
                headers: block.headers,
            }),
            StartLine::Connect { .. } => Err(HandshakeError::OutOfTurn(block.line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::future::join;

    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::{TcpStream, block_on};

    const LONG: Duration = Duration::from_secs(10);

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

    /// What `respond` makes of `bytes`, what it answered, and the rest of its stream.
    async fn responded(
        bytes: &[u8],
        judge: fn(&Block) -> Judgement,
    ) -> (Result<Shaken<TcpStream>, HandshakeError>, String) {
        let (mut here, there) = pair().await;
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
        let ((), outcome) = join(talking, respond(there.into(), LONG, judge)).await;
        if let Ok(shaken) = &outcome {
            let stream = shaken.stream.get_ref();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut answer = String::new();
        here.read_to_string(&mut answer).await.ok();
        (outcome, answer)
    }

    #[test]
    fn both_sides_learn_what_the_other_says() {
        block_on(async {
            let (here, there) = pair().await;
            let ours = headers("User-Agent", "Asker/1");
            let judge = |block: &Block| {
                assert_eq!(block.headers.get("User-Agent").unwrap(), "Answerer/1");
                Judgement::Accept(headers("X-Ultrapeer", "False"))
            };
            let (asked, answered) = join(
                initiate_with(here.into(), ours, LONG, judge),
                respond(there.into(), LONG, accept),
            )
            .await;
            let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
            assert_eq!(asked.headers.get("User-Agent").unwrap(), "Answerer/1");
            assert_eq!(answered.headers.get("User-Agent").unwrap(), "Asker/1");
            assert_eq!(answered.last.get("X-Ultrapeer").unwrap(), "False");

            asked.stream.write_all(b"ping").await.unwrap();
            let mut bytes = [0; 4];
            answered.stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"ping");
        });
    }

    #[test]
    fn dribbled_blocks_and_the_descriptors_behind_them_arrive() {
        block_on(async {
            let bytes = b"GNUTELLA CONNECT/0.7\nUser-Agent: X\n\nGNUTELLA/0.6 200 OK\n\n\x00\n\xff";
            let (outcome, answer) = responded(bytes, accept).await;
            let mut shaken = outcome.unwrap();
            assert_eq!(
                answer,
                "GNUTELLA/0.6 200 OK\r\nUser-Agent: Answerer/1\r\n\r\n"
            );
            let mut rest = Vec::new();
            shaken.stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"\x00\n\xff");
        });
    }

    #[test]
    fn descriptors_in_the_segment_of_the_last_block_are_kept() {
        block_on(async {
            let (mut here, there) = pair().await;
            let all = b"GNUTELLA CONNECT/0.6\r\n\r\nGNUTELLA/0.6 200 OK\r\n\r\nbinary";
            here.write_all(all).await.unwrap();
            let mut shaken = respond(there.into(), LONG, accept).await.unwrap();
            let mut rest = [0; 6];
            shaken.stream.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"binary");
        });
    }

    #[test]
    fn the_past_is_refused_politely() {
        block_on(async {
            let (outcome, answer) = responded(b"GNUTELLA CONNECT/0.4\n\n", accept).await;
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
            let asking = initiate(here.into(), Headers::new(), LONG);
            let (asked, answered) = join(asking, respond(there.into(), LONG, refuse)).await;
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
            let asking = initiate_with(here.into(), Headers::new(), LONG, refuse);
            let (asked, answered) = join(asking, respond(there.into(), LONG, accept)).await;
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
    fn who_breaks_the_rules_is_turned_away() {
        block_on(async {
            let endless = b"GNUTELLA CONNECT/0.6\r\n".repeat(200);
            let no_line = [b'x'; 20_000];
            for bytes in [&endless[..], b"GNUTELLA OK\n\n"] {
                let (outcome, _) = responded(bytes, accept).await;
                let error = outcome.unwrap_err();
                assert!(matches!(error, HandshakeError::Malformed(_)), "{error}");
            }
            let (mut here, there) = pair().await;
            here.write_all(&no_line).await.unwrap();
            let error = respond(there.into(), LONG, accept).await.unwrap_err();
            assert!(matches!(error, HandshakeError::Malformed(_)), "{error}");

            let (outcome, _) = responded(b"GNUTELLA/0.6 200 OK\r\n\r\n", accept).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::OutOfTurn(_)), "{error}");
            let (outcome, _) = responded(b"GNUTELLA CONNECT/0.6\r\nA", accept).await;
            let error = outcome.unwrap_err();
            assert!(matches!(error, HandshakeError::Io(_)), "{error}");
        });
    }

    #[test]
    fn silence_is_not_waited_for() {
        block_on(async {
            let limit = Duration::from_millis(20);
            let (here, there) = pair().await;
            let error = respond(there.into(), limit, accept).await.unwrap_err();
            assert!(matches!(error, HandshakeError::Silent(_)), "{error}");
            drop(here);
            let (here, _there) = pair().await;
            let error = initiate(here.into(), Headers::new(), limit)
                .await
                .unwrap_err();
            assert!(matches!(error, HandshakeError::Silent(_)), "{error}");
        });
    }
}
