//! Proving a secret on one connection without showing it.
//!
//! The proof is a MAC over key material that only the two ends of one TLS session share (RFC 5705,
//! under a label of our own), so it is worth nothing anywhere else: not in another session, where
//! it could be replayed, nor to a man in the middle, who has one session with each side and no key
//! common to both. The sides use different labels, so that a proof cannot be reflected. TLS 1.3 is
//! required, whose exported keys need no conditions.
//!
//! The side that dialled proves first, to whoever answers; who has no secret can then try guesses
//! at home. So the key is derived slowly, and a secret should still be long and random.

use std::fmt;
use std::num::NonZeroU32;

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::{hmac, pbkdf2};

use super::network::End;
use super::{Stream, tls};

/// What the key material is exported for.
const LABEL: &[u8] = b"EXPORTER-filbert-private-overlay";

/// Rounds of key derivation: some hundredths of a second, once a start.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");

/// What the proof of an end begins with.
const fn label(end: End) -> &'static [u8] {
    match end {
        End::Asking => b"filbert proof of the client",
        End::Answering => b"filbert proof of the server",
    }
}

/// The secret of an overlay, as a key that belongs to its name. Cheap to clone.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// The secret `text` of the overlay `network`. Keeps a core busy for a moment, on purpose.
    #[must_use]
    pub fn new(network: &str, text: &str) -> Self {
        let salt = [b"filbert private overlay ", network.as_bytes()].concat();
        let mut key = [0; 32];
        let slow = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(slow, ROUNDS, &salt, text.as_bytes(), &mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// Key material that only the two ends of one TLS session have.
#[derive(Clone)]
pub struct Exported([u8; 32]);

impl Exported {
    /// What the session of `stream` gives; nothing without TLS 1.3.
    #[must_use]
    pub fn of(stream: &Stream) -> Option<Self> {
        match stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => tls::exported(stream, LABEL).map(Self),
        }
    }
}

impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").finish_non_exhaustive()
    }
}

/// Proof that `end` of a session knows the secret, in hexadecimal digits.
#[must_use]
pub fn proof(secret: &Secret, exported: &Exported, end: End) -> String {
    let mac = hmac::sign(&secret.0, &message(exported, end));
    HEXLOWER_PERMISSIVE.encode(mac.as_ref())
}

/// Whether `given` proves that `end` of a session knows the secret. Takes as long for every wrong
/// one.
#[must_use]
pub fn verify(secret: &Secret, exported: &Exported, end: End, given: &str) -> bool {
    HEXLOWER_PERMISSIVE
        .decode(given.as_bytes())
        .is_ok_and(|mac| hmac::verify(&secret.0, &message(exported, end), &mac).is_ok())
}

