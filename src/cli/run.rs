//! `filbert run`: the daemon in the foreground.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures::future::{self, Either, FutureExt};

use super::Context;
use super::exit::{Exit, Failure};
use super::home::absolute;
use super::session::Joining;
use super::size;
use super::transfers;
use crate::api::Node;
use crate::config::{Config, Limit};
#[cfg(feature = "tls")]
use crate::node::Encryption;
use crate::node::{GiveBack, Mode, Profile};
use crate::runtime::{self, Interruption};
use crate::web;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// A directory to share; may be given again
    #[arg(long = "share", value_name = "DIR")]
    shares: Vec<PathBuf>,
    #[command(flatten)]
    joining: Joining,
    /// Where fetched files go, unless `get` says otherwise
    #[arg(long, env = "FILBERT_DOWNLOADS", value_name = "DIR")]
    downloads: Option<PathBuf>,
    /// Bytes a second of all uploads together, such as 500k; without it as many as go
    #[arg(long, value_name = "RATE", value_parser = size::parse)]
    upload_limit: Option<u64>,
    /// Bytes a second of all downloads together
    #[arg(long, value_name = "RATE", value_parser = size::parse)]
    download_limit: Option<u64>,
    /// Whether others get what is fetched; on private ground always, else while-downloading unless
    /// said
    #[arg(long, value_enum)]
    give_back: Option<Giving>,
    /// A new file to record into what the servent sees: times, types, hops, lengths, and hashes of
    /// words and GUIDs; no addresses, no text
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Bytes that a recording has at most, such as 100M; 1G without it
    #[arg(long, value_name = "SIZE", value_parser = size::parse, requires = "record")]
    record_limit: Option<u64>,
    /// The rules by which queries travel
    #[arg(long, value_enum, default_value_t = Rules::Public)]
    profile: Rules,
    /// The place in the overlay
    #[arg(long, value_enum, default_value_t = Place::Auto)]
    mode: Place,
    /// That nobody can connect to this servent: others fetch from it by push, and connections that
    /// come anyway are closed
    #[arg(long)]
    firewalled: bool,
    /// Whether links are compressed where the other side can; on private ground not, else they are
    #[arg(long, value_name = "YES", value_parser = clap::builder::BoolishValueParser::new())]
    compress: Option<bool>,
    /// Whether links are encrypted; on private ground off, else offer unless said
    #[cfg(feature = "tls")]
    #[arg(long, value_enum)]
    tls: Option<Tls>,
}

/// Whether others get what is fetched.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Giving {
    /// While it is fetched, and as long as the daemon runs
    Always,
    /// While it is fetched
    WhileDownloading,
    /// Not at all
    Never,
}

/// The place in the overlay.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Place {
    /// What serves the overlay: a leaf where there are ultrapeers, else an ultrapeer
    Auto,
    /// Relays for others
    Ultrapeer,
    /// Lets ultrapeers relay for it
    Leaf,
}

/// Whether links are encrypted.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    /// Only those that come so
    Off,
    /// Where the other side can
    Offer,
    /// All; others are refused
    Require,
}

/// The rules by which queries travel.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Rules {
    /// Those of today's servents: at most 4 links
    Public,
    /// Those of the first: at most 7 links, every duplicate dropped
    Classic,
}

impl Rules {
    pub(super) const fn profile(self) -> Profile {
        match self {
            Self::Public => Profile::PUBLIC,
            Self::Classic => Profile::CLASSIC,
        }
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let node = start(context, arguments).await?;
    let options = web::Options {
        address: context.api,
        home: Some(context.home.clone()),
    };
    let control_plane = match web::serve(node.clone(), options).await {
        Ok(control_plane) => control_plane,
        Err(error) => {
            node.stop().await;
            return Err(Failure::new(Exit::Error, error.to_string()));
        }
    };
    context.tell(&format!(
        "filbert: listening on {}, control plane on http://{}",
        node.address(),
        control_plane.access().address,
    ));
    let exit = ended(&node).await;
    node.stop().await;
    control_plane.stop().await;
    Ok(exit)
}

async fn start(context: &Context, arguments: Arguments) -> Result<Node, Failure> {
    let Arguments {
        shares,
        joining,
        downloads,
        upload_limit,
        download_limit,
        give_back,
        record,
        record_limit,
        profile,
        mode,
        firewalled,
        compress,
        #[cfg(feature = "tls")]
        tls,
    } = arguments;
    let Config {
        hosts,
        limits,
        mut transfers,
    } = Config::load(&context.settings)?;
    // What is said on the command line counts all the day.
    if upload_limit.is_some() {
        transfers.upload_limit = Limit(upload_limit);
        transfers
            .schedule
            .iter_mut()
            .for_each(|span| span.upload_limit = None);
    }
    if download_limit.is_some() {
        transfers.download_limit = Limit(download_limit);
        transfers
            .schedule
            .iter_mut()
            .for_each(|span| span.download_limit = None);
    }
    let mut builder = Node::builder()
        .home(&context.home)
        .limits(limits)
        .firewalled(firewalled)
        .profile(profile.profile());
    builder = builder.mode(match mode {
        Place::Auto => Mode::Auto,
        Place::Ultrapeer => Mode::Ultrapeer,
        Place::Leaf => Mode::Leaf,
    });
    builder = transfers::settle(builder, &transfers);
    if let Some(give_back) = give_back {
        builder = builder.give_back(match give_back {
            Giving::Always => GiveBack::Always,
            Giving::WhileDownloading => GiveBack::WhileDownloading,
            Giving::Never => GiveBack::Never,
        });
    }
    if let Some(compress) = compress {
        builder = builder.compress(compress);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = tls {
        builder = builder.encrypt(match tls {
            Tls::Off => Encryption::Off,
            Tls::Offer => Encryption::Offer,
            Tls::Require => Encryption::Require,
        });
    }
    if let Some(network) = joining.belonging.resolve().await? {
        builder = builder.network(network);
    }
    if joining.lan {
        builder = builder.lan();
    }
    if let Some(file) = record {
        builder = builder.record(absolute(&file)?, record_limit);
    }
    for share in shares {
        builder = builder.share(absolute(&share)?);
    }
    for peer in joining.resolve().await? {
        builder = builder.peer(peer);
    }
    for cache in hosts.udp_caches {
        builder = builder.udp_cache(cache);
    }
    if let Some(listen) = joining.listen {
        builder = builder.listen(listen);
    }
    if let Some(downloads) = downloads {
        builder = builder.downloads(absolute(&downloads)?);
    }
    let started = builder.start().await;
    started.map_err(|error| Failure::new(Exit::Error, error.to_string()))
}

/// Waits until somebody wants the daemon to end, and says who.
async fn ended(node: &Node) -> Exit {
    match future::select(node.stopped().boxed(), runtime::interrupted().boxed()).await {
        Either::Left(_) | Either::Right((Ok(Interruption::Terminate), _)) => Exit::Ok,
        Either::Right((Ok(Interruption::Interrupt), _)) => Exit::Interrupted,
        Either::Right((Err(error), stopped)) => {
            log::warn!("signals cannot be watched, `filbert stop` ends the daemon: {error}");
            stopped.await;
            Exit::Ok
        }
    }
}
