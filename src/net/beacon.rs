//! Finding servents on the local network with no address given (`--lan`).
//!
//! Each servent sends a small beacon by multicast, every 2 seconds at first and every 10 later,
//! on every private and loopback interface. The group is of the administratively scoped range for
//! local use (RFC 2365), which routers do not forward, and the TTL is 1: a beacon stays on its
//! wire. It says where to dial and to which overlay one belongs; whoever hears it may dial, and
//! everything else is settled there.
//!
//! A beacon is 32 bytes: `FLBT`, version 1, the servent's GUID, its TCP port (little-endian, as all
//! of Gnutella), 8 bytes that stand for the network's name, and 1 where an answer is wanted, else 0.
//! Its address is where it comes from. A newcomer asks, and those who hear it send a beacon at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::{join, select};
use futures::{FutureExt, StreamExt};
use sha1::{Digest, Sha1};
use socket2::{Domain, Protocol, Socket, Type};

use super::rate::{Gate, Limits, Rate};
use crate::runtime::{self, UdpSocket};
use crate::wire::address::is_private;
use crate::wire::{Error, Guid};

/// Where beacons are sent: "FB" of the local scope, on a port of its own, since the Gnutella port
/// is taken by one socket and this one all servents of a machine share.
pub const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 70, 66), 46_346);

/// Time between beacons at first.
const SOON: Duration = Duration::from_secs(2);
/// Beacons sent that fast: those who start within half a minute find each other at once.
const SOON_COUNT: u32 = 15;
/// Of these, those that ask for an answer.
const ASKING: u32 = 3;
/// Time between beacons, however often they are asked for.
const PAUSE: Duration = Duration::from_millis(500);
/// Time between beacons later.
const LATER: Duration = Duration::from_secs(10);

/// How long to wait when the system refuses to read.
const BREATH: Duration = Duration::from_millis(100);

/// What is listened to. A servent sends one in 2 seconds on each of its interfaces.
const LIMITS: Limits = Limits {
    source: Rate {
        per_second: 2,
        burst: 10,
    },
    total: Rate {
        per_second: 100,
        burst: 200,
    },
};

const MAGIC: &[u8; 4] = b"FLBT";
const VERSION: u8 = 1;
const LENGTH: usize = 32;

/// What a servent says of itself to the local network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Who it is.
    pub servent: Guid,
    /// The TCP port it listens on.
    pub port: u16,
    /// The overlay it belongs to.
    pub network: NetworkId,
    /// It wants to hear who is there.
    pub asks: bool,
}

/// What stands for the name of an overlay: enough to tell overlays apart, and no proof of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkId([u8; 8]);

impl NetworkId {
    /// The overlay `name`; without one, the public network.
    #[must_use]
    pub fn new(name: Option<&str>) -> Self {
        let mut id = [0; 8];
        if let Some(name) = name {
            id.copy_from_slice(&Sha1::digest(name)[..8]);
        }
        Self(id)
    }
}

impl Beacon {
    /// The beacon's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5..21].copy_from_slice(self.servent.as_bytes());
        bytes[21..23].copy_from_slice(&self.port.to_le_bytes());
        bytes[23..31].copy_from_slice(&self.network.0);
        bytes[31] = self.asks.into();
        bytes
    }

    /// Reads a beacon, which must be one to the byte.
    ///
    /// # Errors
    /// When it is not.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; LENGTH] = bytes
            .try_into()
            .map_err(|_| Error::new(bytes.len().min(LENGTH), "beacon of a wrong length"))?;
        if bytes[..4] != *MAGIC {
            return Err(Error::new(0, "not a beacon"));
        }
        if bytes[4] != VERSION {
            return Err(Error::new(4, "beacon of an unknown version"));
        }
        let mut servent = [0; 16];
        servent.copy_from_slice(&bytes[5..21]);
        let servent = Guid::from_bytes(servent);
        if servent.is_zero() {
            return Err(Error::new(5, "beacon of nobody"));
        }
        let port = u16::from_le_bytes([bytes[21], bytes[22]]);
        if port == 0 {
            return Err(Error::new(21, "beacon with port 0"));
        }
        let mut network = [0; 8];
        network.copy_from_slice(&bytes[23..31]);
        let asks = match bytes[31] {
            0 => false,
            1 => true,
            _ => return Err(Error::new(31, "beacon with an unknown wish")),
        };
        Ok(Self {
            servent,
            port,
            network: NetworkId(network),
            asks,
        })
    }
}

/// A servent that can be heard on the local network, and hears the others.
#[derive(Debug)]
pub struct Lan {
    beacon: Beacon,
    /// The address listened on; unspecified for all.
    listen: Ipv4Addr,
    socket: UdpSocket,
}

