//! The queue of those who want something of us: who has a slot, who waits at which place, and when
//! each may ask again (protocol §10.7).
//!
//! Both schemes are one queue here. Who speaks the older one (`X-Queue`) is known by its connection,
//! who speaks the newer by a ticket's number that nobody can guess, from the address it was given
//! to. Who speaks neither is remembered by address and content, so that its patience counts, too.
//!
//! The place is a matter of merit and patience: what counts is the weight that the driver gives an
//! asker, times how long it has waited. So nobody waits for ever, since who comes later has waited
//! less. A slot is kept between two requests of its holder, for a turn that is as much longer as
//! its weight is greater; after that it goes to who waits.

mod settings;
mod ticket;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::{Rng, RngExt};

pub use settings::Settings;
pub use ticket::{Asker, Id, Manner};

use ticket::{State, Ticket};

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The ticket.
    pub id: Id,
    /// From 1.
    pub position: usize,
    /// How many wait.
    pub length: usize,
    /// How many slots there are.
    pub limit: usize,
    /// How soon to ask again, in whole seconds.
    pub poll_min: Duration,
    /// How late at the latest.
    pub poll_max: Duration,
    /// How long it may be until its turn, by the turns of those before it.
    pub eta: Duration,
}

/// What an asker gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A slot, until [`finished`](UploadQueue::finished) is said with this number.
    Granted(Id),
    /// A place.
    Queued(Place),
    /// Not even that.
    Full {
        /// When to come again.
        retry: Duration,
    },
    /// Nothing: it asked too early too often.
    Banned {
        /// For how long.
        left: Duration,
    },
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that got a slot.
    pub granted: u64,
    /// Requests that got a place, or kept it.
    pub queued: u64,
    /// Requests that got neither.
    pub refused: u64,
    /// Requests that came too early.
    pub early: u64,
    /// Places lost because nobody asked again in time.
    pub lapsed: u64,
    /// Askers that were not heard any more for asking too early.
    pub banned: u64,
    /// Slots that went to others because their holders' turns were over.
    pub yielded: u64,
    /// Places that went to others of more weight.
    pub displaced: u64,
}

/// Who has a slot, and who waits.
#[derive(Debug)]
pub struct UploadQueue {
    settings: Settings,
    tickets: Vec<Ticket>,
    /// Who is not heard, and until when.
    banned: VecDeque<(SocketAddr, Duration)>,
    counts: Counts,
}

impl UploadQueue {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tickets: Vec::new(),
            banned: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Somebody asks for something.
    pub fn ask(&mut self, now: Duration, asker: Asker, rng: &mut dyn Rng) -> Answer {
        self.expire(now);
        if let Some(left) = self.ban_left(now, &asker) {
            self.counts.refused += 1;
            return Answer::Banned { left };
        }
        let found = self.find(&asker);
        let known = match found {
            Some(known) => known,
            None => match self.admit(now, asker, rng) {
                Some(known) => known,
                None => {
                    self.counts.refused += 1;
                    let retry = self.settings.retry;
                    return Answer::Full { retry };
                }
            },
        };
        self.tickets[known].asker = asker;
        match self.tickets[known].state {
            State::Holding { since, .. } => {
                let weight = self.tickets[known].asker.weight.max(1);
                let over = now >= since + self.settings.turn * weight;
                if !over || !self.somebody_waits(now) {
                    return self.grant(known, since);
                }
                self.counts.yielded += 1;
                let mut ticket = self.tickets.remove(known);
                ticket.state = State::Waiting {
                    since: now,
                    window: (now, now),
                    strikes: 0,
                };
                self.tickets.push(ticket);
                self.queue(now, self.tickets.len() - 1)
            }
            State::Waiting {
                window: (from, _), ..
            } if asker.manner != Manner::Unaware && now + self.settings.grace < from => {
                self.hasty(now, known)
            }
            State::Waiting { .. } => {
                let (position, free) = (self.position(now, known), self.free());
                match position <= free && self.has_room(&asker) {
                    true => self.grant(known, now),
                    false => self.queue(now, known),
                }
            }
        }
    }

    /// What a holder was given came to its end; its slot is kept a moment for its next request.
    pub fn finished(&mut self, now: Duration, id: Id) {
        let ticket = self.tickets.iter_mut().find(|ticket| ticket.id == id);
        if let Some(State::Holding { idle, .. }) = ticket.map(|ticket| &mut ticket.state) {
            *idle = Some(now);
        }
    }

    /// A connection is closed: what it had is free, but for the place of a ticket.
    pub fn hung_up(&mut self, line: SocketAddr) {
        self.tickets.retain(|ticket| {
            let keeps = match ticket.state {
                State::Waiting { .. } => ticket.asker.manner != Manner::Active,
                State::Holding { idle, .. } => idle.is_none(),
            };
            ticket.asker.line != line || keeps
        });
    }

    /// Slots that are neither in use nor kept.
    #[must_use]
    pub fn free(&self) -> usize {
        let held = self.tickets.iter().filter(|ticket| ticket.holds()).count();
        self.settings.slots.saturating_sub(held)
    }

