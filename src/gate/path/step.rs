//! The steps by which upstreams rewrite a path before they use it, one at a time. Each is done to the whole text or not at
//! all. Decoding goes by kinds of characters, because upstreams differ in which ones they decode.

use std::fmt;

use super::{Unreadable, fold};

/// The characters that have a meaning in paths. Each is decoded apart.
pub const MEANINGFUL: [u8; 8] = *b"./\\;?# %";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The escapes of one of [`MEANINGFUL`].
    Decode(u8),
    /// The escapes of all others.
    DecodeText,
    BackslashToSlash,
    MergeSlashes,
    /// `//name/a` as URL parsers see it: `name` is a host.
    DropAuthority,
    /// RFC 3986 section 5.2.4: `/a/b/..` is `/a/`. File systems leave no final slash; see [`Step::ALL`].
    ResolveDots,
    DropParameters,
    /// Dots and spaces at the end of a segment; of a segment that has nothing else, `.` or `..` stays.
    DropTails,
    /// The same, and of such a segment nothing stays.
    DropTailsWhole,
    /// The same, and of such a segment nothing stays unless it is `.` or `..` with nothing but spaces behind.
    DropTailsButDots,
    /// Dots and spaces at the end of the whole path, even where they are a segment.
    DropLastTail,
    CutAtQuestion,
    CutAtHash,
    FoldCase,
    DropFinalSlash,
}

impl Step {
    /// What a text may be put through again and again. The final slash is not among them: the route table looks past it.
    /// So it does with case, but some letters become hexadecimal digits by folding (`ﬀ`), and those may be decoded.
    pub const ALL: [Self; 21] = [
        Self::Decode(b'.'),
        Self::Decode(b'/'),
        Self::Decode(b'\\'),
        Self::Decode(b';'),
        Self::Decode(b'?'),
        Self::Decode(b'#'),
        Self::Decode(b' '),
        Self::Decode(b'%'),
        Self::DecodeText,
        Self::BackslashToSlash,
        Self::MergeSlashes,
        Self::DropAuthority,
        Self::ResolveDots,
        Self::DropParameters,
        Self::DropTails,
        Self::DropTailsWhole,
        Self::DropTailsButDots,
        Self::DropLastTail,
        Self::CutAtQuestion,
        Self::CutAtHash,
        Self::FoldCase,
    ];

    /// `None`: nothing changes. `text` starts with `/`, and so does what comes out.
    pub fn apply(self, text: &str) -> Result<Option<String>, Unreadable> {
        Ok(match self {
            Self::Decode(only) => return decode(text, |byte| byte == only),
            Self::DecodeText => return decode(text, |byte| !MEANINGFUL.contains(&byte)),
            Self::BackslashToSlash => text.contains('\\').then(|| text.replace('\\', "/")),
            Self::MergeSlashes => text.contains("//").then(|| merge(text)),
            Self::DropAuthority => text.starts_with("//").then(|| drop_authority(text)),
            Self::ResolveDots => resolve(text),
            Self::DropParameters => {
                text.contains(';').then(|| each_segment(text, |s| s.find(';').map_or(s, |at| &s[..at])))
            }
            Self::DropTails => drop_tails(text, |dots| [".", ".."][usize::from(dots.matches('.').count() > 1)]),
            Self::DropTailsWhole => drop_tails(text, |_| ""),
            Self::DropTailsButDots => drop_tails(text, |dots| match dots.trim_end_matches(' ') {
                dots @ ("." | "..") => dots,
                _ => "",
            }),
            Self::DropLastTail => text.ends_with(TAIL).then(|| text.trim_end_matches(TAIL).to_owned()),
            Self::CutAtQuestion => text.find('?').map(|at| text[..at].to_owned()),
            Self::CutAtHash => text.find('#').map(|at| text[..at].to_owned()),
            Self::FoldCase if text.is_ascii() || !text.contains('%') => None,
            Self::FoldCase => Some(fold(text).into_owned()),
            Self::DropFinalSlash => text.strip_suffix('/').filter(|rest| !rest.is_empty()).map(str::to_owned),
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decode(byte) => return write!(f, "decode %{byte:02X}"),
            Self::DecodeText => "decode other escapes",
            Self::BackslashToSlash => "read \\ as /",
            Self::MergeSlashes => "merge slashes",
            Self::DropAuthority => "take //name for a host",
            Self::ResolveDots => "resolve dots",
            Self::DropParameters => "drop ;parameters",
            Self::DropTails | Self::DropTailsWhole | Self::DropTailsButDots => "drop trailing dots and spaces",
            Self::DropLastTail => "drop dots and spaces at the end",
            Self::CutAtQuestion => "stop at ?",
            Self::CutAtHash => "stop at #",
            Self::FoldCase => "ignore case",
            Self::DropFinalSlash => "ignore a final slash",
        })
    }
}

/// The path as it came, with each byte above ASCII decoded. Such a byte can only be sent escaped (RFC 3986 section 2), so
/// that `/%C3%A9` is the spelling of `/é` even for upstreams that decode nothing.
pub fn received(path: &str) -> Result<String, Unreadable> {
    if !path.starts_with('/') {
        return Err(Unreadable::NoSlash);
    }
    if path.chars().any(char::is_control) {
        return Err(Unreadable::Control);
    }
    for (at, _) in path.match_indices('%') {
        let byte = escaped(path.as_bytes(), at).ok_or(Unreadable::BadEscape)?;
        if byte.is_ascii_control() {
            return Err(Unreadable::Control);
        }
    }
    Ok(decode(path, |byte| !byte.is_ascii())?.unwrap_or_else(|| path.to_owned()))
}

