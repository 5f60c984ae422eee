//! Apps that this project did not write, on free ports: Debian's nginx and Python's web server, each showing a
//! folder; and Python's WSGI server.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use portcullis::clock::Stopwatch;
use tempfile::TempDir;

use super::gateway::PATIENCE;

/// Killed when dropped.
pub struct App {
    pub address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl App {
    /// Lists folders, and says in a field `told` what it was told of the caller.
    pub fn nginx(root: &Path) -> Self {
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let folder = tempfile::tempdir().unwrap();
        // The port is free now; should another process take it before nginx does, the next one is tried.
        for _ in 0..5 {
            let address = free_address();
            let conf = folder.path().join("nginx.conf");
            std::fs::write(&conf, nginx_conf(folder.path(), address, root)).unwrap();
            let mut command = Command::new(program);
            command.arg("-p").arg(folder.path()).arg("-c").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("nginx is installed: scripts/setup test");
            // It writes this once it listens.
            if comes_true(&mut child, || folder.path().join("pid").exists()) {
                return Self { address, child, _folder: folder };
            }
        }
        panic!("nginx does not start");
    }

    pub fn python(root: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(root);
        Self::that_says_its_port(command)
    }

    /// Python's own WSGI server. Answers with what the app finds in its environment of the request's fields, as JSON.
    pub fn wsgi() -> Self {
        let mut command = Command::new("python3");
        command.args(["-u", "-c", WSGI]);
        Self::that_says_its_port(command)
    }

    fn that_says_its_port(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("Python is installed: scripts/setup test");
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.split_whitespace().skip_while(|word| *word != "port").nth(1);
        let port: u16 = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{said}"));
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), child, _folder: tempfile::tempdir().unwrap() }
    }
}

const WSGI: &str = r#"
import json
from wsgiref.simple_server import WSGIRequestHandler, make_server

class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass

def app(environ, start_response):
    told = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
print("port", server.server_port)
server.serve_forever()
"#;

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process without children, so that killing it ends it. Without `absolute_redirect off`, nginx would send clients to
/// its own port.
fn nginx_conf(folder: &Path, listen: SocketAddr, root: &Path) -> String {
    let (folder, root) = (folder.display(), root.display());
    format!(
        r#"
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
        root {root};
        autoindex on;
        absolute_redirect off;
        add_header told "$http_x_user_email|$http_x_user_roles|$http_authorization|$http_cookie" always;
    }}
}}
"#
    )
}

/// An address on which nobody listens, outside the range from which the kernel gives ports by itself: those may be gone
/// a moment later.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = u16::try_from(std::process::id() % 1000).unwrap() * 12;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + (start + step) % 12_000));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Whether `so` comes true before the process ends or patience does.
pub fn comes_true(process: &mut Child, so: impl Fn() -> bool) -> bool {
    let begun = Stopwatch::start();
    while begun.elapsed() < PATIENCE && process.try_wait().unwrap().is_none() {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