impl Lan {
    /// Opens the port of the group; `listen` is the address at which the servent takes
    /// connections, and only interfaces where it does carry its beacons.
    ///
    /// # Errors
    /// When that address is not of a local network, or the system refuses.
    pub fn open(beacon: Beacon, listen: IpAddr) -> io::Result<Self> {
        let listen = match listen.to_canonical() {
            IpAddr::V4(listen) if listen.is_unspecified() || is_private(listen.into()) => listen,
            IpAddr::V6(listen) if listen.is_unspecified() => Ipv4Addr::UNSPECIFIED,
            listen => {
                let why = format!("{listen} is not an IPv4 address of a local network");
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
            }
        };
        let socket = socket()?;
        // All servents of a machine share the port.
        socket.set_reuse_address(true)?;
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, GROUP.port());
        socket.bind(&any.into())?;
        let lan = Self {
            beacon,
            listen,
            socket: UdpSocket::new(socket.into())?,
        };
        // Whoever speaks first shall be heard.
        lan.interfaces()?;
        Ok(lan)
    }

    /// Sends beacons and hands on those of others in the same overlay, with the address to dial,
    /// as long as it is polled. A servent is heard again and again, and on each interface.
    pub async fn run(&self, heard: impl FnMut(SocketAddr, Guid)) {
        let (ask, asked) = mpsc::channel(1);
        join(self.announce(asked), self.hear(ask, heard)).await;
    }

    async fn announce(&self, mut asked: mpsc::Receiver<()>) {
        for count in 0_u32.. {
            match self.interfaces() {
                Ok(interfaces) => {
                    for interface in interfaces {
                        if let Err(error) = self.send(interface, count < ASKING) {
                            log::debug!("no beacon on {interface}: {error}");
                        }
                    }
                }
                Err(error) => log::debug!("no beacons: {error}"),
            }
            let rest = if count < SOON_COUNT { SOON } else { LATER };
            runtime::sleep(PAUSE).await;
            let rest = runtime::sleep(rest.saturating_sub(PAUSE));
            select(rest.boxed(), asked.next()).await;
        }
    }

    async fn hear(&self, mut ask: mpsc::Sender<()>, mut heard: impl FnMut(SocketAddr, Guid)) {
        let mut gate = Gate::new(LIMITS);
        let start = Instant::now();
        // One byte more, so that a longer datagram is not taken for a beacon.
        let mut buffer = [0; LENGTH + 1];
        loop {
            match self.socket.receive_from(&mut buffer).await {
                Ok((length, from)) => {
                    if gate.pass(from, start.elapsed())
                        && let Some(servent) = self.stranger(&buffer[..length], from.ip())
                    {
                        if servent.asks {
                            // Asked already.
                            let _full = ask.try_send(());
                        }
                        heard(SocketAddr::new(from.ip(), servent.port), servent.servent);
                    }
                }
                Err(error) => {
                    log::debug!("cannot hear beacons: {error}");
                    runtime::sleep(BREATH).await;
                }
            }
            // A flood shall not keep the thread.
            runtime::yield_now().await;
        }
    }

    /// The beacon in a datagram, when it is of another servent in the same overlay.
    fn stranger(&self, bytes: &[u8], from: IpAddr) -> Option<Beacon> {
        let IpAddr::V4(from) = from else {
            return None;
        };
        let beacon = Beacon::decode(bytes).ok()?;
        let ours = beacon.network == self.beacon.network;
        (is_private(from.into()) && ours && beacon.servent != self.beacon.servent).then_some(beacon)
    }

    /// The interfaces that carry beacons now, with the group joined on each. Networks come and go.
    fn interfaces(&self) -> io::Result<Vec<Ipv4Addr>> {
        let known = if_addrs::get_if_addrs()?;
        let addresses = known.into_iter().filter_map(|known| match known.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let carrying = addresses.filter(|ip| is_private((*ip).into()) && self.is_listened_on(*ip));
        Ok(carrying.filter(|ip| self.joined(*ip)).collect())
    }

    /// Listened on there. One who listens on some loopback address can be dialled by all of them.
    const fn is_listened_on(&self, interface: Ipv4Addr) -> bool {
        self.listen.is_unspecified()
            || self.listen.to_bits() == interface.to_bits()
            || self.listen.is_loopback() && interface.is_loopback()
    }

    /// Joins the group on an interface, if that was not done before.
    fn joined(&self, interface: Ipv4Addr) -> bool {
        let socket = self.socket.get_ref();
        match socket.join_multicast_v4(GROUP.ip(), &interface) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                log::debug!("no multicast on {interface}: {error}");
                false
            }
            _ => true,
        }
    }

    /// Sends a beacon on an interface, from the address to be dialled.
    fn send(&self, interface: Ipv4Addr, asks: bool) -> io::Result<()> {
        let from = if self.listen.is_unspecified() {
            interface
        } else {
            self.listen
        };
        let socket = socket()?;
        socket.set_multicast_if_v4(&interface)?;
        socket.set_multicast_ttl_v4(1)?;
        // The other servents of this machine shall hear it too.
        socket.set_multicast_loop_v4(true)?;
        socket.bind(&SocketAddrV4::new(from, 0).into())?;
        let beacon = Beacon {
            asks,
            ..self.beacon
        };
        socket.send_to(&beacon.encode(), &GROUP.into())?;
        Ok(())
    }
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use futures::future::Either;
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::block_on;

    const LIMIT: Duration = Duration::from_secs(5);

    fn beacon(mark: u8, network: NetworkId) -> Beacon {
        Beacon {
            servent: Guid::from_bytes([mark; 16]),
            port: 6_300 + u16::from(mark),
            network,
            asks: false,
        }
    }

    /// A network that no other run of these tests is in.
    fn some_network() -> NetworkId {
        let name = format!("{} {:?}", std::process::id(), Instant::now());
        NetworkId::new(Some(&name))
    }

    #[test]
    fn servents_of_one_network_hear_each_other_and_nobody_else() {
        let network = some_network();
        let here = IpAddr::from([127, 0, 0, 1]);
        let open = |mark, network| Lan::open(beacon(mark, network), here).unwrap();
        let (one, two) = (open(1, network), open(2, network));
        let other = open(3, some_network());
        block_on(async {
            let (tell, mut told) = mpsc::unbounded();
            let hears = |who: u8| {
                let tell = tell.clone();
                move |address: SocketAddr, servent: Guid| {
                    tell.unbounded_send((who, address, servent)).unwrap();
                }
            };
            let running = join(
                join(one.run(hears(1)), two.run(hears(2))),
                other.run(hears(3)),
            );
            let both = async {
                let mut all = [told.next().await.unwrap(), told.next().await.unwrap()];
                all.sort();
                all
            };
            let waiting = select(running.boxed_local(), both.boxed_local());
            let Ok(Either::Right((all, _))) = runtime::timeout(LIMIT, waiting).await else {
                panic!("nothing was heard");
            };
            let expected = [(1, two.beacon), (2, one.beacon)]
                .map(|(who, said)| (who, SocketAddr::new(here, said.port), said.servent));
            assert_eq!(all, expected);
        });
    }

    #[test]
    fn own_beacons_and_those_from_afar_are_ignored() {
        let network = some_network();
        let lan = Lan::open(beacon(1, network), Ipv4Addr::LOCALHOST.into()).unwrap();
        let said = beacon(2, network);
        let near = IpAddr::from([192, 168, 1, 2]);
        assert_eq!(lan.stranger(&said.encode(), near), Some(said));
        let far = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(lan.stranger(&said.encode(), far), None);
        assert_eq!(lan.stranger(&lan.beacon.encode(), near), None);
        let other = beacon(2, NetworkId::new(None)).encode();
        assert_eq!(lan.stranger(&other, near), None);
    }

    #[test]
    fn only_local_addresses_have_beacons() {
        let open = |listen: &str| {
            Lan::open(beacon(1, some_network()), listen.parse().unwrap())
                .map(|lan| lan.listen)
                .map_err(|error| error.kind())
        };
        assert_eq!(open("::"), Ok(Ipv4Addr::UNSPECIFIED));
        for listen in ["192.0.2.1", "::1"] {
            assert_eq!(open(listen), Err(io::ErrorKind::AddrNotAvailable));
        }
    }

    #[test]
    fn a_beacon_is_one_to_the_byte() {
        let good = beacon(7, NetworkId::new(Some("club")));
        let bytes = good.encode();
        assert_eq!(Beacon::decode(&bytes), Ok(good));
        assert!(Beacon::decode(&bytes[..LENGTH - 1]).is_err());
        assert!(Beacon::decode(&[&bytes[..], b"x"].concat()).is_err());
        for (range, wrong) in [(0..4, 0), (4..5, 2), (5..21, 0), (21..23, 0), (31..32, 2)] {
            let mut bytes = bytes;
            bytes[range].fill(wrong);
            assert!(Beacon::decode(&bytes).is_err());
        }
        assert_ne!(NetworkId::new(Some("club")), NetworkId::new(Some("pub")));
        assert_ne!(NetworkId::new(Some("")), NetworkId::new(None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(beacon) = Beacon::decode(&bytes) {
                prop_assert_eq!(&beacon.encode()[..], &bytes[..]);
            }
        }
    }
}
