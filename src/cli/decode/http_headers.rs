//! What the headers of transfers say (protocol §10.2, §10.3).

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::wire::urn::Urn;

/// The port of a place that names none.
const DEFAULT_PORT: u16 = 6346;

/// What a header says; nothing when it is text, not known or not sound.
pub(super) fn meaning(name: &str, value: &str) -> Option<Value> {
    let value = value.trim();
    Some(match &*name.to_ascii_lowercase() {
        "content-length" | "x-create-time" => json!(value.parse::<u64>().ok()?),
        "retry-after" => json!(value.parse::<u32>().ok()?),
        "range" | "x-available-ranges" => ranges(value)?,
        "content-range" => content_range(value)?,
        "x-available" | "x-downloaded" => {
            let number = value.strip_prefix("bytes").unwrap_or(value);
            json!(number.trim().parse::<u64>().ok()?)
        }
        "x-gnutella-content-urn" | "x-content-urn" => {
            let urns = items(value).map(|urn| urn.parse::<Urn>().ok().map(|urn| urn.to_string()));
            json!(urns.collect::<Option<Vec<_>>>()?)
        }
        "x-features" => features(value)?,
        "x-queue" => queue(value),
        "x-queued" => fields(value, ';'),
        "x-alt" | "x-nalt" => places(value)?,
        "x-falt" | "x-nfalt" => items(value).map(firewalled).collect::<Option<Value>>()?,
        "x-fw-node-info" => firewalled(value)?,
        "x-push-proxy" | "x-push-proxies" | "x-pushproxies" => places(value)?,
        "host" | "x-node" | "x-node-ipv6" | "x-host" | "listen-ip" | "x-listen-ip" => {
            json!(place(value)?.to_string())
        }
        "x-thex-uri" => {
            let (uri, root) = value.split_once(';')?;
            json!({ "uri": uri, "root": root.trim() })
        }
        "x-gnutella-alternate-location" | "alternate-location" => items(value)
            .map(|item| item.split_whitespace().next().map(Value::from))
            .collect::<Option<Value>>()?,
        _ => return None,
    })
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// `bytes=0-99`, `bytes 0-10, 20-30`, `bytes=5-`, `bytes=-24`.
fn ranges(value: &str) -> Option<Value> {
    let list = value.strip_prefix("bytes")?.trim_start_matches(['=', ' ']);
    let range = |item: &str| {
        let (first, last) = item.split_once('-')?;
        let end = |text: &str| match text.trim() {
            "" => Some(None),
            text => text.parse::<u64>().ok().map(Some),
        };
        Some(json!({ "first": end(first)?, "last": end(last)? }))
    };
    items(list).map(range).collect()
}

/// `bytes 0-99/1000` or `bytes */1000`.
fn content_range(value: &str) -> Option<Value> {
    let rest = value.strip_prefix("bytes")?.trim_start_matches(['=', ' ']);
    let (range, total) = rest.split_once('/')?;
    let total = total.trim().parse::<u64>().ok();
    let (first, last) = match range.trim().split_once('-') {
        Some((first, last)) => (
            Some(first.parse::<u64>().ok()?),
            Some(last.parse::<u64>().ok()?),
        ),
        None => (None, None),
    };
    Some(json!({ "first": first, "last": last, "total": total }))
}

/// `browse/1.0, fwalt/0.1`.
fn features(value: &str) -> Option<Value> {
    let feature = |item: &str| {
        let (name, version) = item.split_once('/')?;
        Some((name.to_owned(), Value::from(version)))
    };
    items(value)
        .map(feature)
        .collect::<Option<Map<_, _>>>()
        .map(Value::Object)
}

/// `1.1`, or `position=2,length=5,limit=4,pollMin=45,pollMax=120`.
fn queue(value: &str) -> Value {
    match value.contains('=') {
        true => fields(value, ','),
        false => json!({ "version": value }),
    }
}

/// `ID=…; position=3`: names and values, numbers where they are some.
fn fields(value: &str, divider: char) -> Value {
    let field = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let value = value.trim();
        let value = value
            .parse::<u64>()
            .map_or_else(|_| json!(value), |number| json!(number));
        Some((name.trim().to_owned(), value))
    };
    Value::Object(value.split(divider).filter_map(field).collect())
}

