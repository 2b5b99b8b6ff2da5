//! What a servent does with what it is asked: dropped, kept near, answered and how.

mod lone;

use filbert::overlay::stats::Drop;
use filbert::overlay::{Ground, Link, Offer, Recipients, Role};
use filbert::wire::ggep::Id;
use filbert::wire::query::{Media, Query};
use filbert::wire::urn::{Sha1, Urn};
use filbert::wire::{Guid, Header, Kind};
use lone::{Lone, hits, names, queries, text, these};

/// With three ultrapeers for neighbours.
fn lone(files: &[&str]) -> Lone {
    let mut lone = Lone::new(files);
    for link in 0..3 {
        lone.connect(link, Role::Ultrapeer);
    }
    lone
}

fn to_others(ttl: u8, hops: u8) -> Vec<(Recipients, u8, u8)> {
    vec![(Recipients::AllBut(Link(0)), ttl, hops)]
}

#[test]
fn what_should_not_be_asked_is_dropped_and_counted() {
    let mut lone = lone(&["a.mp3", "something.mp3"]);
    for (asked, hops, why) in [
        ("    ", 0, Drop::Browse),
        ("*.*", 0, Drop::Browse),
        ("x", 0, Drop::TooShort),
        ("a.mp3", 0, Drop::Greedy),
        ("*.mp3", 3, Drop::TooGeneral),
    ] {
        let before = lone.dropped(why);
        assert_eq!(lone.asked(0, 3, hops, &text(asked)), [], "{asked}");
        assert_eq!(lone.dropped(why), before + 1, "{asked}");
    }
}

#[test]
fn general_and_short_text_stays_near() {
    let mut lone = lone(&["something.mp3"]);
    let out = lone.asked(0, 4, 0, &text("mp3"));
    assert_eq!(queries(&out), to_others(2, 1), "three links in all");
    assert_eq!(names(&out), ["something.mp3"]);
    let mut lone = self::lone(&["the som of all"]);
    let out = lone.asked(0, 2, 2, &text("som"));
    assert_eq!((queries(&out), names(&out)), (to_others(1, 3), vec![]));
    assert_eq!(names(&lone.asked(0, 2, 1, &text("som"))).len(), 1);
}

#[test]
fn the_newest_files_are_told_two_links_away() {
    let mut lone = lone(&["oldest", "old", "young", "younger", "youngest.ogg"]);
    let out = lone.asked(0, 4, 0, &Query::for_newest());
    assert_eq!(queries(&out), to_others(1, 1));
    assert_eq!(names(&out), ["youngest.ogg", "younger", "young"]);
    assert_eq!(queries(&lone.asked(0, 4, 1, &Query::for_newest())), []);
    let mut tiered = self::lone(&[]);
    tiered.connect(3, Role::Leaf);
    tiered.connect(4, Role::Leaf);
    let out = queries(&tiered.asked(3, 1, 0, &Query::for_newest()));
    let expected = [(these(&[4]), 1, 1), (these(&[0, 1, 2]), 1, 1)];
    assert_eq!(out, expected, "every other leaf, and one link further");
}

#[test]
fn a_query_of_ours_that_comes_back_is_no_fault() {
    let mut lone = lone(&["linux.iso"]);
    let query = Query::keywords("linux").unwrap();
    let out = lone.search(1, &query);
    let filbert::overlay::Output::Send { descriptor, .. } = &out[0] else {
        panic!("{out:?}")
    };
    let header = Header {
        ttl: 2,
        hops: 2,
        ..descriptor.header
    };
    assert_eq!(lone.receive(1, header, &descriptor.payload), []);
    assert_eq!(lone.dropped(Drop::OwnQuery), 1);
    let neighbour = &lone.servent.neighbours()[1];
    assert_eq!((neighbour.bad, neighbour.duplicates), (0, 0));
}

#[test]
fn an_answer_out_of_band_must_have_somewhere_to_go() {
    let mut lone = lone(&["linux.iso"]);
    let query = Query::keywords("linux").unwrap().with_secure_out_of_band();
    let mut ask = |address: [u8; 4], port: u16, rest: u8| {
        let mut guid = [rest; 16];
        guid[..4].copy_from_slice(&address);
        guid[13..15].copy_from_slice(&port.to_le_bytes());
        let header = Header {
            guid: Guid::from_bytes(guid),
            kind: Kind::Query,
            ttl: 3,
            hops: 1,
        };
        let answered = !lone.receive(0, header, &query.encode()).is_empty();
        (answered, lone.dropped(Drop::BadReturnAddress))
    };
    assert_eq!(ask([198, 51, 100, 7], 6346, 1), (true, 0));
    assert_eq!(ask([10, 0, 0, 7], 6346, 2), (false, 1), "nobody's");
    assert_eq!(ask([198, 51, 100, 7], 0, 3), (false, 2));
    assert_eq!(ask([192, 0, 2, 1], 6346, 4), (false, 3), "ours");
    // Another ultrapeer put its own address there.
    assert_eq!(ask([198, 51, 100, 8], 6347, 1), (false, 3));
    assert_eq!(lone.dropped(Drop::Duplicate), 1);
}

