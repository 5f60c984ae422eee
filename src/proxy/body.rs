//! The body of a call on our own endpoints: bounded in size and in time, and asked for where the client waits to be asked.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::api::MAX_BODY;
use crate::gate::denial::Denial;

/// How long it may take to arrive.
const DEADLINE: Duration = Duration::from_secs(15);

pub async fn read(session: &mut Session) -> Result<std::result::Result<Bytes, Denial>> {
    let head = session.req_header();
    // No other expectation gets this far.
    if head.headers.contains_key(EXPECT) {
        // Who asks before sending is told at once.
        if announced(head).is_some_and(|length| length > MAX_BODY as u64) {
            return Ok(Err(Denial::PayloadTooLarge));
        }
        session.write_continue_response().await?;
    }
    match tokio::time::timeout(DEADLINE, read_whole(session)).await {
        Err(_) => Ok(Err(Denial::RequestTimeout)),
        Ok(read) => read.map_err(|error| error.into_down()),
    }
}

/// The length that the head says, if it says one.
pub fn announced(head: &RequestHeader) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read_whole(session: &mut Session) -> Result<std::result::Result<Bytes, Denial>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(Err(Denial::PayloadTooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Ok(body.freeze()))
}
