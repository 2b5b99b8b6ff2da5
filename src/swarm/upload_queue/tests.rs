//! The queue in virtual time.

use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::*;
use crate::wire::urn::Sha1;

struct Bench {
    queue: UploadQueue,
    now: Duration,
    rng: Pcg32,
}

impl Bench {
    fn new(slots: usize) -> Self {
        Self::with(Settings {
            slots,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        Self {
            queue: UploadQueue::new(settings),
            now: Duration::from_secs(100),
            rng: Pcg32::seed_from_u64(1),
        }
    }

    fn ask(&mut self, asker: Asker) -> Answer {
        self.queue.ask(self.now, asker, &mut self.rng)
    }

    fn granted(&mut self, asker: Asker) -> Id {
        match self.ask(asker) {
            Answer::Granted(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn queued(&mut self, asker: Asker) -> Place {
        match self.ask(asker) {
            Answer::Queued(place) => place,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }
}

/// One host each.
fn host(number: u8) -> Asker {
    Asker {
        line: ([20, 0, 0, number], 1_000).into(),
        crowd: false,
        manner: Manner::Active,
        ticket: None,
        content: Sha1::from_bytes([1; 20]),
        weight: 1,
    }
}

#[test]
fn a_slot_goes_to_the_first_in_the_line_and_not_to_who_asks_first() {
    let mut bench = Bench::new(1);
    let held = bench.granted(host(1));
    let second = bench.queued(host(2));
    assert_eq!((second.position, second.length, second.limit), (1, 1, 1));
    assert_eq!(second.poll_min, Duration::from_secs(2));
    bench.pass(0.5);
    let third = bench.queued(host(3));
    assert_eq!((third.position, third.length), (2, 2));
    assert_eq!(third.poll_min, Duration::from_secs(4));
    bench.queue.finished(bench.now, held);
    bench.queue.hung_up(host(1).line);
    // Somebody new, and the second in the line, find the slot free but not for them.
    assert_eq!(bench.queued(host(4)).position, 3);
    bench.pass(1.5);
    bench.granted(host(2));
    bench.pass(2.5);
    assert_eq!(bench.queued(host(3)).position, 1);
    assert_eq!(bench.queue.waiting(bench.now), 2);
    assert_eq!(bench.queue.active(), 1);
}

#[test]
fn a_slot_is_kept_from_request_to_request_for_a_turn() {
    let mut bench = Bench::new(1);
    let mut asked = 0;
    let began = bench.now;
    let held = bench.granted(host(1));
    bench.queued(host(2));
    // It asks for one range after the other.
    loop {
        bench.pass(1.0);
        bench.queue.finished(bench.now, held);
        if bench.now < began + Duration::from_secs(30) && asked < 100 {
            asked += 1;
            if bench.now.as_secs().is_multiple_of(2) {
                bench.queued(host(2));
            }
            match bench.ask(host(1)) {
                Answer::Granted(id) => assert_eq!(id, held),
                Answer::Queued(place) => {
                    assert_eq!(place.position, 2);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(bench.now - began, Duration::from_secs(10));
    assert_eq!(bench.queue.counts().yielded, 1);
    bench.pass(2.0);
    bench.granted(host(2));
}

#[test]
fn a_turn_is_longer_by_the_weight_and_without_end_while_nobody_waits() {
    let mut bench = Bench::new(1);
    let giver = Asker {
        weight: 4,
        ..host(1)
    };
    let held = bench.granted(giver);
    for _ in 0..100 {
        bench.pass(2.0);
        bench.queue.finished(bench.now, held);
        assert_eq!(bench.granted(giver), held);
    }
    bench.queued(host(2));
    bench.queue.finished(bench.now, held);
    assert_eq!(
        bench.queued(giver).position,
        2,
        "its turn was over long ago"
    );
}

#[test]
fn weight_shortens_the_wait_and_patience_wins_in_the_end() {
    let mut bench = Bench::new(1);
    bench.granted(host(1));
    let giver = Asker {
        weight: 8,
        ..host(3)
    };
    bench.queued(host(2));
    bench.pass(2.0);
    bench.queued(host(2));
    assert_eq!(bench.queued(giver).position, 2, "it has just come");
    bench.pass(4.0);
    assert_eq!(bench.queued(giver).position, 1);
    assert_eq!(bench.queued(host(2)).position, 2);
}

#[test]
fn whatever_givers_come_who_gave_nothing_has_a_turn_in_the_end() {
    let mut bench = Bench::new(1);
    let mut waiting = vec![(host(2), bench.now)];
    let mut holder: Option<(Asker, Id, Duration)> = None;
    let mut number = 10;
    for _ in 0..600 {
        bench.pass(0.25);
        if let Some((asker, id, until)) = holder
            && bench.now >= until
        {
            bench.queue.finished(bench.now, id);
            bench.queue.hung_up(asker.line);
            holder = None;
        }
        while waiting.len() < 3 {
            number += 1;
            let giver = Asker {
                weight: 8,
                ..host(number)
            };
            waiting.push((giver, bench.now));
        }
        for (asker, due) in std::mem::take(&mut waiting) {
            if bench.now < due {
                waiting.push((asker, due));
                continue;
            }
            match bench.ask(asker) {
                Answer::Granted(_) if asker.weight == 1 => return,
                Answer::Granted(id) => {
                    holder = Some((asker, id, bench.now + Duration::from_secs(5)));
                }
                Answer::Queued(place) => waiting.push((asker, bench.now + place.poll_min)),
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("it starves");
}

#[test]
fn who_asks_too_early_gains_nothing_and_is_not_heard_in_the_end() {
    let mut bench = Bench::new(1);
    let held = bench.granted(host(1));
    let place = bench.queued(host(2));
    bench.queue.finished(bench.now, held);
    bench.queue.hung_up(host(1).line);
    for _ in 0..4 {
        bench.pass(0.1);
        let told = bench.queued(host(2));
        assert_eq!((told.id, told.position), (place.id, 1));
        assert!(told.poll_min <= place.poll_min && !told.poll_min.is_zero());
    }
    assert!(matches!(bench.ask(host(2)), Answer::Banned { .. }));
    let elsewhere = Asker {
        line: ([20, 0, 0, 2], 7).into(),
        ..host(2)
    };
    assert!(matches!(bench.ask(elsewhere), Answer::Banned { .. }));
    bench.granted(host(3));
    bench.pass(15.0 * 60.0);
    bench.queue.hung_up(host(3).line);
    assert!(!matches!(bench.ask(host(2)), Answer::Banned { .. }));
    let counts = bench.queue.counts();
    assert_eq!((counts.early, counts.banned), (5, 1));
}

#[test]
fn who_asks_too_late_is_last_again() {
    let mut bench = Bench::new(1);
    bench.granted(host(1));
    let first = bench.queued(host(2));
    bench.pass(2.0);
    bench.queued(host(3));
    bench.pass(15.5);
    let second = bench.queued(host(2));
    assert!(second.id != first.id && second.position == 2);
    assert_eq!(bench.queue.counts().lapsed, 1);
}

#[test]
fn a_ticket_is_good_on_any_connection_of_its_host_and_of_no_other() {
    let mut bench = Bench::new(1);
    bench.granted(host(1));
    let asker = Asker {
        manner: Manner::Ticket,
        ..host(2)
    };
    let place = bench.queued(asker);
    bench.queue.hung_up(asker.line);
    bench.pass(3.0);
    let ticket = Some(place.id);
    let thief = Asker {
        ticket,
        manner: Manner::Ticket,
        ..host(3)
    };
    assert!(bench.queued(thief).id != place.id);
    let again = Asker {
        ticket,
        line: ([20, 0, 0, 2], 7).into(),
        ..asker
    };
    let told = bench.queued(again);
    assert_eq!((told.id, told.position), (place.id, 1));
    let text = place.id.to_string();
    assert_eq!(text.parse(), Ok(place.id));
    assert!(text.len() == 32 && text[1..].parse::<Id>().is_err() && "é".parse::<Id>().is_err());
}

#[test]
fn one_host_takes_not_all_slots_and_not_all_places() {
    let mut bench = Bench::with(Settings {
        slots: 3,
        slots_each: 2,
        places_each: 2,
        ..Settings::default()
    });
    let line = |port| Asker {
        line: ([20, 0, 0, 1], port).into(),
        ..host(1)
    };
    bench.granted(line(1));
    bench.granted(line(2));
    bench.queued(line(3));
    bench.queued(line(4));
    assert!(matches!(bench.ask(line(5)), Answer::Full { .. }));
    // They wait for their own slots, not for the one that is left.
    bench.granted(host(2));
    let crowd = |port| Asker {
        line: ([10, 0, 0, 1], port).into(),
        crowd: true,
        ..host(1)
    };
    for port in 1..50 {
        bench.queued(crowd(port));
    }
}

#[test]
fn places_end_and_weight_still_finds_one() {
    let mut bench = Bench::with(Settings {
        slots: 1,
        places: 3,
        ..Settings::default()
    });
    bench.granted(host(1));
    for number in 2..5 {
        bench.queued(host(number));
    }
    assert!(matches!(bench.ask(host(5)), Answer::Full { .. }));
    assert!(bench.queue.is_full(bench.now));
    let giver = Asker {
        weight: 2,
        ..host(6)
    };
    bench.queued(giver);
    assert_eq!(bench.queue.waiting(bench.now), 3);
    bench.pass(4.5);
    assert!(bench.queued(host(2)).position < 3);
    assert!(
        matches!(bench.ask(host(4)), Answer::Full { .. }),
        "the last had to go"
    );
}

#[test]
fn who_knows_no_queues_is_remembered_and_holds_up_nobody_meanwhile() {
    let mut bench = Bench::new(1);
    let held = bench.granted(host(1));
    let unaware = Asker {
        manner: Manner::Unaware,
        ..host(2)
    };
    let place = bench.queued(unaware);
    assert_eq!(place.poll_min, Duration::from_secs(60));
    bench.pass(1.0);
    bench.queue.finished(bench.now, held);
    bench.queue.hung_up(host(1).line);
    let other = bench.granted(host(3));
    bench.pass(59.0);
    bench.queue.finished(bench.now, other);
    let later = Asker {
        line: ([20, 0, 0, 2], 7).into(),
        ..unaware
    };
    assert_eq!(bench.queued(later).id, place.id);
    bench.queue.hung_up(host(3).line);
    assert_eq!(bench.granted(later), place.id);
}

#[test]
fn whatever_is_asked_slots_and_places_keep_to_their_numbers() {
    let mut bench = Bench::with(Settings {
        slots: 4,
        places: 10,
        ..Settings::default()
    });
    let mut rng = Pcg32::seed_from_u64(9);
    let mut held: Vec<Id> = Vec::new();
    for _ in 0..20_000 {
        bench.pass(rng.random_range(0.0..1.5));
        let manner = [Manner::Unaware, Manner::Active, Manner::Ticket][rng.random_range(0..3)];
        let asker = Asker {
            line: ([20, 0, 0, rng.random_range(0..30)], rng.random_range(1..3)).into(),
            weight: rng.random_range(1..9),
            manner,
            ..host(0)
        };
        match bench.ask(asker) {
            Answer::Granted(id) => held.push(id),
            Answer::Queued(place) => {
                assert!(place.position >= 1 && place.poll_min < place.poll_max);
                assert!(place.length >= place.position);
            }
            Answer::Full { .. } | Answer::Banned { .. } => {}
        }
        if rng.random_range(0..3) == 0 && !held.is_empty() {
            let id = held.swap_remove(rng.random_range(0..held.len()));
            bench.queue.finished(bench.now, id);
        }
        if rng.random_range(0..10) == 0 {
            bench.queue.hung_up(asker.line);
        }
        assert!(bench.queue.active() <= 4 && bench.queue.waiting(bench.now) <= 10);
        assert!(bench.queue.tickets.len() <= 14);
    }
}
