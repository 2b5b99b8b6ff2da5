//! Downloads in virtual time, from sources that behave well and badly.

mod world;

use std::time::Duration;

use filbert::swarm::download::{Input, Order, Output, QueuePlace, Trouble};
use filbert::swarm::tile_set::TileSet;
use proptest::prelude::*;

use world::{Manners, Source, TILE, Tree, World, address};

fn honest(count: usize, rate: u64) -> Vec<Manners> {
    vec![Manners::honest(rate); count]
}

#[test]
fn more_sources_are_faster_in_proportion() {
    let alone = 512.0 * 128.0 / 1_000.0;
    for count in [1, 2, 4, 8, 16] {
        let mut world = World::new(512, honest(count, 1_000 * 1_024), Tree::Proven, 1);
        let took = world.succeed().as_secs_f64();
        let share = alone / f64::from(u32::try_from(count).unwrap());
        assert!(
            took < share * 1.15,
            "{count} sources: {took} s, {share} s would be best"
        );
        let sent = world.bytes_sent as f64 / (512 * TILE) as f64;
        assert!(sent < 1.1, "{count} sources sent {sent} copies");
    }
}

#[test]
fn a_poisoner_a_staller_and_one_that_closes_do_no_harm() {
    for tree in [Tree::Proven, Tree::Claimed, Tree::Without] {
        let mut sources = honest(4, 1 << 20);
        sources[0].lies = 100;
        sources[1].stalls = 20;
        sources[2].cuts = 20;
        let mut world = World::new(256, sources, tree, 2);
        world.succeed();
        if tree != Tree::Without {
            assert_eq!(world.blamed, [0], "{tree:?}");
        }
        if tree == Tree::Proven {
            assert_eq!(world.sources[0].requests.len(), 1);
        }
    }
}

