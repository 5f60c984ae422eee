//! The route table: host, method and path lead to one route, the most specific, or the request is refused. It decides for
//! every reading of the path at once, and never says what is forwarded.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use http::Method;

use super::host::plain_host;
use super::path::readings::{Reading, Readings};
use super::path::step::Step;
use super::path::{Unreadable, is_plain};
use super::route::{PathPattern, Route};
use super::route_index::{RouteIndex, key};
use super::route_own::{is_own, own_routes};

#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    identities: Vec<u64>,
    own: RouteIndex,
    by_host: HostIndexes,
    any_host: RouteIndex,
}

type HostIndexes = HashMap<Box<str>, RouteIndex, ahash::RandomState>;

/// A route by its place in [`RouteTable::routes`]: the same for as long as the table lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(usize);

impl RouteId {
    pub fn index(self) -> usize {
        self.0
    }
}

/// Why a request has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No reading of the path has one.
    NoRoute,
    /// Its readings do not agree, or it cannot be read.
    Ambiguous,
}

/// Routes that cannot stand in one table, by their place among those that were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteConflict {
    Tie { first: usize, second: usize, names: [Arc<str>; 2] },
    Own { route: usize, name: Arc<str> },
}

/// What a path means, for people to read.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub readings: Vec<Explained<'a>>,
    /// Why the list ends early; such a path is refused.
    pub unreadable: Option<Unreadable>,
}

#[derive(Debug)]
pub struct Explained<'a> {
    pub path: String,
    /// What an upstream would have to do to read it so.
    pub how: Vec<Step>,
    pub route: Option<&'a Route>,
}

/// What a request says beside its path.
#[derive(Clone, Copy)]
struct Scope<'a> {
    by_host: Option<&'a RouteIndex>,
    method: &'a Method,
}

impl RouteTable {
    /// `prefix` is `auth.prefix`, a plain path. The gateway's own endpoints below it come after the given routes in
    /// [`RouteTable::routes`], and before all of them in precedence. Every conflict is named.
    pub fn build(prefix: &str, given: Vec<Route>) -> Result<Self, Vec<RouteConflict>> {
        let mut conflicts = Vec::new();
        let (mut own, mut by_host, mut any_host) =
            (RouteIndex::default(), HostIndexes::default(), RouteIndex::default());
        for (route, Route { name, path, hosts, .. }) in given.iter().enumerate() {
            if is_own(prefix, path) {
                conflicts.push(RouteConflict::Own { route, name: name.clone() });
                continue;
            }
            let mut rivals = Vec::new();
            if hosts.is_empty() {
                rivals.extend(place(&mut any_host, &given, route));
            }
            for host in hosts.iter().map(|host| plain_host(host)).collect::<BTreeSet<_>>() {
                rivals.extend(place(by_host.entry(host.as_ref().into()).or_default(), &given, route));
            }
            rivals.sort_unstable();
            rivals.dedup();
            conflicts.extend(rivals.into_iter().map(|first| {
                let names = [given[first].name.clone(), name.clone()];
                RouteConflict::Tie { first, second: route, names }
            }));
        }
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let mut routes = given;
        for endpoint in own_routes(prefix) {
            own.alike(&endpoint.path).push(routes.len());
            routes.push(endpoint);
        }
        let identities = routes.iter().map(Route::identity).collect();
        Ok(Self { routes, identities, own, by_host, any_host })
    }

    /// The one route that this request falls under, whatever an upstream makes of its path. `host` is as the request has
    /// it, `path` without the query.
    pub fn find(&self, host: Option<&str>, method: &Method, path: &str) -> Result<(RouteId, &Route), Miss> {
        let scope = self.scope(host, method);
        let found = if is_plain(path) { self.agreed(scope, path, false)? } else { self.find_under_all(scope, path)? };
        found.map(|route| (RouteId(route), &self.routes[route])).ok_or(Miss::NoRoute)
    }

