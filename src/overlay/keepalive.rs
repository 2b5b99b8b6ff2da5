//! Pings and pongs on a link: who is there, and who fell silent (protocol §3.1, §3.5).

use rand::Rng;

use super::neighbour::{self, Neighbour};
use super::output::{Output, Recipients};
use super::settings::Keepalive;
use super::stats::Drop;
use super::time::Duration;
use super::{Instant, Link, Servent, Surroundings, flood, misbehaviour};
use crate::wire::ggep::Extensions;
use crate::wire::ping::Ping;
use crate::wire::pong::Pong;
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// Every ping is answered with one pong about ourselves; none is passed on (protocol §3.3).
    pub(super) fn answer_ping(
        &self,
        link: Link,
        header: &Header,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let onward = match flood::hit(header) {
            // BearShare's acknowledgement of an alive ping (protocol §3.1).
            Err(Drop::TtlZero) => return Ok(()),
            onward => onward?,
        };
        let tally = around.catalogue.tally();
        let pong = Pong {
            port: around.settings.address.port(),
            ip: *around.settings.address.ip(),
            files: tally.files,
            kibibytes: ultrapeer_kibibytes(tally.kibibytes),
            extensions: Extensions::default(),
        };
        let header = Header {
            kind: Kind::Pong,
            ttl: onward.hops,
            hops: 0,
            ..*header
        };
        let descriptor = Descriptor {
            header,
            payload: pong.encode(),
        };
        around.out.push(Output::Send {
            to: Recipients::One(link),
            descriptor,
        });
        Ok(())
    }

    /// Probes the silent and closes what stayed silent.
    pub(super) fn probe_silent(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let Some(keepalive) = around.settings.keepalive else {
            self.probe = None;
            return;
        };
        for neighbour in &mut self.neighbours {
            if due(neighbour, keepalive) > now {
                continue;
            }
            if neighbour.unanswered >= keepalive.unanswered {
                around
                    .out
                    .push(misbehaviour::close(neighbour, 406, "no reply to pings"));
                continue;
            }
            neighbour.unanswered += 1;
            neighbour.pinged = neighbour::second(now);
            around.out.push(ping(neighbour.link, around.rng));
        }
        self.probe = self
            .neighbours
            .iter()
            .map(|neighbour| due(neighbour, keepalive).max(now + Duration::from_secs(1)))
            .min();
    }
}

/// When a neighbour is to be probed.
fn due(neighbour: &Neighbour, keepalive: Keepalive) -> Instant {
    let last = neighbour.heard.max(neighbour.pinged);
    Instant::from_micros(u64::from(last) * 1_000_000) + keepalive.silence
}

/// The alive ping: TTL 1, empty (protocol §3.1).
pub(super) fn ping(link: Link, rng: &mut dyn Rng) -> Output {
    let header = Header {
        guid: Guid::random(rng),
        kind: Kind::Ping,
        ttl: 1,
        hops: 0,
    };
    let payload = Ping {
        extensions: Extensions::default(),
    }
    .encode();
    Output::Send {
        to: Recipients::One(link),
        descriptor: Descriptor { header, payload },
    }
}

/// The size field by which old clients tell an ultrapeer: the nearest power of two, at least 8
/// (protocol §3.2).
const fn ultrapeer_kibibytes(kibibytes: u32) -> u32 {
    if kibibytes <= 8 {
        return 8;
    }
    let below = 1 << kibibytes.ilog2();
    if kibibytes - below > below / 2 && below < 1 << 31 {
        below * 2
    } else {
        below
    }
}
