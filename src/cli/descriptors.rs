//! File descriptors: a connection takes one here and often one to its upstream, and most systems give a process 1024 until it
//! asks for more.

/// What the store, the log and the listeners take.
const OWN: u64 = 256;

/// What each thread that serves requests takes to wait for events.
const A_THREAD: u64 = 4;

/// Ask for enough for so many connections on so many threads. What is missing, in words, if the system grants less.
pub fn ask_for(connections: usize, threads: usize) -> Option<String> {
    let wanted = 2 * connections as u64 + A_THREAD * threads as u64 + OWN;
    let granted = rlimit::increase_nofile_limit(wanted).unwrap_or(0);
    (granted < wanted).then(|| {
        format!(
            "the system lets this process open {granted} files and sockets, too few for max_connections = {connections}: \
             raise the hard limit to {wanted} (LimitNOFILE= in systemd, --ulimit nofile= in Docker) or lower max_connections"
        )
    })
}
