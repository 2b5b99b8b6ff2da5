//! Good neighbours: one that asks, one that has a file the servent has not, and newcomers.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::query_hit::{QueryHit, Record};
use filbert::wire::{Descriptor, Guid, Header, Kind};

/// The longest wait for an answer, or for room to write.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the servent shares.
pub(crate) const SHARED: &str = "linux tapes";
/// What only the other good neighbour shares.
const DISTANT: &str = "distant recordings";

/// How long somebody waited, each time.
pub(crate) struct Waits {
    sorted: Vec<Duration>,
    asked: usize,
}

impl Waits {
    pub(crate) const fn new() -> Self {
        Self {
            sorted: Vec::new(),
            asked: 0,
        }
    }

    /// Notes a wait, or that it was in vain.
    pub(crate) fn note(&mut self, wait: Option<Duration>) {
        self.asked += 1;
        self.sorted.extend(wait);
        self.sorted.sort_unstable();
    }

    pub(crate) const fn lost(&self) -> usize {
        self.asked - self.sorted.len()
    }

    /// What so many of a hundred waits were no longer than.
    pub(crate) fn of(&self, percent: usize) -> Duration {
        let place = (self.sorted.len() * percent).div_ceil(100).max(1) - 1;
        self.sorted.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |percent| self.of(percent).as_secs_f64() * 1e3;
        let [median, most, worst] = [50, 99, 100].map(millis);
        let (asked, lost) = (self.asked, self.lost());
        write!(f, "{asked:>6}{lost:>6}{median:>9.1}{most:>9.1}{worst:>9.1}")
    }
}

/// Two good neighbours.
pub(crate) struct Good {
    asker: TcpStream,
    holder: TcpStream,
    pending: Arc<Mutex<Pending>>,
    readers: [JoinHandle<()>; 2],
}

/// Questions on their way, and how long answers took.
struct Pending {
    sent: HashMap<Guid, (usize, Instant)>,
    waits: [Waits; 2],
}

impl Good {
    /// Both become neighbours, and know that the servent counts them as such.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let (asker, holder) = (neighbour(address)?, neighbour(address)?);
        let pending = Arc::new(Mutex::new(Pending {
            sent: HashMap::new(),
            waits: [Waits::new(), Waits::new()],
        }));
        let answers = Arc::clone(&pending);
        let asking = reader(&asker, move |descriptor| {
            if descriptor.header.kind == Kind::QueryHit {
                let mut pending = lock(&answers);
                if let Some((whose, sent)) = pending.sent.remove(&descriptor.header.guid) {
                    pending.waits[whose].note(Some(sent.elapsed()));
                }
            }
        })?;
        let wanted = Query::keywords(DISTANT).expect("words").encode();
        let mut writer = holder.try_clone()?;
        let holding = reader(&holder, move |descriptor| {
            if descriptor.header.kind == Kind::Query && descriptor.payload == wanted {
                // Who lost the link sees it in the answers.
                let _broken = writer.write_all(&hit(descriptor.header.guid));
            }
        })?;
        Ok(Self {
            asker,
            holder,
            pending,
            readers: [asking, holding],
        })
    }

    /// Asks for what the servent has, and for what the other has.
    pub(crate) fn ask(&self) {
        for (whose, words) in [SHARED, DISTANT].into_iter().enumerate() {
            let query = query(words);
            let now = Instant::now();
            lock(&self.pending)
                .sent
                .insert(query.header.guid, (whose, now));
            // Who lost the link goes without an answer.
            let _broken = (&self.asker).write_all(&encoded(&query));
        }
    }

    /// Waits for what is still to come and tells how long all took.
    pub(crate) fn waits(self) -> Vec<(&'static str, Waits)> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE && !lock(&self.pending).sent.is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        for link in [&self.asker, &self.holder] {
            let _gone = link.shutdown(Shutdown::Both);
        }
        for reader in self.readers {
            reader.join().expect("a reader");
        }
        let mut pending = lock(&self.pending);
        for (whose, _) in std::mem::take(&mut pending.sent).into_values() {
            pending.waits[whose].note(None);
        }
        let waits = std::mem::replace(&mut pending.waits, [Waits::new(), Waits::new()]);
        ["for its answer", "for a neighbour's"]
            .into_iter()
            .zip(waits)
            .collect()
    }
}

/// Hears all that comes over a link until it ends.
fn reader(
    link: &TcpStream,
    mut hear: impl FnMut(Descriptor) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut link = link.try_clone()?;
    link.set_read_timeout(None)?;
    Ok(thread::spawn(move || {
        let mut decoder = FrameDecoder::new();
        let mut read = [0; 16 * 1024];
        while let Ok(length @ 1..) = link.read(&mut read) {
            decoder.buffer().extend_from_slice(&read[..length]);
            while let Ok(Some(descriptor)) = decoder.next() {
                hear(descriptor);
            }
        }
    }))
}

/// Becomes a neighbour and hears that from a pong: what is sent to one whose last block is still on
/// its way goes to nobody.
fn neighbour(address: SocketAddr) -> io::Result<TcpStream> {
    let mut link = shake(address, "")?;
    let mut ping = descriptor(Guid::random(&mut rand::rng()), Kind::Ping, Bytes::new());
    ping.header.ttl = 1;
    link.write_all(&encoded(&ping))?;
    let mut decoder = FrameDecoder::new();
    let mut read = [0; 4096];
    loop {
        while let Ok(Some(descriptor)) = decoder.next() {
            if descriptor.header.guid == ping.header.guid {
                return Ok(link);
            }
        }
        match link.read(&mut read)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => decoder.buffer().extend_from_slice(&read[..length]),
        }
    }
}

/// Becomes a neighbour, with these headers in the last block.
pub(crate) fn shake(address: SocketAddr, last: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\nX-Ultrapeer: True\r\n\
          X-Query-Routing: 0.2\r\nX-Ultrapeer-Query-Routing: 0.1\r\nX-Degree: 32\r\n\
          X-Dynamic-Querying: 0.1\r\nX-Max-TTL: 4\r\nGGEP: 0.5\r\n\r\n",
    )?;
    let mut block = Vec::new();
    let mut byte = [0];
    while !block.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        block.push(byte[0]);
    }
    if !block.starts_with(b"GNUTELLA/0.6 200 ") {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.write_all(format!("GNUTELLA/0.6 200 OK\r\n{last}\r\n").as_bytes())?;
    Ok(stream)
}

/// A question for files with these words in their names.
pub(crate) fn query(words: &str) -> Descriptor {
    let payload = Query::keywords(words).expect("words").encode();
    descriptor(Guid::random(&mut rand::rng()), Kind::Query, payload)
}

/// A descriptor for the servent and its neighbours.
pub(crate) const fn descriptor(guid: Guid, kind: Kind, payload: Bytes) -> Descriptor {
    let header = Header {
        guid,
        kind,
        ttl: 2,
        hops: 0,
    };
    Descriptor { header, payload }
}

/// Its bytes.
pub(crate) fn encoded(descriptor: &Descriptor) -> Bytes {
    descriptor.encode().expect("short enough")
}

/// The answer to the question for the distant file.
fn hit(guid: Guid) -> Bytes {
    let hit = QueryHit {
        port: 6346,
        ip: Ipv4Addr::LOCALHOST,
        speed: 1_000,
        results: vec![Record::new(1, 1_000, format!("{DISTANT}.ogg"), None, None)],
        trailer: None,
        servent: Guid::from_bytes([7; 16]),
    };
    encoded(&descriptor(guid, Kind::QueryHit, hit.encode()))
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}
