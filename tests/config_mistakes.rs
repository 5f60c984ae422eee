//! What can be wrong in a gateway.toml: all of it is reported at once, each mistake at its place with what to write instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fmt::Write;
use std::time::Duration;

use portcullis::clock::Stopwatch;
use support::gateway::House;

/// Lines of one file, and what is said of each: its column, and a part of the message.
const FILE: &[(&str, &[(usize, &str)])] = &[
    ("sever = 1", &[(1, "unknown key \"sever\"; did you mean \"server\"?")]),
    ("[server]", &[]),
    ("liste = \"127.0.0.1:1\"", &[(1, "unknown key \"server.liste\"; did you mean \"listen\"?")]),
    (
        "listen = [\"127.0.0.1:80\", \"localhost:80\", \"127.0.0.1:80\", 5, \"é\"]",
        &[
            (27, "server.listen: an address to listen on is a number, like \"127.0.0.1:8080\", not a name"),
            (43, "server.listen: this address is taken by another one of the list"),
            (59, "server.listen: this is a value of type integer; write a string, in quotes"),
            (62, "server.listen: an address to listen on is IP:PORT"),
        ],
    ),
    (
        "threads = \"4\"",
        &[(11, "server.threads: this is a value of type string; write a whole number, without quotes")],
    ),
    (
        "trusted_proxies = [\"10.0.0.1/8\", \"10.0.0.1\"]",
        &[(20, "bits set beyond its prefix"), (34, "a CIDR block is ADDRESS/BITS, like \"10.0.0.0/8\"")],
    ),
    ("proxy_protocol = \"v2\"", &[(18, "write true or false, without quotes")]),
    ("methods = []", &[(1, "server.methods: at least one method")]),
    ("max_request_body = \"100MB\"", &[(20, "a size is a whole number and one of B, KiB, MiB, GiB, like \"16KiB\"")]),
    (
        "header_timeout = 10",
        &[(18, "server.header_timeout: this is a value of type integer; write a string, in quotes")],
    ),
    ("idle_timeout = \"999ms\"", &[(16, "server.idle_timeout: this is too short, the shortest is \"1s\"")]),
    ("max_connections = 0", &[(19, "server.max_connections: a whole number from 1 to 1000000")]),
    ("drain_timeout = \"1h30m\"", &[(17, "a duration is a whole number and one of ms, s, m, h, d, like \"15m\"")]),
    ("[store]", &[]),
    ("url = \"postgres://h/d\"", &[(7, "store.url: a store is sqlite:PATH, like \"sqlite:portcullis.db\"")]),
    ("cache_capacity = -1", &[(18, "store.cache_capacity: a whole number from 1 to")]),
    ("[auth]", &[]),
    ("prefix = \"auth/\"", &[(10, "auth.prefix: a prefix is one or more plain segments, like \"/auth\"")]),
    ("algorithm = \"ES265\"", &[(13, "auth.algorithm: there is no such choice; did you mean \"ES256\"?")]),
    ("refresh_ttl = \"1m\"", &[(1, "auth.refresh_ttl: refresh_ttl must not be shorter than access_ttl")]),
    ("session_ttl = \"0s\"", &[(15, "auth.session_ttl: this is too short")]),
    ("issuer = \"\"", &[(10, "auth.issuer: 1 to 256 bytes, without control characters or spaces around it")]),
    ("[passwords]", &[]),
    ("min_length = 4", &[(14, "passwords.min_length: a whole number from 8 to 64")]),
    ("memory = \"8KiB\"", &[(1, "argon2 needs 8KiB of memory for each of its lanes")]),
    ("parallelism = 2", &[]),
    ("iterations = 1.5", &[(14, "passwords.iterations: this is a value of type float; write a whole number")]),
    ("max_concurent = 1", &[(1, "unknown key \"passwords.max_concurent\"; did you mean \"max_concurrent\"?")]),
    ("[limits]", &[]),
    ("per_ip = \"1200\"", &[(10, "limits.per_ip: a quota is COUNT/PERIOD, like \"300/1m\"")]),
    ("ipv6_prefix = 129", &[(15, "limits.ipv6_prefix: a whole number from 1 to 128")]),
    ("[cookies]", &[]),
    (
        "secure = \"yes\"",
        &[(10, "cookies.secure: this is a value of type string; write true or false, without quotes")],
    ),
    ("same_site = \"none\"", &[(1, "\"none\" would send the refresh cookie with every site's requests")]),
    ("[headers]", &[]),
    ("user_id = \"X_User\"", &[(11, "a header's name is letters, digits and hyphens, like \"X-User-Id\"")]),
    ("email = \"Host\"", &[(9, "headers.email: this header means something else already")]),
    ("session_id = \"X-User-Roles\"", &[(1, "headers.session_id: two of these names are the same")]),
    ("[browser]", &[]),
    (
        "trusted_origins = [\"*\", \"null\", \"https://a/\"]",
        &[
            (20, "name those that may call"),
            (25, "any page can make itself the origin null"),
            (33, "no path, no final /"),
        ],
    ),
    ("[log]", &[]),
    ("format = \"xml\"", &[(10, "log.format: there is no such choice; one of \"text\", \"json\"")]),
    ("level = \"wran\"", &[(9, "log.level: there is no such choice; did you mean \"warn\"?")]),
    ("[upstreams.app]", &[]),
    ("servers = []", &[(1, "upstreams.app.servers: at least one server")]),
    (
        "conect_timeout = \"2s\"",
        &[(1, "unknown key \"upstreams.app.conect_timeout\"; did you mean \"connect_timeout\"?")],
    ),
    (
        "[upstreams.\"a b\"]",
        &[
            (1, "upstreams.a b.servers is missing; write servers = [\"127.0.0.1:3000\"]"),
            (12, "letters, digits, - and _"),
        ],
    ),
    ("[upstreams.other]", &[]),
    (
        "servers = [\"http://x/y\", \"unix:\", \"nohost\"]",
        &[(12, "without a path or a user"), (26, "unix:PATH"), (35, "needs a port, like \"127.0.0.1:3000\"")],
    ),
    ("[[routes]]", &[]),
    ("path = \"public\"", &[(8, "routes.path: a path starts with /")]),
    ("upstream = \"ap\"", &[(12, "routes.upstream: there is no upstream of this name; did you mean \"app\"?")]),
    ("access = \"publik\"", &[(10, "routes.access: there is no such choice; did you mean \"public\"?")]),
    ("[[routes]]", &[]),
    ("path = \"/a%20b\"", &[(8, "routes.path: '%' cannot stand in a path; write the path as it is meant")]),
    ("upstream = \"app\"", &[]),
    ("access = \"public\"", &[]),
    ("roles = [\"admin\"]", &[(1, "a public route asks for no roles; leave out either of them")]),
    (
        "methods = [\"get\", \"TRACE\"]",
        &[
            (12, "routes.methods: this method is not forwarded; did you mean \"GET\"?"),
            (19, "one of \"GET\", \"HEAD\""),
        ],
    ),
    ("hosts = [\"*.a\", \"a:80\"]", &[(10, "without port or *"), (17, "without port or *")]),
    ("rate_limit = \"60/0m\"", &[(14, "a quota's count and period are more than zero")]),
    ("[[routes]]", &[(1, "routes.path is missing; write path = \"/public/*\""), (1, "routes.upstream is missing")]),
    ("methods = []", &[(1, "an empty list would match nothing; leave the key out to match all")]),
    ("roles = []", &[(1, "an empty list would let nobody pass; leave the key out for everyone who is signed in")]),
    ("pth = \"/\"", &[(1, "unknown key \"routes.pth\"; did you mean \"path\"?")]),
    ("[[expect]]", &[]),
    ("request = \"GET\"", &[(11, "a request is METHOD PATH or METHOD URL, like \"GET /admin/users\"")]),
    ("outcome = \"ok\"", &[(11, "one of \"allowed\", \"unauthenticated\", \"forbidden\", \"not_found\", \"refused\"")]),
    ("roles = [\"a b\"]", &[(10, "a role is 1 to 64 letters, digits or any of - _ . : /")]),
    ("[[expect]]", &[(1, "expect.outcome is missing"), (1, "expect.request is missing")]),
];

