//! What this servent says of itself in a handshake, and whom it takes (protocol §2.3, §2.5).

use std::net::{IpAddr, SocketAddr};

use super::core::Core;
use crate::wire::Guid;
use crate::wire::handshake::{Greeting, Headers};

/// How this program calls itself.
pub(super) const AGENT: &str = concat!("Filbert/", env!("CARGO_PKG_VERSION"));

/// Our headers towards a neighbour at `remote`: only what this servent does.
pub(super) fn headers(core: &Core, remote: IpAddr) -> Headers {
    let settings = &core.settings;
    let listen = SocketAddr::V4(settings.address);
    let greeting = Greeting {
        agent: Some(AGENT.to_owned()),
        ultrapeer: Some(true),
        ultrapeer_needed: Some(true),
        listen: (!listen.ip().is_unspecified()).then_some(listen),
        remote_ip: Some(remote),
        max_ttl: Some(settings.profile.max_ttl),
        degree: u32::try_from(settings.limits.neighbours).ok(),
        requeries: Some(false),
        ggep: true,
        bye: true,
        guid: Some(core.servent.guid()),
        ..Greeting::default()
    };
    greeting.to_headers()
}

/// Why a servent is not taken as a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// Whether the servent behind `greeting` may become a neighbour.
pub(super) fn judge(core: &Core, greeting: &Greeting) -> Result<(), Refusal> {
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
    if core.links.len() >= core.settings.limits.neighbours {
        return Err(Refusal {
            code: 503,
            reason: "Too many connections",
        });
    }
    Ok(())
}

/// Who the other side says it is.
pub(super) fn servent(greeting: &Greeting) -> Option<Guid> {
    greeting.guid.filter(|guid| !guid.is_zero())
}
