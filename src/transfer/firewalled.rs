//! Servents that nobody can connect to: who they are, and who hands on pushes to them, as others tell
//! of them (`X-Falt`, protocol §10.6) and they of themselves (`X-FW-Node-Info`, §6.6). Pure.

use std::fmt::{self, Display};
use std::net::SocketAddrV4;
use std::str::FromStr;

use super::mesh::{self, is_somewhere};
use crate::net::http::HeaderMap;
use crate::wire::Guid;

/// Alternates taken from one answer.
const MOST: usize = 10;
/// Push proxies taken of each.
const PROXIES: usize = 4;

/// By which `X-Features` says that such alternates are understood.
pub(super) const FEATURE: &str = "fwalt/0.1";

/// A servent that has the file and is reached by push only. Written as an item of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewalled {
    /// Who.
    pub servent: Guid,
    /// Who hands on pushes to it; at least one.
    pub proxies: Vec<SocketAddrV4>,
}

impl FromStr for Firewalled {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut items = text.split(';').map(str::trim);
        let servent: Guid = items.next().and_then(|guid| guid.parse().ok()).ok_or(())?;
        // Its own address, `port:ip`, and how it takes datagrams or TLS, mean nothing here.
        let proxies = items.filter_map(|item| item.parse::<SocketAddrV4>().ok());
        let proxies = proxies.filter(|proxy| is_somewhere((*proxy).into()));
        let proxies: Vec<_> = proxies.take(PROXIES).collect();
        match servent.is_zero() || proxies.is_empty() {
            true => Err(()),
            false => Ok(Self { servent, proxies }),
        }
    }
}

impl Display for Firewalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.servent)?;
        self.proxies
            .iter()
            .try_for_each(|proxy| write!(f, ";{proxy}"))
    }
}

/// What a servent that nobody can connect to says of itself. Written as the value of the header, in
/// which its own address is the wrong way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Who it is, and who hands on pushes to it.
    pub who: Firewalled,
    /// Its own address, as far as it knows; nobody gets a connection there.
    pub at: Option<SocketAddrV4>,
}

impl FromStr for NodeInfo {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let who = text.parse()?;
        let mut items = text.split(';').skip(1).map(str::trim);
        let turned = |item: &str| {
            let (port, ip) = item.split_once(':')?;
            Some(SocketAddrV4::new(ip.parse().ok()?, port.parse().ok()?))
        };
        let at = items.find_map(turned);
        Ok(Self { who, at })
    }
}

impl Display for NodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Firewalled { servent, proxies } = &self.who;
        write!(f, "{servent}")?;
        if let Some(at) = self.at {
            write!(f, "; {}:{}", at.port(), at.ip())?;
        }
        proxies.iter().try_for_each(|proxy| write!(f, "; {proxy}"))
    }
}

/// Who answers, as far as it says: its GUID, and who hands on pushes to it now.
pub(super) fn introduction(headers: &HeaderMap) -> (Option<Guid>, Vec<SocketAddrV4>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let info = text("x-fw-node-info").and_then(|text| text.parse::<NodeInfo>().ok());
    let (servent, told) = match info {
        Some(NodeInfo { who, .. }) => (Some(who.servent), who.proxies),
        None => (
            text("x-guid").and_then(|guid| guid.trim().parse().ok()),
            Vec::new(),
        ),
    };
    let proxies = mesh::push_proxies(headers);
    let proxies = if proxies.is_empty() { told } else { proxies };
    (servent.filter(|servent: &Guid| !servent.is_zero()), proxies)
}

/// The alternates that an answer names.
pub(super) fn told(headers: &HeaderMap) -> Vec<Firewalled> {
    let values = headers.get_all("x-falt").iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let items = texts.flat_map(|text| text.split(','));
    items
        .filter_map(|item| item.parse().ok())
        .take(MOST)
        .collect()
}

