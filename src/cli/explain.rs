//! `portcullis explain`: which route would take a request, under which readings of its path, and why it would pass or fail.

use http::Method;

use super::CliError;
use super::check::RouteView;
use super::output::{Console, printable};
use super::question::Question;
use crate::config::sections::expect::Request;
use crate::config::settings::Settings;
use crate::gate::role::Role;

#[derive(Debug, clap::Args)]
pub struct Args {
    method: Method,
    /// A path, or a URL whose host decides too
    url: String,
    /// A role that the caller has; may be given several times. Without any, the caller is signed in and has none
    #[arg(long = "role", value_name = "ROLE", value_parser = Role::parse)]
    roles: Vec<Role>,
    /// The caller is not signed in
    #[arg(long, conflicts_with = "roles")]
    anonymous: bool,
}

pub fn run(args: &Args, settings: &Settings, console: &mut Console<'_>) -> Result<(), CliError> {
    let asked = Request::parse(&format!("{} {}", args.method, args.url)).map_err(CliError::new)?;
    let roles = (!args.anonymous).then_some(args.roles.as_slice());
    let host = asked.host.as_deref();
    let answer = Question { method: &asked.method, target: &asked.path, host, roles }
        .ask(&settings.routes, &settings.methods)?;

    let path = asked.path.split('?').next().unwrap_or_default();
    let explanation = settings.routes.explain(host, &asked.method, path);
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
    let caller = match roles {
        None => "an anonymous caller".to_owned(),
        Some([]) => "a signed-in caller without roles".to_owned(),
        Some(roles) => format!("a caller with {}", roles.iter().map(Role::as_str).collect::<Vec<_>>().join(", ")),
    };
    let rule = answer.route.map_or_else(String::new, |route| {
        let view = RouteView::of(route, settings);
        format!(" (route {} asks for {}, and leads to {})", route.name, view.access, view.leads_to)
    });
    let verdict = match &answer.decision {
        Ok(()) => "would pass".to_owned(),
        Err(denial) => format!("would get {} {}: {}", denial.status().as_u16(), denial.code(), denial.message()),
    };
    Ok(console.say(&format!("\n{caller} {verdict}{rule}"))?)
}
