//! Who becomes an ultrapeer, and when.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::*;

const LOW: Guid = Guid::from_bytes([1; 16]);
const HIGH: Guid = Guid::from_bytes([9; 16]);
const ALONE: Facts = Facts {
    ultrapeers: 0,
    leaves: 0,
    roomy: 0,
    reachable: None,
    average_uptime: None,
    bandwidth: None,
    descriptors: 1_000,
};
const PLENTY: Facts = Facts {
    ultrapeers: 3,
    roomy: 100,
    reachable: Some(true),
    ..ALONE
};

fn at(secs: u64) -> Instant {
    Instant::from_micros(secs * 1_000_000)
}

fn auto(ground: Ground) -> Election {
    Election::new(Mode::Auto, ground, LOW, at(0))
}

/// Of a servent that was told then that more ultrapeers are needed.
fn needed(heard: Instant) -> Election {
    let mut election = auto(Ground::Public);
    election.hear_need(heard, true);
    election
}

fn decide(election: &mut Election, now: Instant, facts: &Facts) -> Decision {
    let rng = &mut Pcg64Mcg::seed_from_u64(1);
    election.decide(now, facts, &Limits::default(), rng)
}

/// Asks whenever the election wants to be asked, and gives the moment of the first change.
fn change(election: &mut Election, from: Instant, facts: &Facts) -> Option<Instant> {
    let (mut now, role) = (from, election.role());
    loop {
        let decision = decide(election, now, facts);
        if decision.role != role {
            return Some(now);
        }
        assert!(decision.again? > now);
        now = decision.again?;
    }
}

#[test]
fn who_hears_no_ultrapeer_becomes_one() {
    let first = |ground| change(&mut auto(ground), at(0), &ALONE);
    assert_eq!(first(Ground::Public), Some(at(10)));
    assert_eq!(first(Ground::Private), Some(at(5)));
    let mut election = auto(Ground::Public);
    election.hear_ultrapeer(at(8));
    assert_eq!(change(&mut election, at(8), &ALONE), Some(at(18)));
    assert_eq!(election.reason(), Reason::NobodyThere);
}

#[test]
fn nobody_who_cannot_be_reached_is_an_ultrapeer_of_the_public() {
    let facts = Facts {
        reachable: Some(false),
        ..ALONE
    };
    assert_eq!(change(&mut auto(Ground::Public), at(0), &facts), None);
    assert_eq!(
        change(&mut auto(Ground::Private), at(0), &facts),
        Some(at(5))
    );
}

#[test]
fn whoever_is_sought_goes_first_and_the_lower_guid_waits() {
    let after = |met: &[(Guid, bool)]| {
        let mut election = auto(Ground::Private);
        for (guid, dialled_us) in met {
            election.meet_leaf(Some(*guid), *dialled_us);
        }
        let changed = change(&mut election, at(0), &ALONE).unwrap();
        changed.as_micros() / 1_000
    };
    assert_eq!(after(&[(HIGH, true); 8]), 1_000);
    assert_eq!(after(&[(Guid::ZERO, true)]), 3_000);
    assert_eq!(after(&[(HIGH, true)]), 4_500);
    assert_eq!(after(&[(Guid::ZERO, false)]), 5_000);
    assert_eq!(after(&[(HIGH, false)]), 7_500);
}

#[test]
fn losing_the_last_ultrapeer_begins_the_wait_anew() {
    let mut election = auto(Ground::Public);
    let linked = Facts {
        ultrapeers: 1,
        ..ALONE
    };
    assert_eq!(decide(&mut election, at(1), &linked).again, None);
    assert_eq!(change(&mut election, at(500), &ALONE), Some(at(510)));
}

#[test]
fn a_leaf_with_too_few_goes_up_only_where_more_are_needed() {
    let few = Facts {
        ultrapeers: 1,
        ..ALONE
    };
    let mut election = auto(Ground::Private);
    assert_eq!(change(&mut election, at(1), &few), None);
    election.hear_need(at(0), true);
    let changed = change(&mut election, at(1), &few).unwrap();
    assert!(changed >= at(9) && changed <= at(33), "{changed:?}");
    let enough = Facts {
        ultrapeers: 3,
        ..ALONE
    };
    let mut election = auto(Ground::Private);
    election.hear_need(at(0), true);
    decide(&mut election, at(1), &few);
    assert_eq!(change(&mut election, at(2), &enough), None);
    let weak = Facts {
        descriptors: 10,
        ..few
    };
    assert_eq!(change(&mut election, at(2), &weak), None);
}

#[test]
fn in_public_who_has_none_at_all_goes_up_sooner() {
    let one = Facts {
        ultrapeers: 1,
        reachable: Some(true),
        ..ALONE
    };
    let mut election = needed(at(0));
    let changed = change(&mut election, at(0), &one).unwrap();
    assert!(changed >= at(60) && changed <= at(240), "{changed:?}");
    // It heard of ultrapeers all the while, which had no places.
    let mut election = needed(at(0));
    let changed = (0..).map(at).find(|now| {
        election.hear_ultrapeer(*now);
        decide(&mut election, *now, &ALONE).role == Role::Ultrapeer
    });
    let changed = changed.unwrap();
    assert!(changed >= at(15) && changed <= at(61), "{changed:?}");
    assert_eq!(election.reason(), Reason::TooFew);
}

