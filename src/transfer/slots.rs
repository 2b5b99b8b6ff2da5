//! Who is given something now, who waits, and what that is worth: the upload queue with a clock, the
//! meters of those who gave and took, and a board on which all of it can be read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::throttle::{Rate, Throttle};
use crate::swarm::credit::{Credit, Meter, Peer, Policy};
use crate::swarm::upload_queue::{Answer, Asker, Id, Manner, Place, Settings, UploadQueue};
use crate::wire::address::is_private;
use crate::wire::urn::Sha1;

pub use crate::swarm::upload_queue::Counts;

/// Bytes read at once of a limited upload, for each unit of weight: uploads take turns, so that
/// each gets its share.
const SHARE: RangeInclusive<u64> = 4 * 1024..=32 * 1024;
/// Where the limit is so high that these would be too many turns a second, they are larger.
const TURNS: u64 = 512;
/// How often the rate of an upload is measured.
const MEASURE: Duration = Duration::from_millis(500);
/// Servents whose meters are kept.
pub(super) const METERS: usize = 4_096;

/// Who asks: from where, and by which key it has proven who it is, if it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// The SHA-256 of a public key.
    pub key: Option<[u8; 32]>,
}

impl From<SocketAddr> for Visitor {
    fn from(address: SocketAddr) -> Self {
        Self { address, key: None }
    }
}

impl Visitor {
    /// Who is credited with what it gives and takes.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let there = || Peer::at(self.address.ip());
        self.key.map_or_else(there, Peer::Key)
    }
}

/// The queue, the meters and the board.
#[derive(Debug)]
pub(super) struct Slots {
    origin: Instant,
    queue: Mutex<UploadQueue>,
    board: Mutex<Board>,
    credit: Mutex<(Credit, bool)>,
    policy: Arc<dyn Policy>,
    /// The limit on all uploads together, and on each.
    rate: Arc<Rate>,
    rate_each: Arc<Rate>,
    all: Throttle,
    sent: AtomicU64,
}

/// What is wanted, as the board shows it.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) agent: String,
    pub(super) name: String,
    pub(super) sha1: Sha1,
    pub(super) size: u64,
}

#[derive(Debug, Default)]
struct Board {
    last: u64,
    entries: HashMap<Id, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    peer: SocketAddr,
    label: Label,
    weight: u32,
    since: Instant,
    progress: Arc<Progress>,
}

/// How far an upload is.
#[derive(Debug, Default)]
struct Progress {
    sent: AtomicU64,
    active: AtomicU64,
    /// Since when is measured, how much had been sent then, and the rate before.
    measure: Mutex<Option<(Instant, u64, u64)>>,
}

/// An upload, or one that waits for its turn.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its number, which no other one gets.
    pub number: u64,
    /// Who asks.
    pub peer: SocketAddr,
    /// What it calls itself.
    pub agent: String,
    /// The file.
    pub name: String,
    /// Its contents.
    pub sha1: Sha1,
    /// Its bytes.
    pub size: u64,
    /// Its place in the queue, from 1; nothing for one that has a slot.
    pub position: Option<usize>,
    /// Whether something is given now; else the slot is kept for the next request.
    pub active: bool,
    /// Bytes given so far.
    pub sent: u64,
    /// Bytes a second at last.
    pub rate: u64,
    /// What it is worth to us.
    pub weight: u32,
    /// How long ago it first asked.
    pub since: Duration,
}

/// One slot, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    pub(super) id: Id,
    peer: Peer,
    weight: u32,
    progress: Arc<Progress>,
    /// The limit on this upload.
    own: Throttle,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denied {
    Queued(Place, Manner),
    Full { retry: Duration },
    Banned { left: Duration },
}

impl Slots {
    /// Slots for uploads of at most so many bytes a second, all together and each.
    pub(super) fn new(
        settings: Settings,
        (all, each): (Option<u64>, Option<u64>),
        policy: Arc<dyn Policy>,
    ) -> Self {
        let rate = Arc::new(Rate::new(all));
        Self {
            origin: Instant::now(),
            queue: Mutex::new(UploadQueue::new(settings)),
            board: Mutex::default(),
            credit: Mutex::new((Credit::new(METERS), false)),
            policy,
            all: Throttle::new(Arc::clone(&rate)),
            rate,
            rate_each: Arc::new(Rate::new(each)),
            sent: AtomicU64::new(0),
        }
    }

