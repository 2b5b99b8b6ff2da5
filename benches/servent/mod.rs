//! A servent in a process of its own, for benches that measure what it costs.

#![allow(dead_code, reason = "each bench measures its own part")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use filbert::api::Access;
use filbert::api::client::Client;
use tempfile::TempDir;

/// A running `filbert run`; ends when dropped.
pub(crate) struct Servent {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    home: TempDir,
}

impl Servent {
    /// Starts an ultrapeer on loopback with these settings and further arguments.
    pub(crate) fn start(settings: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::write(home.path().join("filbert.toml"), settings).expect("a file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_filbert"))
            .args(["run", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .args(["--mode", "ultrapeer", "--home"])
            .arg(home.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the servent starts");
        let mut said = String::new();
        let mut stderr = process.stderr.take().expect("piped");
        let mut byte = [0];
        while !(said.contains("listening on ") && said.ends_with('\n')) {
            let read = stderr.read(&mut byte).expect("it speaks");
            assert_eq!(read, 1, "it ended: {said}");
            said.push(char::from(byte[0]));
        }
        // Nobody may block it by not reading.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let address = said.split("listening on ").nth(1);
        let address = address.and_then(|rest| rest.split(',').next());
        Self {
            process,
            address: address
                .and_then(|text| text.parse().ok())
                .expect("an address"),
            home,
        }
    }

    /// Its control plane.
    pub(crate) fn client(&self) -> Client {
        Client::find(self.home.path(), None).expect("it said so")
    }

    /// User and system time it took so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let fields = stat.rsplit(')').next().expect("a name").split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum();
        // Linux counts them in hundredths everywhere.
        ticks as f64 / 100.0
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("it runs") / 1024.0
    }

    /// How many descriptors it dropped for each reason.
    pub(crate) fn dropped(&self) -> Vec<(String, u64)> {
        let access = Access::find(self.home.path(), None).expect("it said so");
        let mut stream = TcpStream::connect(access.address).expect("it listens");
        let (host, token) = (access.address, access.token);
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let dropped = answer.lines().filter_map(|line| {
            let (why, count) = line
                .split_once("drop")?
                .1
                .split_once('"')?
                .1
                .split_once("\"} ")?;
            Some((why.to_owned(), count.parse().ok()?))
        });
        dropped.collect()
    }

    fn proc(&self, file: &str) -> String {
        let path = Path::new("/proc")
            .join(self.process.id().to_string())
            .join(file);
        fs::read_to_string(path).expect("it runs")
    }
}

impl Drop for Servent {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it runs");
    }
}
