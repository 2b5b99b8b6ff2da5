//! The hot paths of the core: decoding a stream, one step of a flood, a duplicate, hashing.
//!
//! `cargo bench --bench core`

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use filbert::overlay::catalogue::Nothing;
use filbert::overlay::{
    Input, Instant, Link, Offer, Output, Profile, Role, Servent, Settings, Stats, Surroundings,
};
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::tiger_tree::TreeHasher;
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sha1::{Digest, Sha1};

fn main() {
    divan::main();
}

fn payload() -> Bytes {
    Query::keywords("linux iso").expect("two words").encode()
}

fn header(rng: &mut Pcg64Mcg) -> Header {
    Header {
        guid: Guid::random(rng),
        kind: Kind::Query,
        ttl: 7,
        hops: 0,
    }
}

/// A servent with neighbours, and what it is handed.
struct Bench {
    servent: Servent,
    settings: Settings,
    rng: Pcg64Mcg,
    stats: Stats,
    out: Vec<Output>,
}

impl Bench {
    fn new(neighbours: u32) -> Self {
        let settings = Settings {
            keepalive: None,
            secret: [0x5bd1_e995, 0x9747_b28c],
            ..Settings::new(Profile::CLASSIC)
        };
        let mut bench = Self {
            servent: Servent::new(Guid::from_bytes([9; 16]), Role::Ultrapeer),
            settings,
            rng: Pcg64Mcg::seed_from_u64(1),
            stats: Stats::default(),
            out: Vec::new(),
        };
        for link in (0..neighbours).map(Link) {
            let offer = Offer::default();
            bench.handle(Input::Connected { link, offer });
        }
        bench
    }

    fn handle(&mut self, input: Input<'_>) {
        self.out.clear();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &Nothing,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut self.out,
        };
        self.servent.handle(Instant::default(), input, &mut around);
    }
}

/// Thousand descriptors as they come from a socket, in reads of 4 KiB.
#[divan::bench]
fn frame_decode(bencher: Bencher<'_, '_>) {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let stream: Vec<u8> = (0..1_000)
        .flat_map(|_| {
            let (header, payload) = (header(&mut rng), payload());
            let descriptor = Descriptor { header, payload };
            descriptor.encode().expect("small")
        })
        .collect();
    bencher.counter(ItemsCount::new(1_000_usize)).bench(|| {
        let mut decoder = FrameDecoder::new();
        let mut seen = 0;
        for read in stream.chunks(4_096) {
            decoder.buffer().extend_from_slice(read);
            while let Some(descriptor) = decoder.next().expect("well formed") {
                seen += black_box(descriptor).payload.len();
            }
        }
        seen
    });
}

/// A query that was never seen, at a servent with so many neighbours.
#[divan::bench(args = [4, 32])]
fn flood_step(bencher: Bencher<'_, '_>, neighbours: u32) {
    let (mut bench, payload) = (Bench::new(neighbours), payload());
    let mut rng = Pcg64Mcg::seed_from_u64(2);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let (link, header) = (Link(1), header(&mut rng));
        let payload = &payload;
        bench.handle(Input::Received {
            link,
            header,
            payload,
        });
    });
}

/// A query that was seen before.
#[divan::bench]
fn duplicate_drop(bencher: Bencher<'_, '_>) {
    let (mut bench, payload) = (Bench::new(4), payload());
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let seen: Vec<Header> = (0..10_000).map(|_| header(&mut rng)).collect();
    for header in &seen {
        let (link, header, payload) = (Link(0), *header, &payload);
        bench.handle(Input::Received {
            link,
            header,
            payload,
        });
    }
    let mut again = seen.iter().cycle();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let header = *again.next().expect("endless");
        let (link, payload) = (Link(1), &payload);
        bench.handle(Input::Received {
            link,
            header,
            payload,
        });
    });
}

/// SHA-1 and Tiger tree over the same MiB, as a shared file is hashed.
#[divan::bench]
fn hash(bencher: Bencher<'_, '_>) {
    let block = vec![7; 1 << 20];
    bencher.counter(BytesCount::new(block.len())).bench(|| {
        let (mut sha1, mut tree) = (Sha1::new(), TreeHasher::new());
        sha1.update(&block);
        tree.update(&block);
        (sha1.finalize(), tree.finish().root())
    });
}
