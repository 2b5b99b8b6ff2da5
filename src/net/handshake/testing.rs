//! What the tests of this room share.

use futures::future::join;
use futures::{AsyncReadExt, AsyncWriteExt};

use super::{HandshakeError, Judgement, Policy, Shaken, initiate, respond};
use crate::net::testing::pair;
use crate::net::{Rewind, Stream};
use crate::runtime::{self, TcpStream};
use crate::wire::handshake::{Block, Headers};

/// Neither compressed nor encrypted.
pub(super) fn plain() -> Policy {
    Policy {
        deflate: None,
        ..Policy::default()
    }
}

pub(super) fn rewind(stream: TcpStream) -> Rewind<Stream> {
    Stream::from(stream).into()
}

pub(super) fn headers(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value);
    headers
}

pub(super) fn accept(_: &Block) -> Judgement {
    Judgement::Accept(headers("User-Agent", "Answerer/1"))
}

/// What `respond` makes of `bytes` and what it answered.
pub(super) async fn responded(
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
pub(super) async fn shake(
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
pub(super) async fn talk(asked: &mut Shaken, answered: &mut Shaken) {
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
