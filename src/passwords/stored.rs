//! A stored hash, whatever scheme it is of. It is input like any other (it may come from an import, or be damaged), so it
//! is parsed, its cost is bounded, and nothing about it ever panics. It is never shown.

use argon2::{Algorithm, Version};

use super::bcrypt_hash::BcryptHash;
use super::phc_hash::{Digest, Function, PhcHash};
use crate::gate::secret::Secret;

#[derive(Debug)]
pub enum StoredHash {
    Bcrypt(BcryptHash),
    Phc(PhcHash),
}

/// Why a hash cannot be used. Says nothing of the hash itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error(
        "it is not a hash of bcrypt ($2a$, $2b$, $2y$), or of argon2, scrypt or pbkdf2 in the PHC format or passlib's"
    )]
    Unknown,
    #[error("it is damaged or cut short")]
    Malformed,
    #[error("it costs more than is accepted: bcrypt 16, 1 GiB (argon2, scrypt), 10 million rounds (pbkdf2)")]
    TooCostly,
}

/// There was no memory for the computation: our trouble, not the hash's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl StoredHash {
    pub fn parse(stored: &Secret) -> Result<Self, HashError> {
        let text = stored.expose_str().filter(|text| text.is_ascii()).ok_or(HashError::Malformed)?;
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return BcryptHash::parse(text).map(Self::Bcrypt);
        }
        PhcHash::parse(text).map(Self::Phc)
    }

    /// No password's hash, at the cost of `params`.
    pub fn dummy(params: argon2::Params) -> Self {
        Self::Phc(PhcHash::dummy(params))
    }

    pub fn verify(&self, password: &Secret) -> Result<bool, Exhausted> {
        match self {
            Self::Bcrypt(hash) => Ok(hash.verify(password.expose())),
            Self::Phc(hash) => hash.verify(password.expose()),
        }
    }

    /// Whether it is argon2id with parameters at least these.
    pub fn meets(&self, wanted: &argon2::Params) -> bool {
        self.argon2id().is_some_and(|params| {
            params.m_cost() >= wanted.m_cost()
                && params.t_cost() >= wanted.t_cost()
                && params.p_cost() >= wanted.p_cost()
        })
    }

    /// Whether verifying it takes as long as verifying a hash of these parameters.
    pub fn costs_as(&self, params: &argon2::Params) -> bool {
        let costs = |p: &argon2::Params| (p.m_cost(), p.t_cost(), p.p_cost());
        self.argon2id().is_some_and(|own| costs(own) == costs(params))
    }

    /// The scheme's name, for people.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Bcrypt(_) => "bcrypt",
            Self::Phc(hash) => match hash.function {
                Function::Argon2 { algorithm: Algorithm::Argon2id, .. } => "argon2id",
                Function::Argon2 { algorithm: Algorithm::Argon2i, .. } => "argon2i",
                Function::Argon2 { algorithm: Algorithm::Argon2d, .. } => "argon2d",
                Function::Scrypt(_) => "scrypt",
                Function::Pbkdf2 { digest: Digest::Sha256, .. } => "pbkdf2-sha256",
                Function::Pbkdf2 { digest: Digest::Sha512, .. } => "pbkdf2-sha512",
            },
        }
    }

    fn argon2id(&self) -> Option<&argon2::Params> {
        match self {
            Self::Phc(PhcHash {
                function: Function::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params },
                ..
            }) => Some(params),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, CustomizedPasswordHasher, Params};
    use password_hash::phc::PasswordHash;
    use proptest::prelude::*;

    use super::*;

    const PASSWORD: &str = "Grüße, correct horse";

    /// Made elsewhere: libxcrypt; Python's hashlib; the reference implementation of argon2 ("password", "somesalt"); passlib.
    const KNOWN: [(&str, &str, &str); 12] = [
        ("bcrypt", PASSWORD, "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS"),
        ("bcrypt", PASSWORD, "$2a$04$abcdefghijklmnopqrstuuhATfZMLPTsUaT9qG25tfhrRRbodYBxW"),
        ("bcrypt", PASSWORD, "$2y$04$abcdefghijklmnopqrstuuhATfZMLPTsUaT9qG25tfhrRRbodYBxW"),
        (
            "scrypt",
            PASSWORD,
            "$scrypt$ln=10,r=8,p=2$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
        ),
        (
            "pbkdf2-sha256",
            PASSWORD,
            "$pbkdf2-sha256$i=5000,l=32$cG9ydGN1bGxpcy1zYWx0IQ$NGnkQnQ0GQwwmyYZoxvtMApO4ucPVR/+p701SKJTZvY",
        ),
        (
            "pbkdf2-sha512",
            PASSWORD,
            "$pbkdf2-sha512$i=5000$cG9ydGN1bGxpcy1zYWx0IQ$Ude25zrIyF9qTYh5e4F7ZMnkuQaS5OPT5gNXbtHKQqXU0+eaZEuRBskNX201EOOq8OOrdy/E5n8E2tOA1p+2ew",
        ),
        (
            "argon2id",
            "password",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        ),
        ("argon2i", "password", "$argon2i$v=16$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs"),
        ("argon2i", "password", "$argon2i$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs"),
        (
            "argon2id",
            "password",
            "$argon2id$v=19$t=2,p=1,m=256$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        (
            "pbkdf2-sha256",
            "Grüße an den Türsteher",
            "$pbkdf2-sha256$1000$BYBQ6r3XWovxXgshBKAUog$.pDPXKLP9O8DJe4zvs8LGJ/YAE0WbOG0mvEFSNvv3KA",
        ),
        (
            "pbkdf2-sha512",
            "Grüße an den Türsteher",
            "$pbkdf2-sha512$1000$L6X0/l8rhVCKEYKQkpISQg$Gq5Yvz.0AUwY5vyrSXaeF7ZfoZHcVz/KTnOgvJFIw5zlEbPTC.BNHvHblZJEN0alzX6RHrDyElFWH4qS7h8zPQ",
        ),
    ];

    fn parse(text: &str) -> Result<StoredHash, HashError> {
        StoredHash::parse(&Secret::new(text))
    }

    #[test]
    fn hashes_made_elsewhere_verify_and_other_passwords_do_not() {
        for (scheme, password, text) in KNOWN {
            let hash = parse(text).unwrap();
            assert_eq!(hash.scheme(), scheme);
            assert_eq!(hash.verify(&Secret::new(password)), Ok(true), "{text}");
            for wrong in [String::new(), format!("{password} "), password.to_uppercase()] {
                assert_eq!(hash.verify(&Secret::new(wrong)), Ok(false), "{text}");
            }
        }
    }

    #[test]
    fn argon2d_is_verified_too() {
        let made: PasswordHash = Argon2::default()
            .hash_password_customized(
                PASSWORD.as_bytes(),
                b"portcullis-salt!",
                Some("argon2d"),
                None,
                Params::new(64, 1, 1, None).unwrap(),
            )
            .unwrap();
        let hash = parse(&made.to_string()).unwrap();
        assert_eq!((hash.scheme(), hash.verify(&Secret::new(PASSWORD))), ("argon2d", Ok(true)));
    }

    #[test]
    fn only_argon2id_of_the_present_strength_is_up_to_date() {
        let at = |text: &str, m, t, p| parse(text).unwrap().meets(&Params::new(m, t, p, None).unwrap());
        let argon2id = KNOWN[6].2;
        assert!(at(argon2id, 256, 2, 2) && at(argon2id, 128, 1, 1));
        assert!(!at(argon2id, 257, 2, 2) && !at(argon2id, 256, 3, 2) && !at(argon2id, 256, 2, 3));
        for (scheme, _, text) in KNOWN {
            assert_eq!(at(text, 64, 1, 1), scheme == "argon2id", "{text}");
        }
        assert!(!at(&argon2id.replace("v=19", "v=16"), 64, 1, 1));
    }

    #[test]
    fn absurd_costs_are_refused_unpaid() {
        for text in [
            "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$argon2id$v=19$m=256,t=1,p=16777215$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "$scrypt$ln=21,r=8,p=1$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
            "$scrypt$ln=4294967295,r=8,p=1$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
            "$scrypt$ln=1,r=1,p=4294967295$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
            "$scrypt$ln=1,r=65537,p=65537$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
            "$scrypt$ln=1,r=4294967295,p=1$cG9ydGN1bGxpcy1zYWx0IQ$bcBgmWacA0vex8w0ETEPNmC6Q2g+vYgpS59drCNVqSg",
            "$pbkdf2-sha256$i=10000001$cG9ydGN1bGxpcy1zYWx0IQ$NGnkQnQ0GQwwmyYZoxvtMApO4ucPVR/+p701SKJTZvY",
        ] {
            assert_eq!(parse(text).unwrap_err(), HashError::TooCostly, "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_says_which_kind_of_no() {
        for text in ["", "hunter2", "5f4dcc3b5aa765d61d8327deb882cf99", "$1$salt$hash", "$2x$05$abc", "$6$salt$hash"] {
            assert_eq!(parse(text).unwrap_err(), HashError::Unknown, "{text}");
        }
        let [good, scrypt] = [KNOWN[6].2, KNOWN[3].2];
        for text in [
            good.replace("m=256,", ""),
            good.replace("m=256", "m=256,m=256"),
            good.replace("m=256", "m=256,data=c29tZQ"),
            good.replace("m=256", "m=0"),
            good.replace("m=256", "m=+256"),
            good.replace("t=2", "t=0"),
            good.replace("v=19", "v=20"),
            good.replace("c29tZXNhbHQ", ""),
            good.replace("m=256", "m=99999999999"),
            format!("{good}$"),
            format!("{good}="),
            scrypt.replace("ln=10", "ln=0"),
            scrypt.replace("$ln", "$v=1$ln"),
            KNOWN[4].2.replace("l=32", "l=33"),
            KNOWN[10].2.replace("$1000$", "$0$"),
            KNOWN[10].2.replace("$1000$", "$$"),
            KNOWN[10].2.replace("$1000$", "$+1000$"),
            KNOWN[0].2.replace("stuu", "stué"),
        ] {
            assert_eq!(parse(&text).unwrap_err(), HashError::Malformed, "{text}");
        }
        assert_eq!(StoredHash::parse(&Secret::new([0xff, 0xfe])).unwrap_err(), HashError::Malformed);
    }

    #[test]
    fn no_truncation_of_a_hash_panics_or_lets_anyone_else_in() {
        for (scheme, password, text) in KNOWN {
            for end in 0..text.len() {
                let Ok(hash) = parse(&text[..end]) else { continue };
                assert_eq!(hash.verify(&Secret::new("someone else's")), Ok(false), "{}", &text[..end]);
                // The output of pbkdf2, which scrypt ends in too, is a prefix of any longer one.
                if !scheme.starts_with("pbkdf2") && scheme != "scrypt" {
                    assert_eq!(hash.verify(&Secret::new(password)), Ok(false), "{}", &text[..end]);
                }
            }
            let output = text.rfind('$').unwrap() + 1;
            assert!(parse(&text[..output + 20]).is_err(), "15 bytes are too few");
        }
    }

    #[test]
    fn debug_shows_no_hash() {
        for (_, _, text) in KNOWN {
            let shown = format!("{:?}", parse(text).unwrap());
            assert!(shown.ends_with("Hash(…))"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn junk_never_panics(text in "\\$?(2b\\$05|argon2id|argon2i\\$v=19|scrypt|pbkdf2-sha256)?[\\$=,.mtpilnr0-9A-Za-zé]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_damaged_hash_never_panics(at in 0usize..120, byte in any::<u8>(), which in 0usize..KNOWN.len()) {
            let mut bytes = KNOWN[which].2.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = StoredHash::parse(&Secret::new(bytes));
        }
    }
}
