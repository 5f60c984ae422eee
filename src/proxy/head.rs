//! The head of an HTTP/1 request while it is still bytes: refused unless it can be read in one way only (RFC 9112 sections 2,
//! 3, 5 and 6.3). Looked at before the parser, because the parser repairs: it takes a bare line feed for a line's end,
//! escapes control bytes, cuts fragments off, and drops a `Content-Length` that stands beside a `Transfer-Encoding`.

use std::borrow::Cow;

use crate::gate::denial::Denial;

/// The most bytes a target may have.
pub const MAX_TARGET: usize = 8 * 1024;
/// The most header fields, and the most bytes of a whole head.
pub const MAX_FIELDS: usize = 100;
pub const MAX_HEAD: usize = 32 * 1024;

/// The longest method, and what else stands in a request line beside the target.
const REQUEST_LINE_REST: usize = 64;
/// RFC 9112 section 2.2: empty lines before a request are passed over. More than a few are somebody's game.
const EMPTY_LINES: usize = 4;

const ONE_LENGTH: Denial = Denial::BadRequest("Say the length of the body once.");

/// A head as far as it has come. Each line is looked at once, however slowly it comes.
#[derive(Debug, Default)]
pub struct Head {
    /// What came before, where the head did not come in one piece.
    kept: Vec<u8>,
    /// Where the first line begins that has not been looked at.
    at: usize,
    empty_lines: usize,
    request_line: bool,
    fields: usize,
    lengths: usize,
    encodings: usize,
}

impl Head {
    /// Whether the head is whole with these bytes, of which the last may already be the body's.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, Denial> {
        let mut kept = std::mem::take(&mut self.kept);
        let all = if kept.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            kept.extend_from_slice(bytes);
            Cow::Owned(kept)
        };
        let whole = self.scan(&all)?;
        if !whole {
            self.kept = all.into_owned();
        }
        Ok(whole)
    }

    fn scan(&mut self, all: &[u8]) -> Result<bool, Denial> {
        while let Some(end) = memchr::memchr(b'\n', &all[self.at..]) {
            let line = &all[self.at..=self.at + end];
            self.at += line.len();
            if self.at > MAX_HEAD {
                return Err(self.too_large(line.len()));
            }
            let line = whole_line(line)?;
            match (self.request_line, line.is_empty()) {
                (false, true) => self.empty_line()?,
                (false, false) => {
                    check_request_line(line)?;
                    self.request_line = true;
                }
                (true, true) => return Ok(true),
                (true, false) => self.field(line)?,
            }
        }
        let unfinished = all.len() - self.at;
        let longest = if self.request_line { MAX_HEAD } else { MAX_TARGET + REQUEST_LINE_REST };
        if all.len() > MAX_HEAD || unfinished > longest { Err(self.too_large(unfinished)) } else { Ok(false) }
    }

    fn empty_line(&mut self) -> Result<(), Denial> {
        self.empty_lines += 1;
        if self.empty_lines > EMPTY_LINES { Err(Denial::BadRequest("Send a request.")) } else { Ok(()) }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Denial> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Denial::HeadersTooLarge);
        }
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        // Also where the parser is to be told apart from one that folds lines (RFC 9112 section 5.2) or trims names.
        if name.is_empty() || name.len() == line.len() || name.iter().any(u8::is_ascii_whitespace) {
            return Err(Denial::BadRequest("A header field is a name, a colon and a value, on one line."));
        }
        self.lengths += usize::from(name.eq_ignore_ascii_case(b"content-length"));
        self.encodings += usize::from(name.eq_ignore_ascii_case(b"transfer-encoding"));
        if self.lengths + self.encodings > 1 { Err(ONE_LENGTH) } else { Ok(()) }
    }

    fn too_large(&self, line: usize) -> Denial {
        let in_target = !self.request_line && line > MAX_TARGET;
        if in_target { Denial::UriTooLong } else { Denial::HeadersTooLarge }
    }
}

/// The line without its end, which is CRLF and nothing else (RFC 9112 section 2.2 lets a recipient take a bare LF, and
/// recipients differ in it).
fn whole_line(line: &[u8]) -> Result<&[u8], Denial> {
    let line = line.strip_suffix(b"\r\n").filter(|line| memchr::memchr2(b'\r', 0, line).is_none());
    line.ok_or(Denial::BadRequest("A line ends with CRLF and holds no other CR and no NUL."))
}

