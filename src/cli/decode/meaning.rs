//! What the data of an extension says (protocol §9.4).

use serde_json::{Value, json};

use super::hex;
use crate::wire::Guid;
use crate::wire::address::{unpack, unpack_one, unpack_reaches, unpack_v6};
use crate::wire::ggep::{Extensions, decode_integer};
use crate::wire::pong::{HostWish, Maker, Slots};
use crate::wire::query::Media;
use crate::wire::urn::{Sha1, TigerRoot, Urn};

/// What an extension of `all` says; nothing when that is not known or its data is not sound.
pub(super) fn meaning(id: &str, data: &[u8], all: &Extensions) -> Option<Value> {
    Some(match id {
        "UP" => {
            let Slots {
                version,
                leaves,
                ultrapeers,
            } = Slots::from_data(data)?;
            json!({ "version": version, "leaf_slots": leaves, "ultrapeer_slots": ultrapeers })
        }
        "VC" => {
            let maker = Maker::from_data(data)?;
            let version = format!("{}.{}", maker.major, maker.minor);
            json!({ "vendor": maker.vendor_text(), "version": version })
        }
        "SCP" | "DHTIPP" if data.len() <= 1 => {
            let wish = HostWish::from_data(data);
            json!({
                "ultrapeer_slots": wish.ultrapeer_slots,
                "tls": wish.tls,
                "ipv6": wish.ipv6,
                "no_ipv4": wish.no_ipv4,
            })
        }
        "GUE" => {
            let (&version, port) = data.split_first()?;
            let port = port.first_chunk().map(|port| u16::from_le_bytes(*port));
            json!({ "version": format!("{}.{}", version >> 4, version & 15), "port": port })
        }
        "DHT" => match *data {
            [major, minor, mode] => {
                json!({ "version": format!("{major}.{minor}"), "mode": dht_mode(mode)? })
            }
            _ => return None,
        },
        "IPP" | "ALT" | "DHTIPP" | "A" => texts(unpack(data)),
        "PUSH" => match <[u8; 16]>::try_from(data) {
            // A HEAD ping names the servent it is for; a hit names proxies, six bytes each.
            Ok(guid) => json!(Guid::from_bytes(guid).to_string()),
            Err(_) => texts(unpack(data)),
        },
        "IPP6" | "ALT6" | "PUSH6" | "DHTIPP6" | "A6" => texts(unpack_v6(data)),
        "IPP_TLS" | "ALT_TLS" | "PUSH_TLS" => {
            let list = all.get(id.strip_suffix("_TLS")?)?;
            let encrypted = unpack_reaches(list, data).filter(|reach| reach.tls);
            texts(encrypted.map(|reach| reach.address))
        }
        "IP" if data.is_empty() => json!(true),
        "IP" => json!(unpack_one(data)?.to_string()),
        "6" | "GTKG.IPV6" if data.is_empty() => json!(true),
        "6" | "GTKG.IPV6" => {
            let bytes = <[u8; 16]>::try_from(data).ok()?;
            json!(std::net::Ipv6Addr::from(bytes).to_string())
        }
        "H" => json!(Urn::from_typed_digest(data)?.to_string()),
        "u" => json!(format!("urn:{}", text(data)?)),
        "TT" => json!(TigerRoot::from_bytes(data.try_into().ok()?).to_string()),
        "M" => media(data)?,
        "DU" | "LF" | "CT" | "WH" => json!(decode_integer(data)?),
        "XQ" | "LOC" | "PATH" | "HNAME" | "UA" | "<" => json!(text(data)?),
        "UDPHC" if data.is_empty() => json!(true),
        "UDPHC" => json!(text(data)?),
        "GTKGV" | "GTKGV1" => gtkg_version(data)?,
        "S1" => json!(Urn::Sha1(Sha1::from_bytes(data.try_into().ok()?)).to_string()),
        "PRU" if !data.is_empty() => {
            let (modified, available) = data.split_first_chunk()?;
            let modified = u32::from_be_bytes(*modified);
            json!({ "modified": modified, "available": decode_integer(available)? })
        }
        "PHC" => json!(text(data)?.lines().collect::<Vec<_>>()),
        "GGEP" => json!(text(data)?.split('\0').collect::<Vec<_>>()),
        "FW" => json!(data.first()?),
        "I6" => json!({ "ipv6_only": data == [1] }),
        "SO" | "QK" if !data.is_empty() => json!({ "token": hex(data) }),
        "BH" | "TLS" | "GTKG.TLS" | "SO" | "QK" | "NP" | "PR" | "PR0" | "PRU" | "NM" | "Z"
        | "MCAST"
            if data.is_empty() =>
        {
            json!(true)
        }
        _ => return None,
    })
}

