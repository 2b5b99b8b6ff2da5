//! All that happens to a live servent, taken down in full so that a test can do it again: a fresh
//! servent with the same settings, random numbers and order of inputs gives the same outputs, byte
//! for byte.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::PoisonError;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::Node;
use super::state::Role;
use crate::overlay::flow::Pressure;
use crate::overlay::membership::{Meeting, Outcome, Standing, Wish};
use crate::overlay::slots::{Admission, Caller};
use crate::overlay::{
    self, Catalogue, Input, Instant, Link, Mode, Output, SearchId, Servent, Settings, Stats,
    Surroundings,
};
use crate::wire::handshake::Greeting;
use crate::wire::query::Query;
use crate::wire::{Guid, Header};

/// What a servent went through.
pub(super) struct Transcript {
    seed: [u8; 32],
    guid: Guid,
    settings: Settings,
    steps: Vec<Step>,
}

/// One thing that happened, with what may have changed around the servent before.
#[derive(Clone, Debug)]
struct Step {
    act: Act,
    at: Instant,
    address: SocketAddrV4,
    standing: Standing,
    outputs: Vec<Output>,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Greet {
        remote: IpAddr,
    },
    Meet {
        address: SocketAddr,
        incoming: bool,
        greeting: Greeting,
    },
    Joined {
        link: Link,
        address: SocketAddr,
        incoming: bool,
        greeting: Greeting,
        admission: Admission,
        role: overlay::Role,
        us: overlay::Role,
        compressed: bool,
    },
    Dialled {
        address: SocketAddr,
        met: bool,
    },
    Reached {
        from: SocketAddr,
    },
    Datagram {
        from: SocketAddr,
        bytes: Bytes,
    },
    Received {
        link: Link,
        header: Header,
        payload: Bytes,
    },
    Closed {
        link: Link,
    },
    Pressure {
        link: Link,
        level: Pressure,
    },
    Search {
        id: SearchId,
        query: Query,
        ttl: Option<u8>,
    },
    Cancel {
        id: SearchId,
    },
    LibraryChanged,
    Tick,
}

impl Act {
    pub(super) fn of(input: &Input<'_>) -> Self {
        match *input {
            Input::Joined { link, meeting } => Self::Joined {
                link,
                address: meeting.caller.address,
                incoming: meeting.caller.incoming,
                greeting: meeting.caller.greeting.clone(),
                admission: meeting.admission,
                role: meeting.role,
                us: meeting.us,
                compressed: meeting.compressed,
            },
            Input::Dialled { address, outcome } => Self::Dialled {
                address,
                met: matches!(outcome, Outcome::Met),
            },
            Input::Reached { from } => Self::Reached { from },
            Input::Datagram { from, bytes } => Self::Datagram {
                from,
                bytes: bytes.clone(),
            },
            Input::Received {
                link,
                header,
                payload,
            } => Self::Received {
                link,
                header,
                payload: payload.clone(),
            },
            Input::Closed { link } => Self::Closed { link },
            Input::Pressure { link, level } => Self::Pressure { link, level },
            Input::Search { id, query, ttl } => Self::Search {
                id,
                query: query.clone(),
                ttl,
            },
            Input::Cancel { id } => Self::Cancel { id },
            Input::LibraryChanged => Self::LibraryChanged,
            Input::Tick => Self::Tick,
            Input::Connected { .. } | Input::Introduced { .. } | Input::Overrun { .. } => {
                unreachable!("no node of these tests gets it: {input:?}")
            }
        }
    }

    pub(super) fn meet(caller: &Caller<'_>) -> Self {
        Self::Meet {
            address: caller.address,
            incoming: caller.incoming,
            greeting: caller.greeting.clone(),
        }
    }

