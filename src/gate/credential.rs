//! The credential on a request: absent, a bearer token, or something bad. Absent is not bad, and bad is never absent.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::denial::Denial;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// None of ours: nothing, or another scheme that is the upstream's business.
    Absent,
    Bearer(&'a str),
    /// The Bearer scheme without a token of its form (RFC 9110 section 11.2, `token68`).
    Malformed,
}

/// Read the `Authorization` field. Two of them are refused: which one counts would be anyone's guess.
pub fn read(headers: &HeaderMap) -> Result<Credential<'_>, Denial> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(Credential::Absent) };
    if fields.next().is_some() {
        return Err(Denial::BadRequest("Send one Authorization field."));
    }
    let (scheme, rest) = scheme(field);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(Credential::Absent);
    }
    let Ok(rest) = std::str::from_utf8(rest) else { return Ok(Credential::Malformed) };
    let token = rest.trim_start_matches(' ');
    let separated = token.len() < rest.len();
    if separated && is_token68(token) { Ok(Credential::Bearer(token)) } else { Ok(Credential::Malformed) }
}

/// Whether the credential is for us, good or bad: what goes to an upstream must not hold it.
pub fn is_ours(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|field| scheme(field).0.eq_ignore_ascii_case(b"bearer"))
}

fn scheme(field: &HeaderValue) -> (&[u8], &[u8]) {
    let field = field.as_bytes();
    field.split_at(field.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(field.len()))
}

/// Whether the scheme proves who is at the other end of a connection rather than who makes a request (RFC 4559 section 6). The
/// upstream's connections are shared by all callers: the next would be taken for this one.
pub fn binds_connection(headers: &HeaderMap) -> bool {
    const SCHEMES: [&[u8]; 3] = [b"ntlm", b"negotiate", b"kerberos"];
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    fields.any(|field| SCHEMES.iter().any(|bound| scheme(field).0.eq_ignore_ascii_case(bound)))
}

fn is_token68(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // Without a branch, so that the compiler takes many bytes at once: every byte of every token passes here.
    !body.is_empty() && body.bytes().fold(true, |all, b| all & is_token68_byte(b))
}

fn is_token68_byte(b: u8) -> bool {
    let letter = (b | 0x20).wrapping_sub(b'a') < 26;
    letter | (b.wrapping_sub(b'-') < 13) | (b == b'_') | (b == b'~') | (b == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<String, Denial> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        read(&headers).map(|credential| format!("{credential:?}"))
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_the_token_is_one_word() {
        assert_eq!(of(&["Bearer a.b-c"]).unwrap(), "Bearer(\"a.b-c\")");
        assert_eq!(of(&["bEARER   a=="]).unwrap(), "Bearer(\"a==\")");
        assert_eq!(of(&["Bearer a0.-_~+/Z9z=="]).unwrap(), "Bearer(\"a0.-_~+/Z9z==\")");
        for byte in (b' '..=b'~').filter(|b| !b.is_ascii_alphanumeric() && !b"-._~+/=".contains(b)) {
            assert_eq!(of(&[&format!("Bearer a{}b", char::from(byte))]).unwrap(), "Malformed", "{byte}");
        }
        for bad in ["Bearer", "Bearer ", "Bearer\ta", "Bearer a b", "Bearer =", "Bearer a,b", "Bearer:a"] {
            assert_eq!(of(&[bad]).unwrap(), "Malformed", "{bad:?}");
        }
    }

    #[test]
    fn another_scheme_is_the_upstreams_business() {
        assert_eq!(of(&[]).unwrap(), "Absent");
        assert_eq!(of(&["Basic YTpi"]).unwrap(), "Absent");
        assert_eq!(of(&["BearerX a"]).unwrap(), "Absent");
    }

    #[test]
    fn some_schemes_are_about_the_connection() {
        for (value, bound) in
            [("NTLM TlRM", true), ("negotiate YII=", true), ("Negotiate", true), ("Basic TlRM", false)]
        {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(binds_connection(&headers), bound, "{value}");
        }
    }

    #[test]
    fn two_fields_are_refused() {
        assert!(matches!(of(&["Bearer a", "Bearer a"]), Err(Denial::BadRequest(_))));
    }
}