    /// Slots through which something is given now.
    #[must_use]
    pub fn active(&self) -> usize {
        let gives = |ticket: &&Ticket| matches!(ticket.state, State::Holding { idle: None, .. });
        self.tickets.iter().filter(gives).count()
    }

    /// How many wait, of those who may still ask in time.
    #[must_use]
    pub fn waiting(&self, now: Duration) -> usize {
        let waits = |ticket: &&Ticket| ticket.waits_until().is_some_and(|until| now <= until);
        self.tickets.iter().filter(waits).count()
    }

    /// Whether nobody more may wait.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.waiting(now) >= self.settings.places
    }

    /// The place of a ticket, from 1; nothing for one that holds a slot or is not known.
    #[must_use]
    pub fn place(&self, now: Duration, id: Id) -> Option<usize> {
        let known = self.tickets.iter().position(|ticket| ticket.id == id)?;
        (!self.tickets[known].holds()).then(|| self.position(now, known))
    }

    /// Whether a ticket holds a slot or waits.
    #[must_use]
    pub fn knows(&self, now: Duration, id: Id) -> bool {
        let valid = |ticket: &Ticket| ticket.waits_until().is_none_or(|until| now <= until);
        let mut tickets = self.tickets.iter();
        tickets.any(|ticket| ticket.id == id && valid(ticket))
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Forgets those who did not ask again in time, and slots that nobody uses.
    fn expire(&mut self, now: Duration) {
        let hold = self.settings.hold;
        let mut lapsed = 0;
        self.tickets.retain(|ticket| match ticket.state {
            State::Waiting {
                window: (_, until), ..
            } => {
                lapsed += u64::from(now > until);
                now <= until
            }
            State::Holding { idle, .. } => idle.is_none_or(|since| now <= since + hold),
        });
        self.counts.lapsed += lapsed;
        self.banned.retain(|(_, until)| now < *until);
    }

    fn ban_left(&self, now: Duration, asker: &Asker) -> Option<Duration> {
        let hit = |banned: &&(SocketAddr, Duration)| match asker.crowd {
            true => banned.0 == asker.line,
            false => banned.0.ip() == asker.line.ip(),
        };
        let (_, until) = self.banned.iter().find(hit)?;
        Some(until.saturating_sub(now))
    }

    /// The ticket of an asker: the one it shows, or that of its connection.
    fn find(&self, asker: &Asker) -> Option<usize> {
        let own = |ticket: &Ticket| {
            let same_host = ticket.asker.line.ip() == asker.line.ip();
            let shown = asker.ticket == Some(ticket.id) && same_host;
            let same_line = ticket.asker.line == asker.line;
            let returns = asker.manner == Manner::Unaware
                && ticket.asker.manner == Manner::Unaware
                && same_host
                && ticket.asker.content == asker.content
                && !ticket.holds();
            // Through a slot in use nothing more is given.
            let in_use = matches!(ticket.state, State::Holding { idle: None, .. });
            (shown || same_line || returns) && !in_use
        };
        let shown = |ticket: &&Ticket| asker.ticket == Some(ticket.id);
        let first = self.tickets.iter().find(shown).filter(|known| own(known));
        match first {
            Some(first) => self.tickets.iter().position(|ticket| ticket.id == first.id),
            None => self.tickets.iter().position(own),
        }
    }

    /// A new ticket, if there is room for one.
    fn admit(&mut self, now: Duration, asker: Asker, rng: &mut dyn Rng) -> Option<usize> {
        let same = |ticket: &&Ticket| ticket.asker.line.ip() == asker.line.ip();
        let waiting = |ticket: &&Ticket| !ticket.holds();
        let own = self.tickets.iter().filter(waiting).filter(same).count();
        let taken = self.tickets.iter().filter(waiting).count();
        let at_once = self.has_room(&asker) && self.free() > self.blockers(now);
        if !at_once {
            if !asker.crowd && own >= self.settings.places_each {
                return None;
            }
            if taken >= self.settings.places {
                self.displace(asker.weight)?;
            }
        }
        self.tickets.push(Ticket {
            id: Id::new(rng.random()),
            asker,
            state: State::Waiting {
                since: now,
                window: (now, now),
                strikes: 0,
            },
        });
        Some(self.tickets.len() - 1)
    }

    /// Takes the place of the last one of the least weight, if that is less than `weight`.
    fn displace(&mut self, weight: u32) -> Option<()> {
        let waiting = self.tickets.iter().enumerate();
        let waiting = waiting.filter(|(_, ticket)| !ticket.holds());
        // Tickets are in the order of their coming.
        let last = waiting.min_by_key(|(at, ticket)| (ticket.asker.weight, std::cmp::Reverse(*at)));
        let (at, least) = last.map(|(at, ticket)| (at, ticket.asker.weight))?;
        if least >= weight {
            return None;
        }
        self.tickets.remove(at);
        self.counts.displaced += 1;
        Some(())
    }

    fn grant(&mut self, known: usize, since: Duration) -> Answer {
        self.counts.granted += 1;
        let ticket = &mut self.tickets[known];
        ticket.state = State::Holding { since, idle: None };
        Answer::Granted(ticket.id)
    }

    /// Tells a place, and when to ask again.
    fn queue(&mut self, now: Duration, known: usize) -> Answer {
        let position = self.position(now, known);
        let Settings {
            poll,
            longest_poll,
            patience,
            retry,
            ..
        } = self.settings;
        let times = u32::try_from(position).unwrap_or(u32::MAX);
        let ticket = &mut self.tickets[known];
        let wait = match ticket.asker.manner {
            Manner::Unaware => retry,
            _ => poll.saturating_mul(times).min(longest_poll),
        };
        // Whole seconds are told.
        let poll_min = whole_seconds(wait);
        let poll_max = poll_min + patience;
        if let State::Waiting {
            window, strikes, ..
        } = &mut ticket.state
        {
            *window = (now + poll_min, now + poll_max);
            *strikes = 0;
        }
        self.counts.queued += 1;
        self.told(now, known, position, (poll_min, poll_max))
    }

    /// Who asks too early keeps its place and its time, but not for ever.
    fn hasty(&mut self, now: Duration, known: usize) -> Answer {
        self.counts.early += 1;
        let Settings {
            strikes: most,
            ban,
            banned: cap,
            ..
        } = self.settings;
        let State::Waiting {
            window: (from, until),
            strikes,
            ..
        } = &mut self.tickets[known].state
        else {
            return Answer::Full { retry: ban };
        };
        *strikes += 1;
        if *strikes < most {
            let left = |time: &Duration| whole_seconds(time.saturating_sub(now));
            let window = (left(from), left(until));
            let position = self.position(now, known);
            return self.told(now, known, position, window);
        }
        self.counts.banned += 1;
        if self.banned.len() >= cap.max(1) {
            self.banned.pop_front();
        }
        let line = self.tickets.remove(known).asker.line;
        self.banned.push_back((line, now + ban));
        Answer::Banned { left: ban }
    }

    fn told(
        &self,
        now: Duration,
        known: usize,
        position: usize,
        (poll_min, poll_max): (Duration, Duration),
    ) -> Answer {
        let slots = self.settings.slots.max(1);
        let turns = u32::try_from(position.div_ceil(slots)).unwrap_or(u32::MAX);
        Answer::Queued(Place {
            id: self.tickets[known].id,
            position,
            length: self.waiting(now).max(position),
            limit: self.settings.slots,
            poll_min,
            poll_max,
            eta: self.settings.turn.saturating_mul(turns),
        })
    }

    /// One more than those who wait before it and may come for a slot soon.
    fn position(&self, now: Duration, known: usize) -> usize {
        let own = self.tickets[known].score(now);
        let served = self.served();
        let before = |(at, ticket): &(usize, &Ticket)| {
            let score = ticket.score(now);
            *at != known
                && self.blocks(now, ticket, &served)
                && (score > own || (score == own && *at < known))
        };
        1 + self.tickets.iter().enumerate().filter(before).count()
    }

    /// How many wait who may come for a slot soon.
    fn blockers(&self, now: Duration) -> usize {
        let (tickets, served) = (self.tickets.iter(), self.served());
        let blocks = |ticket: &&Ticket| self.blocks(now, ticket, &served);
        tickets.filter(blocks).count()
    }

    fn somebody_waits(&self, now: Duration) -> bool {
        self.blockers(now) > self.free()
    }

    /// Whether one waits who may come for a slot soon, and could have it.
    fn blocks(&self, now: Duration, ticket: &Ticket, served: &[IpAddr]) -> bool {
        match ticket.state {
            State::Waiting {
                window: (from, until),
                ..
            } => {
                from <= now + self.settings.longest_poll
                    && now <= until
                    && (ticket.asker.crowd || !served.contains(&ticket.asker.line.ip()))
            }
            State::Holding { .. } => false,
        }
    }

    /// Hosts that have all the slots that they may have.
    fn served(&self) -> Vec<IpAddr> {
        let holders = self.tickets.iter().filter(|ticket| ticket.holds());
        let mut hosts: Vec<IpAddr> = holders.map(|ticket| ticket.asker.line.ip()).collect();
        hosts.sort_unstable();
        let mut served = Vec::new();
        for own in hosts.chunk_by(|one, other| one == other) {
            if own.len() >= self.settings.slots_each {
                served.push(own[0]);
            }
        }
        served
    }

    /// Whether the host of an asker has not all the slots that it may have.
    fn has_room(&self, asker: &Asker) -> bool {
        let host: IpAddr = asker.line.ip();
        let own = |ticket: &&Ticket| ticket.holds() && ticket.asker.line.ip() == host;
        asker.crowd || self.tickets.iter().filter(own).count() < self.settings.slots_each
    }
}

/// A time as it is told: so many seconds or the next whole number, and at least one.
fn whole_seconds(time: Duration) -> Duration {
    let more = u64::from(time.subsec_nanos() > 0);
    Duration::from_secs((time.as_secs() + more).max(1))
}

#[cfg(test)]
mod tests;
