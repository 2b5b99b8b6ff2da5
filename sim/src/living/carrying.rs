//! What servents want done, and how it comes to others: links, their ends, and datagrams.

use filbert::overlay::backlog::Backlog;
use filbert::overlay::flow::Pressure;
use filbert::overlay::{Input, Link, Output, Recipients};
use filbert::wire::bye::Bye;
use filbert::wire::datagram::Datagram;
use filbert::wire::{Descriptor, Guid, HEADER_LEN, Header, Kind};
use rand::RngExt;

use super::connections::{Connection, Tie};
use super::handshakes::Stage;
use super::place::{node_at, outgoing};
use super::world::{Event, Parcel, World};

impl World {
    /// Carries out one thing that a servent wants done, having received this or nothing.
    pub(super) fn carry_out(&mut self, node: u32, output: Output, received: Option<&Descriptor>) {
        match output {
            Output::Forward { to, ttl, hops } => {
                if let Some(descriptor) = received {
                    let header = Header {
                        ttl,
                        hops,
                        ..descriptor.header
                    };
                    let payload = descriptor.payload.clone();
                    self.send(node, &to, Descriptor { header, payload });
                }
            }
            Output::Send { to, descriptor } => self.send(node, &to, descriptor),
            Output::Close { link, bye, .. } => self.close(node, link, bye),
            Output::Dial { address, .. } => self.dial(node, address),
            Output::Role(role) => self.count.turn(role),
            Output::Datagram {
                to,
                descriptor,
                deflate: _,
            } => {
                if let Some(to) = node_at(to, self.spec.servents) {
                    self.send_datagram(node, to, descriptor);
                }
            }
            Output::ConnectBack { to } => {
                if let Some(to) = node_at(to, self.spec.servents) {
                    let latency = self.latency.draw(node, to, &mut self.rng);
                    self.later(latency, Event::Reach { from: node, to });
                }
            }
            // Nobody fetches anything here.
            Output::GiveBack { .. } => {}
            Output::Hit { search, hit, .. } => self.found(node, search, &hit),
        }
    }

    /// Whether nothing passes between two servents now.
    pub(super) fn is_split(&self, one: u32, other: u32) -> bool {
        let beyond = |node: u32| self.traits[node as usize].beyond;
        self.split && beyond(one) != beyond(other)
    }

    /// Puts a descriptor into links of a servent.
    fn send(&mut self, node: u32, to: &Recipients, descriptor: Descriptor) {
        self.watch_query(node, &descriptor);
        let parcel = self.parcels.put(Parcel {
            descriptor,
            copies: 0,
        });
        let Some(member) = self.members[node as usize].as_deref() else {
            return;
        };
        match to {
            Recipients::One(link) => {
                if let Some(tie) = member.tie(*link) {
                    self.put(node, tie, parcel);
                }
            }
            Recipients::Some(links) => {
                let ties: Vec<Tie> = links.iter().filter_map(|link| member.tie(*link)).collect();
                ties.into_iter().for_each(|tie| self.put(node, tie, parcel));
            }
            Recipients::All | Recipients::AllBut(_) => {
                for place in 0..member.ties.len() {
                    let member = self.members[node as usize].as_deref();
                    let Some(&tie) = member.and_then(|member| member.ties.get(place)) else {
                        break;
                    };
                    if *to != Recipients::AllBut(tie.link) {
                        self.put(node, tie, parcel);
                    }
                }
            }
        }
        self.drop_unused(parcel);
    }

    /// Sends a parcel over a link of a servent, or has it wait for the uplink.
    fn put(&mut self, node: u32, tie: Tie, parcel: u32) {
        let now = self.now.as_micros();
        let Some(member) = self.members[node as usize].as_deref_mut() else {
            return;
        };
        let Some(uplink) = member.uplink.as_deref_mut() else {
            self.transmit(node, tie, parcel, now);
            return;
        };
        let Some(sent) = self.parcels.get(parcel) else {
            return;
        };
        if uplink.free <= now && uplink.turns.is_empty() {
            uplink.free = now + uplink.time(size(&sent.descriptor));
            let free = uplink.free;
            self.transmit(node, tie, parcel, free);
            return;
        }
        let Some(connection) = self.connections.get_mut(tie.connection) else {
            return;
        };
        let room = self.settings.limits.queue_bytes;
        let end = connection.end(tie.side);
        let waiting = end
            .waiting
            .get_or_insert_with(|| Box::new(Backlog::new(room)));
        let begins = waiting.is_empty();
        waiting.push(sent.descriptor.clone(), || self.now);
        if begins {
            uplink.turns.push_back(tie.link);
        }
        if !std::mem::replace(&mut uplink.awaited, true) {
            let free = uplink.free;
            self.calendar.push(free, Event::Sent { node });
        }
    }

