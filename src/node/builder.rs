//! How a node comes to life.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use rand::RngExt;

use super::changes::Changes;
use super::core::Core;
use super::downloads::{Allowance, DownloadLimits, Downloads};
use super::error::Error;
use super::ground::{Advertised, is_private};
use super::prepare::{Prepared, prepare};
use super::record::{self, Recorder};
use super::searches::{SearchLimits, Searches};
use super::state::Role;
use super::stop::Stop;
use super::{Inner, Node, browse, errands, lan, links, memory, rates, wishes};
use crate::library::Library;
use crate::net::deflate;
use crate::net::handshake::{self, Policy};
use crate::net::listener::Listener;
use crate::net::network::Network;
use crate::net::sniff::Sniffer;
#[cfg(feature = "tls")]
use crate::net::tls::{Acceptor, Ends, Identity};
use crate::net::udp::Udp;
use crate::overlay::membership::Wish;
use crate::overlay::{self, Ground, Mode, Profile, Servent, Settings, dynamic_query};
use crate::runtime;
use crate::store::credit::Giver;
use crate::transfer::exchange::Exchange;
use crate::transfer::schedule::{Rates, Span};
use crate::transfer::upload::{self, Uploads};

/// The port of Gnutella (protocol §18).
pub const PORT: u16 = 6346;

/// How many ports above the default are tried when it is taken.
const PORTS: u16 = 100;

/// How often the system may choose a port.
const CHOICES: usize = 20;

