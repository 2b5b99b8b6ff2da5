//! Going over to TLS behind the last block (protocol §14.3).

use std::time::Duration;

use super::{HandshakeError, Policy};
use crate::net::{Rewind, Stream};
use crate::runtime;

/// How long either side waits behind the last block. gtk-gnutella 1.2.3 closes the link when all
/// of TLS's handshake is done before it waits for it, as between fast hosts close by.
const BREATH: Duration = Duration::from_millis(200);

/// Goes over to TLS, as the side that dialled.
pub(super) async fn connect(
    stream: Rewind<Stream>,
    policy: &Policy,
) -> Result<Rewind<Stream>, HandshakeError> {
    let (front, stream) = stream.into_parts();
    match (stream, policy.tls.ends()) {
        (Stream::Plain(stream), Some(ends)) => {
            let stream = Rewind::new(front, stream);
            runtime::sleep(BREATH).await;
            let connecting = ends.connector.connect(stream, policy.limit);
            Ok(connecting.await.map_err(HandshakeError::Tls)?.into())
        }
        (stream, _) => Ok(Rewind::new(front, stream)),
    }
}

/// Goes over to TLS, as the side that was dialled. The hello may have come with the last block.
pub(super) async fn accept(
    stream: Rewind<Stream>,
    policy: &Policy,
) -> Result<Rewind<Stream>, HandshakeError> {
    let (front, stream) = stream.into_parts();
    match (stream, policy.tls.ends()) {
        (Stream::Plain(stream), Some(ends)) => {
            runtime::sleep(BREATH).await;
            let accepting = ends.acceptor.accept(Rewind::new(front, stream));
            Ok(accepting.await.map_err(HandshakeError::Tls)?.into())
        }
        (stream, _) => Ok(Rewind::new(front, stream)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ops::ControlFlow;
    use std::task::{Context, Poll};

    use futures::future::join;

    use super::*;
    use crate::net::handshake::testing::{accept, responded, shake, talk};
    use crate::net::handshake::{Tls, initiate, respond};
    use crate::net::link::{self, Outbox, Taken};
    use crate::net::testing::pair;
    use crate::net::tls::{Ends, Identity};
    use crate::runtime::block_on;
    use crate::wire::handshake::Headers;
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
                ControlFlow::Continue(Duration::ZERO)
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
