//! Replies become bytes. Written by hand, because Pingora's own `respond_error` closes the connection, which makes a
//! refusal three times as dear.

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::exchange::Exchange;
use super::headers;
use crate::api::reply::Reply;

pub async fn write(session: &mut Session, reply: &Reply, exchange: &Exchange) -> Result<()> {
    let mut header = ResponseHeader::build(reply.status, Some(reply.headers.len() + 6))?;
    for (name, value) in &reply.headers {
        header.append_header(name, value)?;
    }
    for (name, value) in headers::cors(&session.req_header().headers, exchange) {
        header.append_header(name, value)?;
    }
    header.insert_header("x-request-id", exchange.request_id.as_str())?;
    header.insert_header("content-length", reply.body.len())?;
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(reply.body.clone()), true).await
}