    /// Does it again.
    fn repeat(&self, servent: &mut Servent, now: Instant, around: &mut Surroundings<'_>) {
        let input = match self {
            Self::Greet { remote } => {
                servent.greet(now, *remote, None, around);
                return;
            }
            Self::Meet {
                address,
                incoming,
                greeting,
            } => {
                let caller = Caller {
                    address: *address,
                    incoming: *incoming,
                    greeting,
                };
                let admission = servent.meet(now, &caller, around);
                if *incoming {
                    servent.greet(now, address.ip(), Some((&caller, admission)), around);
                }
                return;
            }
            Self::Joined {
                link,
                address,
                incoming,
                greeting,
                admission,
                role,
                us,
                compressed,
            } => {
                let meeting = Meeting {
                    caller: Caller {
                        address: *address,
                        incoming: *incoming,
                        greeting,
                    },
                    admission: *admission,
                    role: *role,
                    us: *us,
                    compressed: *compressed,
                };
                let joined = Input::Joined {
                    link: *link,
                    meeting: &meeting,
                };
                servent.handle(now, joined, around);
                return;
            }
            Self::Dialled { address, met } => Input::Dialled {
                address: *address,
                outcome: if *met { Outcome::Met } else { Outcome::Failed },
            },
            Self::Reached { from } => Input::Reached { from: *from },
            Self::Datagram { from, bytes } => Input::Datagram { from: *from, bytes },
            Self::Received {
                link,
                header,
                payload,
            } => Input::Received {
                link: *link,
                header: *header,
                payload,
            },
            Self::Closed { link } => Input::Closed { link: *link },
            Self::Pressure { link, level } => Input::Pressure {
                link: *link,
                level: *level,
            },
            Self::Search { id, query, ttl } => Input::Search {
                id: *id,
                query,
                ttl: *ttl,
            },
            Self::Cancel { id } => Input::Cancel { id: *id },
            Self::LibraryChanged => Input::LibraryChanged,
            Self::Tick => Input::Tick,
        };
        servent.handle(now, input, around);
    }
}

impl Transcript {
    pub(super) const fn new(seed: [u8; 32], guid: Guid, settings: Settings) -> Self {
        Self {
            seed,
            guid,
            settings,
            steps: Vec::new(),
        }
    }

    /// Something happens.
    pub(super) fn begin(&mut self, act: impl FnOnce() -> Act) {
        self.steps.push(Step {
            act: act(),
            at: Instant::default(),
            address: self.settings.address,
            standing: Standing::default(),
            outputs: Vec::new(),
        });
    }

    /// Around it things are so.
    pub(super) fn surround(&mut self, now: Instant, servent: &mut Servent, settings: &Settings) {
        let (Some(step), Some(member)) = (self.steps.last_mut(), servent.membership_mut()) else {
            return;
        };
        (step.at, step.address) = (now, settings.address);
        step.standing = *member.standing_mut();
    }

    /// This came of it.
    pub(super) fn end(&mut self, outputs: &[Output]) {
        if let Some(step) = self.steps.last_mut() {
            step.outputs.extend_from_slice(outputs);
        }
    }

    /// What comes of it when all of it happens to a fresh servent.
    fn repeat(&self, wish: Wish, catalogue: &dyn Catalogue) -> Vec<Vec<Output>> {
        let mut settings = self.settings.clone();
        let mut servent = Servent::new(self.guid, overlay::Role::Leaf);
        servent.join(Instant::default(), wish, &settings);
        let mut rng = StdRng::from_seed(self.seed);
        let mut stats = Stats::default();
        let again = |step: &Step| {
            settings.address = step.address;
            if let Some(member) = servent.membership_mut() {
                *member.standing_mut() = step.standing;
            }
            let mut out = Vec::new();
            let mut around = Surroundings {
                settings: &settings,
                catalogue,
                rng: &mut rng,
                stats: &mut stats,
                out: &mut out,
            };
            step.act.repeat(&mut servent, step.at, &mut around);
            out
        };
        self.steps.iter().map(again).collect()
    }
}

