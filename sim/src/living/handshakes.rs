//! Handshakes: a servent dials another, and both judge (protocol §2).
//!
//! The connection takes one journey there and one back, the blocks three more, as on the wire. Whom
//! nobody answers gives up after ten seconds.

use std::net::SocketAddr;

use filbert::overlay::membership::{Meeting, Outcome};
use filbert::overlay::slots::{Admission, Caller, Refusal};
use filbert::overlay::{Input, Link, Role, Servent};
use filbert::wire::handshake::Greeting;

use super::connections::{Connection, Tie};
use super::place::{address, node_at, outgoing};
use super::slab::Slab;
use super::world::{DIAL_PATIENCE, World};

/// Handshakes under way.
pub(super) type Handshakes = Slab<Box<Handshake>>;

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Who dialled, in which of its sessions.
    from: (u32, u32),
    /// Who is dialled, in which of its sessions.
    to: (u32, u32),
    /// When it began.
    began: u64,
    /// What the dialler says of itself, and what it said that it is.
    hello: (Greeting, Role),
    /// How it was judged, what it was answered, and what the other said that it is.
    answer: (Admission, Greeting, Role),
    /// The dialler's last word, and when it arrives.
    last: (Greeting, u64),
    /// The connection that comes of it.
    connection: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// The connection is to be opened.
    Open,
    /// Nobody answered, or who did is gone.
    Failed,
    /// The connection is open: the dialler says its block.
    Hello,
    /// That block arrives.
    Judge,
    /// The answer arrives.
    Answer,
    /// The last word arrives.
    Last,
}

impl World {
    /// A servent wants to reach another.
    pub(super) fn dial(&mut self, node: u32, there: SocketAddr) {
        self.count.dials += 1;
        let Some(to) = node_at(there, self.spec.servents) else {
            let outcome = Outcome::Failed;
            let address = there;
            self.enter(node, Input::Dialled { address, outcome }, None);
            return;
        };
        let session = |node: u32| (node, self.traits[node as usize].sessions);
        let number = self.handshakes.put(Box::new(Handshake {
            from: session(node),
            to: session(to),
            began: self.now.as_micros(),
            hello: (Greeting::default(), Role::Leaf),
            answer: (Admission::Crawl, Greeting::default(), Role::Leaf),
            last: (Greeting::default(), 0),
            connection: 0,
        }));
        let latency = self.latency.draw(node, to, &mut self.rng);
        self.step(latency, number, Stage::Open);
    }

    /// The next step of a handshake.
    pub(super) fn shake(&mut self, number: u32, stage: Stage) {
        let Some(mut shake) = self.handshakes.take(number) else {
            return;
        };
        let ((from, _), (to, _)) = (shake.from, shake.to);
        let next = match stage {
            Stage::Open => self.knock(&mut shake),
            Stage::Failed => {
                self.dialled(&shake, Outcome::Failed);
                None
            }
            Stage::Hello => self.hello(&mut shake),
            Stage::Judge => self.judge(&mut shake),
            Stage::Answer => self.weigh(&mut shake),
            Stage::Last => {
                self.conclude(&shake);
                None
            }
        };
        if let Some(next) = next {
            let now = self.now.as_micros();
            let at = match next {
                // Nobody says so: the dialler waits.
                Stage::Failed if matches!(stage, Stage::Open) => shake.began + DIAL_PATIENCE,
                Stage::Last => shake.last.1,
                _ => now + self.latency.draw(from, to, &mut self.rng),
            };
            let number = self.handshakes.put(shake);
            self.step(at.saturating_sub(now), number, next);
        }
    }

    /// Somebody wants to connect.
    fn knock(&mut self, shake: &mut Handshake) -> Option<Stage> {
        let ((from, _), (to, session)) = (shake.from, &mut shake.to);
        if !self.is_open(from, *to) {
            return Some(Stage::Failed);
        }
        *session = self.traits[*to as usize].sessions;
        let (to, from) = (*to, outgoing(from));
        self.enter(to, Input::Reached { from }, None);
        Some(Stage::Hello)
    }

    /// The dialler says what it is.
    fn hello(&mut self, shake: &mut Handshake) -> Option<Stage> {
        if !self.is_there(shake.from) {
            return None;
        }
        let remote = (*address(shake.to.0).ip()).into();
        let said = self.with(shake.from.0, None, |servent, now, around| {
            (servent.greet(now, remote, None, around), servent.role())
        });
        shake.hello = said?;
        Some(Stage::Judge)
    }

    /// Who is dialled judges and answers.
    fn judge(&mut self, shake: &mut Handshake) -> Option<Stage> {
        let ((from, _), (to, _)) = (shake.from, shake.to);
        if !self.is_there(shake.to) || self.is_split(from, to) {
            return Some(Stage::Failed);
        }
        let caller = Caller {
            address: outgoing(from),
            incoming: true,
            greeting: &shake.hello.0,
        };
        let answered = self.with(to, None, |servent, now, around| {
            let admission = servent.meet(now, &caller, around);
            let answer = Some((&caller, admission));
            let ours = servent.greet(now, caller.address.ip(), answer, around);
            (admission, ours, servent.role())
        });
        shake.answer = answered?;
        Some(Stage::Answer)
    }

