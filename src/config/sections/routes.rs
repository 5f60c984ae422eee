//! `[[routes]]`: who may go where. Whether two of them could tie is the route table's to say.

use std::sync::Arc;

use http::Method;

use crate::config::address;
use crate::config::reader::{NOT_AVAILABLE, Placed, Section};
use crate::config::settings::Upstream;
use crate::config::suggest::{did_you_mean, one_of};
use crate::gate::access::Access;
use crate::gate::methods::USUAL;
use crate::gate::role::Role;
use crate::gate::route::{PathPattern, Route, Target};
use crate::gate::route_table::{RouteConflict, RouteTable};

pub fn routes(root: &mut Section<'_>, upstreams: &[Placed<Upstream>], prefix: &str) -> RouteTable {
    let (routes, places): (Vec<_>, Vec<_>) =
        read(root, upstreams).into_iter().map(|route| (route.it, route.at)).unzip();
    RouteTable::build(prefix, routes).unwrap_or_else(|conflicts| {
        for conflict in conflicts {
            let hint = match &conflict {
                RouteConflict::Tie { first, .. } => {
                    let line = root.source.position(places[*first]).line;
                    format!("the other one begins in line {line}; give them different hosts or methods, or remove one")
                }
                RouteConflict::Own { .. } => "choose another path, or another auth.prefix".to_owned(),
            };
            root.source.problem(places[conflict.route()], conflict.to_string(), Some(hint));
        }
        RouteTable::default()
    })
}

fn read(root: &mut Section<'_>, upstreams: &[Placed<Upstream>]) -> Vec<Placed<Route>> {
    root.tables("routes", |s| {
        let path = s.text("path", |text| PathPattern::parse(text).map(|pattern| (Arc::from(text), pattern)));
        let path = s.required("path", path, "path = \"/public/*\"");
        let target = target(s, upstreams);
        let access = access(s);
        enforced(s);
        let methods = s.list("methods", method).map(values);
        s.rule(&["methods"], methods.as_ref().is_none_or(|list| !list.is_empty()), EMPTY);
        let hosts = s.list("hosts", address::host).map(values);
        s.rule(&["hosts"], hosts.as_ref().is_none_or(|list| !list.is_empty()), EMPTY);
        let rate_limit = s.quota("rate_limit");
        let ((name, path), target) = (path?, target?);
        let (methods, hosts) = (methods.unwrap_or_default(), hosts.unwrap_or_default());
        let route = Route { name, path, methods, hosts, target, access, rate_limit };
        Some(Placed { at: s.at, it: route })
    })
}

const EMPTY: &str = "an empty list would match nothing; leave the key out to match all";

fn target(s: &mut Section<'_>, upstreams: &[Placed<Upstream>]) -> Option<Target> {
    let name = s.placed_text("upstream", |text| Ok::<_, String>(text.to_owned()));
    let Placed { at, it: name } = s.required("upstream", name, "upstream = \"app\"")?;
    let place = upstreams.iter().position(|upstream| upstream.it.name == name);
    // After a syntax error the upstream may be there and unread.
    if place.is_none() && !s.source.is_damaged() {
        let hint = did_you_mean(&name, upstreams.iter().map(|upstream| upstream.it.name.as_str()));
        let hint = hint.unwrap_or_else(|| "write a table [upstreams.NAME]".to_owned());
        s.wrong("upstream", at, "there is no upstream of this name", Some(hint));
    }
    place.map(Target::Upstream)
}

fn access(s: &mut Section<'_>) -> Access {
    let access = s.choice("access", &[("user", Access::User), ("public", Access::Public)]);
    let roles: Option<Vec<Role>> = s.list("roles", Role::parse).map(values);
    let some = roles.as_ref().is_none_or(|roles| !roles.is_empty());
    s.rule(&["roles"], some, "an empty list would let nobody pass; leave the key out for everyone who is signed in");
    let contradicts = roles.is_some() && access == Some(Access::Public);
    s.rule(&["roles", "access"], !contradicts, "a public route asks for no roles; leave out either of them");
    match (roles, access) {
        (Some(roles), _) => Access::AnyRole(roles.into()),
        (None, access) => access.unwrap_or(Access::User),
    }
}

fn enforced(s: &mut Section<'_>) {
    let observes = s.choice("mode", &[("enforce", false), ("observe", true)]) == Some(true);
    s.rule(&["mode"], !observes, &format!("\"observe\" is {NOT_AVAILABLE}"));
}

fn method(text: &str) -> Result<Method, String> {
    USUAL.iter().find(|method| method.as_str() == text).cloned().ok_or_else(|| {
        let words = USUAL.iter().map(Method::as_str);
        format!("this method is not forwarded; {}", one_of(&text.to_ascii_uppercase(), words))
    })
}

/// In the order of the file, each once.
fn values<T: PartialEq>(placed: Vec<Placed<T>>) -> Vec<T> {
    let mut values = Vec::with_capacity(placed.len());
    for Placed { it, .. } in placed {
        if !values.contains(&it) {
            values.push(it);
        }
    }
    values
}
