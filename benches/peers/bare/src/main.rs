//! `bare LISTEN UPSTREAM`: a plain Pingora proxy with one thread, to measure the gateway against.

use async_trait::async_trait;
use pingora::prelude::*;

struct Bare {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(&self.upstream, false, String::new())))
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (words.next(), words.next()) else {
        eprintln!("usage: bare LISTEN UPSTREAM");
        std::process::exit(2);
    };
    // One worker, as every contender has. Nothing else is set.
    let mut server = Server::new(None).expect("the defaults are valid");
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Bare { upstream });
    proxy.threads = Some(1);
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    server.run_forever();
}
