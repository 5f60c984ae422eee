//! Hashes in the PHC string format (github.com/P-H-C/phc-string-format): argon2, scrypt, pbkdf2. Costs are read and
//! bounded before any library is asked to pay them.

use std::borrow::Cow;
use std::fmt;

use argon2::{Algorithm, Argon2, Version};
use password_hash::phc::{Output, ParamsString, PasswordHash};
use pbkdf2::sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::stored::{Exhausted, HashError};

/// The most memory one verification may take.
const MAX_KIB: u64 = 1024 * 1024;
/// The most memory it may walk through, all passes and lanes together: a few seconds.
const MAX_KIB_WALKED: u64 = 4 * MAX_KIB;
const MAX_ROUNDS: u32 = 10_000_000;
/// A hash of scrypt or pbkdf2 that was cut short still matches its password: below this it has lost too much.
const MIN_OUTPUT: usize = 16;

pub struct PhcHash {
    pub function: Function,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

#[derive(Clone, Debug)]
pub enum Function {
    Argon2 { algorithm: Algorithm, version: Version, params: argon2::Params },
    Scrypt(scrypt::Params),
    Pbkdf2 { digest: Digest, rounds: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha512,
}

impl PhcHash {
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let name = text.split('$').nth(1).unwrap_or_default();
        if !matches!(name, "argon2id" | "argon2i" | "argon2d" | "scrypt" | "pbkdf2-sha256" | "pbkdf2-sha512") {
            return Err(HashError::Unknown);
        }
        let text = in_phc_format(text);
        let parsed = PasswordHash::new(&text).map_err(|_| HashError::Malformed)?;
        let (Some(salt), Some(output)) = (parsed.salt, parsed.hash) else { return Err(HashError::Malformed) };
        if output.len() < MIN_OUTPUT {
            return Err(HashError::Malformed);
        }
        let argon2 = |algorithm| argon2(algorithm, parsed.version, &parsed.params);
        let function = match (name, parsed.version) {
            ("argon2id", _) => argon2(Algorithm::Argon2id)?,
            ("argon2i", _) => argon2(Algorithm::Argon2i)?,
            ("argon2d", _) => argon2(Algorithm::Argon2d)?,
            ("scrypt", None) => scrypt(&parsed.params)?,
            ("pbkdf2-sha256", None) => pbkdf2(Digest::Sha256, &parsed.params, output.len())?,
            ("pbkdf2-sha512", None) => pbkdf2(Digest::Sha512, &parsed.params, output.len())?,
            _ => return Err(HashError::Malformed),
        };
        Ok(Self { function, salt: salt[..].into(), output: output.as_bytes().into() })
    }

    /// No password's hash. Verifying against it costs what verifying against a real one with `params` costs.
    pub fn dummy(params: argon2::Params) -> Self {
        let function = Function::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params };
        Self { function, salt: [0; 16].into(), output: [0; 32].into() }
    }

    pub fn verify(&self, password: &[u8]) -> Result<bool, Exhausted> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let computed = &mut buffer[..self.output.len()];
        match &self.function {
            Function::Argon2 { algorithm, version, params } => Argon2::new(*algorithm, *version, params.clone())
                .hash_password_into(password, &self.salt, computed)
                .map_err(|_| Exhausted)?,
            Function::Scrypt(params) => {
                scrypt::scrypt(password, &self.salt, params, computed).map_err(|_| Exhausted)?;
            }
            Function::Pbkdf2 { digest: Digest::Sha256, rounds } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, *rounds, computed);
            }
            Function::Pbkdf2 { digest: Digest::Sha512, rounds } => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, &self.salt, *rounds, computed);
            }
        }
        Ok(computed.ct_eq(&self.output).into())
    }
}

impl fmt::Debug for PhcHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhcHash(…)")
    }
}

/// Python's passlib writes pbkdf2 as `$pbkdf2-sha256$ROUNDS$SALT$HASH`, in a base64 with `.` for `+`.
fn in_phc_format(text: &str) -> Cow<'_, str> {
    match text.split('$').collect::<Vec<_>>()[..] {
        ["", name, rounds, salt, output] if name.starts_with("pbkdf2-") && !rounds.contains('=') => {
            Cow::Owned(format!("${name}$i={rounds}${salt}${output}").replace('.', "+"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A string without `v=` is of version 0x10: the format's first edition had no such field.
fn argon2(algorithm: Algorithm, version: Option<u32>, params: &ParamsString) -> Result<Function, HashError> {
    let version = Version::try_from(version.unwrap_or(0x10)).map_err(|_| HashError::Malformed)?;
    let [kib, passes, lanes] = exactly(["m", "t", "p"], params)?;
    if u64::from(kib) > MAX_KIB || u64::from(kib) * u64::from(passes) > MAX_KIB_WALKED || lanes > 255 {
        return Err(HashError::TooCostly);
    }
    let params = argon2::Params::new(kib, passes, lanes, None).map_err(|_| HashError::Malformed)?;
    Ok(Function::Argon2 { algorithm, version, params })
}

/// Memory is 128·N·r bytes, walked p times (RFC 7914 section 2).
fn scrypt(params: &ParamsString) -> Result<Function, HashError> {
    let [log_n, r, p] = exactly(["ln", "r", "p"], params)?;
    if log_n == 0 || r == 0 || p == 0 {
        return Err(HashError::Malformed);
    }
    let (block, lanes) = (128 * u128::from(r), u128::from(p));
    let bytes = block << log_n.min(64);
    let kib = |bytes: u128| bytes / 1024;
    let [most, most_walked] = [MAX_KIB, MAX_KIB_WALKED].map(u128::from);
    if kib(bytes) > most || kib(bytes.saturating_mul(lanes)) > most_walked || kib(block * lanes) > most {
        return Err(HashError::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| HashError::TooCostly)?;
    scrypt::Params::new(log_n, r, p).map(Function::Scrypt).map_err(|_| HashError::Malformed)
}

/// `l`, the length of the output, may be left out (as the PHC libraries of Node do); the output itself says it.
fn pbkdf2(digest: Digest, params: &ParamsString, length: usize) -> Result<Function, HashError> {
    let rounds = match exactly(["i", "l"], params) {
        Ok([rounds, stated]) if usize::try_from(stated).is_ok_and(|stated| stated == length) => rounds,
        Ok(_) => return Err(HashError::Malformed),
        Err(_) => exactly(["i"], params)?[0],
    };
    match rounds {
        0 => Err(HashError::Malformed),
        1..=MAX_ROUNDS => Ok(Function::Pbkdf2 { digest, rounds }),
        _ => Err(HashError::TooCostly),
    }
}

/// The values of `names`; anything missing, doubled or beside them is an error.
fn exactly<const N: usize>(names: [&str; N], params: &ParamsString) -> Result<[u32; N], HashError> {
    let mut values = [None; N];
    for (name, value) in params.iter() {
        let place = names.iter().position(|wanted| *wanted == name.as_str()).ok_or(HashError::Malformed)?;
        let value = value.decimal().map_err(|_| HashError::Malformed)?;
        if values[place].replace(value).is_some() {
            return Err(HashError::Malformed);
        }
    }
    if values.contains(&None) { Err(HashError::Malformed) } else { Ok(values.map(Option::unwrap_or_default)) }
}
