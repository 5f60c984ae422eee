//! Real web servers, each with a configuration of its own in a folder of its own. Before each are the same pages, and a
//! page says where it lies: `file /admin/secret.txt`. To some hosts a server says instead how it reads the path: `reads /…`;
//! and which fields of the request an app finds there: `NAME=value`.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::gateway::PATIENCE;
use super::wire::Wire;

pub const PAGES: [&str; 9] = [
    "index.html",
    "top.txt",
    "public/index.html",
    "public/a.txt",
    "public/x.y",
    "public/c/index.html",
    "admin/index.html",
    "admin/secret.txt",
    "admin/x/deep.txt",
];

/// Killed when dropped, and all that it started.
pub struct Server {
    pub address: SocketAddr,
    /// The same pages with other settings, where a server has both.
    pub lenient: SocketAddr,
    child: Child,
    folder: TempDir,
}

pub fn nginx() -> Server {
    start(&program("nginx"), |command, folder, _| {
        command.arg("-p").arg(folder).args(["-e", "error.log", "-c"]).arg(folder.join("nginx.conf"));
    })
}

pub fn apache() -> Server {
    start(&program("apache2"), |command, folder, _| {
        command.arg("-f").arg(folder.join("apache.conf")).arg("-DFOREGROUND");
    })
}

pub fn lighttpd() -> Server {
    start(&program("lighttpd"), |command, folder, _| {
        command.arg("-D").arg("-f").arg(folder.join("lighttpd.conf"));
    })
}

pub fn python() -> Server {
    start(&program("python3"), |command, folder, [port, _]| {
        command.arg(folder.join("python.py")).arg(folder).arg(port.to_string());
    })
}

pub fn node() -> Server {
    start(&program("node"), |command, folder, [port, _]| {
        command.arg(folder.join("node.js")).arg(folder).arg(port.to_string());
    })
}

/// Debian's `tomcat10-common` on whatever Java is there.
pub fn tomcat() -> Server {
    let home = Path::new("/usr/share/tomcat10");
    assert!(home.is_dir(), "Tomcat is not here: `scripts/setup test` installs it");
    start(&program("java"), |command, folder, _| {
        command
            .args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{0}/bin/bootstrap.jar:{0}/bin/tomcat-juli.jar", home.display()))
            .arg(format!("-Dcatalina.home={}", home.display()))
            .arg(format!("-Dcatalina.base={}", folder.join("tomcat").display()))
            .arg(format!("-Djava.io.tmpdir={}", folder.join("tomcat/temp").display()))
            .args(["org.apache.catalina.startup.Bootstrap", "start"]);
    })
}

/// On its pages, and on an empty folder, where no file stands between a script and its path. Not among what `scripts/setup`
/// installs: `None` where PHP is not here.
pub fn php() -> Option<[Server; 2]> {
    let program = found("php")?;
    Some(["pages", "empty"].map(|root| {
        start(&program, |command, folder, [port, _]| {
            let listen = format!("127.0.0.1:{port}");
            command.args(["-S", &listen, "-t"]).arg(folder.join(root)).arg(folder.join("php.php"));
        })
    }))
}

/// Not among what `scripts/setup` installs: `None` where Node's Express is not here.
pub fn express() -> Option<Server> {
    const MODULES: &str = "/usr/share/nodejs";
    let program = found("node").filter(|_| Path::new(MODULES).join("express").is_dir())?;
    Some(start(&program, |command, folder, [port, _]| {
        command.env("NODE_PATH", MODULES).arg(folder.join("express.js")).arg(folder).arg(port.to_string());
    }))
}

fn program(name: &str) -> PathBuf {
    found(name).unwrap_or_else(|| panic!("{name} is not here: `scripts/setup test` installs it"))
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]).map(Path::new);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Such servers cannot be told to take any free port. One that was free a moment ago may be taken: then once more.
fn start(program: &Path, arguments: impl Fn(&mut Command, &Path, [u16; 2])) -> Server {
    let mut said = String::new();
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports();
        furnish(folder.path(), ports);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        arguments(&mut command, folder.path(), ports);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(folder.path());
        let child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().unwrap();
        let [address, lenient] = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut server = Server { address, lenient, child, folder };
        if server.serves_our_pages() {
            return server;
        }
        said = server.log();
    }
    panic!("{} does not start:\n{said}", program.display());
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// The pages and every server's files, readable by whatever user a server changes to.
fn furnish(folder: &Path, [port, port2]: [u16; 2]) {
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let filled = text
            .replace("@FOLDER@", folder.to_str().unwrap())
            .replace("@PORT@", &port.to_string())
            .replace("@PORT2@", &port2.to_string());
        fs::write(file, filled).unwrap();
    };
    for page in PAGES.into_iter().chain([&*own_page(folder)]) {
        write(&format!("pages/{page}"), &format!("file /{page}\n"));
        write(&format!("tomcat/files/ROOT/{page}"), &format!("file /{page}\n"));
    }
    for (name, text) in [
        ("nginx.conf", include_str!("servers/nginx.conf")),
        ("apache.conf", include_str!("servers/apache.conf")),
        ("lighttpd.conf", include_str!("servers/lighttpd.conf")),
        ("show.cgi", include_str!("servers/show.cgi")),
        ("python.py", include_str!("servers/python.py")),
        ("node.js", include_str!("servers/node.js")),
        ("express.js", include_str!("servers/express.js")),
        ("php.php", include_str!("servers/php.php")),
        ("tomcat/conf/server.xml", include_str!("servers/tomcat-server.xml")),
        ("tomcat/conf/web.xml", include_str!("servers/tomcat-web.xml")),
        ("tomcat/reading/ROOT/WEB-INF/web.xml", include_str!("servers/tomcat-reading.xml")),
        ("tomcat/reading/ROOT/show.jsp", include_str!("servers/show.jsp")),
        ("tomcat/temp/.keep", ""),
        ("empty/.keep", ""),
    ] {
        write(name, text);
    }
    for name in [".", "show.cgi"] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A page that no other server has: one that could not have its port may be taken for the one that has it.
fn own_page(folder: &Path) -> String {
    format!("{}.txt", folder.file_name().unwrap().to_str().unwrap().trim_start_matches('.'))
}

impl Server {
    /// Asked again and again until it does, at most a minute.
    fn serves_our_pages(&mut self) -> bool {
        const PAUSE: Duration = Duration::from_millis(20);
        let page = format!("/{}", own_page(self.folder.path()));
        let tries = PATIENCE.as_millis() * 3 / PAUSE.as_millis();
        for _ in 0..tries {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            match std::net::TcpStream::connect(self.address) {
                Ok(_) if shown(self.address, "files", &page, "").1.as_ref() == Some(&page) => return true,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
            sleep(PAUSE);
        }
        false
    }

    fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("log") + &read("error.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The status, and what a page says of itself where one comes: the path of its file, or the path as the server reads it.
pub fn shown(address: SocketAddr, host: &str, target: &str, fields: &str) -> (u16, Option<String>) {
    let mut wire = Wire::to(address);
    wire.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"));
    let status = wire.line().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let mut said = None;
    // Chunk sizes stand on lines of their own: they are passed over like the fields of the head.
    while let Some(line) = wire.line() {
        let page = line.strip_prefix("file ").or_else(|| line.strip_prefix("reads "));
        said = said.or(page.map(str::to_owned));
    }
    (status, said.filter(|_| status == 200))
}
