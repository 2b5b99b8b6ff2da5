//! Who asks too much: rates, repeated texts, GUIDs that count up, copies of copies (protocol §1.5,
//! §4.2, §17.5).
//!
//! What is remembered of a neighbour is made with its first query and goes with its link.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::net::Ipv4Addr;

use bytes::Bytes;
use rustc_hash::FxHasher;

use super::flood::Onward;
use super::neighbour::{self, Role};
use super::rate::Rate;
use super::settings::Settings;
use super::stats::Drop;
use super::time::Duration;
use super::{Instant, Link, Servent};
use crate::wire::query::Query;
use crate::wire::{Guid, Header};

/// Two queries of one neighbour that come as close as this are compared (protocol §1.5).
const COUNTING: Duration = Duration::from_millis(500);

/// Who pauses so long has not asked too much without a break.
const PAUSE: Duration = Duration::from_secs(60);

/// In so many bytes the GUIDs of one who counts them up differ, at most.
const COUNTED_BYTES: usize = 2;

/// What is remembered of those who ask.
#[derive(Debug, Default)]
pub(super) struct Scrutiny {
    askers: BTreeMap<Link, Asker>,
    origins: Box<[Origin]>,
}

/// What is remembered of a neighbour that asks.
#[derive(Debug, Default)]
struct Asker {
    rate: Rate,
    /// Of an ultrapeer's own queries, and of those that were next to it.
    near: [Rate; 2],
    /// Queries of itself beyond its rate, without a pause, and when the last came.
    excess: (u32, Instant),
    last: Option<Last>,
    texts: Texts,
    /// Queries that it sent twice.
    twice: u32,
}

/// The last query of a neighbour.
#[derive(Clone, Copy, Debug)]
struct Last {
    guid: Guid,
    hops: u8,
    at: Instant,
}

