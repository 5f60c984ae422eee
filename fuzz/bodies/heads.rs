//! Heads of HTTP/1: a first byte that says how long the pieces are in which the rest arrives. In pieces or whole, a head is
//! judged alike; and one that passes is read in one way only, which is the parser's, too.

use portcullis::proxy::head::{Head, MAX_FIELDS, MAX_HEAD, MAX_TARGET};

pub fn check(input: &[u8]) {
    let Some((length, wire)) = input.split_first() else { return };
    let whole = Head::default().feed(wire);
    let (mut head, mut judged) = (Head::default(), Ok(false));
    for piece in wire.chunks(1 + usize::from(*length)) {
        judged = head.feed(piece);
        if judged != Ok(false) {
            break;
        }
    }
    assert_eq!(judged, whole);
    if whole == Ok(true) {
        passed(wire);
    }
}

fn passed(wire: &[u8]) {
    let empty_lines = wire.chunks(2).take_while(|pair| pair == b"\r\n").count();
    let after = &wire[2 * empty_lines..];
    let end = after.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let text = String::from_utf8_lossy(&after[..end]);
    assert!(end <= MAX_HEAD && !text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text:?}");
    let mut lines = text.split("\r\n");

    let request: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, version] = request[..] else { panic!("{request:?}") };
    assert!(!method.is_empty() && target.len() <= 3 * MAX_TARGET && version.starts_with("HTTP/1."), "{request:?}");
    assert!(!target.contains(|c: char| c.is_ascii_control() || c == '#'), "{target:?}");

    let names: Vec<String> = lines.map(|line| line.split_once(':').unwrap().0.to_ascii_lowercase()).collect();
    assert!(names.len() <= MAX_FIELDS && !names.iter().any(|name| name.contains([' ', '\t'])), "{names:?}");
    let lengths = names.iter().filter(|name| ["content-length", "transfer-encoding"].contains(&&***name)).count();
    assert!(lengths <= 1, "{names:?}");

    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    // What it refuses is refused. What it takes ends where we saw it end, and has the fields that we saw.
    if let Ok(status) = parsed.parse(wire) {
        assert_eq!(status, httparse::Status::Complete(2 * empty_lines + end + 4));
        assert_eq!(parsed.headers.len(), names.len());
        assert_eq!(parsed.path, Some(target));
    }
}
