//! Proving that one belongs to a private overlay, without showing the secret.
//!
//! The *name* of an overlay is no secret: it travels as `X-Network` in the first block of each
//! side, and whoever names another one is refused before anything is given out. The *secret* never
//! travels. Each side sends in `X-Network-Proof` a MAC over key material that only the two ends of
//! this one TLS session share (RFC 5705, under a label of our own), so a proof is worth nothing
//! anywhere else: not in another session, where it could be replayed, nor to a man in the middle,
//! who has one session with each side and no key common to both. The sides use different labels,
//! so that a proof cannot be reflected.
//!
//! Hence TLS must be there before the first block: private overlays with a secret dial with
//! [`Tls::Require`](super::handshake::Tls::Require) and an upgrade within the handshake is too
//! late. TLS 1.3 is required, whose exported keys need no conditions.
//!
//! The initiator proves first, to whoever answers; who has no secret can then try guesses at home.
//! So the key is derived slowly, and a secret should still be long and random.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::{hmac, pbkdf2};
use thiserror::Error;

use super::{Stream, tls};
use crate::wire::handshake::Headers;

/// The header that names the overlay.
pub const NETWORK: &str = "X-Network";
/// The header that proves the secret.
pub const PROOF: &str = "X-Network-Proof";

/// What the key material is exported for.
const LABEL: &[u8] = b"EXPORTER-filbert-private-overlay";

/// Rounds of key derivation: some hundredths of a second, once a start.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");

/// Which end of the TLS session proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that dialled.
    Client,
    /// The one that was dialled.
    Server,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Client => b"filbert proof of the client",
            Self::Server => b"filbert proof of the server",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
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

/// Proof that the side `role` of a session knows the secret, in hexadecimal digits.
#[must_use]
pub fn proof(secret: &Secret, exported: &Exported, role: Role) -> String {
    let mac = hmac::sign(&secret.0, &message(exported, role));
    HEXLOWER_PERMISSIVE.encode(mac.as_ref())
}

/// Whether `given` proves that the side `role` of a session knows the secret. Takes as long for
/// every wrong one.
#[must_use]
pub fn verify(secret: &Secret, exported: &Exported, role: Role, given: &str) -> bool {
    HEXLOWER_PERMISSIVE
        .decode(given.as_bytes())
        .is_ok_and(|mac| hmac::verify(&secret.0, &message(exported, role), &mac).is_ok())
}

fn message(exported: &Exported, role: Role) -> Vec<u8> {
    [role.label(), &exported.0].concat()
}

/// Why a servent is not let into an overlay.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Stranger {
    /// It is in another overlay, or in none.
    #[error("it belongs to another network")]
    Elsewhere,
    /// It could not prove the secret on this connection.
    #[error("it did not prove the secret of the network")]
    Unproven,
}

/// The overlay that a servent belongs to.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    secret: Option<Secret>,
}

impl Network {
    /// The overlay `name`, kept to those who know `secret` when there is one.
    #[must_use]
    pub fn new(name: &str, secret: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            secret: secret.map(|secret| Secret::new(name, secret)),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a secret to it, and so no link without TLS from the first byte.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.secret.is_some()
    }

    /// Says in `headers`, as the side `role` of a connection, to which overlay one belongs.
    /// `exported` is what the connection gave before the handshake.
    pub fn present(&self, exported: Option<&Exported>, role: Role, headers: &mut Headers) {
        headers.set(NETWORK, &self.name);
        if let (Some(secret), Some(exported)) = (&self.secret, exported) {
            headers.set(PROOF, proof(secret, exported, role));
        }
    }

    /// Whether the other side of a connection, on which we are the side `role`, belongs to this
    /// overlay, going by its block.
    ///
    /// # Errors
    /// When it does not; it should be told no more than that.
    pub fn check(
        &self,
        exported: Option<&Exported>,
        role: Role,
        headers: &Headers,
    ) -> Result<(), Stranger> {
        if named(headers).as_deref() != Some(self.name.as_str()) {
            return Err(Stranger::Elsewhere);
        }
        let Some(secret) = &self.secret else {
            return Ok(());
        };
        let proven = exported
            .zip(headers.get(PROOF))
            .is_some_and(|(exported, given)| verify(secret, exported, role.other(), &given));
        if proven {
            Ok(())
        } else {
            Err(Stranger::Unproven)
        }
    }
}

