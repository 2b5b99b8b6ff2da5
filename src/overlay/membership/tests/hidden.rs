//! Servents that nobody can connect to.

use super::*;

#[test]
fn in_public_only_those_that_are_reached_become_ultrapeers() {
    let mut town = Town::new(Ground::Public, 1);
    let first = town.join(&[]);
    town.run(11_000);
    assert_eq!(town.count(Role::Ultrapeer), 1);
    for n in 1..30 {
        let who = town.join(&[first]);
        town.citizens[who].hidden = n % 2 == 0;
        town.run(500);
    }
    town.run(600_000);
    let roles = |town: &Town, hidden: bool| {
        let these = town.alive().filter(|citizen| citizen.hidden == hidden);
        let roles = these.map(|citizen| citizen.servent.role());
        roles.filter(|role| *role == Role::Ultrapeer).count()
    };
    assert!(roles(&town, false) > 1, "more were needed");
    assert_eq!(roles(&town, true), 0);
    assert!(town.is_connected());
    for citizen in town.alive().skip(1) {
        let known = citizen.servent.reachability().tcp;
        assert_eq!(known, Some(!citizen.hidden));
    }
}

#[test]
fn two_of_whom_one_is_hidden_still_find_each_other() {
    for seed in 0..6 {
        let mut town = Town::new(Ground::Public, seed);
        let open = town.join(&[]);
        let hidden = town.join(&[open]);
        town.citizens[hidden].hidden = true;
        town.run(30_000);
        assert!(town.is_connected(), "{seed}");
    }
}
