//! What a servent counts of what comes and goes.

mod lone;

use filbert::overlay::stats::{Stats, Way};
use filbert::overlay::{Link, Role};
use filbert::wire::query::Query;
use filbert::wire::{HEADER_LEN, Kind};
use lone::Lone;

#[test]
fn descriptors_and_bytes_are_counted_by_kind_direction_and_hops() {
    let mut lone = Lone::new(&["linux.iso"]);
    lone.stats = Stats::detailed();
    for link in 0..4 {
        lone.connect(link, Role::Ultrapeer);
    }
    let query = Query::keywords("linux").unwrap();
    let out = lone.asked(0, 3, 1, &query);
    assert_eq!(out.len(), 2, "a hit and a forward");
    let traffic = lone.stats.traffic.as_ref().unwrap();
    let rows: Vec<_> = traffic.descriptors().collect();
    let expected = [
        (Way::In, "query", 1, 1),
        (Way::Out, "query", 2, 3),
        (Way::Out, "query_hit", 0, 1),
    ];
    assert_eq!(rows, expected);
    let size = (HEADER_LEN + query.encode().len()) as u64;
    let bytes: Vec<_> = traffic.bytes().take(2).collect();
    assert_eq!(
        bytes,
        [(Way::In, "query", size), (Way::Out, "query", 3 * size)]
    );
}

#[test]
fn a_bare_servent_counts_no_details() {
    let mut lone = Lone::new(&[]);
    lone.connect(0, Role::Ultrapeer);
    lone.asked(0, 3, 1, &Query::keywords("linux").unwrap());
    assert!(lone.stats.traffic.is_none());
    assert_eq!(lone.stats.received_of(Kind::Query), 1);
}

#[test]
fn what_a_servent_holds_has_names_too() {
    let mut lone = Lone::new(&["linux.iso"]);
    lone.connect(0, Role::Ultrapeer);
    lone.connect(1, Role::Leaf);
    lone.asked(0, 3, 1, &Query::keywords("linux").unwrap());
    lone.now = 1_000;
    lone.handle(filbert::overlay::Input::Tick);
    lone.handle(filbert::overlay::Input::Closed { link: Link(0) });
    let gauges = lone.servent.gauges();
    let value = |name: &str, of: &str| {
        let mut same = gauges.iter().filter(|one| one.name == name);
        same.find(|one| one.labels == [("of", of.to_owned())])
            .map(|one| one.value)
    };
    assert_eq!(value("neighbours", "leaves"), Some(1));
    assert_eq!(value("neighbours", "ultrapeers"), Some(0));
    assert_eq!(value("remembered", "routes"), Some(1));
    assert_eq!(value("routing_tables", "leaves"), Some(0));
}
