//! TLS on the one port (protocol §14.2): privacy on the way, and the proof of a key.
//!
//! Servents do not know each other, so a certificate is self-signed and no name in it is believed.
//! But where a connection begins with TLS both sides show one if they have it, and by TLS 1.3 who shows a key of the kind that is made
//! here proves that it is his: `proven_key` tells one servent from another, whatever its address. The
//! anonymous suites of old servents are gone from every TLS library of today; TLS 1.2 and 1.3 with
//! a certificate is what current ones understand.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use futures_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use futures_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use futures_rustls::rustls::server::ParsedCertificate;
use futures_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use futures_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ProtocolVersion, ServerConfig,
    SignatureScheme, version,
};
use futures_rustls::{TlsAcceptor, TlsConnector, rustls};
use thiserror::Error;

use super::{Rewind, Stream};
use crate::runtime::{self, TcpStream};

/// A TCP connection inside TLS.
pub type TlsStream = futures_rustls::TlsStream<Rewind<TcpStream>>;

/// The versions spoken, the newer one first.
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Key material under `label` that only the two ends of a session share (RFC 5705); nothing where
/// only TLS 1.2 was agreed on, whose exports need conditions that nobody checked.
pub(super) fn exported(stream: &TlsStream, label: &[u8]) -> Option<[u8; 32]> {
    let (version, exported) = match stream {
        TlsStream::Client(stream) => {
            let session = stream.get_ref().1;
            let exported = session.export_keying_material([0; 32], label, None);
            (session.protocol_version(), exported)
        }
        TlsStream::Server(stream) => {
            let session = stream.get_ref().1;
            let exported = session.export_keying_material([0; 32], label, None);
            (session.protocol_version(), exported)
        }
    };
    exported
        .ok()
        .filter(|_| version == Some(ProtocolVersion::TLSv1_3))
}

/// How a public key of the kind made here begins in a certificate: ECDSA with P-256, a point that is
/// not compressed (RFC 5480).
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The SHA-256 of the public key of the other end, which has proven that it is his. Nothing where only
/// TLS 1.2 was agreed on, no certificate was shown, or its key is of another kind, of which no proof
/// is asked.
pub(super) fn proven_key(stream: &TlsStream) -> Option<[u8; 32]> {
    let (version, certificates) = match stream {
        TlsStream::Client(stream) => {
            let session = stream.get_ref().1;
            (session.protocol_version(), session.peer_certificates())
        }
        TlsStream::Server(stream) => {
            let session = stream.get_ref().1;
            (session.protocol_version(), session.peer_certificates())
        }
    };
    let shown = certificates?.first()?;
    let key = key_of(shown).filter(|_| version == Some(ProtocolVersion::TLSv1_3))?;
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, &key);
    digest.as_ref().try_into().ok()
}

/// The key in a certificate, if it is of the kind made here.
fn key_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let key = parsed.subject_public_key_info();
    key.starts_with(&P256).then(|| key.to_vec())
}