#[test]
fn no_query_goes_further_than_a_neighbour_takes() {
    let mut lone = Lone::new(&[]);
    for (link, max_ttl) in [(0, None), (1, Some(3)), (2, None), (3, Some(1))] {
        let offer = Offer {
            max_ttl,
            ..Offer::default()
        };
        lone.connect_as(link, offer);
    }
    let query = Query::keywords("linux").unwrap();
    let out = queries(&lone.asked(0, 4, 0, &query));
    let expected = [
        (these(&[3]), 1, 1),
        (these(&[1]), 2, 1),
        (these(&[2]), 3, 1),
    ];
    assert_eq!(out, expected);
    lone.handle(filbert::overlay::Input::Closed { link: Link(3) });
    let out = queries(&lone.asked(0, 2, 1, &query));
    assert_eq!(out, to_others(1, 2), "it is near enough for all");
}

#[test]
fn hashes_are_told_as_the_asker_reads_them() {
    let mut lone = lone(&["linux.iso"]);
    lone.settings.ground = Ground::Private;
    let plain = |lone: &mut Lone, hash: bool| {
        let mut query = Query::keywords("linux").unwrap();
        query.flags = query.flags.with_ggep_hash(hash);
        let out = lone.asked(0, 1, 2, &query);
        hits(&out).remove(0)
    };
    let hit = plain(&mut lone, false);
    let record = &hit.results[0];
    let sha1 = Sha1::from_bytes([1; 20]);
    assert_eq!(record.urns, [Urn::Sha1(sha1)]);
    assert!(record.extensions.get(Id::TT).is_some() && record.extensions.get(Id::H).is_none());
    let hit = plain(&mut lone, true);
    let record = &hit.results[0];
    assert!(record.urns.is_empty() && record.extensions.get(Id::H).is_some());
    assert_eq!((record.sha1(), record.created()), (Some(sha1), Some(1)));
    let trailer = hit.trailer.unwrap();
    assert_eq!((trailer.push, trailer.accepts_tls()), (Some(false), false));
    assert!(!trailer.can_be_browsed());
}

#[test]
fn a_firewalled_servent_says_so_and_spares_firewalled_askers() {
    let mut lone = lone(&["linux.iso"]);
    lone.settings.firewalled = true;
    lone.settings.tls = true;
    lone.settings.push_proxies = vec![filbert::wire::address::Reach {
        address: "198.51.100.7:6346".parse().unwrap(),
        tls: false,
    }];
    let mut query = Query::keywords("linux").unwrap();
    let trailer = hits(&lone.asked(0, 1, 2, &query))
        .remove(0)
        .trailer
        .unwrap();
    assert_eq!((trailer.push, trailer.accepts_tls()), (Some(true), true));
    assert_eq!(trailer.push_proxies(9).count(), 1);
    query.flags = query.flags.with_firewalled(true);
    let out = lone.asked(0, 2, 2, &query);
    assert_eq!(
        (names(&out), queries(&out).len()),
        (vec![], 1),
        "only relayed"
    );
}

#[test]
fn as_many_results_as_are_wanted_and_not_always_the_same() {
    let files: Vec<String> = (0..90).map(|n| format!("linux {n}.iso")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut lone = lone(&files);
    lone.settings.ground = Ground::Private;
    let mut query = Query::keywords("linux").unwrap();
    let first = names(&lone.asked(0, 1, 2, &query));
    let second = names(&lone.asked(1, 1, 2, &query));
    assert_eq!((first.len(), second.len()), (50, 50));
    assert_ne!(first, second);
    query.flags = query.flags.with_max_hits(7);
    assert_eq!(names(&lone.asked(0, 1, 2, &query)).len(), 7);
    let sound = query.with_media(Media::AUDIO);
    assert_eq!(names(&lone.asked(0, 1, 2, &sound)), [""; 0]);
}
