//! What a node remembers from one run to the next of the overlay: servents that it heard of, and
//! how long it is up.

use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{self, Either, FutureExt};

use super::core::Core;
use super::{Inner, Node};
use crate::overlay::host_cache::{Details, Free, Remembered, Source};
use crate::overlay::{self, Membership};
use crate::runtime;
use crate::store::marks::Uptime;
use crate::store::{self, hosts::Host};

/// How often it is written down (protocol §12.4).
const SAVE: Duration = Duration::from_secs(60);
/// Servents written down, the best first.
const HOSTS: usize = 1_000;
/// Seconds in a day.
const DAY: u64 = 86_400;

/// Takes in what the store kept.
pub(super) fn recall(
    member: &mut Membership,
    hosts: Vec<Host>,
    uptime: Option<Uptime>,
    settings: &overlay::Settings,
) {
    let now = seconds();
    let remembered = hosts.into_iter().map(|host| Remembered {
        address: host.address,
        source: match host.source {
            0 => Source::Hit,
            1 => Source::Pong,
            _ => Source::Try,
        },
        verified: host.verified,
        details: Details {
            ultrapeer: host.ultrapeer,
            uptime: host.uptime,
            free: host
                .free
                .map(|(leaves, ultrapeers)| Free { leaves, ultrapeers }),
            servent: host.servent,
            tls: host.tls,
        },
        age: overlay::Duration::from_secs(now.saturating_sub(host.heard).try_into().unwrap_or(0)),
    });
    member.recall(overlay::Instant::default(), remembered, settings);
    member.standing_mut().average_uptime = uptime.and_then(average);
}

impl Node {
    /// Writes down now and again what is worth remembering.
    pub(super) async fn keep_memory(self) {
        let mut stopped = self.0.stop.stopped();
        loop {
            let rest = runtime::sleep(SAVE).boxed();
            if let Either::Right(_) = future::select(rest, &mut stopped).await {
                return;
            }
            self.remember().await;
        }
    }

    /// Writes it down now.
    pub(super) async fn remember(&self) {
        let node = self.clone();
        runtime::spawn_blocking(move || {
            if let Err(error) = node.0.write_down() {
                log::warn!("what was heard of other servents is not kept: {error}");
            }
        })
        .await;
    }
}

impl Inner {
    fn write_down(&self) -> Result<(), store::Error> {
        let hosts = self.core().snapshot();
        self.store.keep_hosts(&hosts)?;
        self.keep_credit()?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let up = self.started.elapsed();
        let uptime = self
            .store
            .add_uptime(seconds(), (up - *counted).as_secs())?;
        *counted = Duration::from_secs(up.as_secs());
        if let Some(member) = self.core().servent.membership_mut() {
            member.standing_mut().average_uptime = average(uptime);
        }
        Ok(())
    }
}

impl Core {
    /// The servents worth remembering.
    fn snapshot(&self) -> Vec<Host> {
        let (now, clock) = (seconds(), self.now());
        let Some(member) = self.servent.membership() else {
            return Vec::new();
        };
        let host = |known: Remembered| Host {
            address: known.address,
            source: known.source as u8,
            verified: known.verified,
            heard: now.saturating_sub(i64::try_from(known.age.as_secs()).unwrap_or(i64::MAX)),
            ultrapeer: known.details.ultrapeer,
            uptime: known.details.uptime,
            free: known
                .details
                .free
                .map(|free| (free.leaves, free.ultrapeers)),
            servent: known.details.servent,
            tls: known.details.tls,
        };
        let known = member.hosts().snapshot(clock, HOSTS);
        known.into_iter().map(host).collect()
    }
}

/// How long a servent is up on average a day; nothing before it is known for an hour.
fn average(uptime: Uptime) -> Option<overlay::Duration> {
    let known = u64::try_from(seconds().saturating_sub(uptime.since)).unwrap_or(0);
    let enough = known >= 3_600;
    enough.then(|| overlay::Duration::from_secs((uptime.total * DAY / known.max(DAY)).min(DAY)))
}

/// The time of day, in seconds since 1970.
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