impl Servent {
    /// Whether the next query of a neighbour is looked at, by its header.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        (link, role): (Link, Role),
        header: &Header,
        settings: &Settings,
    ) -> Result<(), Drop> {
        let limits = &settings.limits;
        let per_minute = match (settings.ground.is_private(), role) {
            (true, _) => limits.private_queries_per_minute,
            (false, Role::Ultrapeer) => limits.queries_per_minute,
            (false, Role::Leaf) => limits.leaf_queries_per_minute,
        };
        let scrutiny = self.scrutiny.get_or_insert_default();
        let asker = scrutiny.askers.entry(link).or_default();
        let (guid, hops) = (header.guid, header.hops);
        let last = asker.last.replace(Last {
            guid,
            hops,
            at: now,
        });
        if last.is_some_and(|last| last.counts_up_to(guid, hops, now)) {
            return Err(Drop::CounterGuid);
        }
        // From afar come as many as the overlay asks; what begins so near is of one user, or of the leaves
        // and neighbours of one servent.
        let of_near = [
            limits.own_queries_per_minute,
            limits.near_queries_per_minute,
        ];
        let near = asker.near.iter_mut().zip(of_near).nth(hops.into());
        if let Some((rate, per_minute)) = near
            && role == Role::Ultrapeer
            && !settings.ground.is_private()
            && !rate.takes(now, per_minute)
        {
            return Err(Drop::TooMany);
        }
        match asker.rate.takes(now, per_minute) {
            true => Ok(()),
            false => Err(Drop::TooMany),
        }
    }

    /// A neighbour sent a query beyond its rate. Says whether it is enough: what comes from afar it only
    /// passed on.
    pub(super) fn asked_too_much(
        &mut self,
        now: Instant,
        (link, role): (Link, Role),
        hops: u8,
        settings: &Settings,
    ) -> bool {
        if (role == Role::Ultrapeer && hops > 0) || settings.ground.is_private() {
            return false;
        }
        let scrutiny = self.scrutiny.get_or_insert_default();
        let (strikes, last) = &mut scrutiny.askers.entry(link).or_default().excess;
        if now.since(*last) >= PAUSE {
            *strikes = 0;
        }
        (*strikes, *last) = (strikes.saturating_add(1), now);
        *strikes == settings.limits.excess_strikes
    }

    /// Whether a query that was never seen is more than the same again, or one too many of its
    /// origin. On private ground everybody may repeat himself.
    pub(super) fn is_news(
        &mut self,
        now: Instant,
        (link, role): (Link, Role),
        (guid, onward): (Guid, Onward),
        (query, payload): (&Query, &Bytes),
        settings: &Settings,
    ) -> Result<(), Drop> {
        let limits = &settings.limits;
        if settings.ground.is_private() {
            return Ok(());
        }
        let scrutiny = self.scrutiny.get_or_insert_default();
        let text = hash_of(query, payload, settings.secret);
        let asker = scrutiny.askers.entry(link).or_default();
        let (second, texts) = (neighbour::second(now), &mut asker.texts);
        match role {
            // Its TTL means nothing.
            Role::Leaf if texts.repeat(text, second, limits.leaf_repeat, limits.leaf_texts) => {
                return Err(Drop::LeafRepeat);
            }
            Role::Leaf => {}
            Role::Ultrapeer => {
                let reach = u64::from(onward.ttl) << 8 | u64::from(onward.hops);
                let text = mix(text ^ mix(reach));
                if texts.repeat(text, second, limits.relay_repeat, limits.relay_texts) {
                    return Err(Drop::Repeat);
                }
            }
        }
        if query.flags.out_of_band() {
            let origin = *guid.return_address().ip();
            if !scrutiny.takes_origin(now, origin, settings) {
                return Err(Drop::OriginTooMany);
            }
        }
        Ok(())
    }

    /// A neighbour sent a query again that it sent before, with no more TTL. Says whether it did
    /// so too often (protocol §1.5).
    pub(super) fn sent_twice(&mut self, link: Link, settings: &Settings) -> bool {
        let limits = &settings.limits;
        let Some(neighbour) = neighbour::find(&mut self.neighbours, link) else {
            return false;
        };
        let (received, role) = (neighbour.received, neighbour.offer.role);
        let asker = self
            .scrutiny
            .as_mut()
            .and_then(|scrutiny| scrutiny.askers.get_mut(&link));
        let Some(asker) = asker else {
            return false;
        };
        asker.twice = asker.twice.saturating_add(1);
        let (twice, received) = (u64::from(asker.twice), u64::from(received));
        let too_often =
            twice >= u64::from(limits.duplicate_strikes) && twice * 1_000 > received * 15;
        too_often && self.can_spare(role, settings)
    }

    /// Whether a neighbour of this place could go.
    fn can_spare(&self, role: Role, settings: &Settings) -> bool {
        let wanted = match (self.role, role) {
            (_, Role::Leaf) => 0,
            (Role::Ultrapeer, Role::Ultrapeer) => settings.limits.ultrapeers_wanted,
            (Role::Leaf, Role::Ultrapeer) => settings.limits.leaf_ultrapeers,
        };
        let same = self.neighbours.iter().filter(|one| one.offer.role == role);
        same.count() > wanted
    }

    /// A neighbour is gone.
    pub(super) fn forget_asker(&mut self, link: Link) {
        if let Some(scrutiny) = &mut self.scrutiny {
            scrutiny.askers.remove(&link);
        }
    }
}

impl Scrutiny {
    /// Of how many neighbours it is known what they ask.
    pub(super) fn askers(&self) -> usize {
        self.askers.len()
    }

    /// Whether another query that began at `origin` is taken. An origin that meets another in its
    /// place of the table has the allowance of a new one.
    fn takes_origin(&mut self, now: Instant, origin: Ipv4Addr, settings: &Settings) -> bool {
        let limits = &settings.limits;
        if limits.origin_queries_per_minute == 0 || limits.origins == 0 {
            return true;
        }
        if self.origins.len() != limits.origins {
            self.origins = vec![Origin::default(); limits.origins].into();
        }
        let hash = mix(u64::from(origin.to_bits()) ^ settings.secret[0]);
        let place = &mut self.origins[place(hash, limits.origins)];
        if place.ip != origin.to_bits() {
            *place = Origin {
                ip: origin.to_bits(),
                rate: Rate::default(),
            };
        }
        place.rate.takes(now, limits.origin_queries_per_minute)
    }
}