    /// A servent's uplink is free: what waits has its next turn.
    pub(super) fn send_waiting(&mut self, node: u32) {
        let now = self.now.as_micros();
        let Some(member) = self.members[node as usize].as_deref_mut() else {
            return;
        };
        let Some(uplink) = member.uplink.as_deref_mut() else {
            return;
        };
        uplink.awaited = false;
        while let Some(link) = uplink.turns.pop_front() {
            let place = member.ties.binary_search_by_key(&link, |tie| tie.link);
            let Some(&tie) = place.ok().and_then(|place| member.ties.get(place)) else {
                continue;
            };
            let Some(connection) = self.connections.get_mut(tie.connection) else {
                continue;
            };
            let end = connection.end(tie.side);
            let Some(waiting) = &mut end.waiting else {
                continue;
            };
            let Some(descriptor) = waiting.pop() else {
                end.waiting = None;
                continue;
            };
            let level = waiting.pressure(|| self.now);
            if waiting.is_empty() {
                end.waiting = None;
            } else {
                uplink.turns.push_back(link);
            }
            uplink.free = now + uplink.time(size(&descriptor));
            let free = uplink.free;
            if !uplink.turns.is_empty() {
                uplink.awaited = true;
                self.calendar.push(free, Event::Sent { node });
            }
            let parcel = self.parcels.put(Parcel {
                descriptor,
                copies: 0,
            });
            self.transmit(node, tie, parcel, free);
            self.drop_unused(parcel);
            self.press(node, link, level);
            return;
        }
    }

    /// Tells a servent when a neighbour began or ceased to keep up.
    fn press(&mut self, node: u32, link: Link, level: Pressure) {
        let Some(member) = self.members[node as usize].as_deref() else {
            return;
        };
        let neighbours = member.servent.neighbours();
        let place = neighbours.binary_search_by_key(&link, |known| known.link);
        let known = place.map(|place| &neighbours[place]);
        if known.is_ok_and(|known| known.congested != (level == Pressure::Congested)) {
            self.enter(node, Input::Pressure { link, level }, None);
        }
    }

    /// Sends a parcel that leaves then over a connection, to whoever is at the other end.
    fn transmit(&mut self, node: u32, tie: Tie, parcel: u32, leaves: u64) {
        let Some(far) = self.connections.get_mut(tie.connection) else {
            return;
        };
        let far = far.far(tie.side).node;
        let split = self.is_split(node, far);
        let Some(sent) = self.parcels.get_mut(parcel) else {
            return;
        };
        let Header {
            kind, ttl, hops, ..
        } = sent.descriptor.header;
        self.count.send(kind, size(&sent.descriptor));
        let latency = self.latency.draw(node, far, &mut self.rng);
        let Some(connection) = self.connections.get_mut(tie.connection) else {
            return;
        };
        // What is lost is not sent again: such a connection never comes back.
        connection.severed |= split;
        if connection.severed {
            return;
        }
        let at = (leaves + latency).max(connection.far(tie.side).arrival);
        connection.far(tie.side).arrival = at;
        connection.flying += 1;
        sent.copies += 1;
        let event = Event::Descriptor {
            connection: tie.connection,
            side: 1 - tie.side,
            ttl,
            hops,
            parcel,
        };
        self.calendar.push(at, event);
    }

    /// A copy arrives at an end of a connection.
    pub(super) fn arrive(&mut self, (number, side): (u32, u8), (ttl, hops): (u8, u8), parcel: u32) {
        let came = self.parcels.get_mut(parcel).map(|came| {
            came.copies -= 1;
            let header = Header {
                ttl,
                hops,
                ..came.descriptor.header
            };
            let payload = came.descriptor.payload.clone();
            Descriptor { header, payload }
        });
        self.drop_unused(parcel);
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        connection.flying -= 1;
        let End { node, link } = End::of(connection, side);
        if let (Some(link), Some(descriptor)) = (link, came) {
            let before = self.taken(&descriptor);
            let Descriptor { header, payload } = &descriptor;
            let input = Input::Received {
                link,
                header: *header,
                payload,
            };
            self.enter(node, input, Some(&descriptor));
            self.count_taken(before, &descriptor);
        }
        self.clear(number);
    }

    /// A servent closes a link, and says why if it wants to.
    pub(super) fn close(&mut self, node: u32, link: Link, bye: Option<Bye>) {
        let member = self.members[node as usize].as_deref_mut();
        if let Some(member) = member
            && let Some(tie) = member.tie(link)
        {
            member.ties.retain(|known| known.link != link);
            if let Some(bye) = bye {
                self.say_goodbye(node, tie, &bye);
            }
            self.end(tie);
        }
        self.enter(node, Input::Closed { link }, None);
    }

    /// A servent that goes leaves a connection: with a word to the other end, or without.
    pub(super) fn leave(&mut self, tie: Tie, politely: bool) {
        let Some(connection) = self.connections.get_mut(tie.connection) else {
            return;
        };
        let node = connection.end(tie.side).node;
        if politely {
            let bye = Bye {
                code: 200,
                message: "Shutting down".to_owned(),
            };
            self.say_goodbye(node, tie, &bye);
            self.end(tie);
            return;
        }
        connection.severed = true;
        connection.end(tie.side).link = None;
        connection.end(tie.side).waiting = None;
        self.clear(tie.connection);
    }