/// RFC 9112 section 3: method, one space, target, one space, version.
fn check_request_line(line: &[u8]) -> Result<(), Denial> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Denial::BadRequest("The request line is METHOD TARGET HTTP/1.1, with single spaces."));
    };
    if target.len() > MAX_TARGET {
        return Err(Denial::UriTooLong);
    }
    if method.is_empty() || !version.starts_with(b"HTTP/1.") {
        return Err(Denial::BadRequest("The request line is METHOD TARGET HTTP/1.1, with single spaces."));
    }
    if target.iter().any(|b| b.is_ascii_control() || *b == b'#') {
        return Err(Denial::BadRequest("The target holds a control byte or a fragment."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(head: &[u8]) -> Result<bool, u16> {
        Head::default().feed(head).map_err(|denial| denial.status().as_u16())
    }

    #[test]
    fn an_ordinary_head_is_whole_at_its_empty_line() {
        let head = b"POST /a?b=c HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(of(head), Ok(true));
        assert_eq!(of(&head[..head.len() - 6]), Ok(false));
        assert_eq!(of(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n"), Ok(true));
        assert_eq!(of("GET /é HTTP/1.1\r\nX: é\r\n\r\n".as_bytes()), Ok(true));
        assert_eq!(of(b""), Ok(false));
    }

    #[test]
    fn what_a_parser_would_repair_is_refused() {
        for head in [
            &b"GET / HTTP/1.1\n"[..],
            b"GET / HTTP/1.1\r\nHost: gw\n\r\n",
            b"GET / HTTP/1.1\r\nHost: gw\r\n\n",
            b"GET / HTTP/1.1\r\nA: b\rc\r\n",
            b"GET / HTTP/1.1\r\nA: b\0c\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n",
            b"GET / HTTP/1.1\r\nA : b\r\n",
            b"GET / HTTP/1.1\r\n: b\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n",
            b"GET  / HTTP/1.1\r\n",
            b"GET /  HTTP/1.1\r\n",
            b"GET /a b HTTP/1.1\r\n",
            b" GET / HTTP/1.1\r\n",
            b"GET /\tHTTP/1.1\r\n",
            b"GET /#x HTTP/1.1\r\n",
            b"GET /\x01 HTTP/1.1\r\n",
            b"GET /\x7f HTTP/1.1\r\n",
            b"GET /\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"GET / http/1.1\r\n",
            b"\r\n\r\n\r\n\r\n\r\n",
        ] {
            assert_eq!(of(head), Err(400), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn the_length_of_a_body_is_said_once() {
        for pair in [
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "transfer-encoding: chunked\r\nTRANSFER-ENCODING: chunked",
        ] {
            assert_eq!(of(format!("POST / HTTP/1.1\r\n{pair}\r\n").as_bytes()), Err(400), "{pair}");
        }
    }

    #[test]
    fn a_head_is_bounded_before_it_is_whole() {
        assert_eq!(of(format!("GET /{}", "a".repeat(MAX_TARGET + REQUEST_LINE_REST)).as_bytes()), Err(414));
        assert_eq!(of(format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_TARGET)).as_bytes()), Err(414));
        assert_eq!(of(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_TARGET - 1)).as_bytes()), Ok(true));
        assert_eq!(of(format!("GET / HTTP/1.1\r\nX: {}", "v".repeat(MAX_HEAD)).as_bytes()), Err(431));
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(count));
        assert_eq!(of(fields(MAX_FIELDS).as_bytes()), Ok(true));
        assert_eq!(of(fields(MAX_FIELDS + 1).as_bytes()), Err(431));
        let long = format!("X: {}\r\n", "v".repeat(7000)).repeat(5);
        assert_eq!(of(format!("GET / HTTP/1.1\r\n{long}\r\n").as_bytes()), Err(431));
    }

    proptest! {
        /// However a head is cut into pieces, it is judged as if it had come in one.
        #[test]
        fn pieces_are_judged_as_the_whole(
            lines in prop::collection::vec("(GET /[a-z]{0,9} HTTP/1\\.1|[A-Za-z-]{0,15}:[ -~]{0,9}|Content-Length: 5|)(\r\n|\r\n|\r\n|\n)", 0..6),
            cuts in prop::collection::vec(1usize..12, 1..40),
        ) {
            let bytes = lines.concat().into_bytes();
            let whole = Head::default().feed(&bytes);
            let (mut head, mut rest, mut judged) = (Head::default(), &bytes[..], Ok(false));
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() || judged != Ok(false) {
                    break;
                }
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                (judged, rest) = (head.feed(piece), after);
            }
            prop_assert_eq!(judged, whole);
        }
    }
}