/// Says what a node is to be, then starts it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    home: Option<PathBuf>,
    listen: Option<SocketAddrV4>,
    shares: Vec<(PathBuf, bool)>,
    peers: Vec<SocketAddr>,
    udp_caches: Vec<String>,
    downloads: Option<PathBuf>,
    profile: Profile,
    mode: Mode,
    seeks: bool,
    dynamic: Option<bool>,
    compress: Option<bool>,
    network: Option<Network>,
    lan: bool,
    firewalled: bool,
    #[cfg(feature = "tls")]
    encryption: Option<Encryption>,
    search_limits: SearchLimits,
    download_limits: DownloadLimits,
    give_back: Option<GiveBack>,
    upload_limits: upload::Limits,
    rates: Option<Rates>,
    schedule: Vec<Span>,
    browse: bool,
    verify: bool,
    limits: overlay::limits::Limits,
    record: Option<(PathBuf, u64)>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            home: None,
            listen: None,
            shares: Vec::new(),
            peers: Vec::new(),
            udp_caches: Vec::new(),
            downloads: None,
            profile: Profile::PUBLIC,
            mode: Mode::Auto,
            seeks: true,
            dynamic: None,
            compress: None,
            network: None,
            lan: false,
            firewalled: false,
            #[cfg(feature = "tls")]
            encryption: None,
            search_limits: SearchLimits::default(),
            download_limits: DownloadLimits::default(),
            give_back: None,
            upload_limits: upload::Limits::default(),
            rates: None,
            schedule: Vec::new(),
            browse: true,
            verify: true,
            limits: overlay::limits::Limits::default(),
            record: None,
        }
    }

    /// Where the node keeps its state. Without it the home is temporary and goes with the node.
    pub fn home(mut self, directory: impl Into<PathBuf>) -> Self {
        self.home = Some(directory.into());
        self
    }

    /// Where to listen. Port 0 takes a free one. Without it: every address, and port 6346 or the
    /// one used last time, or the next free one.
    pub const fn listen(mut self, address: SocketAddrV4) -> Self {
        self.listen = Some(address);
        self
    }

    /// A directory to share. May be given again. What people rarely mean to share (a home, a
    /// hidden directory, keys) is refused.
    pub fn share(mut self, directory: impl Into<PathBuf>) -> Self {
        self.shares.push((directory.into(), false));
        self
    }

    /// A directory to share, whatever it is.
    pub fn share_forced(mut self, directory: impl Into<PathBuf>) -> Self {
        self.shares.push((directory.into(), true));
        self
    }

    /// A servent to stay connected to. May be given again.
    pub fn peer(mut self, address: SocketAddr) -> Self {
        self.peers.push(address);
        self
    }

    /// A UDP host cache, `HOST:PORT`, to ask for servents when there is hardly anybody left to dial.
    /// May be given again. In a network with a name none is asked: it would name strangers only.
    pub fn udp_cache(mut self, name: impl Into<String>) -> Self {
        self.udp_caches.push(name.into());
        self
    }

    /// Where fetched files go; without it `downloads` in the home.
    pub fn downloads(mut self, directory: impl Into<PathBuf>) -> Self {
        self.downloads = Some(directory.into());
        self
    }

    /// The rules of flooding; without it [`Profile::PUBLIC`].
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What place the node may have in the overlay; without it [`Mode::Auto`], whatever serves
    /// the overlay. It looks for neighbours by itself.
    pub const fn mode(mut self, mode: Mode) -> Self {
        (self.mode, self.seeks) = (mode, true);
        self
    }

    /// The one place that the node has in an overlay whose links are made by hand: it keeps to
    /// those [named](Self::peer), [made](Node::connect) or coming in, and looks for no others.
    pub const fn role(mut self, role: Role) -> Self {
        self.mode = match role {
            Role::Ultrapeer => Mode::Ultrapeer,
            Role::Leaf => Mode::Leaf,
        };
        self.seeks = false;
        self
    }

    /// Whether an ultrapeer carries a search from neighbour to neighbour until it has enough
    /// (protocol §8.4), instead of flooding at once; without it it does, except on private
    /// ground, where overlays are small and waiting is dear.
    pub const fn dynamic(mut self, dynamic: bool) -> Self {
        self.dynamic = Some(dynamic);
        self
    }

    /// Whether links are compressed where the other side can; without it they are, except on
    /// private ground, where bytes are cheap.
    pub const fn compress(mut self, compress: bool) -> Self {
        self.compress = Some(compress);
        self
    }

    /// The overlay to keep to; without it, the public network. Servents of others are refused.
    /// The overlay is private ground wherever it is, and with a secret all of it is encrypted.
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// Finds the servents of the local network, those of the same overlay, with no address given;
    /// for that it tells the local network where it listens. It is private ground then.
    pub const fn lan(mut self) -> Self {
        self.lan = true;
        self
    }

    /// That nobody can connect to this servent: its hits say so, it looks for push proxies, and
    /// others fetch from it by push. Connections that come anyway are closed, so it cannot have
    /// others connect to it either.
    pub const fn firewalled(mut self, firewalled: bool) -> Self {
        self.firewalled = firewalled;
        self
    }

    /// Whether links are encrypted; without it they are where the other side can, except on
    /// private ground.
    #[cfg(feature = "tls")]
    pub const fn encrypt(mut self, encryption: Encryption) -> Self {
        self.encryption = Some(encryption);
        self
    }

    /// The caps of the servent; without it the defaults.
    pub fn limits(mut self, limits: overlay::limits::Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Records what the node sees into a new file, of so many bytes at most, or 1 GiB: when what
    /// came from which neighbour and went on, how far it had come and how long it was, with words
    /// and GUIDs as hashes that mean nothing outside the file, without addresses
    /// ([`recording`](crate::overlay::recording)).
    pub fn record(mut self, file: impl Into<PathBuf>, most: Option<u64>) -> Self {
        self.record = Some((file.into(), most.unwrap_or(record::MOST_BYTES)));
        self
    }

    /// What its downloads may take; without it the defaults.
    pub const fn download_limits(mut self, limits: DownloadLimits) -> Self {
        self.download_limits = limits;
        self
    }

    /// What its uploads may take; without it the defaults.
    pub fn upload_limits(mut self, limits: upload::Limits) -> Self {
        self.upload_limits = limits;
        self
    }

    /// Limits on bytes a second, both ways; without it those of the upload limits.
    pub const fn rates(mut self, rates: Rates) -> Self {
        self.rates = Some(rates);
        self
    }

    /// Parts of the day, local time, in which other limits hold.
    pub fn schedule(mut self, spans: Vec<Span>) -> Self {
        self.schedule = spans;
        self
    }

    /// Whether others may see the list of what is shared; without it they may.
    pub const fn browse(mut self, browse: bool) -> Self {
        self.browse = browse;
        self
    }

    /// Whether others get what this node fetches; without it always on private ground, and
    /// elsewhere while it is being fetched.
    pub const fn give_back(mut self, give_back: GiveBack) -> Self {
        self.give_back = Some(give_back);
        self
    }

    /// Takes what comes for what was asked for, without a look at it, and gives nobody any of it: to
    /// measure what verification costs, and for nothing else.
    pub const fn unverified(mut self) -> Self {
        self.verify = false;
        self
    }

    /// Starts the node: opens its home, listens, and begins to hash what it shares.
    ///
    /// # Errors
    /// When the home cannot be used or another process uses it, a directory may not be shared, or
    /// the address cannot be listened on.
    pub async fn start(self) -> Result<Node, Error> {
        let prepared = {
            let (home, downloads, shares) = (self.home, self.downloads, self.shares);
            runtime::spawn_blocking(move || prepare(home, downloads, &shares)).await?
        };
        let Prepared {
            home,
            downloads,
            shares,
            incomplete,
            store,
            guid,
            port,
            #[cfg(feature = "tls")]
            identity,
            hosts,
            uptime,
            last_download,
            credit,
            temporary,
        } = prepared;
        let store = Arc::new(store);
        let library = Arc::new(Library::new(shares, Arc::clone(&store) as _));
        let (listener, udp, address) = listen(self.listen, port).await?;
        let lan = self
            .lan
            .then(|| lan::open(guid, SocketAddr::V4(address), self.network.as_ref()))
            .transpose()?;
        if self.listen.is_none() {
            let store = Arc::clone(&store);
            runtime::spawn_blocking(move || store.remember_port(address.port())).await?;
        }
        let ip = *address.ip();
        let sheltered = self.lan || is_private(IpAddr::V4(ip));
        let private = sheltered || self.network.is_some();
        let settings = Settings {
            address,
            ground: match private {
                true => Ground::Private,
                false => Ground::Public,
            },
            strict: true,
            origin: origin(),
            dynamic: self
                .dynamic
                .unwrap_or(!private)
                .then(|| dynamic_query::Settings {
                    max_ttl: self.profile.max_ttl,
                    ..dynamic_query::Settings::default()
                }),
            secret: rand::rng().random(),
            firewalled: self.firewalled,
            tls: cfg!(feature = "tls"),
            limits: self.limits,
            ..Settings::new(self.profile)
        };
        let compress = self.compress.unwrap_or(!sheltered);
        #[cfg(feature = "tls")]
        let (sniffer, tls) = {
            let secret = self.network.as_ref().is_some_and(Network::is_secret);
            let encryption = match (self.encryption, sheltered) {
                (None | Some(Encryption::Require), _) if secret => Encryption::Require,
                _ if secret => return Err(Error::SecretWithoutTls),
                (Some(encryption), _) => encryption,
                (None, true) => Encryption::Off,
                (None, false) => Encryption::Offer,
            };
            secure(&identity, encryption)?
        };
        #[cfg(not(feature = "tls"))]
        let (sniffer, tls) = (Sniffer::default(), handshake::Tls::Off);
        let policy = Policy {
            deflate: compress.then_some(deflate::LEVEL),
            tls,
            ..Policy::default()
        };
        let searches = Searches::new(self.search_limits);
        let advertised = Advertised::new(ip);
        let mut servent = Servent::new(guid, overlay::Role::Leaf);
        let start = overlay::Instant::default();
        let wish = Wish {
            mode: self.mode,
            seeks: self.seeks,
        };
        servent.join(start, wish, &settings);
        if let Some(member) = servent.membership_mut() {
            memory::recall(member, hosts, uptime, &settings);
            for peer in &self.peers {
                member.keep(start, *peer);
            }
        }
        let (to_do, waiting) = errands::channel();
        let mut core = Core::new(
            servent,
            settings,
            library.index(),
            searches,
            advertised,
            private,
            to_do,
        );
        if let Some((path, most)) = self.record {
            let role = core.servent.role();
            let file = path.clone();
            let begun = runtime::spawn_blocking(move || Recorder::begin(&file, most, role)).await;
            core.recorder = Some(begun.map_err(|cause| Error::Record { path, cause })?);
        }
        let give_back = self.give_back.unwrap_or(match private {
            true => GiveBack::Always,
            false => GiveBack::WhileDownloading,
        });
        let exchange = Arc::new(Exchange::new(give_back == GiveBack::Always));
        let rates = self.rates.unwrap_or_else(|| Rates {
            upload: self.upload_limits.rate,
            upload_each: self.upload_limits.rate_each,
            ..Rates::default()
        });
        let limits = rates::Limits::new(rates, self.schedule);
        let (shared, gives) = (Arc::clone(&library), Arc::clone(&exchange));
        let uploads = Uploads::new(shared, gives, self.upload_limits);
        uploads.recall(credit.into_iter().map(|known| {
            let (given, taken) = (known.given, known.taken);
            let peer = match known.giver {
                Giver::Address(address) => upload::Peer::at(address),
                Giver::Key(key) => upload::Peer::Key(key),
            };
            (peer, upload::Meter { given, taken })
        }));
        limits.settle(&uploads);
        let inner = Inner {
            guid,
            address: SocketAddr::V4(address),
            home,
            download_directory: downloads,
            incomplete_directory: incomplete,
            dial_from: (!ip.is_unspecified()).then_some(IpAddr::V4(ip)),
            core: Mutex::new(core),
            keep_free: self.download_limits.keep_free,
            disk_pause: self.download_limits.disk_pause,
            verify: self.verify,
            downloads: Mutex::new(Downloads::new(
                last_download,
                self.download_limits.active.max(1),
            )),
            downloads_busy: AtomicU64::new(0),
            keeping: Mutex::default(),
            wishes: wishes::Wishes::default(),
            allowance: Mutex::new(Allowance::new(Instant::now())),
            uploads: Arc::new(uploads),
            exchange,
            shows_list: self.browse,
            visits: browse::Visits::default(),
            limits,
            give_back,
            library,
            store: Arc::clone(&store),
            started: Instant::now(),
            counted: Mutex::default(),
            sniffer,
            policy,
            network: self.network,
            lan: self.lan,
            callees: Mutex::default(),
            turns: Mutex::default(),
            inbound: !self.firewalled,
            opening: AtomicU64::new(0),
            serving: AtomicU64::new(0),
            outside: AtomicU64::new(0),
            why: Mutex::new(None),
            peers: self.peers,
            stop: Stop::new(),
            links_changed: Changes::default(),
            found: Changes::default(),
            downloads_changed: Changes::default(),
            shared_changed: Changes::default(),
            temporary: Mutex::new(temporary),
        };
        let node = Node(Arc::new(inner));
        runtime::spawn_detached(links::accept(node.clone(), listener));
        // Nobody can show by a datagram that it belongs to a closed network.
        if node.0.network.is_none() {
            runtime::spawn_detached(errands::listen(node.clone(), udp.clone()));
            runtime::spawn_detached(node.clone().keep_caches(self.udp_caches));
        }
        runtime::spawn_detached(errands::run(node.clone(), udp, waiting));
        runtime::spawn_detached(node.clone().keep_time());
        runtime::spawn_detached(node.clone().keep_library());
        runtime::spawn_detached(node.clone().keep_memory());
        runtime::spawn_detached(node.clone().keep_schedule());
        let unfinished = runtime::spawn_blocking(move || store.unfinished()).await?;
        node.resume(unfinished);
        if let Some(lan) = lan {
            runtime::spawn_detached(node.clone().keep_lan(lan));
        }
        Ok(node)
    }
}

