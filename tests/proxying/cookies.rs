//! The gateway's cookies stay between it and the browser; all others pass as they are, both ways.

use crate::public_app;
use crate::support::gateway::{CHEAP_PASSWORDS, Gateway, House};
use crate::support::origin::{Origin, Seen, answer};
use crate::support::wire::Wire;

fn seen_with(gateway: &Gateway, app: &Origin, cookies: &[&str]) -> Seen {
    let fields: Vec<(&str, &str)> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
    let answered = Wire::to(gateway.listen).ask("GET", "/x", &fields).answer().unwrap();
    assert_eq!(answered.status, 200, "{cookies:?} {}", answered.body);
    app.last()
}

#[test]
fn our_cookies_are_taken_off_and_the_others_stay() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    for (sent, arrives) in [
        (&["a=1; __Host-refreshToken=secret; b=2"][..], &["a=1; b=2"][..]),
        (&["__Host-refreshToken=secret"], &[]),
        (&["__Host-refreshToken=secret; __Host-accessToken=secret"], &[]),
        (&["__Host-refreshToken =secret; a=1"], &["a=1"]),
        (&["a=\"x; y\"; __Host-accessToken=secret; c; =d; e==f"], &["a=\"x; y\"; c; =d; e==f"]),
        (&["a=1", "__Host-refreshToken=secret", "b=2"], &["a=1; b=2"]),
    ] {
        assert_eq!(seen_with(&gateway, &app, sent).all("cookie"), arrives, "{sent:?}");
    }
}

#[test]
fn without_one_of_ours_the_field_arrives_byte_for_byte() {
    let app = Origin::start();
    let gateway = public_app(app.address, "", "");
    for cookie in [
        "a=1;b=2;  c=3",
        "a=1; ; b=2;",
        "theme=\"dark mode\"; n=%20; x={\"k\":1}",
        "__host-refreshtoken=theirs; refreshToken=theirs; accessToken=theirs",
        "$Version=1; a=b",
    ] {
        assert_eq!(seen_with(&gateway, &app, &[cookie]).all("cookie"), [cookie]);
    }
}

#[test]
fn one_of_our_cookies_twice_is_refused_on_every_route() {
    let app = Origin::start();
    let gateway = Gateway::usual(app.address, "", "");
    for cookies in ["__Host-refreshToken=a; __Host-refreshToken=b", "__Host-accessToken=a; x=1; __Host-accessToken=a"] {
        for path in ["/public/x", "/x", "/admin/x", "/auth/me"] {
            let refused = gateway.get(path, &[("cookie", cookies)]);
            assert_eq!((refused.status, refused.code().as_str()), (400, "bad_request"), "{path}");
        }
    }
    assert!(app.seen().is_empty());
}

#[test]
fn for_plain_http_the_names_have_no_prefix() {
    let app = Origin::with(|_, stream| {
        let set = [("set-cookie", "refreshToken=evil"), ("set-cookie", "__Host-refreshToken=theirs")];
        answer(stream, "200 OK", &set, b"");
        true
    });
    let house = House::new(&format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[cookies]\nsecure = false\n\
         [upstreams.app]\nservers = [\"{}\"]\n[[routes]]\npath = \"/*\"\nupstream = \"app\"\naccess = \"public\"\n\
         {CHEAP_PASSWORDS}",
        app.address
    ));
    let gateway = house.run();
    let cookies = "refreshToken=secret; a=1; accessToken=secret; __Host-refreshToken=theirs";
    assert_eq!(seen_with(&gateway, &app, &[cookies]).all("cookie"), ["a=1; __Host-refreshToken=theirs"]);
    let answered = gateway.get("/x", &[]);
    let set: Vec<_> = answered.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set, ["__Host-refreshToken=theirs"]);
}

#[test]
fn an_app_cannot_set_our_cookies_and_keeps_its_own() {
    let app = Origin::with(|_, stream| {
        let set = [
            ("set-cookie", "sid=1; Path=/; HttpOnly"),
            ("Set-Cookie", "__Host-refreshToken=planted; Path=/; Secure"),
            ("set-cookie", "  __Host-accessToken = planted"),
            ("set-cookie", "__Host-refreshToken"),
            // A browser sends a cookie without a name as its bare value.
            ("set-cookie", "=__Host-refreshToken=planted; Secure"),
            ("set-cookie", "a=\"b; c\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("set-cookie", "refreshToken=theirs"),
        ];
        answer(stream, "200 OK", &set, b"");
        true
    });
    let gateway = public_app(app.address, "", "");
    let answered = gateway.get("/x", &[]);
    let set: Vec<_> = answered.headers.get_all("set-cookie").iter().collect();
    let kept = ["sid=1; Path=/; HttpOnly", "a=\"b; c\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "refreshToken=theirs"];
    assert_eq!(set, kept);
}
