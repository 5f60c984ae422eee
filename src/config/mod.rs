//! `gateway.toml` becomes [`Settings`], or every mistake in it is reported at once, each with its line, its column and
//! what to do instead. The one place that reads files. No message holds a value of the file or of the environment.
//!
//! The file is parsed into a tree that keeps places ([`source`]); [`reader`] asks it for one key after the other, and
//! `sections` says which keys there are. serde would stop at the first mistake.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use environment::{Environment, Variables};
use problem::{Problem, Problems};
use reader::{Placed, Section};
use sections as read;
use settings::{Settings, Upstream};
use source::Source;

use crate::gate::client::ClientRules;
use crate::gate::route::Target;

mod address;
pub mod environment;
mod lines;
pub mod problem;
mod reader;
mod secrets;
pub mod sections;
pub mod settings;
mod source;
mod suggest;
mod tables;
mod units;

/// Reads the file at `path`, and before it the `.env` file beside it, which never overrides `environment`.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Settings, Problems> {
    let text = text(path)?;
    let (variables, problems) = Variables::read(folder(path), environment);
    understand(&text, &path.display().to_string(), folder(path), &variables, problems)
}

/// `server.admin_listen` alone. Whatever else is wrong with the file by now, a gateway that runs must not be taken for dead.
pub fn admin_listen(path: &Path, environment: Environment<'_>) -> Result<SocketAddr, Problems> {
    let text = text(path)?;
    let (variables, _) = Variables::read(folder(path), environment);
    let (readable, errors) = source::readable(&text);
    let (source, tree) = Source::parse(&text, (&readable, errors), folder(path), &variables);
    let found = tree.and_then(|tree| {
        let root = |root: &mut Section<'_>| root.table("server", read::server::admin_listen);
        Section::read(&source, String::new(), 0, tree.get_ref(), root)
    });
    found.map_or_else(|| Ok(load(path, environment)?.server.admin_listen), Ok)
}

/// Reads a text that is no file: paths in it are relative to `folder`, and there is no `.env`.
pub fn from_text(text: &str, name: &str, folder: &Path, environment: Environment<'_>) -> Result<Settings, Problems> {
    understand(text, name, folder, &Variables::only(environment), Vec::new())
}

fn understand(
    text: &str,
    file: &str,
    folder: &Path,
    variables: &Variables<'_>,
    mut problems: Vec<Problem>,
) -> Result<Settings, Problems> {
    let (readable, errors) = source::readable(text);
    let (source, tree) = Source::parse(text, (&readable, errors), folder, variables);
    let settings = tree.map(|tree| settings(&source, &tree));
    let (found, warnings) = source.into_findings();
    problems.extend(found);
    match settings {
        Some(settings) if problems.is_empty() => Ok(Settings { warnings: Problems::new(file, warnings), ..settings }),
        _ => Err(Problems::new(file, problems)),
    }
}

/// Only good if no problem was found.
fn settings<'a>(source: &'a Source<'a>, tree: &'a Spanned<DeTable<'a>>) -> Settings {
    Section::read(source, String::new(), 0, tree.get_ref(), |root| {
        let read::server::Read { server, trusted_proxies, methods, tls } = root.table("server", read::server::server);
        let (auth, prefix) = root.table("auth", read::auth::auth);
        let (limits, ipv6_prefix) = root.table("limits", read::passwords::limits);
        let upstreams = read::upstreams::upstreams(root, &server);
        let settings = Settings {
            server,
            tls,
            methods,
            store: root.table("store", read::store::store),
            auth,
            passwords: root.table("passwords", read::passwords::passwords),
            limits,
            clients: ClientRules { trusted_proxies, ipv6_prefix },
            cookies: root.table("cookies", read::browser::cookies),
            headers: root.table("headers", read::headers::headers),
            origins: root.table("browser", read::browser::browser),
            log: root.table("log", read::log::log),
            expectations: read::expect::expectations(root),
            routes: read::routes::routes(root, &upstreams, &prefix),
            upstreams: upstreams.iter().map(|upstream| upstream.it.clone()).collect(),
            warnings: Problems::new("", Vec::new()),
        };
        warn(source, &settings, &upstreams);
        settings
    })
}

fn warn(source: &Source<'_>, settings: &Settings, upstreams: &[Placed<Upstream>]) {
    let routes = settings.routes.routes();
    if routes.iter().all(|route| matches!(route.target, Target::Own(_))) {
        source.warning_of_file("there are no [[routes]]: everything but the gateway's own endpoints is answered 404");
    }
    for (place, Placed { at, it: Upstream { name, .. } }) in upstreams.iter().enumerate() {
        if !routes.iter().any(|route| route.target == Target::Upstream(place)) {
            source.warning(*at, format!("upstreams.{name}: no route leads here"));
        }
    }
}

fn text(path: &Path) -> Result<String, Problems> {
    let unread = |problem| Problems::new(path.display().to_string(), vec![problem]);
    let bytes = fs::read(path).map_err(|e| unread(unreadable(&e)))?;
    String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        unread(Problem::of_file(format!("line {line} is not UTF-8")).hint("save the file as UTF-8"))
    })
}

/// The folder of a bare name is the present one.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn unreadable(error: &std::io::Error) -> Problem {
    if error.kind() == ErrorKind::NotFound {
        let hint =
            "write one (the sample gateway.toml shows every key), name another with -c, or try `portcullis demo`";
        return Problem::of_file("there is no such file").hint(hint);
    }
    Problem::of_file(format!("this file cannot be read: {error}"))
}
