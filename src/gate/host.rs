//! The host of a request in the one form in which hosts are compared: lower case, without port and one final dot; an IPv6
//! address as RFC 5952 writes it.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// `value` as the `Host` field or `:authority` has it. Allocates only where a letter is upper case, or for IPv6.
pub fn plain_host(value: &str) -> Cow<'_, str> {
    let name = without_port(value);
    let name = name.strip_suffix('.').unwrap_or(name);
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if let Some(ip) = literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok()) {
        return Cow::Owned(format!("[{ip}]"));
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

/// The colons inside the brackets of an IPv6 literal are its own.
fn without_port(value: &str) -> &str {
    let name = value.find(']').filter(|_| value.starts_with('[')).map_or(0, |end| end + 1);
    value[name..].find(':').map_or(value, |colon| &value[..name + colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_case_and_a_final_dot_do_not_make_another_host() {
        for (value, plain) in [
            ("app.example.com", "app.example.com"),
            ("App.Example.COM:8443", "app.example.com"),
            ("app.example.com.:80", "app.example.com"),
            ("app.example.com.", "app.example.com"),
            ("app.example.com..", "app.example.com."),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[FE80::1]:8080", "[fe80::1]"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
            ("[::FFFF:7f00:1]", "[::ffff:127.0.0.1]"),
            ("[v1.a]", "[v1.a]"),
            ("[::1", "["),
            ("", ""),
        ] {
            assert_eq!(plain_host(value), plain);
        }
        assert!(matches!(plain_host("a.b:1"), Cow::Borrowed(_)));
    }
}