    /// The dialler judges the answer, has the last word, and perhaps a link.
    fn weigh(&mut self, shake: &mut Handshake) -> Option<Stage> {
        let ((from, _), (to, _)) = (shake.from, shake.to);
        if !self.is_there(shake.from) {
            return None;
        }
        let greeting = &shake.answer.1;
        if let Admission::Refuse(Refusal { code, .. }) = shake.answer.0 {
            self.count.refused += 1;
            self.dialled(shake, Outcome::Refused { code, greeting });
            return None;
        }
        let caller = Caller {
            address: address(to).into(),
            incoming: false,
            greeting,
        };
        let admission = self.with(from, None, |servent, now, around| {
            servent.meet(now, &caller, around)
        })?;
        let settled = self.settle(from, admission, &Greeting::default());
        let Ok(role) = settled else {
            self.count.declined += 1;
            self.dialled(shake, Outcome::Declined);
            return None;
        };
        let us = match admission {
            Admission::BecomeLeaf => Role::Leaf,
            _ => shake.hello.1,
        };
        let now = self.now.as_micros();
        let arrives = now + self.latency.draw(from, to, &mut self.rng);
        let mut connection = Connection::new(from, to, now);
        // What is said over it from now on comes later than the last word.
        connection.far(0).arrival = arrives + 1;
        connection.flying = 1;
        shake.connection = self.connections.put(connection);
        shake.last = (Servent::last_word(admission), arrives);
        let meeting = Meeting {
            caller,
            admission,
            role,
            us,
            compressed: false,
        };
        let linked = self.join(shake.connection, 0, &meeting);
        let outcome = match linked {
            true => Outcome::Met,
            false => Outcome::Declined,
        };
        self.count.met += u64::from(linked);
        self.count.declined += u64::from(!linked);
        self.dialled(shake, outcome);
        Some(Stage::Last)
    }

    /// The last word arrives: who was dialled has a link too, or the connection ends.
    fn conclude(&mut self, shake: &Handshake) {
        let number = shake.connection;
        let (admission, _, us) = shake.answer;
        let split = self.is_split(shake.from.0, shake.to.0);
        if let Some(connection) = self.connections.get_mut(number) {
            connection.flying -= 1;
            connection.severed |= split;
        }
        if split {
            self.clear(number);
            return;
        }
        let tie = Tie {
            link: Link(0),
            connection: number,
            side: 1,
        };
        if !self.is_there(shake.to) {
            self.end(tie);
            return;
        }
        let to = shake.to.0;
        match self.settle(to, admission, &shake.last.0) {
            Ok(role) => {
                let caller = Caller {
                    address: outgoing(shake.from.0),
                    incoming: true,
                    greeting: &shake.hello.0,
                };
                let meeting = Meeting {
                    caller,
                    admission,
                    role,
                    us,
                    compressed: false,
                };
                self.join(number, 1, &meeting);
            }
            Err(_) => self.end(tie),
        }
        self.clear(number);
    }

    /// Makes a connection a link of the servent at this end; says whether it is one then.
    fn join(&mut self, number: u32, side: u8, meeting: &Meeting<'_>) -> bool {
        let Some(connection) = self.connections.get_mut(number) else {
            return false;
        };
        let (node, far) = (connection.end(side).node, connection.far(side).node);
        let stays = self.settle_twin(node, far, side);
        let Some(member) = self.members[node as usize].as_deref_mut() else {
            return false;
        };
        let link = Link(member.next_link);
        member.next_link += 1;
        let tie = Tie {
            link,
            connection: number,
            side,
        };
        if !stays {
            self.end(tie);
            return false;
        }
        member.ties.push(tie);
        if let Some(connection) = self.connections.get_mut(number) {
            connection.end(side).link = Some(link);
        }
        self.enter(node, Input::Joined { link, meeting }, None);
        let member = self.members[node as usize].as_deref();
        member.is_some_and(|member| member.tie(link).is_some())
    }

    /// Of two links that two servents opened to each other at the same time, both keep the one that the
    /// servent with the lower GUID dialled, as live servents do. Says whether the new one stays.
    fn settle_twin(&mut self, node: u32, far: u32, side: u8) -> bool {
        let Some(member) = self.members[node as usize].as_deref() else {
            return false;
        };
        let with_him = |tie: &&Tie| {
            let known = self.connections.get(tie.connection);
            known.is_some_and(|known| known.ends[usize::from(1 - tie.side)].node == far)
        };
        let Some(&twin) = member.ties.iter().find(with_him) else {
            return true;
        };
        let since = self.connections.get(twin.connection).map(|twin| twin.since);
        let age = self.now.as_micros() - since.unwrap_or_default();
        if twin.side == side || age > TWINS {
            return false;
        }
        let guid = |node: u32| self.traits[node as usize].guid;
        let we_dial = guid(node) < guid(far);
        let stays = (side == 0) == we_dial;
        if stays {
            self.close(node, twin.link, None);
        }
        stays
    }

    fn settle(&self, node: u32, admission: Admission, last: &Greeting) -> Result<Role, Refusal> {
        let member = self.members[node as usize].as_deref();
        let member = member.ok_or(Refusal::ULTRAPEERS)?;
        member.servent.settle(admission, last, &self.settings)
    }

    /// Tells the dialler what came of it, where it is still there.
    fn dialled(&mut self, shake: &Handshake, outcome: Outcome<'_>) {
        if self.is_there(shake.from) {
            self.count.failed += u64::from(matches!(outcome, Outcome::Failed));
            let address = address(shake.to.0).into();
            self.enter(shake.from.0, Input::Dialled { address, outcome }, None);
        }
    }

    /// Whether a servent is still in this session.
    fn is_there(&self, (node, session): (u32, u32)) -> bool {
        let node = node as usize;
        self.members[node].is_some() && self.traits[node].sessions == session
    }
}

/// How long after a connection another between the same two counts as opened at the same time, in
/// microseconds: as for a live servent.
const TWINS: u64 = 10_000_000;
