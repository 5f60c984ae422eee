//! The same over HTTP/2, whose fields reach the app over HTTP/1.

use bytes::Bytes;
use http::{HeaderMap, Request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use crate::fields::made;
use crate::support::gateway::{Gateway, House, usual};
use crate::support::http2::{ask, connect};
use crate::support::origin::Origin;
use crate::support::tls::Certificate;
use crate::{Caller, cases, misled};

const NAMES: [&str; 4] = ["x-user-id", "x-user-email", "x-user-roles", "x-session-id"];

fn start(app: &Origin) -> (Gateway, Certificate) {
    let certificate = Certificate::new();
    let tls = "tls = { certificate_file = \"chain.pem\", private_key_file = \"key.pem\" }";
    let house = House::new(&usual(app.address, tls, "[limits]\nper_ip = \"1000000/1m\""));
    certificate.write(&house);
    house.add_user("ann@example.com", &["admin", "billing:read"]);
    (house.run(), certificate)
}

/// What the gateway says of the caller, and the caller's token.
async fn sign_in(sender: &h2::client::SendRequest<Bytes>) -> Caller {
    let body = format!(
        r#"{{"email":"ann@example.com","password":"{}","client":"mobile"}}"#,
        crate::support::gateway::PASSWORD
    );
    let fields = [("content-type", "application/json"), ("origin", "https://gw.example")];
    let (_, _, text) = ask(sender, "POST", "/auth/login", &fields, Some(&body)).await.unwrap();
    let authorization = crate::support::bearer(&serde_json::from_str(&text).unwrap());
    let (_, _, me) = ask(sender, "GET", "/auth/me", &[("authorization", &authorization)], None).await.unwrap();
    Caller::described(authorization, &serde_json::from_str(&me).unwrap(), &NAMES)
}

#[test]
fn no_client_misleads_any_app_over_http2() {
    let app = Origin::start();
    let (gateway, certificate) = start(&app);
    let runtime = Runtime::new().unwrap();
    let (sender, _connection) = runtime.block_on(connect(gateway.listen, &certificate));
    let ann = runtime.block_on(sign_in(&sender));
    let callers = [("/public/x", None), ("/admin/x", Some(&ann))];
    TestRunner::new(cases(60))
        .run(&(made(&[]), 0..callers.len()), |(made, at)| {
            let (path, caller) = callers[at];
            let mut fields = made.fields();
            fields.extend(caller.map(|caller| ("authorization", caller.authorization.as_str())));
            let (status, ..) = runtime.block_on(ask(&sender, "GET", path, &fields, None)).unwrap();
            prop_assert_eq!(status, 200);
            let seen = app.last();
            let why = misled(&seen, caller);
            prop_assert!(why.is_none(), "{}", why.unwrap());
            prop_assert!(!format!("{seen:?}").to_lowercase().contains("evil"), "{:?}", seen.fields);
            prop_assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
            for (name, value) in &made.innocent {
                prop_assert_eq!(seen.all(name), [value.as_str()], "{}", name);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn trailers_of_http2_do_not_reach_the_app() {
    let app = Origin::start();
    let (gateway, certificate) = start(&app);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (sender, _connection) = connect(gateway.listen, &certificate).await;
        let request = Request::post("https://gw.example/public/x").body(()).unwrap();
        let mut sender = sender.ready().await.unwrap();
        let (answer, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"hi"), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in NAMES {
            trailers.insert(name, "evil".parse().unwrap());
        }
        trailers.insert("x_user_id", "evil".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
        let seen = app.last();
        assert_eq!((seen.body.as_slice(), misled(&seen, None)), (&b"hi"[..], None));
        assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
        // Had they gone on, they would stand before the next request.
        assert_eq!(ask(&sender, "GET", "/public/y", &[], None).await.unwrap().0, 200);
        assert_eq!((app.last().path(), misled(&app.last(), None)), ("/public/y", None));
    });
}