/// gtk-gnutella's version: behind a byte of its own three numbers, a letter, and when it came out,
/// in seconds since 1970.
fn gtkg_version(data: &[u8]) -> Option<Value> {
    let (&[_, major, minor, patch, _], rest) = data.split_first_chunk()?;
    let released = u32::from_be_bytes(*rest.first_chunk()?);
    json!({ "version": format!("{major}.{minor}.{patch}"), "released": released }).into()
}

fn media(mask: &[u8]) -> Option<Value> {
    let media = Media::from_data(mask)?;
    let wanted = Media::NAMES.iter().filter(|(kind, _)| media.has(*kind));
    Some(wanted.map(|(_, name)| *name).collect())
}

fn dht_mode(mode: u8) -> Option<&'static str> {
    ["inactive", "active", "passive", "passive_leaf"]
        .get(usize::from(mode))
        .copied()
}

fn text(data: &[u8]) -> Option<&str> {
    str::from_utf8(data).ok()
}

pub(super) fn texts<T: ToString>(list: impl Iterator<Item = T>) -> Value {
    list.map(|item| item.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ggep::Id;

    #[test]
    fn known_data_has_a_meaning_and_unsound_data_none() {
        let none = Extensions::new();
        for (id, data, expected) in [
            (
                "UP",
                &b"\x02\x14\x05"[..],
                json!({"version": 2, "leaf_slots": 20, "ultrapeer_slots": 5}),
            ),
            (
                "VC",
                b"GTKG\x83",
                json!({"vendor": "GTKG", "version": "8.3"}),
            ),
            (
                "IPP",
                b"\xc6\x33\x64\x07\xca\x18",
                json!(["198.51.100.7:6346"]),
            ),
            (
                "IP",
                b"\xc6\x33\x64\x07\xca\x18",
                json!("198.51.100.7:6346"),
            ),
            ("GUE", b"\x02", json!({"version": "0.2", "port": null})),
            ("DU", b"\x10\x0e", json!(3600)),
            ("M", b"\x84", json!(["audio", "unix_program"])),
            ("TLS", b"", json!(true)),
            ("SO", b"\xab", json!({"token": "ab"})),
            (
                "GTKGV",
                b"\x01\x01\x02\x03\0\x65\xe3\xbd\x80",
                json!({"version": "1.2.3", "released": 1_709_424_000}),
            ),
            (
                "PRU",
                b"\0\0\x01\0\x02",
                json!({"modified": 256, "available": 2}),
            ),
            (
                "DHT",
                b"\0\x02\x01",
                json!({"version": "0.2", "mode": "active"}),
            ),
        ] {
            assert_eq!(meaning(id, data, &none), Some(expected), "{id}");
        }
        for (id, data) in [
            ("UP", &b"\x02"[..]),
            ("H", b"\x01"),
            ("TT", b""),
            ("XQ", b"\xff"),
            ("??", b""),
        ] {
            assert_eq!(meaning(id, data, &none), None, "{id}");
        }
        let mut hosts = Extensions::new();
        hosts.push(
            Id::IPP,
            b"\xc6\x33\x64\x07\xca\x18\xc0\0\x02\x0a\xca\x18".to_vec(),
        );
        let encrypted = meaning("IPP_TLS", &[0x40], &hosts);
        assert_eq!(encrypted, Some(json!(["192.0.2.10:6346"])));
    }
}
