//! TLS as a client of an engine: whom to believe, and who we say that we are. Not for: finding the files that it is made
//! of (that is [`crate::engine::endpoint`]'s).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What TLS is made of: the contents of PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// The authorities that the engine's certificate must come from; `None` for those that the machine trusts.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate and its key, for an engine that asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the engine's certificate is taken as it is: the connection is then private, but with whom is unknown.
    pub skip_verify: bool,
}

/// Which part of a [`Material`] is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The authorities.
    Ca,
    /// Our certificate.
    Certificate,
    /// Our key.
    Key,
}

impl Part {
    /// The file that the docker client keeps it in.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Ca => "ca.pem",
            Self::Certificate => "cert.pem",
            Self::Key => "key.pem",
        }
    }
}

/// How TLS is spoken with an engine.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration holds a private key.
        f.write_str("Tls")
    }
}

/// The same configuration, not merely one that is made of the same files.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl Tls {
    /// Reads the material.
    ///
    /// # Errors
    /// The part that can't be used, and why.
    pub fn new(material: &Material) -> Result<Self, (Part, String)> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| (Part::Ca, error.to_string()))?;
        let builder = if material.skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(authorities(material.ca.as_deref())?)
        };
        let config = match &material.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate).map_err(|reason| (Part::Certificate, reason))?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
                    let reason = "there is no private key in it that can be used; one with a passphrase can't";
                    (Part::Key, reason.to_owned())
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| (Part::Key, error.to_string()))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// Speaks TLS on a connection to `to`, a `host:port`.
    pub(super) async fn wrap<S>(&self, to: &str, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = to.rsplit_once(':').map_or(to, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(error.to_string()),
    }
}

fn authorities(ca: Option<&[u8]>) -> Result<RootCertStore, (Part, String)> {
    let mut store = RootCertStore::empty();
    let found = match ca {
        Some(pem) => certificates(pem).map_err(|reason| (Part::Ca, reason))?,
        // What of the machine's store can't be read is not needed by anybody.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = store.add_parsable_certificates(found);
    if added == 0 {
        return Err((Part::Ca, "there is no authority in it that can be used".to_owned()));
    }
    Ok(store)
}

/// Takes any certificate, as `DOCKER_TLS` without `DOCKER_TLS_VERIFY` wants it. Signatures are still checked: the other
/// side must hold the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_named_by_its_part() {
        let part = |material: Material| Tls::new(&material).map_err(|(part, _)| part).err();
        let nonsense = || b"nonsense".to_vec();
        let ca = Material {
            ca: Some(nonsense()),
            ..Material::default()
        };
        assert_eq!(part(ca), Some(Part::Ca));
        let identity = Material {
            identity: Some((nonsense(), nonsense())),
            skip_verify: true,
            ..Material::default()
        };
        assert_eq!(part(identity), Some(Part::Certificate));
    }
}
