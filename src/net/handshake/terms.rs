//! What two servents agree on in their blocks: compression and TLS (protocol §14).
//!
//! The sender of a stream compresses it when the other side accepts that and says so in its own
//! next block. Only the initiator proposes TLS; it begins behind the last block.

use super::{Judgement, Policy};
use crate::wire::handshake::Headers;

const DEFLATE: &str = "deflate";
const TLS: &str = "TLS/1.0";
const UPGRADE: &str = "Upgrade";

/// What was agreed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// What comes is compressed.
    pub(super) inflate: bool,
    /// What goes is compressed, at this level.
    pub(super) deflate: Option<u32>,
    /// The link goes over to TLS.
    pub(super) tls: bool,
}

/// Proposes, in the initiator's first block.
pub(super) fn propose(policy: &Policy, encrypted: bool, ours: &mut Headers) {
    accept_deflate(policy, ours);
    if policy.tls.is_offered() && !encrypted {
        ours.set(UPGRADE, TLS);
    }
}

/// What is wrong with a block, before anyone looks at who sent it.
pub(super) fn fault(
    headers: &Headers,
    terms: &Terms,
    policy: &Policy,
    encrypted: bool,
) -> Option<Judgement> {
    if lists(headers, "Connection", is_upgrade) && !headers.contains(UPGRADE) {
        Some(Judgement::refuse(400, "Upgrade Header Missing"))
    } else if policy.tls.is_required() && !encrypted && !terms.tls {
        Some(Judgement::refuse(403, "TLS required"))
    } else {
        None
    }
}

impl Terms {
    /// What the initiator's first block makes possible.
    pub(super) fn of_hello(hello: &Headers, policy: &Policy, encrypted: bool) -> Self {
        Self {
            inflate: false,
            deflate: accepted(hello, policy),
            tls: policy.tls.is_offered() && !encrypted && lists(hello, UPGRADE, is_tls),
        }
    }

    /// What the answer to our first block agrees to.
    pub(super) fn of_answer(answer: &Headers, policy: &Policy, encrypted: bool) -> Self {
        Self {
            inflate: compressed(answer),
            deflate: accepted(answer, policy),
            tls: policy.tls.is_offered()
                && !encrypted
                && lists(answer, "Connection", is_upgrade)
                && lists(answer, UPGRADE, is_tls),
        }
    }

    /// Says so in the answer.
    pub(super) fn answer(&self, policy: &Policy, answer: &mut Headers) {
        accept_deflate(policy, answer);
        if self.tls {
            answer.set(UPGRADE, TLS);
        }
        self.conclude(answer);
    }

    /// Says so in the initiator's last block.
    pub(super) fn conclude(&self, last: &mut Headers) {
        if self.deflate.is_some() {
            last.set("Content-Encoding", DEFLATE);
        }
        if self.tls {
            last.set("Connection", UPGRADE);
        }
    }

    /// What the initiator's last block made of the answer.
    pub(super) fn settle(&mut self, last: &Headers) {
        self.inflate = compressed(last);
        self.tls &= lists(last, "Connection", is_upgrade);
    }
}

fn accept_deflate(policy: &Policy, headers: &mut Headers) {
    if policy.deflate.is_some() {
        headers.set("Accept-Encoding", DEFLATE);
    }
}

/// The level at which to compress for the sender of `headers`.
fn accepted(headers: &Headers, policy: &Policy) -> Option<u32> {
    policy
        .deflate
        .filter(|_| lists(headers, "Accept-Encoding", is_deflate))
}

/// Whether the sender of `headers` compresses: what it says is what it does, asked for or not.
fn compressed(headers: &Headers) -> bool {
    lists(headers, "Content-Encoding", is_deflate)
}

fn lists(headers: &Headers, name: &str, is: fn(&str) -> bool) -> bool {
    headers.items(name).any(is)
}

fn is_deflate(item: &str) -> bool {
    item.eq_ignore_ascii_case(DEFLATE)
}

fn is_upgrade(item: &str) -> bool {
    item.eq_ignore_ascii_case(UPGRADE)
}

/// Any version: which one is spoken is settled inside TLS.
fn is_tls(item: &str) -> bool {
    item.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("TLS/"))
}