/// All bytes that these outputs put on links.
fn bytes(outputs: &[Output], received: Option<(&Header, &Bytes)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for output in outputs {
        let descriptor = match (output, received) {
            (Output::Send { descriptor, .. } | Output::Datagram { descriptor, .. }, _) => {
                descriptor.clone()
            }
            (Output::Forward { ttl, hops, .. }, Some((header, payload))) => {
                crate::wire::Descriptor {
                    header: Header {
                        ttl: *ttl,
                        hops: *hops,
                        ..*header
                    },
                    payload: payload.clone(),
                }
            }
            _ => continue,
        };
        bytes.extend_from_slice(&descriptor.encode().unwrap());
    }
    bytes
}

#[test]
fn the_recorded_inputs_of_a_live_servent_give_its_outputs_again() {
    let home = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let shared = home.path().join(name);
        std::fs::create_dir_all(&shared).unwrap();
        for number in 0..3 {
            let file = shared.join(format!("{name} song {number}.ogg"));
            std::fs::write(file, format!("{name} {number}")).unwrap();
        }
        let builder = Node::builder()
            .listen("127.0.0.1:0".parse().unwrap())
            .share_forced(shared)
            .role(Role::Ultrapeer);
        crate::runtime::block_on(async {
            let node = builder.start().await.unwrap();
            node.shared().await;
            node
        })
    };
    let centre = start("centre");
    let others: Vec<Node> = ["north", "east", "south", "west"].map(start).into();
    crate::runtime::block_on(async {
        for (number, other) in others.iter().enumerate() {
            // Half of the links it opens itself.
            if number % 2 == 0 {
                centre.connect(other.address()).await.unwrap();
            } else {
                other.connect(centre.address()).await.unwrap();
            }
        }
        // A ring around it, so that there are duplicates.
        for (one, other) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            others[one].connect(others[other].address()).await.unwrap();
        }
        for asker in others.iter().chain([&centre]) {
            for words in ["north song", "centre song", "nobody has this", "west"] {
                let mut search = asker.search(words).unwrap();
                let hit = futures::StreamExt::next(&mut search);
                let patience = std::time::Duration::from_millis(400);
                let _none = crate::runtime::timeout(patience, hit).await;
                search.cancel();
            }
        }
        others[3].stop().await;
    });
    let (transcript, index) = {
        let mut core = centre.0.core();
        let empty = Transcript::new([0; 32], core.servent.guid(), core.settings.clone());
        let index = std::sync::Arc::clone(&core.index);
        (std::mem::replace(&mut core.transcript, empty), index)
    };
    let wish = Wish {
        mode: Mode::Ultrapeer,
        seeks: false,
    };
    let again = {
        let index = index.read().unwrap_or_else(PoisonError::into_inner);
        transcript.repeat(wish, &*index)
    };
    let mut sent = 0;
    for (number, (step, outputs)) in transcript.steps.iter().zip(&again).enumerate() {
        assert_eq!(&step.outputs, outputs, "step {number}: {:?}", step.act);
        let received = match &step.act {
            Act::Received {
                header, payload, ..
            } => Some((header, payload)),
            _ => None,
        };
        let (first, second) = (bytes(&step.outputs, received), bytes(outputs, received));
        assert_eq!(first, second, "step {number}: {:?}", step.act);
        sent += first.len();
    }
    let all = |is: fn(&Act) -> bool| transcript.steps.iter().filter(|step| is(&step.act)).count();
    assert_eq!(all(|act| matches!(act, Act::Joined { .. })), 4);
    assert!(all(|act| matches!(act, Act::Received { .. })) > 50);
    assert!(all(|act| matches!(act, Act::Closed { .. })) > 0);
    assert!(sent > 4_000, "{sent} bytes");
    crate::runtime::block_on(async {
        for node in others.iter().chain([&centre]) {
            node.stop().await;
        }
    });
}
