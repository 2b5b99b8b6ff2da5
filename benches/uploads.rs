//! A hundred uploads at once: their rate together, how evenly a limit is shared, and what the servent
//! takes of memory and of a core; and what many do to it who ask and never read.
//!
//! `cargo bench --bench uploads [-- CLIENTS MEBIBYTES]`

mod servent;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use servent::Servent;

/// Bytes of the file.
const FILE: usize = 128 << 20;
/// The limit of the second round, in bytes a second.
const LIMIT: u64 = 64 << 20;
/// Those who never read.
const STUCK: usize = 400;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let clients = numbers.first().copied().unwrap_or(100);
    let each = numbers.get(1).copied().unwrap_or(32) << 20;
    let shared = tempfile::Builder::new().prefix("filbert-bench-").tempdir();
    let shared = shared.expect("a temporary directory");
    let bytes: Vec<u8> = (0..=250).cycle().take(FILE).collect();
    std::fs::write(shared.path().join("almond.bin"), &bytes).expect("a file");
    let digest: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(&bytes).into();
    drop(bytes);
    let file = filbert::wire::urn::Sha1::from_bytes(digest).to_string();
    let settings = "[transfers]\nslots = 600\nslots_per_address = 600\n";
    let folder = shared.path().to_str().expect("a plain path");
    let start = |more: &[&str]| {
        let arguments = [&["--share", folder], more].concat();
        let servent = Servent::start(settings, &arguments);
        wait_until_shared(servent.address, &file);
        servent
    };
    let servent = start(&[]);
    for count in [1, clients] {
        round(&format!("{count} at once"), &servent, &file, count, each);
    }
    drop(servent);
    let servent = start(&["--upload-limit", "64M"]);
    let part = each.min(usize::try_from(LIMIT * 5).expect("small") / clients.max(1));
    let what = format!("{clients} at once, all limited to {} MiB/s", LIMIT >> 20);
    round(&what, &servent, &file, clients, part);
    drop(servent);

    let servent = start(&[]);
    let before = servent.resident();
    let stuck: Vec<TcpStream> = (0..STUCK)
        .map(|_| ask(servent.address, &file, FILE))
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    let during = servent.resident();
    println!("{STUCK} who never read: {before:.1} MiB before, {during:.1} MiB meanwhile");
    round("one more beside them", &servent, &file, 1, each);
    let begun = Instant::now();
    while !stuck.iter().all(is_closed) && begun.elapsed() < Duration::from_secs(90) {
        std::thread::sleep(Duration::from_millis(500));
    }
    println!(
        "all of them dropped after {:.0} s, {:.1} MiB then",
        begun.elapsed().as_secs_f64() + 3.0,
        servent.resident()
    );
}

/// So many take as many bytes each at the same time.
fn round(what: &str, servent: &Servent, file: &str, count: usize, each: usize) {
    let (cpu, address) = (servent.cpu_seconds(), servent.address);
    let barrier = Arc::new(Barrier::new(count + 1));
    let taken = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let (barrier, taken, file) =
                (Arc::clone(&barrier), Arc::clone(&taken), file.to_owned());
            std::thread::spawn(move || {
                barrier.wait();
                let begun = Instant::now();
                let mut stream = ask(address, &file, each);
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    match stream.read(&mut buffer).expect("it serves") {
                        0 => break,
                        read => taken.fetch_add(read as u64, Ordering::Relaxed),
                    };
                }
                begun.elapsed().as_secs_f64()
            })
        })
        .collect();
    let over = AtomicBool::new(false);
    let (times, took, highest) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut highest = servent.resident();
            while !over.load(Ordering::Relaxed) {
                highest = highest.max(servent.resident());
                std::thread::sleep(Duration::from_millis(20));
            }
            highest
        });
        barrier.wait();
        let begun = Instant::now();
        let times: Vec<f64> = clients
            .into_iter()
            .map(|client| client.join().expect("it is served"))
            .collect();
        let took = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        (times, took, watching.join().expect("it watches"))
    });
    let gib = taken.load(Ordering::Relaxed) as f64 / f64::from(1 << 30);
    let first = times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    println!(
        "{what}: {gib:.2} GiB in {took:.2} s, {:.0} MiB/s; first done after {first:.2} s, last after \
         {last:.2} s; {:.2} CPU s a GiB; at most {highest:.1} MiB resident",
        gib * 1_024.0 / took,
        (servent.cpu_seconds() - cpu) / gib,
    );
}

/// Asks for the first bytes of the file, on a connection that ends with them.
fn ask(address: SocketAddr, file: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET /uri-res/N2R?urn:sha1:{file} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-{}\r\n\
         Connection: close\r\n\r\n",
        bytes - 1
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

fn wait_until_shared(address: SocketAddr, file: &str) {
    let begun = Instant::now();
    loop {
        let mut head = [0; 12];
        let read = ask(address, file, 1).read_exact(&mut head);
        if read.is_ok() && head.ends_with(b"206") {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it is not shared"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the other end gave up; what came before that is read past.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    // Nothing is read while it waits: only an error tells.
    let error = stream.take_error().expect("a socket");
    error.is_some() || stream.write(b"\r\n").is_err()
}
