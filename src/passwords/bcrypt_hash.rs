//! Verifying bcrypt hashes that came with an import. Nothing here makes one.

use std::fmt;

use super::stored::HashError;

/// `$2b$CC$` and then 22 characters of salt and 31 of hash.
const LENGTH: usize = 60;
const LAST_OF_SALT: usize = 28;
/// About five seconds.
const MAX_COST: u32 = 16;

pub struct BcryptHash {
    text: String,
}

impl BcryptHash {
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if text.len() != LENGTH || !text.is_ascii() {
            return Err(HashError::Malformed);
        }
        // The crate would read "+9" as a number too.
        let cost = &text[4..6];
        if !cost.bytes().all(|b| b.is_ascii_digit()) {
            return Err(HashError::Malformed);
        }
        if cost.parse().is_ok_and(|cost: u32| cost > MAX_COST) {
            return Err(HashError::TooCostly);
        }
        let text = canonical(text);
        match text.parse::<bcrypt::HashParts>() {
            Ok(parts) if parts.get_cost() >= 4 => Ok(Self { text }),
            _ => Err(HashError::Malformed),
        }
    }

    /// A password beyond 72 bytes counts by its first 72, as it did where the hash was made (the login that succeeds
    /// replaces the hash by one of the whole password).
    pub fn verify(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

impl fmt::Debug for BcryptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BcryptHash(…)")
    }
}

/// The last character of the salt carries two bits; some applications that made their own salts left junk in the other
/// four. The reference implementation ignores it, the crate would refuse the hash.
fn canonical(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(fixed) = without_low_bits(bytes[LAST_OF_SALT]) {
        bytes[LAST_OF_SALT] = fixed;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn without_low_bits(symbol: u8) -> Option<u8> {
    const SYMBOLS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let value = SYMBOLS.iter().position(|s| *s == symbol)?;
    Some(SYMBOLS[value & 0x30])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with libxcrypt.
    const PASSWORD: &str = "Grüße, correct horse";
    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS";

    #[test]
    fn junk_in_the_spare_bits_of_the_salt_changes_nothing() {
        for last in ["u", "v", "5", "9"] {
            let mut text = HASH.to_owned();
            text.replace_range(LAST_OF_SALT..=LAST_OF_SALT, last);
            assert!(BcryptHash::parse(&text).unwrap().verify(PASSWORD.as_bytes()), "{last}");
        }
        assert!(!BcryptHash::parse(&HASH.replace("stuud", "stued")).unwrap().verify(PASSWORD.as_bytes()));
    }

    #[test]
    fn a_long_password_counts_by_its_first_72_bytes() {
        let hash = BcryptHash::parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i").unwrap();
        assert!(hash.verify(&[b'x'; 100]));
        assert!(hash.verify(&[b'x'; 72]));
        assert!(!hash.verify(&[b'x'; 71]));
    }

    #[test]
    fn costs_out_of_range_are_refused_before_they_are_paid() {
        for (cost, error) in [("17", HashError::TooCostly), ("31", HashError::TooCostly), ("03", HashError::Malformed)]
        {
            assert_eq!(BcryptHash::parse(&HASH.replace("$05$", &format!("${cost}$"))).unwrap_err(), error, "{cost}");
        }
        for cost in ["+5", "-5", " 5", "5 ", "a5"] {
            let text = HASH.replace("$05$", &format!("${cost}$"));
            assert_eq!(BcryptHash::parse(&text).unwrap_err(), HashError::Malformed, "{cost}");
        }
    }
}