impl Last {
    /// Whether the next query has the GUID of one who only counts up.
    fn counts_up_to(&self, guid: Guid, hops: u8, now: Instant) -> bool {
        if now.since(self.at) > COUNTING || hops != self.hops {
            return false;
        }
        let bytes = self.guid.as_bytes().iter().zip(guid.as_bytes());
        let differing = bytes.filter(|(one, other)| one != other).count();
        (1..=COUNTED_BYTES).contains(&differing)
    }
}

/// Where queries began, by the address that answers are wanted at.
#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    ip: u32,
    rate: Rate,
}

/// Texts that came lately, each in the place that its hash says; a newer one there takes it.
#[derive(Debug, Default)]
struct Texts(Box<[Text]>);

#[derive(Clone, Copy, Debug, Default)]
struct Text {
    tag: u32,
    /// The second in which it came, from 1; 0 for none.
    at: u32,
}

impl Texts {
    /// Whether this text came less than `within` ago; notes it if not. At most `most` are noted.
    fn repeat(&mut self, hash: u64, second: u32, within: Duration, most: usize) -> bool {
        if within == Duration::default() || most == 0 {
            return false;
        }
        if self.0.len() != most {
            self.0 = vec![Text::default(); most].into();
        }
        let text = &mut self.0[place(hash, most)];
        #[expect(clippy::cast_possible_truncation, reason = "a part of the hash")]
        let tag = hash as u32;
        let at = second.saturating_add(1);
        let age = u64::from(at.saturating_sub(text.at));
        if text.at != 0 && text.tag == tag && age < within.as_secs() {
            return true;
        }
        *text = Text { tag, at };
        false
    }
}

/// What is the same in two queries of one meaning: the text, or all but the flags where there is
/// none. Nobody outside can choose texts that meet.
fn hash_of(query: &Query, payload: &Bytes, secret: [u64; 2]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(secret[0]);
    match query.search_text() {
        "" => hasher.write(payload.get(2..).unwrap_or_default()),
        text => hasher.write(text.as_bytes()),
    }
    hasher.write_u64(secret[1]);
    mix(hasher.finish())
}

/// Spreads every bit of a hash over all of them.
const fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A place among so many for the upper half of a hash.
const fn place(hash: u64, places: usize) -> usize {
    (hash >> 32) as usize % places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    #[test]
    fn a_text_repeats_only_for_a_while() {
        let (mut texts, within) = (Texts::default(), Duration::from_secs(5));
        assert!(!texts.repeat(1 << 40, 0, within, 8));
        assert!(texts.repeat(1 << 40, 4, within, 8));
        assert!(!texts.repeat(1 << 40 | 1, 4, within, 8), "takes its place");
        assert!(!texts.repeat(2 << 40, 4, within, 8));
        assert!(!texts.repeat(2 << 40, 9, within, 8));
        assert!(texts.0.len() == 8 && !texts.repeat(2 << 40, 9, Duration::default(), 8));
    }

    #[test]
    fn only_neighbouring_guids_that_come_close_count_up() {
        let last = Last {
            guid: Guid::from_bytes([7; 16]),
            hops: 1,
            at: at(1_000),
        };
        let changed = |bytes: usize| {
            let mut guid = [7; 16];
            guid[..bytes].fill(8);
            Guid::from_bytes(guid)
        };
        for (bytes, hops, millis, counts) in [
            (1, 1, 1_500, true),
            (2, 1, 1_000, true),
            (3, 1, 1_000, false),
            (0, 1, 1_000, false),
            (1, 2, 1_000, false),
            (1, 1, 1_501, false),
        ] {
            let counted = last.counts_up_to(changed(bytes), hops, at(millis));
            assert_eq!(counted, counts, "{bytes} {hops} {millis}");
        }
    }
}