/// Why this servent cannot speak TLS.
#[derive(Debug, Error)]
pub enum Error {
    /// No certificate could be made.
    #[error("cannot make a TLS certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The certificate or key at hand is of no use.
    #[error("the TLS certificate or key is unusable: {0}; remove it to have a new one made")]
    Unusable(#[from] rustls::Error),
    /// The certificate or key at hand is not readable text.
    #[error("the TLS certificate or key is not PEM: {0}; remove it to have a new one made")]
    NotPem(#[from] futures_rustls::pki_types::pem::Error),
}

/// A self-signed certificate and its key, made once and kept as text by the caller.
pub struct Identity {
    pem: String,
}

impl Identity {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        let made = rcgen::generate_simple_self_signed(["gnutella.invalid".to_owned()])?;
        Ok(Self {
            pem: made.cert.pem() + &made.signing_key.serialize_pem(),
        })
    }

    /// The one kept as `pem`, checked when it is used.
    #[must_use]
    pub const fn from_pem(pem: String) -> Self {
        Self { pem }
    }

    fn parts(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
        let pem = self.pem.as_bytes();
        let certificate = CertificateDer::from_pem_slice(pem)?;
        Ok((certificate, PrivateKeyDer::from_pem_slice(pem)?))
    }

    /// Certificate and private key as PEM text, to be kept where only the user can read it.
    #[must_use]
    pub fn as_pem(&self) -> &str {
        &self.pem
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The answering side; cheap to clone.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Answers as `identity`.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn new(identity: &Identity) -> Result<Self, Error> {
        let (certificate, key) = identity.parts()?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(Self(Arc::new(config).into()))
    }

    /// Answers as `identity`, and asks who comes for a certificate, which it need not have.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn asking(identity: &Identity) -> Result<Self, Error> {
        let (certificate, key) = identity.parts()?;
        let provider = provider();
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(VERSIONS)?
            .with_client_cert_verifier(Arc::new(AnyCertificate(provider)))
            .with_single_cert(vec![certificate], key)?;
        Ok(Self(Arc::new(config).into()))
    }

    /// Answers a client's hello. How long that may take is for the caller to say.
    ///
    /// # Errors
    /// When the peer breaks off or shares no version or suite with us.
    pub async fn accept(&self, stream: Rewind<TcpStream>) -> io::Result<Stream> {
        let stream = self.0.accept(stream).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// The asking side; cheap to clone.
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    /// Accepts whatever certificate the peer shows, and shows that of `identity` where one is asked.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn new(identity: &Identity) -> Result<Self, Error> {
        let (certificate, key) = identity.parts()?;
        let provider = provider();
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(VERSIONS)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_client_auth_cert(vec![certificate], key)?;
        Ok(Self(Arc::new(config).into()))
    }

    /// Starts TLS on a connection, fresh or at the end of a handshake, within `limit`.
    ///
    /// # Errors
    /// When the peer breaks off, does not answer in time or does not speak TLS.
    pub async fn connect(
        &self,
        stream: impl Into<Rewind<TcpStream>>,
        limit: Duration,
    ) -> io::Result<Stream> {
        let stream = stream.into();
        let name = ServerName::IpAddress(stream.get_ref().peer_addr()?.ip().into());
        let handshake = self.0.connect(name, stream);
        let stream = runtime::timeout(limit, handshake).await??;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// Both sides of TLS, as a servent has them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ends {
    /// For those who come with TLS.
    pub acceptor: Acceptor,
    /// For those to whom we do.
    pub connector: Connector,
}

impl Ends {
    /// Answers as `identity`.
    ///
    /// # Errors
    /// As [`Acceptor::new`] and [`Connector::new`].
    pub fn new(identity: &Identity) -> Result<Self, Error> {
        Ok(Self {
            acceptor: Acceptor::new(identity)?,
            connector: Connector::new(identity)?,
        })
    }
}

/// Named, since the library's own choice panics as soon as another provider is in the build.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Takes every certificate: there is no name that one could prove. A key of the kind made here has to
/// be proven; those of other servents may be of kinds, or in certificates, that nobody reads today.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    fn prove(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match key_of(certificate) {
            Some(_) => {
                let known = &self.0.signature_verification_algorithms;
                verify_tls13_signature(message, certificate, signature, known)
            }
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.prove(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.prove(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::try_join;
    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::testing::pair;
    use crate::runtime::block_on;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn both_ends_understand_each_other_with_a_kept_identity() {
        let made = Identity::generate().unwrap();
        let kept = Identity::from_pem(made.as_pem().to_owned());
        let acceptor = Acceptor::new(&kept).unwrap();
        let connector = Connector::new(&Identity::generate().unwrap()).unwrap();
        block_on(async {
            let (here, there) = pair().await;
            let address = here.peer_addr().unwrap();
            let accepting = acceptor.accept(there.into());
            let (mut here, mut there) = try_join(connector.connect(here, LIMIT), accepting)
                .await
                .unwrap();
            assert!(here.is_encrypted() && there.is_encrypted());
            assert_eq!(here.peer_addr().unwrap(), address);

            here.write_all(b"secret").await.unwrap();
            here.close().await.unwrap();
            let mut heard = String::new();
            there.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "secret");
        });
    }

    #[test]
    fn each_end_proves_its_key_and_keeps_it_from_one_connection_to_the_next() {
        let [one, other] = [(); 2].map(|()| Identity::generate().unwrap());
        block_on(async {
            let mut seen = Vec::new();
            for (asking, answering) in [(&one, &other), (&one, &other), (&other, &one)] {
                let acceptor = Acceptor::asking(answering).unwrap();
                let connector = Connector::new(asking).unwrap();
                let (here, there) = pair().await;
                let accepting = acceptor.accept(there.into());
                let ends = try_join(connector.connect(here, LIMIT), accepting).await;
                let (here, there) = ends.unwrap();
                seen.push((there.proven_key().unwrap(), here.proven_key().unwrap()));
            }
            assert_eq!(seen[0], seen[1]);
            assert_eq!(seen[0], (seen[2].1, seen[2].0));
            assert_ne!(seen[0].0, seen[0].1);
        });
    }

    #[test]
    fn who_shows_the_certificate_of_another_is_refused() {
        let [own, other] = [(); 2].map(|()| Identity::generate().unwrap());
        let key = own.as_pem().split_once("-----BEGIN PRIVATE").unwrap().1;
        let certificate = other.as_pem().split_once("-----BEGIN PRIVATE").unwrap().0;
        let stolen = Identity::from_pem(format!("{certificate}-----BEGIN PRIVATE{key}"));
        let (certificate, key) = stolen.parts().unwrap();
        let key = ring::sign::any_supported_type(&key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(vec![certificate], key);
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        let forger = Connector(Arc::new(config).into());
        let acceptor = Acceptor::asking(&own).unwrap();
        block_on(async {
            let (here, there) = pair().await;
            let accepting = acceptor.accept(there.into());
            let (_, accepted) = futures::future::join(forger.connect(here, LIMIT), accepting).await;
            assert!(accepted.is_err(), "a key that is not proven");
        });
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        block_on(async {
            let (here, _there) = pair().await;
            let connector = Connector::new(&Identity::generate().unwrap()).unwrap();
            let limit = Duration::from_millis(20);
            let error = connector.connect(here, limit).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn damaged_identities_are_refused_and_secrets_not_shown() {
        let identity = Identity::from_pem("-----BEGIN NOTHING-----".to_owned());
        assert!(Acceptor::new(&identity).is_err());
        assert_eq!(format!("{identity:?}"), "Identity { .. }");
    }
}
