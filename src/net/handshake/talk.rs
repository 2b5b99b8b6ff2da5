//! Blocks said and heard on a stream.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use futures::{AsyncReadExt, AsyncWriteExt};

use super::{HandshakeError, Judgement};
use crate::net::fill::poll_fill;
use crate::net::{Rewind, Stream};
use crate::runtime;
use crate::wire;
use crate::wire::handshake::{Block, Headers, MAX_BLOCK, StartLine, is_too_large, parse_block};

/// Time in which a refusal may still be read.
const LINGER: Duration = Duration::from_secs(1);

/// What may lie unread from one who is refused, in bytes.
const UNREAD: u64 = 64 * 1024;

/// A stream in its handshake.
pub(super) struct Talk(pub(super) Rewind<Stream>);

impl Talk {
    pub(super) async fn say(&mut self, line: StartLine, headers: Headers) -> io::Result<()> {
        let block = Block { line, headers };
        self.0.write_all(&block.encode()).await?;
        self.0.flush().await
    }

    /// Answers a block; `terms` are added to the headers that accept.
    pub(super) async fn answer(
        &mut self,
        judgement: Judgement,
        terms: impl FnOnce(&mut Headers),
    ) -> Result<(), HandshakeError> {
        match judgement {
            Judgement::Accept(mut headers) => {
                terms(&mut headers);
                Ok(self.say(StartLine::ok(), headers).await?)
            }
            Judgement::Inform(headers) => {
                self.say(StartLine::ok(), headers).await?;
                // Its last word, which changes nothing.
                self.hear().await?;
                self.hang_up().await?;
                Err(HandshakeError::Informed)
            }
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

    pub(super) async fn refuse(
        &mut self,
        code: u16,
        reason: &str,
        headers: Headers,
    ) -> io::Result<()> {
        let reason = reason.to_owned();
        self.say(StartLine::Status { code, reason }, headers)
            .await?;
        self.hang_up().await
    }

    /// The next block; what came behind it stays in the stream.
    pub(super) async fn hear(&mut self) -> Result<Block, HandshakeError> {
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
            match parse_block(&bytes) {
                Ok(None) => {}
                Ok(Some((block, length))) => {
                    self.0.put_back(bytes.split_off(length).freeze());
                    return Ok(block);
                }
                Err(error) => return Err(self.complain(error).await),
            }
        }
    }

    /// The next block, which must be an answer and accept.
    pub(super) async fn hear_status(&mut self) -> Result<Block, HandshakeError> {
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

    /// Tells who is at fault when a block is too large; whoever speaks something else is not told.
    async fn complain(&mut self, error: wire::Error) -> HandshakeError {
        if is_too_large(&error) {
            // The fault counts, not whether it could be told.
            let _told = self.refuse(413, "Header too large", Headers::new()).await;
        }
        error.into()
    }

    /// Ends the connection so that what was said last is still read: closing it while something
    /// lies unread would make the other side lose it.
    async fn hang_up(&mut self) -> io::Result<()> {
        self.0.close().await?;
        let mut rest = (&mut self.0).take(UNREAD);
        let mut nowhere = futures::io::sink();
        let reading = futures::io::copy(&mut rest, &mut nowhere);
        let _late = runtime::timeout(LINGER, reading).await;
        Ok(())
    }
}