/// Places, in front of which bits may tell which of them take TLS: `tls=8,192.0.2.1:6346`.
fn places(value: &str) -> Option<Value> {
    let mut bits: Vec<bool> = Vec::new();
    let mut places = Vec::new();
    for item in items(value) {
        if let Some(digits) = item.strip_prefix("tls=") {
            for digit in digits.chars() {
                let digit = digit.to_digit(16)?;
                bits.extend((0..4).map(|bit| digit & 8 >> bit != 0));
            }
        } else {
            let tls = bits.get(places.len()).copied().unwrap_or(false);
            let address = place(item)?.to_string();
            places.push(json!({ "address": address, "tls": tls }));
        }
    }
    Some(places.into())
}

fn place(text: &str) -> Option<SocketAddr> {
    let address = text.parse().ok();
    address.or_else(|| Some(SocketAddr::new(text.parse().ok()?, DEFAULT_PORT)))
}

/// A servent behind a firewall: its GUID, perhaps its port and address, and its push proxies.
fn firewalled(value: &str) -> Option<Value> {
    let mut parts = value
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let guid: crate::wire::Guid = parts.next()?.parse().ok()?;
    let (mut transfer, mut address, mut tls) = (None, None, None);
    let mut proxies = Vec::new();
    for part in parts {
        if let Some(version) = part.strip_prefix("fwt/") {
            transfer = Some(version);
        } else if let Some(bits) = part.strip_prefix("pptls=") {
            tls = Some(bits);
        } else if let Some(proxy) = place(part) {
            proxies.push(proxy.to_string());
        } else {
            // The servent's own address stands the other way about, port first.
            let (port, ip) = part.split_once(':')?;
            address = place(&format!("{ip}:{port}")).map(|address| address.to_string());
        }
    }
    Some(json!({
        "guid": guid.to_string(),
        "firewall_transfer": transfer,
        "address": address,
        "proxies": proxies,
        "proxies_tls": tls,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_transfers_say_what_they_mean() {
        let guid = "4c093102af99ccaa0bf9569878d3d7f0";
        let range = |first, last: Option<u64>| json!({ "first": first, "last": last });
        for (name, value, expected) in [
            ("Range", "bytes=0-99", json!([range(Some(0), Some(99))])),
            ("range", "bytes=-24", json!([range(None::<u64>, Some(24))])),
            (
                "X-Available-Ranges",
                "bytes 0-10, 20-",
                json!([range(Some(0), Some(10)), range(Some(20), None)]),
            ),
            (
                "Content-Range",
                "bytes 10-19/100",
                json!({"first": 10, "last": 19, "total": 100}),
            ),
            (
                "Content-Range",
                "bytes */100",
                json!({"first": null, "last": null, "total": 100}),
            ),
            ("X-Queue", "1.1", json!({"version": "1.1"})),
            (
                "X-Queue",
                "position=2,length=5",
                json!({"position": 2, "length": 5}),
            ),
            (
                "X-Queued",
                "ID=ec63; position=3",
                json!({"ID": "ec63", "position": 3}),
            ),
            (
                "X-Features",
                "browse/1.0, tls/1.0",
                json!({"browse": "1.0", "tls": "1.0"}),
            ),
            (
                "X-Alt",
                "tls=4,192.0.2.1,192.0.2.2:7000",
                json!([
                    {"address": "192.0.2.1:6346", "tls": false},
                    {"address": "192.0.2.2:7000", "tls": true},
                ]),
            ),
            (
                "X-FW-Node-Info",
                &format!("{guid}; fwt/1; 6346:192.0.2.1; 192.0.2.2:7000"),
                json!({
                    "guid": guid, "firewall_transfer": "1", "address": "192.0.2.1:6346",
                    "proxies": ["192.0.2.2:7000"], "proxies_tls": null,
                }),
            ),
            ("X-Node", "192.0.2.1:6346", json!("192.0.2.1:6346")),
            ("Retry-After", "60", json!(60)),
            (
                "X-Thex-URI",
                "/uri-res/N2X?x;ROOT",
                json!({"uri": "/uri-res/N2X?x", "root": "ROOT"}),
            ),
        ] {
            assert_eq!(meaning(name, value), Some(expected), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_not_sound_says_nothing() {
        for (name, value) in [
            ("Range", "lines=1-2"),
            ("Content-Range", "bytes 1-2"),
            ("X-Alt", "nowhere"),
            ("X-Alt", "tls=x"),
            ("X-Falt", "short;1.2.3.4:5"),
            ("X-Gnutella-Content-URN", "urn:sha1:short"),
            ("X-Features", "browse"),
            ("Content-Length", "-1"),
            ("Server", "TEST/0.1"),
        ] {
            assert_eq!(meaning(name, value), None, "{name}: {value}");
        }
    }
}
