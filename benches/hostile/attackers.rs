//! What hostile neighbours do, each until it is over or they are thrown out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use filbert::wire::{Descriptor, Guid, Kind};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use socket2::SockRef;

use crate::good::{SHARED, descriptor, encoded, query, shake};

/// One of them.
pub(crate) type Attack = fn(SocketAddr, &AtomicBool) -> io::Result<()>;

/// All kinds; the first is nobody.
pub(crate) const KINDS: [(&str, Attack); 9] = [
    ("nobody", |_, over| linger(over, Duration::MAX)),
    ("never reads", never_reads),
    ("1 byte a second", dribbles),
    ("floods", floods),
    ("floods pings", floods_pings),
    ("garbage", garbage),
    ("lies about lengths", lies),
    ("zlib bomb", bomb),
    ("half open", half_open),
];

/// Connections that each of the half open holds.
const HALF_OPEN: usize = 13;

/// Asks what is answered and reads nothing.
fn never_reads(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let mut link = shake(address, "")?;
    while !over.load(Ordering::Relaxed) {
        link.write_all(&encoded(&query(SHARED)))?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Takes all day over one descriptor.
fn dribbles(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let mut link = shake(address, "")?;
    for byte in encoded(&query(SHARED)).iter().cycle() {
        link.write_all(&[*byte])?;
        linger(over, Duration::from_secs(1))?;
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

/// Asks something else as fast as it goes.
fn floods(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    flood(address, over, || {
        query(&format!("flood {}", rand::random::<u64>()))
    })
}

/// Sends pings as fast as it goes.
fn floods_pings(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    flood(address, over, || {
        descriptor(Guid::ZERO, Kind::Ping, Bytes::new())
    })
}

/// Sends a thousand descriptors again and again, each time with other GUIDs.
fn flood(address: SocketAddr, over: &AtomicBool, make: impl Fn() -> Descriptor) -> io::Result<()> {
    let mut link = deaf(address, "")?;
    let mut rng = Pcg64Mcg::from_rng(&mut rand::rng());
    let mut starts = Vec::new();
    let mut many = Vec::new();
    for _ in 0..1_000 {
        starts.push(many.len());
        many.extend_from_slice(&encoded(&make()));
    }
    while !over.load(Ordering::Relaxed) {
        for start in &starts {
            rng.fill(&mut many[*start..start + 16]);
        }
        link.write_all(&many)?;
    }
    link.shutdown(Shutdown::Both)
}

/// Says anything at all behind its handshake.
fn garbage(address: SocketAddr, _: &AtomicBool) -> io::Result<()> {
    let mut link = shake(address, "")?;
    let mut noise = [0; 4096];
    rand::rng().fill(&mut noise[..]);
    link.write_all(&noise)?;
    // Until it is thrown out, or told so.
    link.set_read_timeout(Some(Duration::from_millis(500)))?;
    io::copy(&mut link, &mut io::sink()).map(drop)
}

/// Announces a long descriptor and does not send all of it.
fn lies(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let mut link = shake(address, "")?;
    let hit = descriptor(Guid::ZERO, Kind::QueryHit, vec![7; 65_535].into());
    let bytes = encoded(&hit);
    link.write_all(&bytes[..bytes.len() - 1])?;
    linger(over, Duration::MAX)
}

/// Sends a few bytes that stand for a thousand times as many.
fn bomb(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let mut link = deaf(address, "Content-Encoding: deflate\r\n")?;
    let hit = encoded(&descriptor(
        Guid::ZERO,
        Kind::QueryHit,
        vec![0; 65_535].into(),
    ));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    while !over.load(Ordering::Relaxed) {
        encoder.write_all(&hit)?;
        encoder.flush()?;
        link.write_all(encoder.get_ref())?;
        encoder.get_mut().clear();
    }
    link.shutdown(Shutdown::Both)
}

/// Opens connections and does not go on: with nothing, with half a handshake, with a block and no
/// answer to the next, and with a ClientHello.
fn half_open(address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
    let openings: [&[u8]; 4] = [
        b"",
        b"GNUTELLA CONN",
        b"GNUTELLA CONNECT/0.6\r\nX-Ultrapeer: True\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    let open = |opening: &&[u8]| {
        let mut link = TcpStream::connect(address)?;
        link.write_all(opening).map(|()| link)
    };
    let links = openings.iter().cycle().take(HALF_OPEN).map(open);
    let _links = links.collect::<io::Result<Vec<_>>>()?;
    linger(over, Duration::MAX)
}

/// A neighbour that hears all and takes in nothing.
fn deaf(address: SocketAddr, last: &str) -> io::Result<TcpStream> {
    let link = shake(address, last)?;
    // What it cannot send shall not take the machine's memory and time.
    SockRef::from(&link).set_send_buffer_size(64 * 1024)?;
    let mut hearing = link.try_clone()?;
    hearing.set_read_timeout(None)?;
    thread::spawn(move || {
        let mut scrap = [0; 64 * 1024];
        while let Ok(1..) = hearing.read(&mut scrap) {}
    });
    Ok(link)
}

/// Does nothing for so long, or until it is over.
fn linger(over: &AtomicBool, time: Duration) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < time && !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
