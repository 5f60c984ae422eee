//! `portcullis explain`: which route would take a request, under which readings of its path, and why it would pass or fail.

use http::Method;

use super::CliError;
use super::check::RouteView;
use super::output::{Console, printable};
use super::question::Question;
use crate::config::sections::expect::{self, Url};
use crate::config::settings::Settings;
use crate::gate::role::Role;
use crate::gate::route::{Endpoint, Route, Target};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_parser = expect::method)]
    method: Method,
    /// A path, or a URL whose host decides too
    #[arg(value_parser = Url::parse)]
    url: Url,
    /// A role that the caller has; may be given several times. Without any, the caller is signed in and has none
    #[arg(long = "role", value_name = "ROLE", value_parser = Role::parse)]
    roles: Vec<Role>,
    /// The caller is not signed in
    #[arg(long, conflicts_with = "roles")]
    anonymous: bool,
}

pub fn run(args: &Args, settings: &Settings, console: &mut Console<'_>) -> Result<(), CliError> {
    let Args { method, url: Url { path, host }, roles, anonymous } = args;
    let (host, roles) = (host.as_deref(), (!anonymous).then_some(roles.as_slice()));
    let question = Question { method, target: path, host, roles };
    let answer = question.ask(&settings.routes, &settings.methods)?;

    let path = path.split('?').next().unwrap_or_default();
    let explanation = settings.routes.explain(host, method, path);
    let rows: Vec<_> = explanation
        .readings
        .iter()
        .map(|reading| {
            let how = reading.how.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let how = if how.is_empty() { "as it came".to_owned() } else { how };
            [reading.path.clone(), how, reading.route.map_or("none".to_owned(), |route| route.name.to_string())]
        })
        .collect();
    console.table(["READING", "HOW", "ROUTE"], &rows)?;
    if let Some(why) = explanation.unreadable {
        console.say(&format!("{} cannot be read: {why}", printable(path)))?;
    }
    let verdict = match &answer.decision {
        Ok(()) => "would pass".to_owned(),
        Err(denial) => format!("would get {} {}: {}", denial.status().as_u16(), denial.code(), denial.message()),
    };
    let rule = answer.route.map_or_else(String::new, |route| format!(" ({})", rule(route, settings)));
    Ok(console.say(&format!("\n{} {verdict}{rule}", question.caller_words()))?)
}

/// What the route says, in words.
fn rule(route: &Route, settings: &Settings) -> String {
    let RouteView { access, leads_to, .. } = RouteView::of(route, settings);
    let (name, passes) = (
        &route.name,
        match access.as_str() {
            "public" => "anyone",
            "user" => "anyone who is signed in",
            role => role,
        },
    );
    match route.target {
        Target::Own(Endpoint::Unknown) => {
            format!("what is under {name} is the gateway's own, and it has no such endpoint")
        }
        _ => format!("route {name} is for {passes}, and leads to {leads_to}"),
    }
}
