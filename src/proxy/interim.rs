//! Answers before the answer (RFC 9110 section 15.2): which of an upstream's statuses is the last word.

use http::StatusCode;

/// The connection is now the protocol's that the client asked for.
pub fn switches(status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS
}

/// Whether it is the answer, after which no other can be given, and not a word before it.
pub fn is_final(status: StatusCode) -> bool {
    switches(status) || !status.is_informational()
}
