//! Small swarms from the outside.

use super::{Attack, Defence, Plan, Policy, Spec, Who, conduct};

fn spec() -> Spec {
    toml::from_str(
        "size = 1048576\ntile = 65536\nseed_up = 65536\nup = 65536\ndown = 1048576\n\
         seconds = 2000\nvariant = []",
    )
    .unwrap()
}

fn plan(downloaders: u32, leechers: u32, attackers: u32, attack: Attack) -> Plan {
    Plan {
        downloaders,
        leechers,
        attackers,
        attack,
        defence: Defence::Live,
        policy: Policy::default(),
    }
}

#[test]
fn one_takes_what_the_seed_needs_for_a_copy() {
    let outcome = conduct(&spec(), plan(1, 0, 0, Attack::Poison), 1);
    let all = outcome.all.unwrap();
    assert!((0.95..1.05).contains(&all), "{all}");
    assert_eq!((outcome.seed_copies, outcome.peer_share), (1.0, 0.0));
}

#[test]
fn many_help_each_other_and_the_same_seed_gives_the_same() {
    let outcome = conduct(&spec(), plan(20, 0, 0, Attack::Poison), 1);
    assert_eq!((outcome.downloaders, outcome.finished), (20, 20));
    // From the seed alone it would be 20.
    assert!(
        outcome.all.unwrap() < 10.0 && outcome.peer_share > 0.5,
        "{outcome:?}"
    );
    let again = |seed| conduct(&spec(), plan(20, 0, 0, Attack::Poison), seed);
    assert_eq!(again(1), outcome);
    assert_ne!(again(2), outcome);
}

#[test]
fn where_nobody_gives_the_seed_sends_every_copy() {
    let outcome = conduct(&spec(), plan(5, 5, 0, Attack::Poison), 1);
    assert_eq!((outcome.finished, outcome.peer_share), (5, 0.0));
    assert!(
        outcome.seed_copies >= 5.0 && outcome.all.unwrap() > 4.8,
        "{outcome:?}"
    );
    assert_eq!((outcome.givers, outcome.leechers.is_some()), (None, true));
}

#[test]
fn attackers_cost_time_and_nobody_the_file() {
    for attack in [Attack::Poison, Attack::Claim, Attack::Stall] {
        let outcome = conduct(&spec(), plan(10, 0, 5, attack), 1);
        assert_eq!(outcome.finished, 10, "{attack:?}");
        assert!(
            attack != Attack::Poison || outcome.wasted > 0.0,
            "{outcome:?}"
        );
    }
}

#[test]
fn who_is_not_done_in_time_is_not_counted() {
    let spec = Spec {
        seconds: 8,
        ..spec()
    };
    let outcome = conduct(&spec, plan(4, 0, 0, Attack::Poison), 1);
    assert_eq!(
        (outcome.finished, outcome.all, outcome.mean),
        (0, None, None)
    );
}

#[test]
fn without_a_defence_poison_spreads_and_a_hash_of_the_whole_finds_it() {
    let among = |defence| {
        let plan = Plan {
            defence,
            ..plan(10, 0, 5, Attack::Poison)
        };
        conduct(&spec(), plan, 1)
    };
    assert_eq!(among(Defence::Live).corrupt, 0.0);
    assert!(among(Defence::None).corrupt > 0.5);
    let whole = among(Defence::Whole);
    assert_eq!((whole.corrupt, whole.finished), (0.0, 10));
    assert!(whole.wasted > among(Defence::Live).wasted);
}

#[test]
fn without_a_defence_who_stalls_keeps_others_from_the_file() {
    let plan = Plan {
        defence: Defence::None,
        ..plan(10, 0, 5, Attack::Stall)
    };
    assert!(conduct(&spec(), plan, 1).finished < 5);
}

#[test]
fn every_policy_lets_all_have_the_file_and_curves_are_of_both() {
    for policy in [Policy::Equal, Policy::EvenOrNothing, Policy::Random] {
        let plan = Plan {
            policy,
            ..plan(10, 5, 0, Attack::Poison)
        };
        let outcome = conduct(&spec(), plan, 1);
        assert_eq!(outcome.finished, 10, "{policy:?}");
        for who in [Who::Givers, Who::Leechers] {
            let curve: Vec<f64> = outcome.curve(who).into_iter().flatten().collect();
            assert!(curve.len() == 6 && curve.is_sorted(), "{curve:?}");
        }
    }
}
