//! The whole decision on one screen: [`Gateway::admit`] puts the gate's questions in order and looks things up between them.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::api::Api;
use crate::gate::access::Permit;
use crate::gate::client::ClientAddress;
use crate::gate::denial::Denial;
use crate::gate::identity::IdentityHeaders;
use crate::gate::limit::Quota;
use crate::gate::methods::Methods;
use crate::gate::route::{Endpoint, Target};
use crate::gate::route_table::{Miss, RouteId, RouteTable};
use crate::gate::time::Moment;
use crate::limiter::{Limiter, RouteCaller, RouteKey};

/// One configuration, ready to decide. A reload makes another; a request keeps the one it began with.
pub struct Gateway {
    pub routes: RouteTable,
    pub identity: IdentityHeaders,
    pub api: Api,
    pub limiter: Arc<Limiter>,
    pub per_ip: Quota,
    pub forward_token: bool,
    pub methods: Methods,
    /// The most bytes that the body of a proxied request may have.
    pub max_body: u64,
}

/// What is known of a request before anything is decided, and what deciding found out for the log.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub address: ClientAddress,
    pub route: Option<RouteId>,
}

/// A request that may go on, and where to.
#[derive(Debug)]
pub enum Admission {
    Upstream {
        upstream: usize,
        permit: Permit,
    },
    Own(Endpoint),
    /// A browser asks beforehand whether a page of a trusted origin may make a request.
    Preflight,
}

impl Gateway {
    pub fn arrival(&self, head: &Parts, peer: IpAddr) -> Arrival {
        Arrival { address: self.api.clients.resolve(peer, &head.headers), route: None }
    }

    /// `path` is the target's path as it came, without the query; or why the request's form is refused, which is counted
    /// like any other request.
    pub async fn admit(
        &self,
        arrival: &mut Arrival,
        head: &Parts,
        path: Result<&str, Denial>,
        now: Moment,
    ) -> Result<Admission, Denial> {
        let ip = self.api.clients.limiter_key(arrival.address.ip);
        self.limiter.take_per_ip(ip, self.per_ip, now).map_err(Denial::RateLimited)?;
        let path = path?;
        if self.is_preflight(head) {
            return Ok(Admission::Preflight);
        }
        let (id, route) = self.routes.find(host(head), &head.method, path).map_err(missed)?;
        arrival.route = Some(id);
        if let Some(other) = self.methods.other(&head.headers)?.filter(|other| *other != head.method)
            && self.routes.find(host(head), &other, path).map_err(missed)?.0 != id
        {
            return Err(Denial::BadRequest("The method to be taken instead falls under another rule."));
        }
        self.api.cookies.refresh_token(&head.headers)?;
        let upstream = match route.target {
            Target::Own(endpoint) => return Ok(Admission::Own(endpoint)),
            Target::Upstream(upstream) => upstream,
        };
        let permit = route.access.permit(self.api.caller(&head.headers, now).await)?;
        if let Some(quota) = route.rate_limit {
            let caller = permit.caller().map_or(RouteCaller::Address(ip), |caller| RouteCaller::User(caller.state.id));
            let key = RouteKey { route: self.routes.identity(id), caller };
            self.limiter.take_on_route(key, quota, now).map_err(Denial::RateLimited)?;
        }
        Ok(Admission::Upstream { upstream, permit })
    }

    /// How the route is called in metrics and log lines.
    pub fn route_name(&self, arrival: &Arrival) -> &str {
        arrival.route.map_or("", |id| &self.routes.route(id).name)
    }

    fn is_preflight(&self, head: &Parts) -> bool {
        head.method == Method::OPTIONS
            && head.headers.contains_key(ORIGIN)
            && head.headers.contains_key("access-control-request-method")
            && self.api.origins.of(&head.headers).is_some()
    }
}

fn host(head: &Parts) -> Option<&str> {
    head.headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| head.uri.host())
}

fn missed(miss: Miss) -> Denial {
    match miss {
        Miss::NoRoute => Denial::NoRoute,
        Miss::Ambiguous => Denial::AmbiguousPath,
    }
}