#[test]
fn a_slow_source_does_not_hold_up_the_end() {
    let mut sources = honest(2, 4 << 20);
    sources[1].rate = 4 << 10;
    let mut world = World::new(128, sources, Tree::Proven, 3);
    let took = world.succeed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn slow_sources_make_room_for_better_ones() {
    let mut sources = honest(30, 8 << 10);
    sources.extend(honest(4, 4 << 20));
    let mut world = World::new(1_024, sources, Tree::Proven, 4);
    world.settings.active = 6;
    let took = world.succeed();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn partial_sources_together_are_a_whole_one() {
    let mut sources = honest(8, 1 << 20);
    for source in &mut sources {
        source.has = Some(60);
    }
    let mut world = World::new(64, sources, Tree::Proven, 5);
    let has = |tile| {
        world
            .sources
            .iter()
            .any(|source| source.has.as_ref().unwrap().has(tile))
    };
    assert!((0..64).all(has), "the seed must be a good one");
    world.succeed();
}

#[test]
fn in_sequence_the_beginning_comes_first() {
    let mut world = World::new(64, honest(1, 1 << 20), Tree::Proven, 6);
    world.settings.order = Order::Sequential;
    world.succeed();
    assert!(world.order.is_sorted());
    let mut world = World::new(64, honest(1, 1 << 20), Tree::Proven, 6);
    world.succeed();
    assert!(!world.order.is_sorted());
}

#[test]
fn one_that_stays_alone_is_asked_in_sequence_soon_and_among_others_nobody_is() {
    let steps_back = |sources| {
        let mut world = World::new(512, honest(sources, 4 << 20), Tree::Proven, 12);
        world.succeed();
        let pairs = world.order.windows(2);
        pairs.filter(|pair| pair[1] < pair[0]).count()
    };
    assert!(steps_back(1) <= 4, "{}", steps_back(1));
    assert!(steps_back(2) > 20, "{}", steps_back(2));
}

#[test]
fn without_anybody_left_it_says_so_and_a_new_source_helps() {
    let mut sources = honest(2, 1 << 20);
    sources[0].gone = true;
    sources[1].different = true;
    let mut world = World::new(16, sources, Tree::Proven, 7);
    world.run();
    assert_eq!(world.ended.take(), Some(Output::Exhausted));
    let good = Source {
        manners: Manners::honest(1 << 20),
        has: None,
        generation: 0,
        asked: 0..0,
        requests: Vec::new(),
        not_before: Duration::ZERO,
    };
    world.sources.push(good);
    world.succeed();
}

#[test]
fn a_queue_is_waited_for_as_long_as_it_takes() {
    let mut world = World::new(4, honest(1, 1 << 20), Tree::Proven, 8);
    world.tell(Input::Offered(address(0)));
    for position in (1..40).rev() {
        let poll = Duration::from_secs(45);
        let asked_at = world.now;
        let place = QueuePlace {
            position: Some(position),
            length: Some(40),
        };
        world.fail(0, Trouble::Queued { place, poll });
        assert_eq!(world.download.queues(), [(address(0), place)]);
        world.events.clear();
        world.now = world.download.deadline(&world.settings).unwrap();
        assert_eq!(world.now, asked_at + poll);
        world.tell(Input::Tick);
        assert!(!world.sources[0].asked.is_empty());
    }
    world.succeed();
    assert_eq!(world.download.queues(), []);
}

#[test]
fn who_has_nothing_of_use_yet_is_asked_again_soon_and_then_ever_more_rarely() {
    let mut sources = honest(2, 16 << 10);
    // It fetches the file itself.
    sources[0].has = Some(0);
    let mut world = World::new(128, sources, Tree::Proven, 12);
    world.succeed();
    let asked = &world.sources[0].requests;
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses[0] < Duration::from_secs(1), "{pauses:?}");
    assert!(
        *pauses.last().unwrap() >= Duration::from_secs(30),
        "{pauses:?}"
    );
    assert!(asked.len() < 60, "{pauses:?}");
}

#[test]
fn the_first_requests_are_short_so_that_others_are_soon_heard_of() {
    let mut world = World::new(512, honest(1, 1 << 20), Tree::Proven, 13);
    world.succeed();
    let asked = &world.sources[0].requests;
    let early = asked.iter().filter(|at| at.as_secs() < 4).count();
    assert!((4..8).contains(&early), "{asked:?}");
}

#[test]
fn what_an_earlier_run_left_is_used_or_found_wrong() {
    for (tree, wrong) in [
        (Tree::Proven, false),
        (Tree::Without, false),
        (Tree::Without, true),
    ] {
        let mut world = World::new(64, honest(2, 1 << 20), tree, 9);
        let mut there = TileSet::none(64);
        for tile in 0..32 {
            there.insert(tile);
            world.disk.insert(tile, u8::from(wrong));
        }
        world.download.restore(&there, true);
        world.succeed();
        let came = world.order.len();
        assert!(
            if wrong {
                came >= 64
            } else {
                (32..40).contains(&came)
            },
            "{came}"
        );
        assert_eq!(world.blamed, [0; 0]);
    }
}

#[test]
fn tiles_damaged_on_the_disk_are_fetched_again() {
    let mut world = World::new(16, honest(1, 1 << 20), Tree::Proven, 10);
    let mut there = TileSet::none(16);
    for tile in 0..8 {
        there.insert(tile);
        world.disk.insert(tile, 0);
    }
    world.download.restore(&there, true);
    // The power went before these were on the disk.
    world.damaged = true;
    world.disk.insert(3, 9);
    world.disk.insert(5, 9);
    world.succeed();
    assert!((10..14).contains(&world.order.len()), "{:?}", world.order);
}

#[test]
fn two_hundred_sources_are_not_asked_all_at_once() {
    let mut sources = honest(200, 64 << 10);
    for (number, source) in sources.iter_mut().enumerate() {
        source.busy = 30;
        source.gone = number % 3 == 0;
    }
    let mut world = World::new(300, sources, Tree::Claimed, 11);
    world.succeed();
    assert!(world.requests() < 2_000, "{}", world.requests());
    assert!(world.bytes_sent < 300 * TILE * 3 / 2);
}

prop_compose! {
    fn manners()(
        rate in 1_000_u64..4_000_000,
        latency_ms in 0_u64..3_000,
        faults in prop::array::uniform4(prop_oneof![3 => Just(0_u32), 1 => 1_u32..101]),
        odd in 0_u32..12,
        has in prop::option::weighted(0.2, 0_u32..101),
    ) -> Manners {
        let [lies, cuts, stalls, busy] = faults;
        Manners {
            rate,
            latency_ms,
            lies,
            cuts,
            stalls,
            busy,
            gone: odd == 0,
            different: odd == 1,
            has,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn one_honest_source_is_enough(
        tiles in 1_u32..80,
        mut sources in prop::collection::vec(manners(), 0..10),
        place in any::<prop::sample::Index>(),
        rate in 20_000_u64..2_000_000,
        tree in prop_oneof![
            Just(Tree::Without), Just(Tree::Claimed), Just(Tree::Proven), Just(Tree::False)
        ],
        seed in any::<u64>(),
    ) {
        let place = place.index(sources.len() + 1);
        sources.insert(place, Manners::honest(rate));
        let liars = sources.iter().filter(|source| source.lies > 0).count();
        let tree = match (tree, liars) {
            (Tree::False, 0) => Tree::Claimed,
            (tree, _) => tree,
        };
        let count = sources.len();
        let mut world = World::new(tiles, sources, tree, seed);
        world.succeed();
        // Every round of doubt fetches the file again, and ends with one liar less.
        let rounds = 1 + liars * 5 + usize::from(tree == Tree::False) * 3;
        let most = (usize::try_from(tiles).unwrap() + 40) * 2 * rounds + count * 100;
        prop_assert!(world.requests() <= most, "{} of {most}", world.requests());
    }
}