/// Whether who answers understands such alternates.
pub(super) fn is_understood(headers: &HeaderMap) -> bool {
    let values = headers.get_all("x-features").iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut features = texts.flat_map(|text| text.split(','));
    features.any(|feature| feature.trim().eq_ignore_ascii_case(FEATURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0123456789abcdef0123456789abcdef";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn items_of_either_vendor_are_read_and_written_plainly() {
        for item in [
            format!("{GUID};1.2.3.4:5;6.7.8.9:10"),
            format!("{GUID};fwt/1;6346:9.9.9.9;pptls=8;1.2.3.4:5; 6.7.8.9:10"),
            format!(
                "{};0.0.0.0:1;1.2.3.4:5;6.7.8.9:10;1.1.1.1:0",
                GUID.to_uppercase()
            ),
        ] {
            let found: Firewalled = item.parse().unwrap();
            assert_eq!(found.to_string(), format!("{GUID};1.2.3.4:5;6.7.8.9:10"));
        }
    }

    #[test]
    fn its_own_address_is_the_wrong_way_round() {
        let text = format!("{GUID}; 6346:9.9.9.9; 1.2.3.4:5; 6.7.8.9:10");
        let info: NodeInfo = text.parse().unwrap();
        assert_eq!(info.at, Some("9.9.9.9:6346".parse().unwrap()));
        assert_eq!(info.who.proxies.len(), 2);
        assert_eq!(info.to_string(), text);
        // As LimeWire and gtk-gnutella write it.
        let text = format!("{GUID};fwt/1;6346:9.9.9.9;pptls=8;1.2.3.4:5;6.7.8.9:10");
        assert_eq!(text.parse(), Ok(info.clone()));
        let text = format!("{GUID}; 1.2.3.4:5; 6.7.8.9:10");
        let unknown = NodeInfo { at: None, ..info };
        assert_eq!(text.parse(), Ok(unknown.clone()));
        assert_eq!(unknown.to_string(), text);
    }

    #[test]
    fn who_answers_says_who_it_is_in_several_ways() {
        let all = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            let (servent, proxies) = introduction(&headers);
            let proxies: Vec<_> = proxies.iter().map(ToString::to_string).collect();
            (
                servent.map(|servent| servent.to_string()),
                proxies.join(" "),
            )
        };
        let servent = Some(GUID.to_owned());
        let info = (
            "x-fw-node-info",
            &*format!("{GUID}; 6346:9.9.9.9; 1.2.3.4:5"),
        );
        let proxies = ("x-push-proxies", "6.7.8.9:10");
        assert_eq!(all(&[info]), (servent.clone(), "1.2.3.4:5".to_owned()));
        // The list that is said by itself is the newest.
        let both = (servent, "6.7.8.9:10".to_owned());
        assert_eq!(all(&[info, proxies]), both);
        assert_eq!(all(&[("x-guid", GUID), proxies]), both);
        assert_eq!(all(&[proxies]), (None, "6.7.8.9:10".to_owned()));
        let zero = "0".repeat(32);
        assert_eq!(all(&[("x-guid", &zero)]), (None, String::new()));
        assert_eq!(
            all(&[("x-fw-node-info", "x; y"), ("x-guid", "z")]),
            (None, String::new())
        );
    }

    #[test]
    fn who_cannot_be_reached_is_none() {
        for item in [
            "".to_owned(),
            GUID.to_owned(),
            format!("{GUID};"),
            format!("{GUID};6346:9.9.9.9"),
            format!("{GUID};[::1]:5"),
            format!("{};1.2.3.4:5", "0".repeat(32)),
            format!("{};1.2.3.4:5", &GUID[1..]),
        ] {
            assert_eq!(item.parse::<Firewalled>(), Err(()), "{item}");
        }
    }

    #[test]
    fn no_more_are_taken_than_are_asked() {
        let item = format!("{GUID};{}", "1.2.3.4:5;".repeat(50));
        let all = told(&headers("x-falt", &format!("{item},").repeat(50)));
        assert_eq!((all.len(), all[0].proxies.len()), (MOST, PROXIES));
        assert!(told(&headers("x-alt", &item)).is_empty());
    }

    #[test]
    fn features_say_who_understands_them() {
        let understood = |value| is_understood(&headers("x-features", value));
        assert!(understood("tls/1.0, browse/1.0, FWALT/0.1, queue/1.1"));
        assert!(!understood("browse/1.0, fwalt/0.2"));
        assert!(!is_understood(&HeaderMap::new()));
    }
}