/// Whether others get what a node fetches, beside what it shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// While it is being fetched, and after that as long as the node runs.
    Always,
    /// While it is being fetched.
    WhileDownloading,
    /// Not at all.
    Never,
}

/// Whether links are encrypted. What is encrypted is hidden from those in between, but nobody
/// proves who it is (protocol §14.2).
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Only those that came so.
    Off,
    /// Where the other side can.
    Offer,
    /// All of them; others are refused.
    Require,
}

/// What answers TLS on the one port, and what a handshake makes of it.
#[cfg(feature = "tls")]
fn secure(identity: &Identity, encryption: Encryption) -> Result<(Sniffer, handshake::Tls), Error> {
    let sniffer = Sniffer::default().tls(Acceptor::asking(identity)?);
    let tls = match encryption {
        Encryption::Off => handshake::Tls::Off,
        Encryption::Offer => handshake::Tls::Offer(Ends::new(identity)?),
        Encryption::Require => handshake::Tls::Require(Ends::new(identity)?),
    };
    Ok((sniffer, tls))
}

/// The time since 1970 now, which is the origin of the servent's time.
fn origin() -> Option<overlay::Duration> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = u64::try_from(since.ok()?.as_micros()).ok()?;
    Some(overlay::Duration::from_micros(micros))
}

