//! Servers in separate processes: the product as its users run it, and the bare limits.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server process. Dropping it ends the process.
pub struct Process {
    pub addr: SocketAddr,
    child: Child,
    data: tempfile::TempDir,
}

impl Process {
    /// Starts the release binary on SQLite, without limits.
    pub fn chitter() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let addr = free_address();
        let child = Command::new(env!("CARGO_BIN_EXE_chitter"))
            .env("CHITTER_ADDR", addr.to_string())
            .env("CHITTER_DATA", data.path())
            .env("CHITTER_LIMITS", "off")
            .env("CHITTER_LOG", "warn,chitter::db=info")
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        wait_for(addr);
        Process { child, addr, data }
    }

    /// Starts this program in another role.
    pub fn this_program(role: &str, argument: &str, addr: SocketAddr) -> Self {
        let child = Command::new(env::current_exe().expect("the path of this program"))
            .args([role, argument])
            .spawn();
        let child = child.expect("the server starts");
        wait_for(addr);
        Process { child, addr, data: tempfile::tempdir().expect("a folder") }
    }

    /// Returns the CPU time that the process has used.
    pub fn cpu(&self) -> Duration {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a running process");
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        // utime and stime, in hundredths of a second: fields 14 and 15 of proc(5).
        let ticks: u64 = [11, 12].iter().map(|n| fields[*n].parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Returns the resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Stops the product. Returns the average number of writes in a commit, from its log.
    pub fn writes_a_commit(mut self) -> f64 {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        self.child.wait().expect("a stopped process");
        let log = std::fs::File::open(self.data.path().join("log/chitter.log")).expect("a log");
        let lines = BufReader::new(log).lines().map_while(Result::ok);
        let closed = lines
            .filter(|line| line.contains("The database is closed"))
            .last()
            .expect("a line about the end");
        let fields: serde_json::Value = serde_json::from_str(&closed).expect("JSON");
        let number = |name: &str| fields["fields"][name].as_f64().expect("a number");
        number("writes") / number("commits").max(1.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the whole answer to a request that closes the connection.
pub fn ask(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).expect("connected");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Returns a free address.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Waits until a server accepts connections at this address.
fn wait_for(addr: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(addr).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing answers at {addr}");
        thread::sleep(Duration::from_millis(20));
    }
}
