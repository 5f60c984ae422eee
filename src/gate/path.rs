//! What a path can mean. Upstreams decode, merge, resolve and fold in their own ways; [`readings`] lists what may come out.
//! Nothing here changes what is forwarded: a path is read, never rewritten.

pub mod marks;
pub mod readings;
pub mod step;

use std::borrow::Cow;

/// Why a path cannot be read at all, whatever the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it does not start with /")]
    NoSlash,
    #[error("it has a % that two hexadecimal digits do not follow")]
    BadEscape,
    #[error("it holds a control character, plain or escaped")]
    Control,
    #[error("it is not UTF-8 once its escapes are decoded")]
    NotUtf8,
    #[error("it can be read in too many ways")]
    TooMany,
}

/// Whether every upstream reads this path alike, but for the case of letters and a final slash.
pub fn is_plain(path: &str) -> bool {
    let mut before = 0;
    for &byte in path.as_bytes() {
        let joins = byte == b'/' && matches!(before, b'/' | b'.');
        if joins || !PLAIN[usize::from(byte)] {
            return false;
        }
        before = byte;
    }
    path.starts_with('/') && before != b'.'
}

/// Printable ASCII without the bytes that some upstream gives a meaning.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        plain[byte] = !matches!(byte as u8, b'%' | b'\\' | b';' | b'?' | b'#');
        byte += 1;
    }
    plain
};

/// One form for all cases of a text. Upper before lower, so that ſ and the Kelvin sign fold; letter by letter, so that a
/// final sigma does too.
pub fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        let mut folded = String::with_capacity(text.len());
        for c in text.chars() {
            match c.is_ascii() {
                true => folded.push(c.to_ascii_lowercase()),
                false => folded.extend(c.to_uppercase().flat_map(char::to_lowercase)),
            }
        }
        return Cow::Owned(folded);
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_segments_is_plain() {
        for plain in ["/", "/a", "/a/", "/A/b.c/.well-known/v1.0", "/a:b@c/d,e=f&g/~h/i+j", "/a..b/..c"] {
            assert!(is_plain(plain), "{plain}");
        }
    }

    #[test]
    fn whatever_upstreams_read_in_two_ways_is_not_plain() {
        for odd in [
            "", "a", "*", "//", "/a//b", "/a%20b", "/a\\b", "/a;b", "/a?b", "/a#b", "/.", "/..", "/a/./b", "/a./b",
            "/a.", "/a b", "/é", "/a\0", "/a\x7f", "/a\tb",
        ] {
            assert!(!is_plain(odd), "{odd:?}");
        }
    }

    #[test]
    fn folding_makes_one_form_of_all_cases() {
        assert_eq!(fold("/ADMIN"), "/admin");
        assert!(matches!(fold("/admin"), Cow::Borrowed(_)));
        for odd in ["/ſ", "/S", "/s"] {
            assert_eq!(fold(odd), "/s");
        }
        assert_eq!(fold("/\u{212a}"), "/k");
        assert_eq!(fold("/ÉΣ"), fold("/éς"));
    }

    #[test]
    fn folding_makes_no_byte_that_upstreams_give_a_meaning() {
        for c in ('\u{80}'..=char::MAX).filter(|c| !c.is_ascii()) {
            let folded = fold(c.encode_utf8(&mut [0; 4])).into_owned();
            assert!(folded.chars().all(|f| !f.is_ascii() || f.is_ascii_alphabetic()), "{c:?} {folded:?}");
        }
    }
}
