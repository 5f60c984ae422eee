//! Signing keys: which one signs, which ones verify, what is published. Which key a token names is an exact match in a
//! small list, and each key knows its one algorithm (RFC 8725 section 3.1): a token never chooses how it is checked.

use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::{rand, rsa, signature};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{DecodingKey, EncodingKey};

use zeroize::Zeroizing;

use super::secret::Secret;
use super::time::Timestamp;

/// How access tokens are signed. `Hs256` takes its two secrets from the configuration; the others keep keys in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
    Hs256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key cannot be made")]
    Generation,
    #[error("the key is not a usable {0} key")]
    Unusable(&'static str),
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// The JOSE name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// A new private key: PKCS#8 DER, or 32 random bytes.
    pub fn generate(self) -> Result<Secret, KeyError> {
        let failed = |_| KeyError::Generation;
        match self {
            Self::EdDsa => {
                let pair = signature::Ed25519KeyPair::generate().map_err(failed)?;
                Ok(Secret::new(pair.to_pkcs8v1().map_err(failed)?.as_ref()))
            }
            Self::Es256 => {
                let pair =
                    signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                Ok(Secret::new(pair.to_pkcs8v1().map_err(failed)?.as_ref()))
            }
            Self::Rs256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
                Ok(Secret::new(AsDer::as_der(&pair).map_err(failed)?.as_ref()))
            }
            Self::Hs256 => {
                let mut bytes = [0; 32];
                rand::fill(&mut bytes).map_err(failed)?;
                Ok(Secret::new(bytes))
            }
        }
    }

    pub(super) fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// One usable key.
pub struct Key {
    pub kid: String,
    pub algorithm: Algorithm,
    pub signs_from: Timestamp,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    /// The public half; none for a shared secret, which is never published.
    public: Option<Jwk>,
}

impl Key {
    pub fn new(kid: String, algorithm: Algorithm, private: &Secret, signs_from: Timestamp) -> Result<Self, KeyError> {
        let unusable = KeyError::Unusable(algorithm.name());
        let signing = match algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_der(private.expose()),
            Algorithm::Es256 => EncodingKey::from_ec_der(private.expose()),
            // The library wants the RSAPrivateKey that is inside the PKCS#8; it takes it out itself, but only of PEM.
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(&pem(private)).map_err(|_| unusable)?,
            // RFC 7518 section 3.2: at least as long as the hash.
            Algorithm::Hs256 if private.len() < 32 => return Err(unusable),
            Algorithm::Hs256 => {
                let (signing, verifying) =
                    (EncodingKey::from_secret(private.expose()), DecodingKey::from_secret(private.expose()));
                return Ok(Self { kid, algorithm, signs_from, signing, verifying, public: None });
            }
        };
        let mut jwk = Jwk::from_encoding_key(&signing, algorithm.jose()).map_err(|_| unusable)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| unusable)?;
        Ok(Self { kid, algorithm, signs_from, signing, verifying, public: Some(jwk) })
    }
}

fn pem(pkcs8: &Secret) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new(STANDARD.encode(pkcs8.expose()));
    Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", body.as_str()).into_bytes())
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} {})", self.kid, self.algorithm.name())
    }
}

/// The keys of one purpose, in the order in which they begin to sign.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Vec<Key>,
    /// How long a token signed with a key can live: how long a replaced key still verifies.
    overlap: Duration,
}

impl KeyRing {
    pub fn new(mut keys: Vec<Key>, overlap: Duration) -> Self {
        keys.sort_by_key(|key| key.signs_from);
        Self { keys, overlap }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The newest key whose time has come; the oldest, if none has: the clock was set back since it was made.
    pub fn signer(&self, now: Timestamp) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.signs_from <= now).or(self.keys.first())
    }

    /// The key of this name, if tokens signed with it can still be alive.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        let place = self.keys.iter().position(|key| key.kid == kid)?;
        self.is_live(place, now).then(|| &self.keys[place])
    }

    /// The public halves of the keys that verify or soon will (RFC 7517 section 5).
    pub fn published(&self, now: Timestamp) -> JwkSet {
        let live = self.keys.iter().enumerate().filter(|(place, _)| self.is_live(*place, now));
        JwkSet { keys: live.filter_map(|(_, key)| key.public.clone()).collect() }
    }

    /// The names of keys that no living token can name any more.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.keys.iter().enumerate().filter(move |(place, _)| !self.is_live(*place, now)).map(|(_, key)| &*key.kid)
    }

    fn is_live(&self, place: usize, now: Timestamp) -> bool {
        self.keys.get(place + 1).is_none_or(|successor| now < successor.signs_from.plus(self.overlap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(signs_from: [u64; 2]) -> KeyRing {
        let key = |(n, secs): (usize, u64)| {
            let private = Algorithm::EdDsa.generate().unwrap();
            Key::new(format!("k{n}"), Algorithm::EdDsa, &private, Timestamp::from_secs(secs)).unwrap()
        };
        KeyRing::new(signs_from.into_iter().enumerate().map(key).collect(), Duration::from_secs(100))
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_the_old_one_verifies_until_its_last_token_is_dead() {
        let (ring, at) = (ring([0, 1000]), Timestamp::from_secs);
        assert_eq!(ring.published(at(500)).keys.len(), 2);
        assert_eq!(ring.signer(at(999)).unwrap().kid, "k0");
        assert_eq!(ring.signer(at(1000)).unwrap().kid, "k1");
        assert!(ring.verifier("k0", at(1099)).is_some());
        assert!(ring.verifier("k0", at(1100)).is_none());
        assert_eq!(ring.expired(at(1100)).collect::<Vec<_>>(), ["k0"]);
        assert!(ring.verifier("k2", at(0)).is_none());
    }

    #[test]
    fn a_clock_that_was_set_back_takes_no_key_away() {
        let (ring, at) = (ring([500, 1000]), Timestamp::from_secs);
        for now in [at(0), at(499), at(500)] {
            assert_eq!(ring.signer(now).unwrap().kid, "k0");
            assert!(ring.verifier("k0", now).is_some() && ring.verifier("k1", now).is_some());
            assert_eq!((ring.published(now).keys.len(), ring.expired(now).count()), (2, 0));
        }
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(ring.signer(last).unwrap().kid, "k1");
        assert!(KeyRing::default().signer(last).is_none());
    }

    #[test]
    fn a_published_key_holds_nothing_private() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let key = Key::new("k".into(), algorithm, &algorithm.generate().unwrap(), Timestamp::default()).unwrap();
            let text = serde_json::to_string(&KeyRing::new(vec![key], Duration::ZERO).published(Timestamp::default()))
                .unwrap();
            assert!(text.contains("\"use\":\"sig\"") && text.contains("\"kid\":\"k\""), "{text}");
            assert!(!text.contains("\"d\"") && !text.contains("\"k\":"), "{text}");
        }
        let secret =
            Key::new("s".into(), Algorithm::Hs256, &Algorithm::Hs256.generate().unwrap(), Timestamp::default());
        let ring = KeyRing::new(vec![secret.unwrap()], Duration::ZERO);
        assert!(ring.published(Timestamp::default()).keys.is_empty());
    }

    #[test]
    fn a_short_secret_is_no_key() {
        assert!(Key::new("s".into(), Algorithm::Hs256, &Secret::new("short"), Timestamp::default()).is_err());
        assert!(Key::new("e".into(), Algorithm::EdDsa, &Secret::new("junk"), Timestamp::default()).is_err());
    }
}
