//! `portcullis check`: everything that is wrong with the configuration, its route table, and its `[[expect]]` rows.

use std::path::Path;

use serde::Serialize;

use super::output::{Console, counted, printable};
use super::question::{Answer, Question};
use super::{CliError, load};
use crate::config::settings::{Expectation, Outcome, Settings};
use crate::gate::access::Access;
use crate::gate::denial::Denial;
use crate::gate::role::Role;
use crate::gate::route::{Endpoint, Route, Target};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, config: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    let settings = load(config)?;
    let file = printable(&config.display().to_string());
    let mut failed = Vec::new();
    for expectation in &settings.expectations {
        let answer = question(expectation).ask(&settings.routes, &settings.methods)?;
        if answer.outcome() != expectation.outcome {
            failed.push(format!("{file}:{}: {}", expectation.line, disappointment(expectation, &answer)));
        }
    }
    let routes: Vec<RouteView> = settings
        .routes
        .routes()
        .iter()
        .filter(|route| route.target != Target::Own(Endpoint::Unknown))
        .map(|route| RouteView::of(route, &settings))
        .collect();
    if args.json {
        console.json(&Report { routes, expectations: settings.expectations.len(), failed: &failed })?;
    } else {
        console.table(["ROUTE", "METHODS", "HOSTS", "ACCESS", "LEADS TO", "LIMIT"], &RouteView::rows(routes))?;
        let held = settings.expectations.len() - failed.len();
        console.say(&format!("\n{} held, {} failed", counted(held, "expectation"), failed.len()))?;
    }
    for line in settings.warnings.to_string().lines() {
        console.note(&format!("warning: {line}"))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    for line in &failed {
        console.note(line)?;
    }
    let count = counted(failed.len(), "expectation");
    Err(CliError::new(format!("{count} failed; `portcullis explain` shows how a request is read")))
}

fn question(expectation: &Expectation) -> Question<'_> {
    Question {
        method: &expectation.method,
        target: &expectation.path,
        host: expectation.host.as_deref(),
        roles: expectation.roles.as_deref(),
    }
}

/// What came instead: `GET /x by an anonymous caller is unauthenticated, not allowed (route /*)`.
fn disappointment(expectation: &Expectation, answer: &Answer<'_>) -> String {
    let Expectation { method, path, host, outcome, .. } = expectation;
    let (url, caller) = (host.as_deref().unwrap_or_default().to_owned() + path, question(expectation).caller_words());
    let route = answer.route.map(|route| format!("route {}", route.name));
    let code = answer.decision.as_ref().err().filter(|_| answer.outcome() == Outcome::Refused).map(Denial::code);
    let why = match (route, code) {
        (Some(route), Some(code)) => format!("{route}, {code}"),
        (Some(route), None) => route,
        (None, Some(code)) => code.to_owned(),
        (None, None) => "no route".to_owned(),
    };
    let (came, wanted) = (answer.outcome().word(), outcome.word());
    format!("{method} {} by {caller} is {came}, not {wanted} ({why})", printable(&url))
}

#[derive(Serialize)]
struct Report<'a> {
    routes: Vec<RouteView>,
    expectations: usize,
    failed: &'a [String],
}

/// What is shown of a route.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteView {
    path: String,
    /// Empty: all.
    methods: Vec<String>,
    /// Empty: all.
    hosts: Vec<String>,
    pub access: String,
    pub leads_to: String,
    rate_limit: Option<String>,
}

impl RouteView {
    pub fn of(route: &Route, settings: &Settings) -> Self {
        Self {
            path: route.name.to_string(),
            methods: match route.target {
                Target::Own(endpoint) => endpoint.methods().split(", ").map(str::to_owned).collect(),
                Target::Upstream(_) => route.methods.iter().map(ToString::to_string).collect(),
            },
            hosts: route.hosts.clone(),
            access: match (&route.target, &route.access) {
                (Target::Own(endpoint), _) if endpoint.asks_who() => "user".to_owned(),
                (_, Access::Public) => "public".to_owned(),
                (_, Access::User) => "user".to_owned(),
                (_, Access::AnyRole(roles)) => {
                    format!("role {}", roles.iter().map(Role::as_str).collect::<Vec<_>>().join(" or "))
                }
            },
            leads_to: match route.target {
                Target::Own(_) => "the gateway".to_owned(),
                Target::Upstream(place) => settings.upstreams.get(place).map_or_else(String::new, |up| up.name.clone()),
            },
            rate_limit: route.rate_limit.map(|quota| quota.to_string()),
        }
    }

    fn rows(routes: Vec<Self>) -> Vec<[String; 6]> {
        let or_all = |list: Vec<String>| if list.is_empty() { "all".to_owned() } else { list.join(" ") };
        let row = |route: Self| {
            let limit = route.rate_limit.unwrap_or_else(|| "-".to_owned());
            [route.path, or_all(route.methods), or_all(route.hosts), route.access, route.leads_to, limit]
        };
        routes.into_iter().map(row).collect()
    }
}
