//! New passwords that are long but made of what everyone tries first (NIST 800-63B-4 section 3.1.1.2). A list of common
//! passwords says little about passwords of fifteen characters, so this one is of their *parts*: what is left of a
//! password once common words, runs and repetition are taken out must still be worth guessing.

/// Fewer characters than this beside commonplace parts are no obstacle.
const OWN_CHARACTERS: usize = 6;
/// "abcd", "4321" and "aaaa" are runs.
const RUN: usize = 4;

/// Parts of the most used passwords.
const PARTS: &str = "\
    administrator qwertyuiop 1q2w3e4r5t6y 1qaz2wsx3edc portcullis basketball changeme changeit letmeinnow iloveyou \
    password passwort passw0rd p@ssw0rd p@ssword pa$$word passphrase trustno1 sunshine princess football baseball \
    superman starwars computer internet whatever asdfghjkl 1q2w3e4r qazwsxedc 1qaz2wsx zaq12wsx michelle jennifer \
    corvette qwertzuiop azertyuiop motdepasse liverpool chocolate butterfly qwerty qwertz azerty zxcvbnm yxcvbnm \
    zxcvbn asdfgh qazwsx 1q2w3e abc123 letmein welcome hunter dragon monkey shadow master secret summer winter \
    spring autumn freedom charlie michael jordan harley ranger batman pokemon killer pepper ginger cookie cheese \
    banana flower hello admin login guest default access server system gateway account lovely loveme ninja matrix \
    google facebook samsung london soccer hockey andrew thomas daniel jessica ashley nicole purple orange silver \
    golden mustang yankees arsenal chelsea superuser root user test demo temp pass love asdf zxcv qwer";

pub fn is_commonplace(password: &str) -> bool {
    let lowered: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    let unit = unit(&lowered);
    let own = own_characters(unit);
    let altered = unit.len() < lowered.len() || own < unit.len();
    altered && own < OWN_CHARACTERS
}

/// What the text repeats: "abcabcab" repeats "abc". The whole of it if it does not come round at least once.
fn unit(text: &[char]) -> &[char] {
    let repeats = |n: usize| (n..text.len()).all(|i| text[i] == text[i - n]);
    let length = (1..=text.len() / 2).find(|n| repeats(*n)).unwrap_or(text.len());
    &text[..length]
}

/// How many characters are neither in a common part nor in a run.
fn own_characters(text: &[char]) -> usize {
    let mut own = 0;
    let mut rest = text;
    while let Some((_, tail)) = rest.split_first() {
        let taken = common_part(rest).max(run(rest));
        own += usize::from(taken == 0);
        rest = if taken == 0 { tail } else { &rest[taken..] };
    }
    own
}

fn common_part(text: &[char]) -> usize {
    let leads = |part: &&str| part.len() <= text.len() && part.chars().zip(text).all(|(a, b)| a == *b);
    PARTS.split_ascii_whitespace().filter(leads).map(str::len).max().unwrap_or(0)
}

/// The length of the run that the text begins with, or 0: the same character again, or each the next or the one before.
fn run(text: &[char]) -> usize {
    let step = |i: usize| i64::from(u32::from(text[i])) - i64::from(u32::from(text[i - 1]));
    if text.len() < RUN || !(-1..=1).contains(&step(1)) {
        return 0;
    }
    let length = (2..text.len()).find(|i| step(*i) != step(1)).unwrap_or(text.len());
    if length >= RUN { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_but_first_to_be_tried_is_commonplace() {
        for password in [
            "passwordpassword",
            "Password1234567890",
            "aaaaaaaaaaaaaaaa",
            "1234567890123456",
            "qwertyuiopasdfghjkl",
            "admin-admin-admin",
            "letmeinletmein!!",
            "abcdefghijklmnop",
            "x1x1x1x1x1x1x1x1",
            "WelcomeSummer2024",
            "changeme",
        ] {
            assert!(is_commonplace(password), "{password}");
        }
    }

    #[test]
    fn what_has_something_of_its_own_is_not() {
        for password in [
            "correct horse battery staple",
            "x7Kq2mWp",
            "tr0ub4dor&3-hello",
            "the password of my neighbour",
            "Grüße aus dem Süden",
            "x4k9",
            "",
        ] {
            assert!(!is_commonplace(password), "{password}");
        }
    }

    #[test]
    fn the_parts_are_lower_case_ascii() {
        assert!(PARTS.is_ascii() && PARTS.to_lowercase() == PARTS);
    }
}