/// Escapes that are none stay as they are: in the path as it came [`received`] has refused them, and deeper down an
/// encoded percent sign is an ordinary thing.
fn decode(text: &str, kind: impl Fn(u8) -> bool) -> Result<Option<String>, Unreadable> {
    let bytes = text.as_bytes();
    let wanted = |at| escaped(bytes, at).filter(|byte| kind(*byte));
    let Some((first, _)) = text.match_indices('%').find(|(at, _)| wanted(*at).is_some()) else { return Ok(None) };

    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while let Some(&byte) = bytes.get(at) {
        match wanted(at) {
            Some(meant) => (decoded.push(meant), at += 3),
            None => (decoded.push(byte), at += 1),
        };
    }
    let decoded = String::from_utf8(decoded).map_err(|_| Unreadable::NotUtf8)?;
    if decoded.chars().any(char::is_control) {
        return Err(Unreadable::Control);
    }
    Ok(Some(decoded))
}

/// The byte that the escape at `at` stands for.
pub fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *bytes.get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

fn merge(text: &str) -> String {
    let mut merged = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

fn drop_authority(text: &str) -> String {
    let from_name = text.trim_start_matches('/');
    from_name.find('/').map_or("/", |at| &from_name[at..]).to_owned()
}

/// No `..` leads above the root.
fn resolve(text: &str) -> Option<String> {
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    if !text.split('/').any(is_dots) {
        return None;
    }
    let mut resolved = String::with_capacity(text.len());
    for segment in text.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => resolved.truncate(resolved.rfind('/').unwrap_or(0)),
            name => resolved.extend(["/", name]),
        }
    }
    if text.rsplit('/').next().is_some_and(is_dots) {
        resolved.push('/');
    }
    Some(resolved)
}

const TAIL: [char; 2] = ['.', ' '];

/// `of_dots` says what stays of a segment that is nothing but dots and spaces.
fn drop_tails(text: &str, of_dots: impl Fn(&str) -> &str) -> Option<String> {
    if !text.contains("./") && !text.contains(" /") && !text.ends_with(TAIL) {
        return None;
    }
    let dropped = each_segment(text, |segment| {
        let kept = segment.trim_end_matches(TAIL);
        if kept.is_empty() && segment.contains('.') { of_dots(segment) } else { kept }
    });
    (dropped != text).then_some(dropped)
}

fn each_segment<'a>(text: &'a str, keep: impl Fn(&'a str) -> &'a str) -> String {
    let mut kept = String::with_capacity(text.len());
    for segment in text.split('/').skip(1) {
        kept.extend(["/", keep(segment)]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: Step, text: &str) -> String {
        step.apply(text).unwrap().unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn decoding_goes_by_kinds_and_leaves_stray_percent_signs() {
        assert_eq!(step(Step::Decode(b'/'), "/a%2Fb%2fc%5C%2e"), "/a/b/c%5C%2e");
        assert_eq!(step(Step::Decode(b'%'), "/100%2525%25zz"), "/100%25%zz");
        assert_eq!(step(Step::DecodeText, "/%61%C3%A9%2F%4%x"), "/aé%2F%4%x");
        assert_eq!(Step::DecodeText.apply("/%2F"), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        assert_eq!(received("a"), Err(Unreadable::NoSlash));
        for bad in ["/%", "/%4", "/%zz", "/%u002e", "/%+1", "/a%é"] {
            assert_eq!(received(bad), Err(Unreadable::BadEscape), "{bad}");
        }
        for bad in ["/\0", "/%00", "/%0a", "/%7f", "/\x7f", "/%C2%85"] {
            assert_eq!(received(bad), Err(Unreadable::Control), "{bad}");
        }
        for bad in ["/%C0%AE", "/%ff", "/%E9", "/%ED%A0%80", "/%C3"] {
            assert_eq!(received(bad), Err(Unreadable::NotUtf8), "{bad}");
        }
        assert_eq!(received("/%C3%A9%20"), Ok("/é%20".to_owned()));
    }

    #[test]
    fn dots_are_resolved_and_stop_at_the_root() {
        for (text, resolved) in [
            ("/a/./b", "/a/b"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/../../a", "/a"),
            ("/a//../b", "/a/b"),
            ("/a/.", "/a/"),
            ("/..a/b..", "/..a/b.."),
        ] {
            assert_eq!(step(Step::ResolveDots, text), resolved, "{text}");
        }
    }

    #[test]
    fn the_other_steps_do_what_their_names_say() {
        for (of, text, then) in [
            (Step::BackslashToSlash, "/a\\b", "/a/b"),
            (Step::MergeSlashes, "//a///b/", "/a/b/"),
            (Step::DropAuthority, "//host/a", "/a"),
            (Step::DropAuthority, "///host", "/"),
            (Step::DropParameters, "/a;x=1/..;/b;", "/a/../b"),
            (Step::DropTails, "/a. ./.. /.../b. /./..", "/a/../../b/./.."),
            (Step::DropTailsWhole, "/a./.../ /b", "/a///b"),
            (Step::DropTailsButDots, "/a ./.../.. /. ./b", "/a//..//b"),
            (Step::DropLastTail, "/a./.. .", "/a./"),
            (Step::CutAtQuestion, "/a#b?c", "/a#b"),
            (Step::CutAtHash, "/a?b#c", "/a?b"),
            (Step::FoldCase, "/%2\u{fb00}", "/%2ff"),
            (Step::DropFinalSlash, "/a/", "/a"),
            (Step::DropFinalSlash, "/", "/"),
        ] {
            assert_eq!(step(of, text), then, "{of} {text}");
        }
    }
}
