//! Pings and pongs on a link: who is there, and who fell silent (protocol §3.1, §3.5).

use rand::Rng;

use super::flood::Onward;
use super::neighbour::{self, Neighbour, Role};
use super::output::{Output, Recipients};
use super::settings::Keepalive;
use super::time::Duration;
use super::{Instant, Link, Servent, Surroundings, misbehaviour};
use crate::wire::ggep::Extensions;
use crate::wire::ping::Ping;
use crate::wire::pong::{Pong, marked_kibibytes};
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// Probes the silent and closes what stayed silent.
    pub(super) fn probe_silent(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        if self.neighbours.is_empty() {
            self.forget_in_solitude(now);
            return;
        }
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
            around.out.push(ping(neighbour.link, 1, around.rng));
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

/// An empty ping: with TTL 1 it asks for a sign of life, with more for addresses (protocol §3.1).
pub(super) fn ping(link: Link, ttl: u8, rng: &mut dyn Rng) -> Output {
    let header = Header {
        guid: Guid::random(rng),
        kind: Kind::Ping,
        ttl,
        hops: 0,
    };
    Output::Send {
        to: Recipients::One(link),
        descriptor: Descriptor {
            header,
            payload: Ping::default().encode(),
        },
    }
}

/// What a servent in this role says of itself to everybody.
pub(super) fn own_pong(role: Role, around: &Surroundings<'_>) -> Pong {
    let tally = around.catalogue.tally();
    let address = around.settings.address;
    Pong {
        port: address.port(),
        ip: *address.ip(),
        files: tally.files,
        kibibytes: marked_kibibytes(tally.kibibytes, role == Role::Ultrapeer),
        extensions: Extensions::default(),
    }
}

/// A pong as the answer to a ping.
pub(super) fn answer(ping: &Header, onward: Onward, pong: &Pong) -> Descriptor {
    Descriptor {
        header: Header {
            kind: Kind::Pong,
            ttl: onward.hops,
            hops: 0,
            ..*ping
        },
        payload: pong.encode(),
    }
}
