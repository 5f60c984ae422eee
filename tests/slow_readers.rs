//! Clients who ask for much and read nothing: what one of them costs is bounded, here and in the system. That they are cut
//! off is shown beside the socket, where the deadline can be made short.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::TcpStream;

use support::gateway::Gateway;
use support::origin::Origin;
use support::wait::until;
use support::wire::{Wire, connections};

const GET: &str = "GET /public/ HTTP/1.1\r\nHost: gw\r\n\r\n";
const KIB: u64 = 1024;

/// An app whose answer has no end.
fn endless() -> Origin {
    Origin::with(|_, stream: &mut TcpStream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let begun = stream.write_all(head.as_bytes());
        while begun.is_ok() && stream.write_all(&[b'z'; 65536]).is_ok() {}
        false
    })
}

/// What the gateway holds in memory, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * KIB
}

/// What the system holds for each of these clients, once the gateway has stopped giving it more.
fn held(wires: &[Wire]) -> Vec<u64> {
    let queued = |wire: &Wire, table: &str| {
        let line = wire.other_end(table).expect("it is still connected");
        u64::from_str_radix(line[4].split(':').next().unwrap(), 16).unwrap()
    };
    let (seen, calm) = (RefCell::new(vec![0; wires.len()]), Cell::new(0));
    until("no more is written", || {
        let table = connections();
        let now: Vec<u64> = wires.iter().map(|wire| queued(wire, &table)).collect();
        let grows = now.iter().zip(&*seen.borrow()).any(|(now, before)| now > before || *now == 0);
        seen.replace(now);
        calm.set(if grows { 0 } else { calm.get() + 1 });
        calm.get() > 3
    });
    seen.into_inner()
}

#[test]
fn who_reads_nothing_costs_little() {
    let app = endless();
    let gateway = Gateway::usual(app.address, "", "");
    assert!(gateway.get("/auth/me", &[]).status == 401, "what is made once has been made");
    let before = memory(&gateway);
    let mut wires: Vec<Wire> = (0..16).map(|_| Wire::to(gateway.listen)).collect();
    for wire in &mut wires {
        wire.send(GET);
    }
    let held = held(&wires);
    assert!(held.iter().all(|bytes| *bytes < 512 * KIB), "so many bytes wait in the system: {held:?}");
    let each = memory(&gateway).saturating_sub(before) / 16;
    // Pingora reads some pieces of 64 KiB ahead, and then joins them.
    assert!(each < 2048 * KIB, "{each} bytes for each");
}