    /// Every reading of the path, and where it would lead. The first is the path as it came.
    pub fn explain(&self, host: Option<&str>, method: &Method, path: &str) -> Explanation<'_> {
        let scope = self.scope(host, method);
        let mut explained = Vec::new();
        let mut readings = match Readings::of(path) {
            Ok(readings) => readings,
            Err(why) => return Explanation { readings: explained, unreadable: Some(why) },
        };
        let unreadable = loop {
            match readings.advance() {
                Err(why) => break Some(why),
                Ok(None) => break None,
                Ok(Some(Reading { text, folded, .. })) => {
                    let (text, folded) = (Rc::clone(text), *folded);
                    self.explain_one(scope, &text, folded, readings.steps(), &mut explained);
                }
            }
        };
        Explanation { readings: explained, unreadable }
    }

    /// The given routes in their order, then the gateway's own.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub fn route(&self, id: RouteId) -> &Route {
        &self.routes[id.0]
    }

    /// [`Route::identity`], made beforehand.
    pub fn identity(&self, id: RouteId) -> u64 {
        self.identities[id.0]
    }

    fn scope<'a>(&'a self, host: Option<&str>, method: &'a Method) -> Scope<'a> {
        let host = host.filter(|_| !self.by_host.is_empty()).map(plain_host);
        Scope { by_host: host.and_then(|host| self.by_host.get(host.as_ref())), method }
    }

    fn find_under_all(&self, scope: Scope<'_>, path: &str) -> Result<Option<usize>, Miss> {
        let mut readings = Readings::of(path).map_err(|_| Miss::Ambiguous)?;
        let mut agreed = None;
        while let Some(Reading { text, folded, .. }) = readings.advance().map_err(|_| Miss::Ambiguous)? {
            let here = self.agreed(scope, text, *folded)?;
            if *agreed.get_or_insert(here) != here {
                return Err(Miss::Ambiguous);
            }
        }
        Ok(agreed.flatten())
    }

    /// An upstream that ignores case or a final slash ignores them in the rules as well: for it, the most specific route is
    /// the one that is so to a blind eye. It must be the route of the text as written, too, unless case is lost already.
    fn agreed(&self, scope: Scope<'_>, text: &str, folded: bool) -> Result<Option<usize>, Miss> {
        match self.first(scope, text, |_| true) {
            Some(blind) if !folded && !self.routes[blind].path.matches(text) => Err(Miss::Ambiguous),
            found => Ok(found),
        }
    }

    /// The most specific of the routes that pass, by any spelling in case and final slash.
    fn first(&self, scope: Scope<'_>, text: &str, passes: impl Fn(&PathPattern) -> bool) -> Option<usize> {
        let key = key(text);
        let takes = |route: usize| {
            let Route { path, methods, .. } = &self.routes[route];
            (methods.is_empty() || methods.contains(scope.method)) && passes(path)
        };
        let indexes = [Some(&self.own), scope.by_host, Some(&self.any_host)];
        indexes.into_iter().flatten().find_map(|index| index.first(&key, takes))
    }

    fn explain_one<'a>(
        &'a self,
        scope: Scope<'_>,
        text: &str,
        folded: bool,
        how: Vec<Step>,
        explained: &mut Vec<Explained<'a>>,
    ) {
        let route = |found: Option<usize>| found.map(|route| &self.routes[route]);
        let (written, blind) =
            (self.first(scope, text, |path| folded || path.matches(text)), self.first(scope, text, |_| true));
        explained.push(Explained { path: text.to_owned(), how: how.clone(), route: route(written) });
        if written != blind {
            let how = [how, vec![Step::FoldCase, Step::DropFinalSlash]].concat();
            explained.push(Explained { path: key(text).into_owned(), how, route: route(blind) });
        }
    }
}

/// Puts a route among those of its path, or names the one that it could tie with.
fn place(index: &mut RouteIndex, routes: &[Route], route: usize) -> Option<usize> {
    let methods = &routes[route].methods;
    let alike = index.alike(&routes[route].path);
    let overlap = |other: &[Method]| match (methods.is_empty(), other.is_empty()) {
        (false, false) => methods.iter().any(|method| other.contains(method)),
        (all, other_all) => all && other_all,
    };
    let rival = alike.iter().copied().find(|other| overlap(&routes[*other].methods));
    if rival.is_none() {
        // A list of methods comes before none.
        let at = if methods.is_empty() { alike.len() } else { 0 };
        alike.insert(at, route);
    }
    rival
}

impl RouteConflict {
    /// The route that came too late, or is in the way.
    pub fn route(&self) -> usize {
        match self {
            Self::Tie { second: route, .. } | Self::Own { route, .. } => *route,
        }
    }
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tie { names: [first, second], .. } => write!(
                f,
                "routes {first} and {second} could take the same request (case and a final slash do not tell them apart)"
            ),
            Self::Own { name, .. } => write!(f, "route {name} is where the gateway's own endpoints are"),
        }
    }
}

#[cfg(test)]
#[path = "route_table_tests.rs"]
mod tests;