    /// A slot for one who asks, or a place. Who has proven a key is worth what the key is, or the
    /// address if that is more: it may have given by the one and the other.
    pub(super) fn take(
        self: &Arc<Self>,
        visitor: Visitor,
        (manner, ticket): (Manner, Option<Id>),
        label: Label,
    ) -> Result<Slot, Denied> {
        let Visitor { address: line, .. } = visitor;
        let line = SocketAddr::new(line.ip().to_canonical(), line.port());
        let peer = visitor.peer();
        let weight = {
            let credit = self.credit();
            let worth = |peer| self.policy.weight(credit.0.of(peer));
            worth(peer).max(worth(Peer::at(line.ip())))
        };
        let asker = Asker {
            line,
            // There many servents share one.
            crowd: is_private(line.ip()),
            manner,
            ticket,
            content: label.sha1,
            weight,
        };
        let now = self.origin.elapsed();
        let answer = self.queue().ask(now, asker, &mut rand::rng());
        match answer {
            Answer::Granted(id) => {
                let progress = self.note(id, line, label, weight);
                progress.active.store(1, Ordering::Relaxed);
                Ok(Slot {
                    slots: Arc::clone(self),
                    id,
                    peer,
                    weight,
                    progress,
                    own: Throttle::new(Arc::clone(&self.rate_each)),
                })
            }
            Answer::Queued(place) => {
                self.note(place.id, line, label, weight);
                Err(Denied::Queued(place, manner))
            }
            Answer::Full { retry } => Err(Denied::Full { retry }),
            Answer::Banned { left } => Err(Denied::Banned { left }),
        }
    }

    /// Changes the limits, for uploads under way, too.
    pub(super) fn limit(&self, all: Option<u64>, each: Option<u64>) {
        self.rate.set(all);
        self.rate_each.set(each);
    }

    /// A connection is closed.
    pub(super) fn hung_up(&self, line: SocketAddr) {
        let line = SocketAddr::new(line.ip().to_canonical(), line.port());
        self.queue().hung_up(line);
    }

    /// Slots that are free, and how many wait; nothing of the latter where nobody more may.
    pub(super) fn room(&self) -> (usize, Option<usize>) {
        let now = self.origin.elapsed();
        let queue = self.queue();
        let waiting = (!queue.is_full(now)).then(|| queue.waiting(now));
        (queue.free(), waiting)
    }

    /// Uploads under way.
    pub(super) fn active(&self) -> usize {
        self.queue().active()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting(self.origin.elapsed())
    }

    /// What became of requests.
    pub(super) fn counts(&self) -> Counts {
        self.queue().counts()
    }

    /// Bytes sent so far, of all uploads.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Somebody gave us right bytes.
    pub(super) fn gave(&self, peer: Peer, bytes: u64) {
        let now = self.origin.elapsed();
        let mut credit = self.credit();
        credit.0.gave(now, peer, bytes);
        credit.1 = true;
    }

    /// Takes over meters that were kept.
    pub(super) fn recall(&self, meters: impl IntoIterator<Item = (Peer, Meter)>) {
        let mut credit = self.credit();
        for (peer, meter) in meters {
            credit.0.recall(peer, meter);
        }
    }

    /// All meters, if they changed since this was asked last.
    pub(super) fn changed_meters(&self) -> Option<Vec<(Peer, Meter)>> {
        let mut credit = self.credit();
        let changed = std::mem::take(&mut credit.1);
        changed.then(|| credit.0.meters().collect())
    }

    /// What all gave us and took from us, and how many servents have a meter.
    pub(super) fn meter(&self) -> (Meter, usize) {
        let credit = self.credit();
        (credit.0.total(), credit.0.known())
    }

    /// All uploads, those under way first, then by their places.
    pub(super) fn list(&self) -> Vec<Listed> {
        let now = self.origin.elapsed();
        let queue = self.queue();
        let mut board = self.board();
        board.entries.retain(|id, _| queue.knows(now, *id));
        let listed = |(id, entry): (&Id, &Entry)| Listed {
            number: entry.number,
            peer: entry.peer,
            agent: entry.label.agent.clone(),
            name: entry.label.name.clone(),
            sha1: entry.label.sha1,
            size: entry.label.size,
            position: queue.place(now, *id),
            active: entry.progress.active.load(Ordering::Relaxed) > 0,
            sent: entry.progress.sent.load(Ordering::Relaxed),
            rate: entry.progress.rate(),
            weight: entry.weight,
            since: entry.since.elapsed(),
        };
        let mut all: Vec<_> = board.entries.iter().map(listed).collect();
        all.sort_by_key(|listed| (listed.position.unwrap_or(0), listed.number));
        all
    }

    /// Writes on the board who asks for what.
    fn note(&self, id: Id, peer: SocketAddr, label: Label, weight: u32) -> Arc<Progress> {
        let now = self.origin.elapsed();
        let queue = self.queue();
        let mut board = self.board();
        if !board.entries.contains_key(&id) {
            board.entries.retain(|id, _| queue.knows(now, *id));
            board.last += 1;
        }
        let number = board.last;
        let entry = board.entries.entry(id).or_insert_with(|| Entry {
            number,
            peer,
            label: label.clone(),
            weight,
            since: Instant::now(),
            progress: Arc::default(),
        });
        (entry.peer, entry.label, entry.weight) = (peer, label, weight);
        Arc::clone(&entry.progress)
    }

    fn queue(&self) -> MutexGuard<'_, UploadQueue> {
        // Its tables are whole after every step: a panic elsewhere leaves nothing half done. The same
        // is true of the others.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credit(&self) -> MutexGuard<'_, (Credit, bool)> {
        self.credit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// How much to send at once, where a limit holds.
    pub(super) fn share(&self) -> Option<u64> {
        let (own, all) = (self.own.limit(), self.slots.all.limit());
        let limit = all.into_iter().chain(own).min()?;
        let share = (limit / TURNS).clamp(*SHARE.start(), *SHARE.end());
        Some(share * u64::from(self.weight))
    }

