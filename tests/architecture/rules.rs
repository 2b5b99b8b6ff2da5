//! The rules of the house, and what a source file does against them.

use crate::source::{Path, Token, paths, tokens};

/// Who may use whom: a room, and the rooms (or parts of one) that it may name.
///
/// Arrows point down only. What a room does not list it must not know; effects that concern
/// others leave it as values.
pub(crate) const ARROWS: &[(&str, &[&str])] = &[
    ("runtime", &[]),
    ("wire", &[]),
    ("topology", &[]),
    ("overlay", &["wire"]),
    ("swarm", &["wire"]),
    ("library", &["wire", "overlay::catalogue"]),
    ("store", &["wire", "library"]),
    ("net", &["runtime", "wire"]),
    ("transfer", &["library", "net", "runtime", "swarm", "wire"]),
    (
        "node",
        &[
            "library", "net", "overlay", "runtime", "store", "transfer", "wire",
        ],
    ),
    (
        "api",
        &["library::hash", "net::http", "node", "runtime", "wire"],
    ),
    ("web", &["api", "net::http", "net::listener", "runtime"]),
    (
        "devnet",
        &[
            "api", "library", "node", "overlay", "runtime", "topology", "wire",
        ],
    ),
    ("config", &["overlay"]),
    (
        "cli",
        &[
            "api",
            "config",
            "devnet",
            "library::hash",
            "node",
            "runtime",
            "topology",
            "web",
            "wire",
        ],
    ),
];

/// What the simulator may name of the library: the pure rooms.
const SIMULATOR: &[&str] = &["library::index", "overlay", "swarm", "topology", "wire"];

/// The sources of the pure rooms: no socket, file, clock, thread or global randomness.
const PURE: &[&str] = &[
    "src/wire/",
    "src/overlay/",
    "src/swarm/",
    "src/topology/",
    "src/library/index",
];

/// Foreign names, and the only places that may say them.
const FOREIGN: &[(&str, &[&str])] = &[
    ("async_std", &["src/runtime.rs"]),
    ("async_io", &["src/runtime.rs"]),
    ("async_signal", &["src/runtime.rs"]),
    ("jiff", &["src/node/rates"]),
    ("rusqlite", &["src/store/"]),
    ("hyper", &["src/net/http"]),
    ("futures_rustls", &["src/net/tls"]),
    ("rcgen", &["src/net/tls"]),
    ("axum", &["src/web/"]),
    ("tower_service", &["src/web/"]),
    ("clap", &["src/cli/", "sim/src/"]),
    ("toml", &["src/config", "sim/src/"]),
    ("smol", &[]),
    ("tokio", &[]),
];

/// Paths that would let the world into a pure room.
const IMPURE_PATHS: &[&str] = &[
    "Instant::now",
    "rand::random",
    "rand::rng",
    "rand::rngs",
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "thread::spawn",
];

/// Words that would, wherever they come from.
const IMPURE_WORDS: &[&str] = &[
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ThreadRng",
    "ToSocketAddrs",
    "UdpSocket",
    "thread_rng",
];

/// The longest file that one can still hold in one's head.
const MAX_LINES: usize = 600;

/// What a file does against a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) rule: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// Everything that the source `text` at `file` (as `src/net/tls.rs`) does against the rules.
pub(crate) fn judge(file: &str, text: &str) -> Vec<Breach> {
    let tokens = tokens(text);
    let paths = paths(&tokens);
    let mut found = Vec::new();
    found.extend(too_long(text));
    found.extend(undescribed(file, text));
    found.extend(arrows(file, &paths));
    found.extend(foreign_names(file, &tokens));
    if is_pure(file) {
        found.extend(impurities(&tokens, &paths));
    }
    let mut found: Vec<Breach> = found
        .into_iter()
        .map(|(line, rule)| Breach {
            file: file.to_owned(),
            line,
            rule,
        })
        .collect();
    found.sort_by_key(|breach| breach.line);
    found.dedup();
    found
}

