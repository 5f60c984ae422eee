//! What a failed exchange was: whose fault, and what the client is told. A panic is a failure like any other.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::gate::denial::Denial;
use crate::telemetry::metrics::UpstreamError;

#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client has gone: there is nobody to tell.
    ClientGone,
    /// The client's fault, or ours.
    Denied(Denial),
    Upstream(UpstreamError, Denial),
}

impl Failure {
    /// The app took longer than it may.
    pub const TIMEOUT: Self = Self::Upstream(UpstreamError::Timeout, Denial::UpstreamTimeout);

    pub fn of(error: &Error) -> Self {
        use ErrorType as E;
        if let E::HTTPStatus(status) = error.etype()
            && *status == Denial::PayloadTooLarge.status().as_u16()
        {
            return Self::Denied(Denial::PayloadTooLarge);
        }
        match (error.esource(), error.etype()) {
            (ErrorSource::Internal, _) => Self::Denied(Denial::Internal),
            (ErrorSource::Downstream, E::ReadTimedout) => Self::Denied(Denial::RequestTimeout),
            // So Pingora calls bytes after the end of a request whose answer has not come yet.
            (ErrorSource::Downstream, E::ConnectError) => {
                Self::Denied(Denial::BadRequest("Wait for the answer before you send anything else."))
            }
            (ErrorSource::Downstream, E::InvalidHTTPHeader) => {
                Self::Denied(Denial::BadRequest("The Connection field names what it may not."))
            }
            // What Pingora names itself: chunks or trailers that cannot be read.
            (ErrorSource::Downstream, E::Custom(_)) => {
                Self::Denied(Denial::BadRequest("The body is not framed as it should be."))
            }
            (ErrorSource::Downstream, _) => Self::ClientGone,
            (_, E::ConnectTimedout | E::ConnectRefused | E::ConnectError | E::ConnectNoRoute | E::SocketError)
            | (_, E::TLSHandshakeFailure | E::TLSHandshakeTimedout | E::InvalidCert | E::HandshakeError) => {
                Self::Upstream(UpstreamError::Connect, Denial::UpstreamUnreachable)
            }
            (_, E::ReadTimedout | E::WriteTimedout) => Self::TIMEOUT,
            _ => Self::Upstream(UpstreamError::Broken, Denial::UpstreamUnreachable),
        }
    }
}

/// Pingora closes the connection of a hook that panics, without a word: this makes it an answer. [`crate::telemetry`]
/// counts it.
pub fn caught<T>(hook: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let internal = |_| Err(Error::new_in(ErrorType::InternalError));
    AssertUnwindSafe(hook).catch_unwind().map(move |ended| ended.unwrap_or_else(internal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_error_is_another_fault_at_the_other_end() {
        let of = |error: Box<Error>| Failure::of(&error);
        assert_eq!(of(Error::new_down(ErrorType::ReadTimedout)), Failure::Denied(Denial::RequestTimeout));
        assert_eq!(of(Error::new_up(ErrorType::ReadTimedout)), Failure::TIMEOUT);
        assert_eq!(of(Error::new_down(ErrorType::ConnectionClosed)), Failure::ClientGone);
        let broken = Failure::Upstream(UpstreamError::Broken, Denial::UpstreamUnreachable);
        assert_eq!(of(Error::new_up(ErrorType::ConnectionClosed)), broken);
        assert_eq!(of(Error::new_in(ErrorType::ReadTimedout)), Failure::Denied(Denial::Internal));
    }

    #[test]
    fn a_hook_that_panics_is_our_own_failure() {
        let panics = async { if true { panic!("as a test of what becomes of it") } else { Ok(()) } };
        let error = caught(panics).now_or_never().unwrap().unwrap_err();
        assert_eq!(Failure::of(&error), Failure::Denied(Denial::Internal));
        assert_eq!(caught(async { Ok(7) }).now_or_never().unwrap().unwrap(), 7);
    }
}
