//! Networks that live, seen from outside.

use filbert::overlay::Instant;

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