/// The room of a file of the library: `src/net/tls.rs` is in `net`; `src/lib.rs` is in none.
pub(crate) fn room(file: &str) -> Option<&str> {
    let inside = file.strip_prefix("src/")?;
    let room = inside.split('/').next()?;
    let room = room.strip_suffix(".rs").unwrap_or(room);
    (!matches!(room, "lib" | "main")).then_some(room)
}

fn is_pure(file: &str) -> bool {
    PURE.iter().any(|place| file.starts_with(place))
}

fn too_long(text: &str) -> Option<(usize, String)> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| {
        let rule = format!("{lines} lines; a file has at most {MAX_LINES}, so split it by ideas");
        (MAX_LINES + 1, rule)
    })
}

fn undescribed(file: &str, text: &str) -> Option<(usize, String)> {
    let name = file.rsplit('/').next()?;
    let is_map = matches!(name, "lib.rs" | "main.rs" | "mod.rs") || file.matches('/').count() == 1;
    (is_map && !text.starts_with("//!")).then(|| {
        let rule = "a module begins with a `//!` comment that says what it is for".to_owned();
        (1, rule)
    })
}

fn arrows(file: &str, paths: &[Path<'_>]) -> Vec<(usize, String)> {
    if file.starts_with("sim/") {
        return paths
            .iter()
            .filter(|path| path.segments[0] == "filbert")
            .filter(|path| !may_use("", SIMULATOR, path))
            .map(|path| {
                let rule = format!(
                    "the simulator may not use `{}`; it knows {}",
                    path.segments.join("::"),
                    SIMULATOR.join(", ")
                );
                (path.line, rule)
            })
            .collect();
    }
    let Some(room) = room(file) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        let rule = format!("the room `{room}` is not in the table of arrows");
        return vec![(1, rule)];
    };
    let own_files = file_depth(file);
    paths
        .iter()
        .filter_map(|path| {
            let climbs = path.segments.iter().take_while(|s| **s == "super").count();
            let leaves = climbs > 0 && climbs >= own_files + path.depth;
            let rule = if leaves {
                format!("`super` leaves the room `{room}`; say `crate::` and the other room's name")
            } else if path.segments[0] != "crate" || may_use(room, allowed, path) {
                return None;
            } else {
                let known = match allowed {
                    [] => "nobody".to_owned(),
                    _ => allowed.join(", "),
                };
                format!(
                    "the room `{room}` may not use `{}`; it knows {known}",
                    path.segments.join("::")
                )
            };
            Some((path.line, rule))
        })
        .collect()
}

/// Whether `path`, which begins with the crate's name, stays at home or follows an arrow.
fn may_use(home: &str, allowed: &[&str], path: &Path<'_>) -> bool {
    let inside = Path {
        segments: path.segments[1..].to_vec(),
        ..path.clone()
    };
    inside.begins_with(home) || allowed.iter().any(|place| inside.begins_with(place))
}

/// How many modules a file stands below the crate's root.
fn file_depth(file: &str) -> usize {
    let folders = file.matches('/').count() - 1;
    folders + usize::from(!file.ends_with("/mod.rs"))
}