    /// How long to wait before so many bytes are sent.
    pub(super) fn wait_for(&self, bytes: usize) -> Duration {
        self.slots.all.take(bytes).max(self.own.take(bytes))
    }

    /// Counts bytes sent through this slot.
    pub(super) fn count(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.slots.sent.fetch_add(bytes, Ordering::Relaxed);
        self.progress.count(bytes);
        let now = self.slots.origin.elapsed();
        let mut credit = self.slots.credit();
        credit.0.took(now, self.peer, bytes);
        credit.1 = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.progress.active.store(0, Ordering::Relaxed);
        self.slots
            .queue()
            .finished(self.slots.origin.elapsed(), self.id);
    }
}

impl Progress {
    fn count(&self, bytes: u64) {
        let sent = self.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut measure = self.measure.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before, _) = *measure.get_or_insert_with(|| (Instant::now(), sent - bytes, 0));
        let elapsed = since.elapsed();
        if elapsed >= MEASURE {
            *measure = Some((Instant::now(), sent, rate(sent - before, elapsed)));
        }
    }

    /// Bytes a second at last; nothing when it has been long since.
    fn rate(&self) -> u64 {
        let measure = *self.measure.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, before, last)) = measure else {
            return 0;
        };
        let (elapsed, sent) = (since.elapsed(), self.sent.load(Ordering::Relaxed));
        match elapsed < MEASURE && last > 0 {
            true => last,
            false => rate(sent - before, elapsed),
        }
    }
}

fn rate(bytes: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::credit::GiveAndTake;

    fn label(name: &str) -> Label {
        Label {
            agent: "test/1".to_owned(),
            name: name.to_owned(),
            sha1: Sha1::from_bytes([1; 20]),
            size: 1_000,
        }
    }

    fn at(ip: [u8; 4]) -> Visitor {
        SocketAddr::from((ip, 5)).into()
    }

    #[test]
    fn who_has_the_key_is_worth_the_same_wherever_it_comes_from() {
        let settings = Settings::default();
        let slots = Arc::new(Slots::new(settings, (None, None), Arc::new(GiveAndTake)));
        let known = |ip, byte| Visitor {
            key: Some([byte; 32]),
            ..at(ip)
        };
        slots.gave(known([20, 0, 0, 1], 1).peer(), 64 << 20);
        slots.gave(at([20, 0, 0, 9]).peer(), 64 << 20);
        let weight = |visitor| {
            let active = (Manner::Active, None);
            slots.take(visitor, active, label("a")).unwrap().weight
        };
        assert_eq!(weight(known([20, 0, 0, 1], 1)), 8);
        assert_eq!(weight(known([20, 0, 0, 2], 1)), 8);
        // Its address alone is worth nothing, nor another key there.
        assert_eq!(weight(at([20, 0, 0, 1])), 1);
        assert_eq!(weight(known([20, 0, 0, 1], 2)), 1);
        // What an address gave before counts on.
        assert_eq!(weight(known([20, 0, 0, 9], 3)), 8);
    }

    #[test]
    fn the_board_shows_who_is_given_what_and_who_waits() {
        let settings = Settings {
            slots: 1,
            ..Settings::default()
        };
        let slots = Arc::new(Slots::new(
            settings,
            (Some(1 << 20), None),
            Arc::new(GiveAndTake),
        ));
        let active = (Manner::Active, None);
        let first = slots.take(at([20, 0, 0, 1]), active, label("a"));
        let first = first.unwrap();
        slots.gave(at([20, 0, 0, 2]).peer(), 64 << 20);
        let second = slots.take(at([20, 0, 0, 2]), active, label("b"));
        assert!(matches!(second, Err(Denied::Queued(place, _)) if place.position == 1));
        first.count(500);
        let list = slots.list();
        let shown: Vec<_> = list
            .iter()
            .map(|listed| (&*listed.name, listed.position, listed.active, listed.sent))
            .collect();
        assert_eq!(shown, [("a", None, true, 500), ("b", Some(1), false, 0)]);
        assert_eq!((list[0].weight, list[1].weight), (1, 8));
        assert_eq!(first.share(), Some(4 * 1024));
        assert_eq!(slots.room(), (0, Some(1)));
        drop(first);
        assert_eq!(slots.active(), 0);
        slots.hung_up(([20, 0, 0, 1], 5).into());
        slots.hung_up(([20, 0, 0, 2], 5).into());
        assert_eq!((slots.list().len(), slots.room()), (0, (1, Some(0))));
        let (meter, known) = slots.meter();
        assert_eq!((meter.given, meter.taken, known), (64 << 20, 500, 2));
        let meters = slots.changed_meters().unwrap();
        assert_eq!((meters.len(), slots.changed_meters()), (2, None));
    }
}
