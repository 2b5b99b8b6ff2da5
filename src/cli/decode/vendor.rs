//! Vendor messages as JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::ggep::{self, Extension};
use super::hex;
use super::meaning::texts;
use crate::wire::Error;
use crate::wire::address::Reach;
use crate::wire::vendor::{CrawledHost, CrawlerPong, CrawlerWish, Features, HeadPing, HeadPong};
use crate::wire::vendor::{Holding, NodeInfo, Stamp, Vendor};

/// A vendor message.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    name: String,
    message: &'static str,
    #[serde(flatten)]
    fields: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<Vec<Extension>>,
}

/// What the payload of a vendor message says.
pub(super) fn describe(payload: &Bytes) -> Result<Message, Error> {
    let vendor = Vendor::decode(payload)?;
    let name = vendor.name().to_string();
    let mut extensions = None;
    let (message, fields) = match vendor {
        Vendor::MessagesSupported(names) => (
            "messages_supported",
            json!({ "supported": texts(names.into_iter()) }),
        ),
        Vendor::Features(said) => ("features", json!({ "features": features(&said) })),
        Vendor::HopsFlow(hops) => ("hops_flow", json!({ "hops": hops })),
        Vendor::TcpConnectBack { port } => ("tcp_connect_back", json!({ "port": port })),
        Vendor::TcpConnectBackRedirect(address) => (
            "tcp_connect_back_redirect",
            json!({ "address": address.to_string() }),
        ),
        Vendor::UdpConnectBack { port, guid } => {
            let guid = guid.map(|guid| guid.to_string());
            ("udp_connect_back", json!({ "port": port, "guid": guid }))
        }
        Vendor::UdpConnectBackRedirect(address) => (
            "udp_connect_back_redirect",
            json!({ "address": address.to_string() }),
        ),
        Vendor::GuidanceRequest => ("leaf_guidance_request", json!({})),
        Vendor::Guidance { kept } => ("leaf_guidance", json!({ "kept": kept })),
        Vendor::OutOfBandClaim(claim) => {
            let token = claim.token.map(|token| hex(&token));
            (
                "out_of_band_claim",
                json!({ "wanted": claim.wanted, "token": token }),
            )
        }
        Vendor::OutOfBandOffer(offer) => {
            let fields = json!({ "hits": offer.hits, "unsolicited_udp": offer.unsolicited });
            ("out_of_band_offer", fields)
        }
        Vendor::OutOfBandVeto { version } => ("out_of_band_veto", json!({ "version": version })),
        Vendor::CrawlerPing(ping) => {
            let fields = json!({
                "ultrapeers": ping.ultrapeers,
                "leaves": ping.leaves,
                "wish": wish(ping.wish),
            });
            ("crawler_ping", fields)
        }
        Vendor::CrawlerPong(pong) => ("crawler_pong", crawler_pong(&pong)),
        Vendor::PushProxyRequest { .. } => ("push_proxy_request", json!({})),
        Vendor::PushProxyAck { ip, port } => ("push_proxy_ack", json!({ "ip": ip, "port": port })),
        Vendor::PushProxyCancel => ("push_proxy_cancel", json!({})),
        Vendor::HeadPing(ping) => {
            extensions = Some(ggep::list(&ping.extensions));
            ("head_ping", head_ping(&ping))
        }
        Vendor::HeadPong(pong) => ("head_pong", head_pong(&pong)),
        Vendor::TimeSyncRequest { ntp } => ("time_sync_request", json!({ "ntp": ntp })),
        Vendor::TimeSyncReply(reply) => {
            let Stamp { seconds, micros } = reply.received;
            let received = json!({ "seconds": seconds, "micros": micros });
            (
                "time_sync_reply",
                json!({ "ntp": reply.ntp, "received": received }),
            )
        }
        Vendor::NodeInfoRequest { wanted } => (
            "node_info_request",
            json!({ "wanted": format!("{wanted:#06x}") }),
        ),
        Vendor::NodeInfoReply(info) => {
            extensions = info.extensions().as_ref().map(ggep::list);
            ("node_info_reply", node_info(&info))
        }
        Vendor::Other { payload, .. } => ("unknown", json!({ "data": hex(&payload) })),
    };
    Ok(Message {
        name,
        message,
        fields,
        extensions,
    })
}

fn features(said: &Features) -> Value {
    let narrow = said
        .narrow
        .iter()
        .map(|&(name, version)| (name, u32::from(version)));
    let wide = said.wide.iter().flatten().copied();
    narrow
        .chain(wide)
        .map(|(name, version)| json!({ "name": letters(name), "version": version }))
        .collect()
}

fn wish(wish: CrawlerWish) -> Value {
    json!({
        "minutes": wish.has(CrawlerWish::MINUTES),
        "locale": wish.has(CrawlerWish::LOCALE),
        "crawlable_only": wish.has(CrawlerWish::CRAWLABLE),
        "agents": wish.has(CrawlerWish::AGENTS),
    })
}

fn crawler_pong(pong: &CrawlerPong) -> Value {
    let host = |host: &CrawledHost| {
        let minutes = pong.told.has(CrawlerWish::MINUTES).then_some(host.minutes);
        let locale = pong
            .told
            .has(CrawlerWish::LOCALE)
            .then(|| letters(host.locale));
        json!({ "address": host.address.to_string(), "minutes": minutes, "locale": locale })
    };
    json!({
        "ultrapeers": pong.ultrapeers.iter().map(host).collect::<Value>(),
        "leaves": pong.leaves.iter().map(host).collect::<Value>(),
        "agents": pong.agents,
    })
}

fn head_ping(ping: &HeadPing) -> Value {
    json!({
        "urn": ping.urn.to_string(),
        "ranges": ping.ranges,
        "alternates": ping.alternates,
        "push_alternates": ping.push_alternates,
        "firewall_alternates": ping.firewall_alternates,
        "leaf": ping.leaf().map(|leaf| leaf.to_string()),
    })
}

fn head_pong(pong: &HeadPong) -> Value {
    let holding = match pong.holding {
        Holding::None => "none",
        Holding::Complete => "complete",
        Holding::Partial => "partial",
    };
    let alternate =
        |reach: &Reach| json!({ "address": reach.address.to_string(), "tls": reach.tls });
    json!({
        "holding": holding,
        "firewalled": pong.firewalled,
        "downloading": pong.downloading,
        "tls": pong.tls,
        "vendor": pong.vendor.map(letters),
        "queue": pong.queue,
        "ranges": pong.ranges,
        "push_alternates": hex(&pong.push_alternates),
        "alternates": pong.alternates.iter().map(alternate).collect::<Value>(),
    })
}

fn node_info(info: &NodeInfo) -> Value {
    json!({
        "vendor": letters(info.vendor),
        "mode": info.mode,
        "answered": format!("{:#06x}", info.answered),
        "operating": format!("{:#010x}", info.operating),
        "features": info.features,
        "max_ultrapeers": info.max_ultrapeers,
        "max_ultrapeers_as_leaf": info.max_ultrapeers_as_leaf,
        "ultrapeers": info.ultrapeers,
        "max_leaves": info.max_leaves,
        "leaves": info.leaves,
        "ttl": info.ttl,
        "hard_ttl": info.hard_ttl,
        "started": info.started,
        "address_changed": info.address_changed,
        "rest": hex(&info.rest),
    })
}

fn letters<const N: usize>(bytes: [u8; N]) -> String {
    bytes.escape_ascii().to_string()
}