    /// The last that is said over a connection.
    fn say_goodbye(&mut self, node: u32, tie: Tie, bye: &Bye) {
        let header = Header {
            guid: Guid::random(&mut self.rng),
            kind: Kind::Bye,
            ttl: 1,
            hops: 0,
        };
        let parcel = self.parcels.put(Parcel {
            descriptor: Descriptor {
                header,
                payload: bye.encode(),
            },
            copies: 0,
        });
        self.transmit(node, tie, parcel, self.now.as_micros());
        self.drop_unused(parcel);
    }

    /// Closes one end of a connection; the other learns of it.
    pub(super) fn end(&mut self, tie: Tie) {
        let Some(connection) = self.connections.get_mut(tie.connection) else {
            return;
        };
        connection.end(tie.side).link = None;
        connection.end(tie.side).waiting = None;
        let (node, far) = (connection.end(tie.side).node, connection.far(tie.side).node);
        let split = self.is_split(node, far);
        let latency = self.latency.draw(node, far, &mut self.rng);
        let now = self.now.as_micros();
        if let Some(connection) = self.connections.get_mut(tie.connection)
            && !split
            && !connection.severed
        {
            let at = (now + latency).max(connection.far(tie.side).arrival);
            connection.far(tie.side).arrival = at;
            connection.flying += 1;
            let event = Event::Closed {
                connection: tie.connection,
                side: 1 - tie.side,
            };
            self.calendar.push(at, event);
        }
        self.clear(tie.connection);
    }

    /// The end of a connection arrives at an end of it.
    pub(super) fn hang_up(&mut self, number: u32, side: u8) {
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        connection.flying -= 1;
        let End { node, link } = End::of(connection, side);
        connection.end(side).link = None;
        connection.end(side).waiting = None;
        if let Some(link) = link {
            if let Some(member) = self.members[node as usize].as_deref_mut() {
                member.ties.retain(|known| known.link != link);
            }
            self.enter(node, Input::Closed { link }, None);
        }
        self.clear(number);
    }

    /// Forgets a connection that is over.
    pub(super) fn clear(&mut self, number: u32) {
        if self
            .connections
            .get(number)
            .is_some_and(Connection::is_over)
        {
            self.connections.take(number);
        }
    }

    fn drop_unused(&mut self, parcel: u32) {
        if self
            .parcels
            .get(parcel)
            .is_some_and(|sent| sent.copies == 0)
        {
            self.parcels.take(parcel);
        }
    }

    fn send_datagram(&mut self, from: u32, to: u32, descriptor: Descriptor) {
        if let Some(member) = self.members[from as usize].as_deref_mut()
            && self.traits[from as usize].hidden
        {
            member.asks(to);
        }
        self.count.send(descriptor.header.kind, size(&descriptor));
        let lost = self.spec.loss > 0.0 && self.rng.random::<f64>() < self.spec.loss;
        if lost || self.is_split(from, to) {
            return;
        }
        let parcel = self.parcels.put(Parcel {
            descriptor,
            copies: 1,
        });
        let latency = self.latency.draw(from, to, &mut self.rng);
        self.later(latency, Event::Datagram { from, to, parcel });
    }

    /// A datagram arrives, where it is let in.
    pub(super) fn take_datagram(&mut self, from: u32, to: u32, parcel: u32) {
        let Some(Parcel { descriptor, .. }) = self.parcels.take(parcel) else {
            return;
        };
        let hidden = self.traits[to as usize].hidden;
        let member = self.members[to as usize].as_deref();
        if !member.is_some_and(|member| !hidden || member.asked.contains(&from)) {
            return;
        }
        let datagram = Datagram {
            descriptor,
            inflates: false,
        };
        if let Ok(bytes) = &datagram.encode(false) {
            let from = super::place::address(from).into();
            self.enter(to, Input::Datagram { from, bytes }, None);
        }
    }

    /// Somebody opens a connection to see whether it can be.
    pub(super) fn reach(&mut self, from: u32, to: u32) {
        if self.is_open(from, to) {
            let from = outgoing(from);
            self.enter(to, Input::Reached { from }, None);
        }
    }

    /// Whether somebody can connect to a servent now.
    pub(super) fn is_open(&self, from: u32, to: u32) -> bool {
        let there = self.members[to as usize].is_some();
        there && !self.traits[to as usize].hidden && !self.is_split(from, to)
    }

    /// The next step of a handshake, so far from now.
    pub(super) fn step(&mut self, micros: u64, number: u32, stage: Stage) {
        self.later(micros, Event::Handshake { number, stage });
    }
}

/// Who is at an end of a connection, if anybody is.
struct End {
    node: u32,
    link: Option<Link>,
}

impl End {
    fn of(connection: &mut Connection, side: u8) -> Self {
        let end = connection.end(side);
        Self {
            node: end.node,
            link: end.link,
        }
    }
}

fn size(descriptor: &Descriptor) -> usize {
    HEADER_LEN + descriptor.payload.len()
}
