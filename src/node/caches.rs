//! UDP host caches that the user named: their names are looked up until each has an address; whom
//! to ask and when is for the servent to say.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{self, Either, FutureExt};

use super::Node;
use super::core::Core;
use crate::overlay::Membership;
use crate::runtime;

/// How long one name is looked up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause before names that meant nothing are looked up again; it doubles each time.
const PAUSE: Duration = Duration::from_secs(20);
/// The longest that it grows to.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl Node {
    /// Looks up names of host caches, `HOST:PORT`, until all are known or the node stops.
    pub(super) async fn keep_caches(self, mut names: Vec<String>) {
        let mut stopped = self.0.stop.stopped();
        let mut pause = PAUSE;
        loop {
            names = self.look_up(names).await;
            if names.is_empty() {
                return;
            }
            let rest = runtime::sleep(pause).boxed();
            if let Either::Right(_) = future::select(rest, &mut stopped).await {
                return;
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Tells the servent of the caches that are found; gives the names of the others.
    async fn look_up(&self, names: Vec<String>) -> Vec<String> {
        let mut unknown = Vec::new();
        for name in names {
            match address_of(&name).await {
                Ok(address) => self.0.core().know_cache(address),
                Err(error) => {
                    log::info!("the host cache {name} is not found: {error}");
                    unknown.push(name);
                }
            }
        }
        unknown
    }
}

impl Core {
    /// Whether there is a host cache to ask.
    pub(super) fn asks_caches(&self) -> bool {
        let member = self.servent.membership();
        member.is_some_and(Membership::knows_caches)
    }

    fn know_cache(&mut self, address: SocketAddr) {
        let now = self.now();
        if let Some(member) = self.servent.membership_mut() {
            member.know_cache(now, address, &self.settings);
        }
    }
}

/// The address that a name stands for: an IPv4 one, since that is what our socket speaks.
async fn address_of(name: &str) -> std::io::Result<SocketAddr> {
    let addresses = runtime::resolve(name.to_owned(), PATIENCE).await?;
    let found = addresses.into_iter().find(SocketAddr::is_ipv4);
    found.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "it has no IPv4 address"))
}
