//! How apps come to see header fields: under folded names, several of one name as one. Written apart from the gateway and on
//! purpose naively; those that are called after a server are held against it in `real.rs` and `wsgi.rs`.

use std::collections::HashMap;

pub struct App {
    pub name: &'static str,
    /// Which bytes of a name stand for `-`, beside itself. Upper and lower case are the same to all of them.
    hyphens: Hyphens,
    repeats: Repeats,
}

#[derive(Clone, Copy)]
enum Hyphens {
    Themselves,
    Underscores,
    /// PHP makes `_` of spaces and dots as well.
    UnderscoresAndDots,
    /// Whatever is neither letter nor digit.
    Anything,
}

#[derive(Clone, Copy)]
enum Repeats {
    First,
    Last,
    /// Of names that fold alike the last; what comes under one name has been joined before.
    LastOfJoined,
    Joined(&'static str),
}

use Hyphens::{Anything, Themselves, Underscores, UnderscoresAndDots};
use Repeats::{First, Joined, Last, LastOfJoined};

pub const APPS: [App; 15] = [
    App { name: "lighttpd's CGI", hyphens: Anything, repeats: LastOfJoined },
    App { name: "Apache's CGI", hyphens: Themselves, repeats: Joined(", ") },
    App { name: "CGI", hyphens: Underscores, repeats: Joined(", ") },
    App { name: "CGI, folding all", hyphens: Anything, repeats: Joined(", ") },
    App { name: "CGI, folding all, the first", hyphens: Anything, repeats: First },
    App { name: "CGI, folding all, the last", hyphens: Anything, repeats: Last },
    App { name: "WSGI", hyphens: Underscores, repeats: Joined(",") },
    App { name: "PHP", hyphens: UnderscoresAndDots, repeats: Last },
    App { name: "PHP as a CGI", hyphens: UnderscoresAndDots, repeats: Joined(", ") },
    App { name: "Rack", hyphens: Underscores, repeats: Joined(", ") },
    App { name: "FastCGI, the first", hyphens: Underscores, repeats: First },
    App { name: "Node", hyphens: Themselves, repeats: Joined(", ") },
    App { name: "a Java servlet", hyphens: Themselves, repeats: First },
    App { name: "Go", hyphens: Themselves, repeats: First },
    App { name: "ASP.NET", hyphens: Themselves, repeats: Joined(",") },
];

/// What the app finds where it looks for the field `name`.
pub fn sees(app: &App, fields: &[(String, String)], name: &str) -> Option<String> {
    Environment::of(app, fields).find(name)
}

pub struct Environment<'a> {
    app: &'a App,
    values: HashMap<String, String>,
}

impl<'a> Environment<'a> {
    pub fn of(app: &'a App, fields: &[(String, String)]) -> Self {
        let joined = if let LastOfJoined = app.repeats { joined(fields) } else { fields.to_vec() };
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in joined {
            let key = folded(app, &name);
            match (values.get_mut(&key), app.repeats) {
                (Some(earlier), Joined(separator)) => *earlier += &format!("{separator}{value}"),
                (Some(_), First) => {}
                (None, _) | (_, Last | LastOfJoined) => drop(values.insert(key, value)),
            }
        }
        Self { app, values }
    }

    pub fn find(&self, name: &str) -> Option<String> {
        self.values.get(&folded(self.app, name)).cloned()
    }
}

/// Each name once, in the order of the first of each.
fn joined(fields: &[(String, String)]) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in fields {
        match joined.iter_mut().find(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
            Some((_, earlier)) => *earlier += &format!(", {value}"),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    joined
}

fn folded(app: &App, name: &str) -> String {
    let folded = name.chars().map(|c| match (app.hyphens, c) {
        (Themselves, c) => c,
        (Underscores, '-') | (UnderscoresAndDots, '-' | ' ' | '.') => '_',
        (Anything, c) if !c.is_ascii_alphanumeric() => '_',
        (_, c) => c,
    });
    format!("HTTP_{}", folded.collect::<String>().to_uppercase())
}

#[test]
fn apps_that_fold_are_misled_without_a_gateway() {
    let fields = [("x-user-id", "7"), ("x_user_id", "evil"), ("x.user.id", "worse")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let seen = |app: &str| sees(APPS.iter().find(|a| a.name == app).unwrap(), &fields, "X-User-Id").unwrap();
    assert_eq!(seen("CGI"), "7, evil");
    assert_eq!(seen("CGI, folding all, the last"), "worse");
    assert_eq!(seen("WSGI"), "7,evil");
    assert_eq!(seen("PHP"), "worse");
    assert_eq!(seen("Node"), "7");
}