/// Listens where the user said, or on the port used before, the default, or the next free one: one
/// that is free for connections and datagrams alike.
async fn listen(
    wanted: Option<SocketAddrV4>,
    remembered: Option<u16>,
) -> Result<(Listener, Udp, SocketAddrV4), Error> {
    let any = Ipv4Addr::UNSPECIFIED;
    let candidates: Vec<SocketAddrV4> = match wanted {
        // The system chooses a port that is free for connections, but perhaps for them only.
        Some(address) if address.port() == 0 => vec![address; CHOICES],
        Some(address) => vec![address],
        None => remembered
            .into_iter()
            .chain(PORT..PORT + PORTS)
            .map(|port| SocketAddrV4::new(any, port))
            .collect(),
    };
    let mut failure = None;
    for address in candidates {
        let bound = match Listener::bind(SocketAddr::V4(address)).await {
            Ok(listener) => Udp::bind(listener.address()).map(|udp| (listener, udp)),
            Err(error) => Err(error),
        };
        match bound {
            Ok((listener, udp)) => {
                let port = listener.address().port();
                return Ok((listener, udp, SocketAddrV4::new(*address.ip(), port)));
            }
            Err(cause) => {
                failure.get_or_insert(Error::Listen {
                    address: SocketAddr::V4(address),
                    cause,
                });
            }
        }
    }
    Err(failure.expect("there is at least one candidate"))
}