fn message(exported: &Exported, end: End) -> Vec<u8> {
    [label(end), &exported.0].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use futures::future::join;

    use super::*;
    use crate::net::handshake::{self, HandshakeError, Judgement, Policy, Shaken, Tls};
    use crate::net::network::{Network, PROOF, Side, Stranger};
    use crate::net::testing::pair;
    use crate::net::tls::{Ends, Identity};
    use crate::runtime::block_on;
    use crate::wire::handshake::Headers;

    fn network(name: &str, secret: &str) -> Network {
        let network = Network::new(name).unwrap();
        network.with_secret(secret).unwrap()
    }

    static CLUB: LazyLock<Network> = LazyLock::new(|| network("club", "open sesame"));
    /// Another one with the same secret.
    static PUB: LazyLock<Network> = LazyLock::new(|| network("pub", "open sesame"));

    const LIMIT: Duration = Duration::from_secs(10);

    /// Both ends of a fresh TLS session.
    async fn session() -> (Stream, Stream) {
        let ends = Ends::new(&Identity::generate().unwrap()).unwrap();
        let (here, there) = pair().await;
        let (here, there) = join(
            ends.connector.connect(here, LIMIT),
            ends.acceptor.accept(there.into()),
        )
        .await;
        (here.unwrap(), there.unwrap())
    }

    async fn sides() -> (Side, Side) {
        let (here, there) = session().await;
        (
            Side::of(&here, End::Asking),
            Side::of(&there, End::Answering),
        )
    }

    fn says(network: &Network, side: &Side) -> Headers {
        network.headers(side).into_iter().collect()
    }

    #[test]
    fn both_ends_of_a_session_prove_the_secret_to_each_other() {
        block_on(async {
            let secret = Secret::new("club", "open sesame");
            let (here, there) = session().await;
            let (here, there) = (Exported::of(&here).unwrap(), Exported::of(&there).unwrap());
            for end in [End::Asking, End::Answering] {
                let given = proof(&secret, &here, end);
                assert!(!given.contains("sesame"));
                assert!(verify(&secret, &there, end, &given));
                assert!(verify(&secret, &there, end, &given.to_uppercase()));
                assert!(!verify(&secret, &there, end.other(), &given), "reflected");
                assert!(!verify(&secret, &there, end, &given[..62]));
            }
            assert!(!verify(&secret, &there, End::Asking, ""));
        });
    }

    #[test]
    fn a_proof_replayed_in_another_session_fails() {
        block_on(async {
            let ((first, _), (_, second)) = (sides().await, sides().await);
            let heard = says(&CLUB, &first);
            assert_eq!(
                second.check_block(Some(&CLUB), &heard),
                Err(Stranger::Unproven)
            );
        });
    }

    #[test]
    fn a_man_in_the_middle_with_two_sessions_fails() {
        block_on(async {
            // A dials M, which dials B and passes on what each of the two says.
            let ((a, m_to_a), (m_to_b, b)) = (sides().await, sides().await);
            let (from_a, from_b) = (says(&CLUB, &a), says(&CLUB, &b));
            for (side, heard) in [(&b, &from_a), (&a, &from_b)] {
                assert_eq!(
                    side.check_block(Some(&CLUB), heard),
                    Err(Stranger::Unproven)
                );
            }
            // The same blocks do prove it to the direct other end, so it is the session that counts.
            assert_eq!(m_to_a.check_block(Some(&CLUB), &from_a), Ok(()));
            assert_eq!(m_to_b.check_block(Some(&CLUB), &from_b), Ok(()));
        });
    }

    #[test]
    fn a_wrong_secret_or_network_fails() {
        block_on(async {
            let (here, there) = sides().await;
            for (other, expected) in [
                (network("club", "open barley"), Stranger::Unproven),
                (Network::new("club").unwrap(), Stranger::Unproven),
                (PUB.clone(), Stranger::Elsewhere),
            ] {
                let said = says(&other, &here);
                assert_eq!(there.check_block(Some(&CLUB), &said), Err(expected));
            }
            // The name is part of the key: one secret for two overlays opens only one.
            let mut said = says(&PUB, &here);
            said.set(crate::net::network::NETWORK, "club");
            assert_eq!(
                there.check_block(Some(&CLUB), &said),
                Err(Stranger::Unproven)
            );
        });
    }

    #[test]
    fn plain_tcp_cannot_prove() {
        block_on(async {
            let (here, _there) = pair().await;
            let side = Side::of(&here.into(), End::Answering);
            let said = says(&CLUB, &side);
            assert!(!said.contains(PROOF));
            assert_eq!(
                side.check_block(Some(&CLUB), &said),
                Err(Stranger::Unproven)
            );
        });
    }

    /// Two servents of the networks given shake hands over TLS.
    async fn shake(
        here: &Network,
        there: &Network,
    ) -> (
        Result<Shaken, HandshakeError>,
        Result<Shaken, HandshakeError>,
    ) {
        let (asking, answering) = session().await;
        let asker = Side::of(&asking, End::Asking);
        let answerer = Side::of(&answering, End::Answering);
        let policy = Policy {
            tls: Tls::Off,
            ..Policy::default()
        };
        let judge = |network: &Network, side: &Side, said: &Headers| match side
            .check_block(Some(network), said)
        {
            Ok(()) => Judgement::Accept(says(network, side)),
            Err(stranger) => Judgement::Refuse {
                code: 403,
                reason: stranger.to_string(),
                headers: Headers::new(),
            },
        };
        join(
            handshake::initiate(asking.into(), says(here, &asker), &policy, |block| {
                judge(here, &asker, &block.headers)
            }),
            handshake::respond(answering.into(), &policy, |block| {
                judge(there, &answerer, &block.headers)
            }),
        )
        .await
    }

    #[test]
    fn the_handshake_carries_it_and_tells_a_stranger_nothing() {
        block_on(async {
            let (asked, answered) = shake(&CLUB, &CLUB).await;
            asked.unwrap();
            answered.unwrap();
            let (asked, answered) = shake(&network("club", "a guess"), &CLUB).await;
            let refused = asked.unwrap_err();
            let HandshakeError::Refused {
                code: 403, headers, ..
            } = refused
            else {
                panic!("{refused}");
            };
            assert!(headers.is_empty());
            assert!(answered.is_err());
        });
    }
}
