//! Names of fields as apps fold them: CGI, WSGI, PHP and Rack hand `X_User.Id` to an app under the name of `X-User-Id`, so to
//! be told apart two names must differ after that.

use http::HeaderName;

/// Any byte that is legal in a field name (RFC 9110 section 5.6.2) and neither letter nor digit stands for `-`.
pub fn byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

pub fn name(name: &HeaderName) -> Box<[u8]> {
    name.as_str().bytes().map(byte).collect()
}

/// Whether some app may take `name` for `folded`.
pub fn is(name: &HeaderName, folded: &[u8]) -> bool {
    name.as_str().len() == folded.len() && begins(name, folded)
}

pub fn begins(name: &HeaderName, folded: &[u8]) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= folded.len() && name.iter().zip(folded).all(|(b, folded)| byte(*b) == *folded)
}
