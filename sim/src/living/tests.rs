//! Networks that live, seen from outside.

use filbert::overlay::{Instant, Role};

use super::*;

fn spec(text: &str) -> Spec {
    let spec: Spec = toml::from_str(text).unwrap();
    spec.check().unwrap();
    spec
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

const THIRTY: &str = r#"
    servents = 30
    seconds = 3600.0
    seeds = 1
    arrive = 20.0
    catalogue = { name = "all", files = 50, popularity = 0.0, copies = 150, replication = "uniform" }
    [[variant]]
    name = "all stay"
"#;

#[test]
fn thirty_servents_find_each_other_from_a_seed_and_what_they_share() {
    let mut world = World::new(&spec(THIRTY), 1);
    world.run(at(600));
    let seen = world.seen();
    assert_eq!((seen.present, seen.largest, seen.linked), (30, 30, 30));
    assert!(
        (2..15).contains(&seen.ultrapeers),
        "by their own logic: {seen:?}"
    );
    for (asker, file) in (0..30).zip(0..) {
        world.search(asker, file);
    }
    world.run(at(900));
    let mut answered = 0;
    for search in &world.searches.over {
        let found = u32::try_from(search.answered.len()).unwrap();
        assert_eq!(found, search.holders, "every holder answers: {search:?}");
        assert!(search.reached > 0 && search.reached < 30);
        answered += found;
    }
    assert_eq!(world.searches.over.len(), 30);
    assert!(answered > 60, "{answered}");
    // Nothing that travelled is left over.
    assert!(world.parcels.iter().count() < 30 && world.handshakes.iter().count() < 30);
    assert_eq!(
        world
            .connections
            .iter()
            .filter(|known| !known.stands())
            .count(),
        0
    );
}

const CHURNING: &str = r#"
    servents = 48
    seconds = 2400.0
    seeds = 2
    arrive = 60.0
    crash = 0.5
    session = "weibull:0.59,600"
    absence = "exponential:600"
    searches = 10.0
    look = 20.0
    catalogue = { name = "all", files = 50, popularity = 0.5, copies = 400, replication = "square-root" }
    phase = [{ name = "settled", from = 600.0, until = 2400.0 }]
    [[variant]]
    name = "weibull"
"#;

/// A network and what came of its first phase.
fn lived(text: &str, seed: u64) -> (World, Outcome) {
    let spec = spec(text);
    let mut world = World::new(&spec, seed);
    world.run(Instant::from_micros(spec.end()));
    let outcome = Outcome::of(&spec, &world).remove(0);
    (world, outcome)
}

#[test]
fn an_overlay_whose_servents_come_and_go_stays_whole() {
    let (world, outcome) = lived(CHURNING, 1);
    assert!(outcome.connected > 0.97, "{outcome:?}");
    assert!(outcome.linked > 0.97, "{outcome:?}");
    assert!(outcome.success.unwrap() > 0.9, "{outcome:?}");
    assert!(
        outcome.failed_share.unwrap() > 0.0,
        "some are gone: {outcome:?}"
    );
    assert!(world.seen().count.sessions > 70);
    // Ultrapeers know what their leaves have.
    let (mut leaves, mut tables) = (0, 0);
    for member in world.members.iter().flatten() {
        for gauge in member.servent.gauges() {
            match (gauge.name, gauge.labels[0].1.as_str()) {
                ("neighbours", "leaves") => leaves += gauge.value,
                ("routing_tables", "leaves") => tables += gauge.value,
                _ => {}
            }
        }
    }
    assert!(
        leaves > 15 && tables * 10 >= leaves * 9,
        "{tables} of {leaves}"
    );
}

#[test]
fn nobody_connects_to_the_firewalled_who_are_found_nonetheless() {
    let text = CHURNING.replace("crash = 0.5", "crash = 0.5\nfirewalled = 0.5");
    let (world, outcome) = lived(&text, 1);
    assert!(outcome.connected > 0.95, "{outcome:?}");
    let hidden = |node: &&u32| world.traits[**node as usize].hidden;
    let there = world.present.iter().filter(hidden);
    let roles = there.map(|&node| {
        let member = world.members[node as usize].as_ref().unwrap();
        let incoming = member.ties.iter().filter(|tie| tie.side == 1).count();
        assert_eq!(incoming, 0, "{node}");
        member.servent.role()
    });
    let roles: Vec<Role> = roles.collect();
    let tops = roles
        .iter()
        .filter(|role| **role == Role::Ultrapeer)
        .count();
    assert!(
        roles.len() > 6 && tops * 8 < roles.len(),
        "{tops} of {}",
        roles.len()
    );
    assert!(outcome.recall.unwrap() > 0.6, "{outcome:?}");
}

#[test]
fn who_sends_slowly_has_others_wait() {
    let text = CHURNING.replace("2400.0", "1200.0");
    let (_, fast) = lived(&text, 1);
    let slow = "capacity = [{ weight = 1.0, up = 600 }]\nphase";
    let (world, slow) = lived(&text.replace("phase", slow), 1);
    assert!(
        world
            .members
            .iter()
            .flatten()
            .all(|member| member.uplink.is_some())
    );
    let (slow_ms, fast_ms) = (slow.first_ms.unwrap(), fast.first_ms.unwrap());
    assert!(slow_ms > 2.0 * fast_ms, "{slow_ms} {fast_ms}");
    assert!(slow.bytes < 600.0 && slow.connected > 0.9, "{slow:?}");
}

#[test]
fn a_network_in_two_heals() {
    let phases = r#"
        split = { from = 900.0, until = 1500.0, share = 0.3 }
        phase = [
            { name = "before", from = 600.0, until = 900.0 },
            { name = "during", from = 1150.0, until = 1500.0 },
            { name = "after", from = 1900.0, until = 2400.0 },
        ]"#;
    let line = r#"phase = [{ name = "settled", from = 600.0, until = 2400.0 }]"#;
    let text = CHURNING.replace(line, phases);
    let (world, before) = lived(&text, 1);
    let outcomes = Outcome::of(&world.spec, &world);
    let (during, after) = (&outcomes[1], &outcomes[2]);
    assert!(before.connected > 0.95, "{before:?}");
    assert!(during.connected < 0.85, "{during:?}");
    assert!(after.connected > 0.95, "{after:?}");
    assert!(during.success < before.success, "{during:?}");
}

#[test]
fn many_fail_at_once_and_the_others_find_each_other_again() {
    for highest in [false, true] {
        let failure =
            format!("failure = {{ at = 1000.0, share = 0.5, highest = {highest} }}\nphase");
        let (world, _) = lived(&CHURNING.replace("phase", &failure), 1);
        let at = |seconds: u64| {
            let looks = world.looks.iter();
            let mut looks = looks.filter(move |look| look.at >= seconds * 1_000_000);
            *looks.next().unwrap()
        };
        let (before, then, later) = (at(960), at(1_001), at(1_900));
        assert!(
            then.present * 10 < before.present * 7,
            "{before:?} {then:?}"
        );
        assert!(later.largest * 10 >= later.present * 9, "{later:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_rows() {
    let text = CHURNING.replace("2400.0", "700.0");
    let [one, other] = [1, 1].map(|seed| lived(&text, seed).1);
    assert_eq!(one, other);
    assert_ne!(one, lived(&text, 2).1);
}
