//! Names of hosts, origins and servers as `gateway.toml` writes them. Pure; each has one canonical form.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use super::settings::ServerAddress;

/// A host's name or address in lower case, without a final dot; IPv6 in brackets, as in a `Host` field.
pub fn host(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "a host is a name or an address alone, without port or *, like \"app.example.com\"";
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']').and_then(|a| a.parse().ok()).ok_or(FORM)?;
        return Ok(format!("[{address}]"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(legal);
    if name.len() <= 253 && name.split('.').all(label) { Ok(name.to_ascii_lowercase()) } else { Err(FORM) }
}

/// `https://app.example.com` or with a port: what browsers send as `Origin` (RFC 6454 section 6.2).
pub fn origin(text: &str) -> Result<String, &'static str> {
    const FORM: &str =
        "an origin is scheme, host and port alone, like \"https://app.example.com\": no path, no final /";
    match text {
        "*" => return Err("every origin is none: name those that may call this gateway"),
        "null" => return Err("any page can make itself the origin null"),
        _ => {}
    }
    let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err(FORM),
    };
    let (host, port) = authority(rest).ok_or(FORM)?;
    // Browsers leave the default port out.
    Ok(match port.filter(|port| *port != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// `127.0.0.1:3000`, `app.internal:3000`, `http://host`, `https://host:443`, `unix:/run/app.sock`.
pub fn server(text: &str, folder: &Path) -> Result<ServerAddress, &'static str> {
    const FORM: &str =
        "a server is HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH, without a path or a user";
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() { Err(FORM) } else { Ok(ServerAddress::Unix(folder.join(path))) };
    }
    let (rest, tls, default_port) = match text.split_once("://") {
        Some(("http", rest)) => (rest, false, Some(80)),
        Some(("https", rest)) => (rest, true, Some(443)),
        Some(_) => return Err(FORM),
        None => (text, false, None),
    };
    let (host, port) = authority(rest).ok_or(FORM)?;
    let port =
        port.or(default_port).ok_or("a server without http:// or https:// needs a port, like \"127.0.0.1:3000\"")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(ServerAddress::Tcp { host, port, tls })
}

/// An address to listen on.
pub fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| {
        if text.starts_with("localhost") {
            "an address to listen on is a number, like \"127.0.0.1:8080\", not a name"
        } else {
            "an address to listen on is IP:PORT, like \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::]:8080\""
        }
    })
}

/// Host, in its canonical form, and port.
pub fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (name, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok().filter(|p| *p > 0)?),
        Some(_) => return None,
        None => None,
    };
    Some((host(name).ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        assert_eq!(host("App.Example.COM."), Ok("app.example.com".into()));
        assert_eq!(host("[FE80::1]"), Ok("[fe80::1]".into()));
        for bad in ["", ".", "a..b", "*.a", "a:80", "a b", "é.fr", "[::1", "::1", "a/b", "a@b"] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        assert_eq!(origin("HTTPS://App.Example.com:443"), Ok("https://app.example.com".into()));
        assert_eq!(origin("http://localhost:5173"), Ok("http://localhost:5173".into()));
        assert_eq!(origin("https://[::1]:8443"), Ok("https://[::1]:8443".into()));
        for bad in
            ["*", "null", "app.example.com", "https://a/", "https://a/b", "ftp://a", "https://u@a", "https://*.a"]
        {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn servers_are_tcp_tls_or_unix() {
        let folder = Path::new("/etc/gate");
        let tcp = |host: &str, port, tls| Ok(ServerAddress::Tcp { host: host.into(), port, tls });
        assert_eq!(server("127.0.0.1:3000", folder), tcp("127.0.0.1", 3000, false));
        assert_eq!(server("http://app.internal", folder), tcp("app.internal", 80, false));
        assert_eq!(server("https://app.internal:8443", folder), tcp("app.internal", 8443, true));
        assert_eq!(server("[::1]:3000", folder), tcp("::1", 3000, false));
        assert_eq!(server("unix:app.sock", folder), Ok(ServerAddress::Unix("/etc/gate/app.sock".into())));
        for bad in [
            "",
            "app",
            ":3000",
            "app:0",
            "app:70000",
            "app:+1",
            "app:",
            "unix:",
            "http://u:p@app",
            "http://app/x",
            "ws://a",
        ] {
            assert!(server(bad, folder).is_err(), "{bad:?}");
        }
    }
}
