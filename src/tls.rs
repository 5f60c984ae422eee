//! TLS of the public listener: a certificate chain and its key become a configuration, or a reason why not. Nothing here
//! says a byte of the key.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Names of protocols for ALPN (RFC 7301), in the order of our liking.
pub const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What handshakes are made with. TLS 1.2 and 1.3.
#[derive(Clone, Debug)]
pub struct Tls(pub Arc<ServerConfig>);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error("this file holds no certificate; write the chain in PEM, the server's own certificate first")]
    NoCertificate,
    #[error("this file holds no private key; write one in PEM (PKCS #8, PKCS #1 or SEC 1), without a passphrase")]
    NoKey,
    #[error("this key does not belong to the first certificate of certificate_file")]
    Mismatch,
    #[error("certificate and key cannot be used: {0}")]
    Unusable(String),
}

/// Whether a file holds certificates in PEM, and nothing that only looks like one.
pub fn holds_certificates(pem: &[u8]) -> bool {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, pem::Error>>();
    found.is_ok_and(|found| !found.is_empty())
}

impl Tls {
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, pem::Error>>()
            .map_err(|_| TlsError::NoCertificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let unusable = |error: rustls::Error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
            other => TlsError::Unusable(other.to_string()),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config =
            versions.map_err(unusable)?.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["gw.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_goes_with_its_own_key_only() {
        let ((chain, key), (_, other)) = (pair(), pair());
        assert!(Tls::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        let wrong = |chain: &str, key: &str| Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(wrong(&chain, &other), TlsError::Mismatch);
        assert_eq!(wrong("", &key), TlsError::NoCertificate);
        assert_eq!(wrong(&key, &key), TlsError::NoCertificate);
        assert_eq!(wrong(&chain, &chain), TlsError::NoKey);
        assert!(matches!(wrong(&chain.replace("MII", "MIJ"), &key), TlsError::Unusable(_) | TlsError::NoCertificate));
    }

    #[test]
    fn nothing_of_the_key_is_said() {
        let (chain, key) = pair();
        let said = format!("{:?}", Tls::from_pem(chain.as_bytes(), key.as_bytes()));
        assert!(key.lines().skip(1).all(|line| line.len() < 40 || !said.contains(line)));
    }
}