#[test]
fn talk_of_free_places_delays_nobody_who_waits() {
    let few = Facts {
        ultrapeers: 1,
        reachable: Some(true),
        ..ALONE
    };
    let talk = Facts { roomy: 100, ..few };
    let mut election = needed(at(0));
    for now in 0..=240 {
        assert_eq!(decide(&mut election, at(now), &talk).role, Role::Leaf);
    }
    assert_eq!(decide(&mut election, at(241), &few).role, Role::Ultrapeer);
}

#[test]
fn where_there_are_plenty_only_merit_counts_and_where_more_are_needed() {
    let steady = Facts {
        average_uptime: Some(Duration::from_secs(5 * 3_600)),
        ..PLENTY
    };
    let merit = |heard, facts: &Facts| change(&mut needed(heard), heard, facts);
    assert_eq!(change(&mut auto(Ground::Public), at(0), &steady), None);
    let mut election = needed(at(3_000));
    election.hear_need(at(3_100), false);
    assert_eq!(change(&mut election, at(3_100), &steady), None);
    assert_eq!(merit(at(3_000), &steady), Some(at(3_600)));
    assert_eq!(merit(at(2_000), &steady), None, "that was long ago");
    assert_eq!(merit(at(10_000), &PLENTY), Some(at(3 * 3_600)));
    for lacking in [
        Facts {
            reachable: None,
            ..steady
        },
        Facts {
            bandwidth: Some(2),
            ..steady
        },
        Facts {
            descriptors: 3,
            ..steady
        },
    ] {
        assert_eq!(merit(at(3_000), &lacking), None, "{lacking:?}");
    }
}

#[test]
fn a_provisional_ultrapeer_gives_way_to_plenty_unless_it_has_leaves() {
    let mut election = auto(Ground::Public);
    change(&mut election, at(0), &ALONE);
    assert!(election.is_provisional());
    let used = Facts {
        leaves: 1,
        ..PLENTY
    };
    assert_eq!(change(&mut election, at(20), &used), None);
    assert_eq!(change(&mut election, at(100), &PLENTY), Some(at(160)));
    assert_eq!(election.reason(), Reason::Superfluous);
}

#[test]
fn a_meritorious_one_goes_after_an_hour_without_leaves() {
    let heard = at(10_000);
    let mut election = needed(heard);
    let up = change(&mut election, heard, &PLENTY).unwrap();
    let down = change(&mut election, up, &PLENTY).unwrap();
    assert_eq!(down - up, Duration::from_secs(3_600));
    let rare = Facts { roomy: 0, ..PLENTY };
    let mut election = needed(heard);
    change(&mut election, heard, &PLENTY);
    assert_eq!(change(&mut election, up, &rare), None);
}

#[test]
fn every_change_makes_the_next_wait_longer() {
    let mut election = auto(Ground::Public);
    let mut now = change(&mut election, at(0), &ALONE).unwrap();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let down = change(&mut election, now, &PLENTY).unwrap();
        waits.push((down - now).as_secs());
        now = change(&mut election, down, &ALONE).unwrap();
        assert_eq!(now - down, Duration::from_secs(10));
    }
    assert_eq!(waits, [60, 240, 960, 3_840]);
    let longest = Limits::default().role_hold_most;
    for _ in 0..20 {
        let down = change(&mut election, now, &PLENTY).unwrap();
        assert!(down - now <= longest);
        now = change(&mut election, down, &ALONE).unwrap();
    }
}

#[test]
fn guidance_is_followed_by_those_who_may() {
    let limits = Limits::default();
    let mut election = auto(Ground::Public);
    assert!(
        !election.may_yield(at(0), &ALONE, &limits),
        "a leaf already"
    );
    let up = change(&mut election, at(0), &ALONE).unwrap();
    let used = Facts { leaves: 1, ..ALONE };
    assert!(!election.may_yield(up, &used, &limits));
    assert!(election.may_yield(up, &ALONE, &limits));
    election.give_way(up, &ALONE, &limits);
    assert_eq!(
        (election.role(), election.reason()),
        (Role::Leaf, Reason::Guided)
    );
    let mut election = needed(at(1_000));
    let few = Facts {
        ultrapeers: 1,
        reachable: Some(true),
        ..ALONE
    };
    let up = change(&mut election, at(1_000), &few).unwrap();
    assert_eq!(election.reason(), Reason::TooFew);
    assert!(!election.may_yield(up, &ALONE, &limits));
    assert!(election.may_yield(up + limits.role_hold, &ALONE, &limits));
    let wish = Election::new(Mode::Ultrapeer, Ground::Public, LOW, at(0));
    assert!(!wish.may_yield(at(9_999), &ALONE, &limits));
}

#[test]
fn the_users_wish_stands() {
    for (mode, role) in [(Mode::Ultrapeer, Role::Ultrapeer), (Mode::Leaf, Role::Leaf)] {
        let mut election = Election::new(mode, Ground::Private, LOW, at(0));
        election.hear_need(at(0), true);
        assert_eq!(change(&mut election, at(0), &ALONE), None);
        assert_eq!(change(&mut election, at(90_000), &PLENTY), None);
        assert_eq!(election.role(), role);
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert!("hub".parse::<Mode>().is_err());
}
