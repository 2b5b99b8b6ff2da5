//! A vendor message that came over a link, and who takes it (protocol §8.6).

use bytes::Bytes;

use super::{connect_back, tell};
use crate::overlay::output::Output;
use crate::overlay::stats::Drop;
use crate::overlay::{Instant, Link, Servent, Surroundings};
use crate::wire::Header;
use crate::wire::vendor::Vendor;

impl Servent {
    /// Takes a vendor message. One that is unknown, or means nothing over a link, is ignored.
    pub(in crate::overlay) fn vendor(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let guid = header.guid;
        match Vendor::decode(payload).map_err(|_| Drop::Malformed)? {
            Vendor::MessagesSupported(reads) => self.hear_support(now, link, reads, around),
            Vendor::Features(features) => self.hear_features(link, features, around),
            Vendor::HopsFlow(hops) => self.hear_hops_flow(link, hops),
            Vendor::TcpConnectBack { port } => return self.connect_back(now, link, port, around),
            Vendor::TcpConnectBackRedirect(to) => {
                let to = self.redirected(now, link, to, around)?;
                around.out.push(Output::ConnectBack { to });
            }
            Vendor::UdpConnectBack { port, guid: token } => {
                let token = token.unwrap_or(guid);
                return self.ping_back(now, link, (port, token), around);
            }
            Vendor::UdpConnectBackRedirect(to) => {
                let to = self.redirected(now, link, to, around)?;
                around.out.push(connect_back::ping(to, guid));
            }
            Vendor::GuidanceRequest => self.guide(link, guid, around),
            Vendor::Guidance { kept } => return self.hear_guidance(link, guid, kept, around),
            Vendor::PushProxyRequest { .. } => return self.become_push_proxy(link, guid, around),
            Vendor::PushProxyCancel => self.cease_push_proxy(link),
            Vendor::PushProxyAck { ip, port } => {
                return self.hear_push_proxy(link, guid, (ip, port), around);
            }
            Vendor::HeadPing(ping) => self.head(link, guid, &ping, around),
            Vendor::HeadPong(_) => return self.relay_head(now, link, guid, payload, around),
            Vendor::NodeInfoRequest { .. } => {
                let info = self.node_info(around);
                tell(link, guid, &Vendor::NodeInfoReply(Box::new(info)), around);
            }
            Vendor::TimeSyncRequest { .. } => {
                let (guid, reply) = self.time(now, guid, around)?;
                tell(link, guid, &reply, around);
            }
            _ => return Err(Drop::Ignored),
        }
        Ok(())
    }
}