#[test]
fn every_mistake_is_reported_at_once_at_its_place_with_what_to_write_instead() {
    let file = FILE.iter().fold(String::new(), |file, (line, _)| file + line + "\n");
    let mut found = House::new(&file).mistakes().into_iter();
    for (n, (line, wrong)) in FILE.iter().enumerate() {
        for (column, message) in *wrong {
            let next = found.next().unwrap_or_default();
            assert!(next.starts_with(&format!("{}:{column}: ", n + 1)), "{line}: {message}\nbut: {next}");
            assert!(next.contains(message), "{line}: {message}\nbut: {next}");
        }
    }
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_value_of_another_type_is_named_whatever_the_key() {
    let wrong_table = [
        ("server = 1", "a table, [server]"),
        ("[[auth]]", "a table, [auth]"),
        ("routes = \"x\"", "tables, [[routes]]"),
    ];
    let wrong_named =
        [("[[upstreams]]", "a table with a name, [upstreams.NAME]"), ("[upstreams]\napp = 1", "[upstreams.NAME]")];
    let wrong_item = [("routes = [1]", "tables, [[routes]]"), ("[expect]", "tables, [[expect]]")];
    for (file, advice) in wrong_table.into_iter().chain(wrong_named).chain(wrong_item) {
        let [mistake] = &House::new(file).mistakes()[..] else { panic!("{file}") };
        assert!(mistake.contains("this is a value of type ") && mistake.ends_with(advice), "{file}: {mistake}");
    }
}

#[test]
fn what_comes_later_is_refused_and_never_ignored() {
    const APP: &str = "[upstreams.app]\nservers = [\"127.0.0.1:3000\"]\n";
    for (file, at) in [
        ("[cookies]\naccess_cookie = true\n".to_owned(), "2:1: cookies.access_cookie: "),
        (format!("{APP}health_check = {{ path = \"/\", interval = \"5s\" }}\n"), "3:1: upstreams.app.health_check: "),
        (format!("{APP}[[routes]]\npath = \"/*\"\nupstream = \"app\"\nmode = \"observe\"\n"), "6:1: routes.mode: "),
    ] {
        let [mistake] = &House::new(&file).mistakes()[..] else { panic!("{file}") };
        assert!(mistake.starts_with(at) && mistake.contains("not available in this version"), "{file}: {mistake}");
    }
    let enforced = format!(
        "{APP}[[routes]]\npath = \"/*\"\nupstream = \"app\"\nmode = \"enforce\"\n[cookies]\naccess_cookie = false\n"
    );
    House::new(&enforced).tried(&["check"], "").worked();
}

#[test]
fn durations_sizes_and_quotas_mean_one_thing_or_are_refused() {
    let durations =
        ["", "15", "m", "1h30m", "15 m", " 15m", "-1s", "1.5s", "15M", "15min", "4000d", "99999999999999999999s"];
    let sizes =
        ["", "16", "16KB", "16kib", "MiB", "1 GiB", "-1B", "0B", "18446744073709551615GiB", "99999999999999999999B"];
    let quotas =
        ["", "300", "300/", "/1m", "0/1m", "5/0s", "5x/1m", "300 / 1m", "4294967296/1m", "5/1m/2", "-5/1m", "1/m"];
    let keys = [
        ("server", "header_timeout", &durations[..]),
        ("server", "max_request_body", &sizes),
        ("limits", "per_ip", &quotas),
    ];
    for (table, key, bad) in keys {
        for value in bad {
            let mistakes = House::new(&format!("[{table}]\n{key} = \"{value}\"\n")).mistakes();
            assert_eq!(mistakes.len(), 1, "{key} = {value:?}");
            assert!(
                mistakes[0].starts_with(&format!("2:{}: {table}.{key}: ", key.len() + 4)),
                "{value:?}: {}",
                mistakes[0]
            );
        }
    }
}

#[test]
fn a_long_file_is_read_whole_and_soon() {
    let routes = |wrong: &str| {
        let mut file = "[upstreams.app]\nservers = [\"127.0.0.1:3000\"]\n".to_owned();
        for n in 0..12_500 {
            writeln!(file, "[[routes]]\npath = \"/route/{n}/*\"\nupstream = \"app\"\nroles = [\"admin\", \"user\", \"guest\"]{wrong}").unwrap();
        }
        assert!(file.len() > 1 << 20);
        file
    };
    let watch = Stopwatch::start();
    assert_eq!(House::new(&routes("")).tried(&["check"], "").worked().lines().count(), 12_500 + 13);
    let mistakes = House::new(&routes("\nmethod = \"GET\"")).mistakes();
    assert_eq!(mistakes.len(), 12_500);
    assert_eq!(mistakes[12_499], "62502:1: unknown key \"routes.method\"; did you mean \"methods\"?");
    assert_eq!(House::new(&(routes("") + "[server]\nthreads = x\n")).mistakes().len(), 1);
    assert!(watch.elapsed() < Duration::from_secs(60), "{:?}", watch.elapsed());
}