/// The overlay that a block names; one who is in none must not be taken into any.
#[must_use]
pub fn named(headers: &Headers) -> Option<Cow<'_, str>> {
    headers.get(NETWORK)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use futures::future::join;

    use super::*;
    use crate::net::handshake::{self, HandshakeError, Judgement, Policy, Shaken, Tls};
    use crate::net::testing::pair;
    use crate::net::tls::{Ends, Identity};
    use crate::runtime::block_on;

    static CLUB: LazyLock<Network> = LazyLock::new(|| Network::new("club", Some("open sesame")));
    /// Another one with the same secret.
    static PUB: LazyLock<Network> = LazyLock::new(|| Network::new("pub", Some("open sesame")));

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

    async fn exported() -> (Exported, Exported) {
        let (here, there) = session().await;
        let of = |stream| Exported::of(stream).unwrap();
        (of(&here), of(&there))
    }

    fn says(network: &Network, exported: Option<&Exported>, role: Role) -> Headers {
        let mut headers = Headers::new();
        network.present(exported, role, &mut headers);
        headers
    }

    #[test]
    fn both_ends_of_a_session_prove_the_secret_to_each_other() {
        block_on(async {
            let secret = CLUB.secret.clone().unwrap();
            let (here, there) = exported().await;
            for role in [Role::Client, Role::Server] {
                let given = proof(&secret, &here, role);
                assert!(!given.contains("sesame"));
                assert!(verify(&secret, &there, role, &given));
                assert!(verify(&secret, &there, role, &given.to_uppercase()));
                assert!(!verify(&secret, &there, role.other(), &given), "reflected");
                assert!(!verify(&secret, &there, role, &given[..62]));
            }
            assert!(!verify(&secret, &there, Role::Client, ""));
        });
    }

    #[test]
    fn a_proof_replayed_in_another_session_fails() {
        block_on(async {
            let secret = CLUB.secret.clone().unwrap();
            let (first, _) = exported().await;
            let (_, second) = exported().await;
            let heard = proof(&secret, &first, Role::Client);
            assert!(!verify(&secret, &second, Role::Client, &heard));
        });
    }

    #[test]
    fn a_man_in_the_middle_with_two_sessions_fails() {
        block_on(async {
            let club = CLUB.clone();
            // A dials M, which dials B and passes on what each of the two says.
            let (a, m_to_a) = exported().await;
            let (m_to_b, b) = exported().await;
            let from_a = says(&club, Some(&a), Role::Client);
            let from_b = says(&club, Some(&b), Role::Server);
            let (a, b) = (Some(&a), Some(&b));
            assert_eq!(
                club.check(b, Role::Server, &from_a),
                Err(Stranger::Unproven)
            );
            assert_eq!(
                club.check(a, Role::Client, &from_b),
                Err(Stranger::Unproven)
            );
            // The same blocks do prove it to the direct other end, so it is the session that counts.
            assert_eq!(club.check(Some(&m_to_a), Role::Server, &from_a), Ok(()));
            assert_eq!(club.check(Some(&m_to_b), Role::Client, &from_b), Ok(()));
        });
    }

    #[test]
    fn a_wrong_secret_or_network_fails() {
        block_on(async {
            let club = CLUB.clone();
            let (here, there) = exported().await;
            let (here, there) = (Some(&here), Some(&there));
            for (other, expected) in [
                (
                    Network::new("club", Some("open barley")),
                    Stranger::Unproven,
                ),
                (Network::new("club", None), Stranger::Unproven),
                (PUB.clone(), Stranger::Elsewhere),
            ] {
                let said = says(&other, here, Role::Client);
                assert_eq!(club.check(there, Role::Server, &said), Err(expected));
            }
            assert_eq!(
                club.check(there, Role::Server, &Headers::new()),
                Err(Stranger::Elsewhere)
            );
            // The name is part of the key: one secret for two overlays opens only one.
            let mut said = says(&PUB.clone(), here, Role::Client);
            said.set(NETWORK, "club");
            assert_eq!(
                club.check(there, Role::Server, &said),
                Err(Stranger::Unproven)
            );
        });
    }

    #[test]
    fn plain_tcp_cannot_prove() {
        block_on(async {
            let (here, _there) = pair().await;
            let exported = Exported::of(&here.into());
            assert!(exported.is_none());
            let club = CLUB.clone();
            let said = says(&club, None, Role::Client);
            assert!(!said.contains(PROOF));
            assert_eq!(
                club.check(None, Role::Server, &said),
                Err(Stranger::Unproven)
            );
            let open = Network::new("club", None);
            assert_eq!(open.check(None, Role::Server, &said), Ok(()));
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
        let (asker, answerer) = (Exported::of(&asking), Exported::of(&answering));
        let policy = Policy {
            tls: Tls::Off,
            ..Policy::default()
        };
        let judge =
            |network: &Network, exported: Option<&Exported>, role, said: &Headers| match network
                .check(exported, role, said)
            {
                Ok(()) => Judgement::Accept(says(network, exported, role)),
                Err(stranger) => Judgement::Refuse {
                    code: 403,
                    reason: stranger.to_string(),
                    headers: Headers::new(),
                },
            };
        join(
            handshake::initiate(
                asking.into(),
                says(here, asker.as_ref(), Role::Client),
                &policy,
                |block| judge(here, asker.as_ref(), Role::Client, &block.headers),
            ),
            handshake::respond(answering.into(), &policy, |block| {
                judge(there, answerer.as_ref(), Role::Server, &block.headers)
            }),
        )
        .await
    }

    #[test]
    fn the_handshake_carries_it_and_tells_a_stranger_nothing() {
        block_on(async {
            let club = CLUB.clone();
            let (asked, answered) = shake(&club, &club).await;
            asked.unwrap();
            answered.unwrap();
            let spy = Network::new("club", Some("a guess"));
            let (asked, answered) = shake(&spy, &club).await;
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
