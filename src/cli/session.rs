//! A node to speak to: the daemon, or a short-lived servent where none runs.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::Context;
use super::exit::{Exit, Failure};
use super::home::TemporaryHome;
use super::network::Belonging;
use crate::api::client::Client;
use crate::api::{Code, Node, Status};
use crate::config::Config;
use crate::node::Mode;
use crate::runtime;
use crate::web::{self, ControlPlane};

/// How often a node is asked whether it has a neighbour yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How long a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(20);

/// How to reach others.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Joining {
    /// A servent to stay connected to; may be given again
    #[arg(long = "peer", value_name = "HOST:PORT")]
    pub(super) peers: Vec<String>,
    /// Where to listen for other servents
    #[arg(long, env = "FILBERT_LISTEN", value_name = "ADDR")]
    pub(super) listen: Option<SocketAddrV4>,
    /// Find the servents of the local network
    #[arg(long)]
    pub(super) lan: bool,
    #[command(flatten)]
    pub(super) belonging: Belonging,
}

impl Joining {
    /// The addresses of the peers that were named.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let mut addresses = Vec::new();
        for peer in &self.peers {
            addresses.push(resolve(peer).await?);
        }
        Ok(addresses)
    }

    /// Whether a daemon is where the user wants to be.
    fn agrees(&self, daemon: &Status) -> Result<(), Failure> {
        let wanted = self.belonging.network.as_deref();
        if wanted.is_none() || wanted == daemon.network.as_deref() {
            return Ok(());
        }
        let message = match &daemon.network {
            Some(other) => format!("the daemon belongs to the network \"{other}\""),
            None => "the daemon belongs to no network with a name".to_owned(),
        };
        let message = format!("{message}: name another --home, or stop it with `filbert stop`");
        Err(Failure::new(Exit::Usage, message))
    }
}

/// The address of `HOST:PORT`; an IPv4 one where there are several.
pub(super) async fn resolve(host: &str) -> Result<SocketAddr, Failure> {
    let found = runtime::resolve(host.to_owned(), LOOK_UP).await;
    let unknown = |why: String| {
        let message = format!("\"{host}\" is no address of a servent, HOST:PORT: {why}");
        Failure::new(Exit::Usage, message)
    };
    let found = found.map_err(|error| unknown(error.to_string()))?;
    let ipv4 = found.iter().find(|address| address.is_ipv4());
    let first = ipv4.or_else(|| found.first());
    first
        .copied()
        .ok_or_else(|| unknown("nothing found".to_owned()))
}

/// A node to speak to.
#[derive(Debug)]
pub(super) struct Session {
    /// How to speak to it.
    pub(super) client: Client,
    servent: Option<ShortLived>,
    /// Nobody is known whom a short-lived servent could reach.
    hopeless: bool,
}

/// A servent of this process. Its home goes last, when nothing of it runs any more.
#[derive(Debug)]
struct ShortLived {
    node: Node,
    control_plane: ControlPlane,
    _home: TemporaryHome,
}

impl Session {
    /// The daemon, which is made to know the peers named too, or a short-lived servent.
    pub(super) async fn open(
        context: &Context,
        joining: &Joining,
        downloads: Option<&Path>,
    ) -> Result<Self, Failure> {
        let peers = joining.resolve().await?;
        let daemon = match Client::find(&context.home, context.api) {
            Ok(client) => client.status().await.map(|status| (client, status)),
            Err(error) => Err(error),
        };
        match daemon {
            Ok((client, status)) => {
                joining.agrees(&status)?;
                for peer in peers {
                    if let Err(error) = client.connect(peer).await {
                        context.tell(&format!("filbert: {error}"));
                    }
                }
                Ok(Self {
                    client,
                    servent: None,
                    hopeless: false,
                })
            }
            Err(error) if error.code == Code::NotReachable && context.api.is_none() => {
                context.tell(
                    "filbert: no daemon runs, so a servent is started for this command only \
                     (`filbert run` starts one that stays)",
                );
                let config = Config::load(&context.settings)?;
                Self::short_lived(config, joining, &peers, downloads).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn short_lived(
        Config {
            hosts,
            limits,
            transfers,
        }: Config,
        joining: &Joining,
        peers: &[SocketAddr],
        downloads: Option<&Path>,
    ) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Error, format!("no servent can be started: {error}"))
        };
        let home = TemporaryHome::create().map_err(|error| failed(&error))?;
        // The usual port is left to the daemon.
        let anywhere = SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0);
        let network = joining.belonging.resolve().await?;
        let caches = match &network {
            Some(_) => Vec::new(),
            None => hosts.udp_caches,
        };
        let hopeless = peers.is_empty() && !joining.lan && caches.is_empty();
        let mut builder = Node::builder()
            .mode(Mode::Leaf)
            .limits(limits)
            .home(home.path())
            .listen(joining.listen.unwrap_or(anywhere));
        builder = super::transfers::settle(builder, &transfers);
        if let Some(network) = network {
            builder = builder.network(network);
        }
        if joining.lan {
            builder = builder.lan();
        }
        for peer in peers {
            builder = builder.peer(*peer);
        }
        for cache in caches {
            builder = builder.udp_cache(cache);
        }
        if let Some(downloads) = downloads {
            builder = builder.downloads(downloads);
        }
        let node = builder.start().await.map_err(|error| failed(&error))?;
        let options = web::Options {
            address: Some(([127, 0, 0, 1], 0).into()),
            home: None,
        };
        let control_plane = web::serve(node.clone(), options)
            .await
            .map_err(|error| failed(&error))?;
        let client = Client::new(control_plane.access().clone());
        let servent = ShortLived {
            node,
            control_plane,
            _home: home,
        };
        Ok(Self {
            client,
            servent: Some(servent),
            hopeless,
        })
    }

    /// Whether the node goes with this command.
    pub(super) const fn is_short_lived(&self) -> bool {
        self.servent.is_some()
    }

    /// Whether the node goes with this command and knows nobody to reach.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// Waits until the node has a neighbour, at most for `patience`; fails when it has none then.
    pub(super) async fn connected(&self, patience: Duration) -> Result<Status, Failure> {
        let begun = Instant::now();
        loop {
            let status = self.client.status().await?;
            if status.connected {
                return Ok(status);
            }
            if begun.elapsed() >= patience {
                let why = status.why.unwrap_or_default();
                let message = format!("no neighbour to ask: {why}");
                return Err(Failure::new(Exit::NoNeighbour, message));
            }
            runtime::sleep(ASK_AGAIN).await;
        }
    }

    /// Leaves the daemon as it is; ends a short-lived servent.
    pub(super) async fn close(self) {
        if let Some(servent) = self.servent {
            servent.node.stop().await;
            servent.control_plane.stop().await;
        }
    }
}
