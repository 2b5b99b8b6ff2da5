//! A servent and what its neighbours tell it: inputs go in, outputs come out.

mod datagrams;
mod neighbours;
mod pushes;

use std::net::SocketAddr;

use bytes::Bytes;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::overlay::catalogue::{Catalogue, Tally};
use crate::overlay::flow::Pressure;
use crate::overlay::query_routing::TableBuilder;
use crate::overlay::stats::Drop;
use crate::overlay::{
    Acquaintance, Ground, Input, Instant, Link, Mode, Offer, Output, Profile, Pushed, Recipients,
    Role, SearchId, Servent, Settings, Stats, Surroundings,
};
use crate::wire::ggep::{Extensions, Id};
use crate::wire::ping::Ping;
use crate::wire::pong::{HostWish, Pong};
use crate::wire::push::Push;
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record};
use crate::wire::vendor::{
    CrawlerPing, CrawlerWish, HeadPing, HeadPong, Holding, Name, STOP, Stamp, Vendor,
};
use crate::wire::{Descriptor, Guid, Header, Kind};

const KIND: Kind = Kind::Vendor { standard: false };

/// One file, found by every query.
struct OneFile;

impl Catalogue for OneFile {
    fn is_empty(&self) -> bool {
        false
    }

    fn answer(&self, _: &Query, _: usize) -> Vec<Record> {
        vec![Record::new(1, 5, "one file".to_owned(), None, None)]
    }

    fn tally(&self) -> Tally {
        Tally {
            files: 1,
            kibibytes: 0,
        }
    }

    fn describe(&self, _: &mut TableBuilder) {}
}

/// A servent and what it is handed.
struct Bench {
    servent: Servent,
    settings: Settings,
    rng: Pcg64Mcg,
    stats: Stats,
    now: u64,
}

impl Bench {
    fn new(role: Role) -> Self {
        Self {
            servent: Servent::new(guid(0xee), role),
            settings: Settings {
                keepalive: None,
                address: "192.0.2.1:6346".parse().unwrap(),
                ..Settings::new(Profile::PUBLIC)
            },
            rng: Pcg64Mcg::seed_from_u64(7),
            stats: Stats::default(),
            now: 0,
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.act(|servent, now, around| servent.handle(now, input, around))
            .1
    }

    /// Lets the servent act, and gives what it wants done.
    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Servent, Instant, &mut Surroundings<'_>) -> T,
    ) -> (T, Vec<Output>) {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &OneFile,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let now = Instant::from_micros(self.now * 1_000_000);
        let done = act(&mut self.servent, now, &mut around);
        (done, out)
    }

    /// A neighbour at 198.51.100.`link`, called by its link, that reads these messages.
    fn join(&mut self, link: u32, role: Role, reads: &[Name]) -> Vec<Output> {
        let offer = Offer {
            role,
            bye: true,
            vendor: true,
            ggep: true,
            ..Offer::default()
        };
        let mut out = self.handle(Input::Connected {
            link: Link(link),
            offer,
        });
        let address = format!("198.51.100.{link}:5000").parse().unwrap();
        let who = Acquaintance {
            address,
            listen: Some(SocketAddr::new(address.ip(), 6346)),
            servent: Some(guid(u8::try_from(link).unwrap())),
            agent: "TEST/1".to_owned(),
        };
        out.extend(self.handle(Input::Introduced {
            link: Link(link),
            who: &who,
        }));
        out.extend(self.tell(link, 0x70, &Vendor::MessagesSupported(reads.to_vec())));
        out
    }

    fn receive(&mut self, link: u32, header: Header, payload: &Bytes) -> Vec<Output> {
        self.handle(Input::Received {
            link: Link(link),
            header,
            payload,
        })
    }

    fn tell(&mut self, link: u32, n: u8, message: &Vendor) -> Vec<Output> {
        self.receive(link, header(KIND, n, 1, 0), &message.encode())
    }

    fn datagram(&mut self, from: &str, kind: Kind, n: u8, payload: Bytes) -> Vec<Output> {
        let header = header(kind, n, 1, 0);
        let bytes = Descriptor { header, payload }.encode().unwrap();
        self.handle(Input::Datagram {
            from: from.parse().unwrap(),
            bytes: &bytes,
        })
    }

    fn tick(&mut self) -> Vec<Output> {
        self.handle(Input::Tick)
    }
}

fn guid(n: u8) -> Guid {
    Guid::from_bytes([n; 16])
}

fn header(kind: Kind, n: u8, ttl: u8, hops: u8) -> Header {
    Header {
        guid: guid(n),
        kind,
        ttl,
        hops,
    }
}

/// The vendor messages sent, to whom and with which MUID.
fn told(out: &[Output]) -> Vec<(u32, Guid, Vendor)> {
    let sent = out.iter().filter_map(|output| match output {
        Output::Send {
            to: Recipients::One(link),
            descriptor,
        } if descriptor.header.kind == KIND => {
            let message = Vendor::decode(&descriptor.payload).unwrap();
            Some((link.0, descriptor.header.guid, message))
        }
        _ => None,
    });
    sent.collect()
}

fn messages(out: &[Output]) -> Vec<(u32, Vendor)> {
    let told = told(out).into_iter();
    told.map(|(link, _, message)| (link, message)).collect()
}

/// Those that a query goes on to.
fn queried(out: &[Output]) -> Vec<u32> {
    let mut links = Vec::new();
    for output in out {
        match output {
            Output::Forward {
                to: Recipients::Some(some),
                ..
            } => links.extend(some.iter().map(|link| link.0)),
            Output::Forward { to, .. } => panic!("{to:?}"),
            _ => {}
        }
    }
    links
}

fn push(servent: u8, address: &str) -> Bytes {
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    let mut extensions = Extensions::new();
    extensions.push(Id::TLS, Bytes::new());
    Push {
        servent: guid(servent),
        index: 7,
        ip: *address.ip(),
        port: address.port(),
        extensions,
    }
    .encode()
}

fn hit(servent: u8) -> Bytes {
    QueryHit {
        port: 6346,
        ip: [192, 0, 2, 9].into(),
        speed: 1,
        results: vec![Record::new(1, 9, "linux.iso".to_owned(), None, None)],
        trailer: None,
        servent: guid(servent),
    }
    .encode()
}

fn query() -> Bytes {
    Query::keywords("linux iso").unwrap().encode()
}

/// A servent that asked three ultrapeers in vain to connect to it.
fn firewalled(role: Role) -> Bench {
    let mut bench = Bench::new(role);
    for link in 1..=3 {
        let out = bench.join(link, Role::Ultrapeer, &[Name::TCP_CONNECT_BACK]);
        let asked = Vendor::TcpConnectBack { port: 6346 };
        assert!(messages(&out).contains(&(link, asked)));
    }
    bench.now = 61;
    assert!(bench.servent.deadline().unwrap() <= Instant::from_micros(61_000_000));
    bench.tick();
    assert!(bench.servent.is_firewalled());
    bench
}
