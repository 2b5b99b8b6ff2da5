//! Handshakes between the overlay, which knows what to say and whom to take, and the network, which
//! carries it (protocol §2).

use std::net::{IpAddr, SocketAddr};

use super::core::Core;
#[cfg(test)]
use super::transcript::Act;
use crate::net::handshake::Judgement;
use crate::overlay::Role;
use crate::overlay::slots::{Admission, Caller, Refusal};
use crate::wire::handshake::{Greeting, Headers};

/// How a handshake stands once the other side was judged.
#[derive(Debug)]
pub(super) struct Met {
    /// What the other side said of itself.
    pub(super) greeting: Greeting,
    /// What we make of it.
    pub(super) admission: Admission,
    /// What we said that we are.
    pub(super) us: Role,
}

impl Core {
    /// Our first block to the servent at `remote`.
    pub(super) fn greet(&mut self, remote: IpAddr) -> Greeting {
        #[cfg(test)]
        self.transcript.begin(|| Act::Greet { remote });
        self.with(None, |servent, now, around| {
            servent.greet(now, remote, None, around)
        })
        .0
    }

    /// Judges the first block of whoever dialled us, and answers it.
    pub(super) fn welcome(&mut self, address: SocketAddr, greeting: Greeting) -> (Met, Judgement) {
        let caller = Caller {
            address,
            incoming: true,
            greeting: &greeting,
        };
        #[cfg(test)]
        self.transcript.begin(|| Act::meet(&caller));
        let refused = self.parting.then_some(Admission::Refuse(PARTING));
        let ((admission, ours), _) = self.with(None, |servent, now, around| {
            let admission = refused.unwrap_or_else(|| servent.meet(now, &caller, around));
            let answer = Some((&caller, admission));
            let ours = servent.greet(now, address.ip(), answer, around);
            (admission, ours)
        });
        let met = Met {
            admission,
            us: self.servent.role(),
            greeting,
        };
        (met, judgement(admission, ours.to_headers()))
    }

    /// Judges the answer of a servent that we dialled, to which we said that we are `us`.
    pub(super) fn weigh(
        &mut self,
        address: SocketAddr,
        us: Role,
        greeting: Greeting,
    ) -> (Met, Judgement) {
        let caller = Caller {
            address,
            incoming: false,
            greeting: &greeting,
        };
        #[cfg(test)]
        self.transcript.begin(|| Act::meet(&caller));
        let (admission, _) = self.with(None, |servent, now, around| {
            servent.meet(now, &caller, around)
        });
        let us = match admission {
            Admission::BecomeLeaf => Role::Leaf,
            _ => us,
        };
        let last = crate::overlay::Servent::last_word(admission);
        let met = Met {
            greeting,
            admission,
            us,
        };
        (met, judgement(admission, last.to_headers()))
    }

    /// What the other side is in the end, by the last block.
    pub(super) fn settle(&self, met: &Met, last: &Headers) -> Result<Role, Refusal> {
        let last = Greeting::from_headers(last);
        self.servent.settle(met.admission, &last, &self.settings)
    }
}

/// What is said to those who come while we leave.
const PARTING: Refusal = Refusal {
    code: 503,
    reason: "Shutting down",
};

fn judgement(admission: Admission, headers: Headers) -> Judgement {
    match admission {
        Admission::Take { .. } | Admission::TakeAsLeaf | Admission::BecomeLeaf => {
            Judgement::Accept(headers)
        }
        Admission::Crawl => Judgement::Inform(headers),
        Admission::Refuse(Refusal { code, reason }) => Judgement::Refuse {
            code,
            reason: reason.to_owned(),
            headers,
        },
    }
}