fn foreign_names(file: &str, tokens: &[Token<'_>]) -> Vec<(usize, String)> {
    tokens
        .iter()
        .filter_map(|token| {
            let (name, places) = FOREIGN.iter().find(|(name, _)| *name == token.text)?;
            if places.iter().any(|place| file.starts_with(place)) {
                return None;
            }
            let rule = match places {
                [] => format!("the crate `{name}` is used nowhere"),
                _ => format!("only {} may name the crate `{name}`", places.join(" and ")),
            };
            Some((token.line, rule))
        })
        .collect()
}

fn impurities(tokens: &[Token<'_>], paths: &[Path<'_>]) -> Vec<(usize, String)> {
    let complaint = |name: &str| {
        format!("a pure room has no socket, file, clock, thread or global randomness: `{name}`")
    };
    let words = tokens
        .iter()
        .filter(|token| IMPURE_WORDS.contains(&token.text))
        .map(|token| (token.line, complaint(token.text)));
    let paths = paths.iter().filter_map(|path| {
        let name = IMPURE_PATHS.iter().find(|name| path.begins_with(name))?;
        Some((path.line, complaint(name)))
    });
    words.chain(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, MAX_LINES, judge};

    fn rules(file: &str, text: &str) -> Vec<String> {
        let text = format!("//! What it is for.\n{text}");
        judge(file, &text)
            .iter()
            .map(|breach| format!("{}: {}", breach.line, breach.rule))
            .collect()
    }

    #[test]
    fn the_arrows_have_no_circle() {
        fn visit<'a>(room: &'a str, way: &mut Vec<&'a str>) {
            assert!(!way.contains(&room), "a circle: {way:?} and {room} again");
            way.push(room);
            let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == room).expect(room);
            for place in *allowed {
                visit(place.split("::").next().expect("a room"), way);
            }
            way.pop();
        }
        for (room, _) in ARROWS {
            visit(room, &mut Vec::new());
        }
    }

    #[test]
    fn an_arrow_upwards_is_found_with_its_line() {
        assert_eq!(
            rules(
                "src/wire/urn.rs",
                "use crate::{\n wire::Guid,\n overlay::Link};"
            ),
            ["4: the room `wire` may not use `crate::overlay::Link`; it knows nobody"]
        );
        assert_eq!(
            rules("src/overlay/flood.rs", "use crate::wire::Guid;").len(),
            0
        );
        assert_eq!(
            rules("src/library/index.rs", "fn f(_: &crate::overlay::Link) {}").len(),
            1
        );
        assert_eq!(
            rules(
                "src/library/index.rs",
                "use crate::overlay::catalogue::Tally;"
            )
            .len(),
            0
        );
        assert_eq!(rules("src/attic/mod.rs", "").len(), 1);
    }

    #[test]
    fn nobody_leaves_a_room_by_the_back_door() {
        assert_eq!(rules("src/wire/mod.rs", "use super::net::Link;").len(), 1);
        assert_eq!(
            rules("src/wire/urn.rs", "use super::super::net::Link;").len(),
            1
        );
        assert_eq!(rules("src/wire/urn.rs", "use super::Guid;").len(), 0);
        assert_eq!(
            rules("src/wire/urn.rs", "mod tests { use super::super::Guid; }").len(),
            0
        );
        assert_eq!(rules("src/wire/urn.rs", "use crate::*;").len(), 1);
    }

    #[test]
    fn the_simulator_knows_the_pure_rooms_only() {
        assert_eq!(
            rules("sim/src/network.rs", "use filbert::overlay::Servent;").len(),
            0
        );
        assert_eq!(
            rules("sim/src/network.rs", "use filbert::{wire, node::Node};").len(),
            1
        );
    }

    #[test]
    fn foreign_names_stay_where_they_belong() {
        assert_eq!(
            rules("src/runtime.rs", "use async_std::net::TcpStream;").len(),
            0
        );
        assert_eq!(rules("src/node/mod.rs", "use async_std::task;").len(), 1);
        assert_eq!(
            rules("src/node/mod.rs", "// async_std\nlet a = \"async_std\";").len(),
            0
        );
        assert_eq!(rules("sim/src/arguments.rs", "use clap::Parser;").len(), 0);
    }

    #[test]
    fn pure_rooms_are_pure() {
        for line in [
            "use std::{fmt, fs};",
            "let now = Instant::now();",
            "let now = std::time::SystemTime::now();",
            "use std::net::TcpStream;",
            "let mut rng = rand::rng();",
        ] {
            assert!(!rules("src/overlay/servent.rs", line).is_empty(), "{line}");
            assert_eq!(rules("src/node/mod.rs", line).len(), 0, "{line}");
        }
        assert_eq!(
            rules("src/overlay/servent.rs", "use std::net::Ipv4Addr;").len(),
            0
        );
        assert_eq!(rules("src/library/scan.rs", "use std::fs;").len(), 0);
    }

    #[test]
    fn files_are_short_and_begin_with_their_purpose() {
        let text = "fn f() {}\n".repeat(MAX_LINES);
        assert_eq!(rules("src/net/link.rs", &text).len(), 1);
        assert_eq!(judge("src/net/mod.rs", "mod link;").len(), 1);
        assert_eq!(judge("src/net/link.rs", "fn f() {}").len(), 0);
    }
}
