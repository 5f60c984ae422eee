//! A client's trailers: an app that reads them as fields finds nothing there.

use crate::spellings::start;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::played::Played;
use crate::support::wire::Wire;
use crate::{Caller, misled};

const NAMES: [&str; 4] = ["x-user-id", "x-user-email", "x-user-roles", "x-session-id"];

#[test]
fn trailers_do_not_reach_the_app() {
    let app = Played::bind();
    let gateway = Gateway::usual(app.address, "", "");
    let mut client = Wire::to(gateway.listen);
    client.send(
        "POST /public/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\nTrailer: X-User-Id\r\n\r\n\
         2\r\nhi\r\n0\r\nX-User-Id: evil\r\nX_User_Roles: evil\r\n\r\n",
    );
    let mut upstream = app.accept();
    let seen = upstream.request().unwrap();
    assert_eq!(misled(&seen, None), None);
    assert_eq!(seen.all("trailer"), [""; 0], "none is announced");
    assert_eq!(upstream.chunk().unwrap(), b"hi");
    assert_eq!(upstream.chunk().unwrap(), b"", "and after the last chunk comes the end");
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 204);
}

#[test]
fn the_request_after_trailers_is_its_own() {
    let app = Origin::start();
    let gateway = start(&app, "", "");
    let ann = Caller::sign_in(&gateway, "ann@example.com", &NAMES);
    let mut wire = Wire::to(gateway.listen);
    for trailer in ["X-User-Id: evil", "X_User.Id: evil\r\nx-user-roles: evil", "Remote-User: evil"] {
        let post = "POST /public/x HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n";
        assert_eq!(wire.send(format!("{post}{trailer}\r\n\r\n")).answer().unwrap().status, 200, "{trailer}");
        assert_eq!(misled(&app.last(), None), None);
        let token = [("authorization", ann.authorization.as_str())];
        assert_eq!(wire.ask("GET", "/admin/x", &token).answer().unwrap().status, 200, "{trailer}");
        assert_eq!(misled(&app.last(), Some(&ann)), None);
    }
}
