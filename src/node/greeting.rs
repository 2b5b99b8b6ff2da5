//! What this servent says of itself in a handshake, and whom it takes (protocol §2.3, §2.5).

use std::net::{IpAddr, SocketAddr};

use super::core::{Core, Neighbour};
use super::ground::is_private;
use crate::overlay::{Offer, Role};
use crate::wire::Guid;
use crate::wire::handshake::{Greeting, Headers, Version};

/// How this program calls itself.
pub(super) const AGENT: &str = concat!("Filbert/", env!("CARGO_PKG_VERSION"));

/// Our headers towards a neighbour at `remote`: only what this servent does.
pub(super) fn headers(core: &Core, remote: IpAddr) -> Headers {
    let settings = &core.settings;
    let listen = SocketAddr::V4(settings.address);
    let ultrapeer = settings.role == Role::Ultrapeer;
    let greeting = Greeting {
        agent: Some(AGENT.to_owned()),
        ultrapeer: Some(ultrapeer),
        ultrapeer_needed: ultrapeer.then_some(true),
        query_routing: Some(Version { major: 0, minor: 2 }),
        // Leaves say what follows too: others judge by it whether they are modern (protocol §2.4).
        ultrapeer_query_routing: true,
        dynamic_querying: !ultrapeer || settings.dynamic.is_some(),
        ext_probes: ultrapeer,
        listen: (!listen.ip().is_unspecified()).then_some(listen),
        remote_ip: Some(remote),
        max_ttl: Some(settings.profile.max_ttl),
        degree: u32::try_from(settings.limits.neighbours).ok(),
        requeries: Some(false),
        ggep: true,
        vendor_message: true,
        bye: true,
        tls: cfg!(feature = "tls"),
        guid: Some(core.servent.guid()),
        ..Greeting::default()
    };
    greeting.to_headers()
}

/// What the overlay makes of a greeting.
pub(super) fn offer(theirs: &Greeting) -> Offer {
    let leaf = theirs.ultrapeer == Some(false);
    Offer {
        role: if leaf { Role::Leaf } else { Role::Ultrapeer },
        bye: theirs.bye,
        // Nobody tells a leaf; an ultrapeer takes the tables of both, if it says so.
        routing: !leaf && (theirs.query_routing.is_some() || theirs.ultrapeer_query_routing),
        vendor: theirs.vendor_message,
        ext_probes: theirs.ext_probes,
        max_ttl: theirs.max_ttl,
        degree: theirs.degree.and_then(|degree| u16::try_from(degree).ok()),
    }
}

/// Why a servent is not taken as a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// Whether the servent behind `greeting` may become a neighbour.
pub(super) fn judge(core: &Core, greeting: &Greeting, remote: IpAddr) -> Result<(), Refusal> {
    let same = |known: &Neighbour| known.address.ip() == remote;
    if !core.private && !is_private(remote) && core.links.iter().any(|(_, known)| same(known)) {
        return Err(Refusal {
            code: 409,
            reason: "Already connected to this address",
        });
    }
    if let Some(guid) = servent(greeting) {
        if guid == core.servent.guid() {
            return Err(Refusal {
                code: 409,
                reason: "This is yourself",
            });
        }
        if core
            .links
            .iter()
            .any(|(_, known)| known.servent == Some(guid))
        {
            return Err(Refusal {
                code: 409,
                reason: "Already connected",
            });
        }
    }
    let role = offer(greeting).role;
    if !core.servent.has_room_for(role, &core.settings) {
        let reason = match core.settings.role {
            Role::Leaf if role == Role::Leaf => "Shielded leaf node",
            Role::Leaf => "Enough ultrapeers",
            Role::Ultrapeer => "Too many connections",
        };
        return Err(Refusal { code: 503, reason });
    }
    Ok(())
}

/// Who the other side says it is.
pub(super) fn servent(greeting: &Greeting) -> Option<Guid> {
    greeting.guid.filter(|guid| !guid.is_zero())
}
