//! Dynamic queries through their inputs and outputs, among neighbours made up for each test.

use filbert::overlay::dynamic_query::{
    Asker, Candidate, DynamicQuery, Progress, QueryCopy, Reason, Round, SearchPolicy, Settings,
    Standard, Step, Table,
};
use filbert::overlay::{Duration, Instant, Link};
use proptest::prelude::*;

const LEAF: Link = Link(1_000);

const fn leaf(guides: bool) -> Asker {
    Asker::Leaf { link: LEAF, guides }
}

const FRIEND: Candidate = Candidate {
    link: Link(0),
    degree: Some(32),
    max_ttl: Some(3),
    table: Table::Unknown,
    age: Duration::from_secs(60),
    ext_probes: false,
    pending: 0,
};

fn friends(count: u32, table: impl Fn(u32) -> Table) -> Vec<Candidate> {
    (0..count)
        .map(|link| Candidate {
            link: Link(link),
            table: table(link),
            ..FRIEND
        })
        .collect()
}

/// A query and the neighbours it may ask.
struct Search {
    query: DynamicQuery,
    settings: Settings,
    neighbours: Vec<Candidate>,
    now: Instant,
    sent: Vec<(Link, u8)>,
    asked_leaf: u32,
    over: Option<Reason>,
}

impl Search {
    fn new(asker: Asker, neighbours: Vec<Candidate>, settings: Settings) -> Self {
        let now = Instant::from_micros(1_000_000);
        let demand = settings.demand(asker, false);
        Self {
            query: DynamicQuery::start(now, demand, 0, 42, &settings),
            settings,
            neighbours,
            now,
            sent: Vec::new(),
            asked_leaf: 0,
            over: None,
        }
    }

    fn take(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            assert_eq!(self.over, None, "nothing follows the end");
            match step {
                Step::Copy { link, ttl } => self.sent.push((link, ttl)),
                Step::AskLeaf => self.asked_leaf += 1,
                Step::Finished(reason) => self.over = Some(reason),
            }
        }
    }

    /// Lets time pass until the query is due.
    fn wait_with<P: SearchPolicy>(&mut self, policy: &P) {
        let due = self.query.due(&self.settings).max(self.now);
        for neighbour in &mut self.neighbours {
            let age = neighbour.age.as_micros() + due.since(self.now).as_micros();
            neighbour.age = Duration::from_micros(age);
        }
        self.now = due;
        let mut steps = Vec::new();
        self.query
            .tick(due, &self.neighbours, policy, &self.settings, &mut steps);
        self.take(steps);
    }

    fn wait(&mut self) {
        self.wait_with(&Standard);
    }

    fn hits(&mut self, count: u32) {
        let step = self.query.hits(self.now, count, &self.settings);
        self.take(step);
    }

    fn kept(&mut self, count: u16) {
        let step = self.query.kept(count, &self.settings);
        self.take(step);
    }

    fn gone(&mut self, link: Link) {
        self.neighbours.retain(|neighbour| neighbour.link != link);
        let step = self.query.gone(self.now, link);
        self.take(step);
    }

    /// Runs to the end; of `rarity` hosts reached one has a result.
    fn run(&mut self, rarity: u64) -> Reason {
        for _ in 0..100_000 {
            if let Some(reason) = self.over {
                return reason;
            }
            let before = self.query.reached() / rarity;
            self.wait();
            let new = self.query.reached() / rarity - before;
            if self.over.is_none() && new > 0 {
                self.hits(u32::try_from(new).unwrap());
            }
        }
        panic!("a query that never ends");
    }

    fn age(&self) -> Duration {
        self.now.since(self.query.begun())
    }
}

#[test]
fn a_popular_query_stops_after_the_probe() {
    let mut search = Search::new(
        leaf(false),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    assert_eq!(search.run(1), Reason::Enough);
    assert_eq!(search.sent.len(), 3);
    assert!(search.sent.iter().all(|&(_, ttl)| ttl == 2));
}

#[test]
fn a_rare_query_walks_all_neighbours_up_to_their_highest_ttl() {
    let mut search = Search::new(
        leaf(false),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    assert_eq!(search.run(u64::MAX), Reason::NoNeighbours);
    let ttls: Vec<u8> = search.sent.iter().map(|&(_, ttl)| ttl).collect();
    assert!(ttls.is_sorted(), "{ttls:?}");
    assert_eq!((ttls.len(), ttls[2], ttls[3]), (30, 2, 3));
    assert!(search.age() < search.settings.life, "{:?}", search.age());
}

#[test]
fn a_query_in_between_goes_further_as_neighbours_run_out() {
    let mut search = Search::new(
        leaf(false),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    assert_eq!(search.run(40), Reason::Enough);
    assert!(
        search.sent.len() > 3 && search.sent.len() < 30,
        "{:?}",
        search.sent
    );
    let enough = u64::from(search.settings.wanted_leaf) * 40;
    assert!(
        search.query.reached() < enough + 1_000,
        "{}",
        search.query.reached()
    );
}

#[test]
fn own_leaves_are_heard_before_any_neighbour() {
    let settings = Settings::default();
    let demand = settings.demand(leaf(false), false);
    let query = DynamicQuery::start(Instant::default(), demand, 3, 0, &settings);
    assert_eq!(query.due(&settings), Instant::default() + settings.hop_wait);
    let mut search = Search::new(leaf(false), friends(9, |_| Table::Unknown), settings);
    search.hits(50);
    assert_eq!((search.over, search.sent.len()), (Some(Reason::Enough), 0));
}

#[test]
fn ttl_1_never_goes_where_the_table_says_no() {
    let table = |link| match link % 5 {
        0 => Table::Matches,
        _ => Table::Excludes,
    };
    for rarity in [1, 2, 5, 20, 100, 10_000] {
        let mut search = Search::new(Asker::Own, friends(40, table), Settings::default());
        search.run(rarity);
        let near = search.sent.iter().filter(|&&(_, ttl)| ttl == 1);
        assert!(near.clone().count() > 0);
        assert!(
            near.clone().all(|(link, _)| link.0 % 5 == 0),
            "{:?}",
            search.sent
        );
    }
}

#[test]
fn only_a_probed_neighbour_that_takes_probes_is_asked_twice() {
    for ext_probes in [false, true] {
        let mut neighbours = friends(30, |link| match link {
            0..6 => Table::Matches,
            _ => Table::Excludes,
        });
        for neighbour in &mut neighbours {
            neighbour.ext_probes = ext_probes;
        }
        let mut search = Search::new(Asker::Own, neighbours, Settings::default());
        assert_eq!(search.run(u64::MAX), Reason::NoNeighbours);
        let probed: Vec<Link> = search.sent[..6].iter().map(|&(link, _)| link).collect();
        assert!(search.sent[..6].iter().all(|&(_, ttl)| ttl == 1));
        assert_eq!(search.sent.len(), if ext_probes { 36 } else { 30 });
        let again = search.sent[6..]
            .iter()
            .filter(|(link, _)| probed.contains(link));
        assert_eq!(
            again.filter(|&&(_, ttl)| ttl == 3).count(),
            if ext_probes { 6 } else { 0 }
        );
        assert_eq!(
            search.query.reached(),
            1 + 30 * 635 - if ext_probes { 0 } else { 6 * 634 }
        );
    }
}

#[test]
fn a_servent_with_one_neighbour_asks_it_as_far_as_it_may() {
    let lonely = vec![Candidate {
        degree: Some(2),
        max_ttl: Some(4),
        ..FRIEND
    }];
    let mut search = Search::new(Asker::Own, lonely, Settings::default());
    search.wait();
    assert_eq!(search.sent, [(Link(0), 4)]);
}

#[test]
fn the_horizon_stops_it() {
    let settings = Settings {
        horizon: 3_000,
        ..Settings::default()
    };
    let mut search = Search::new(Asker::Own, friends(30, |_| Table::Unknown), settings);
    assert_eq!(search.run(u64::MAX), Reason::Horizon);
    assert!((3_000..3_000 + 635).contains(&search.query.reached()));
}

#[test]
fn its_life_stops_it() {
    let neighbours = friends(100, |_| Table::Unknown)
        .into_iter()
        .map(|neighbour| Candidate {
            pending: 50,
            ..neighbour
        })
        .collect();
    let mut search = Search::new(Asker::Own, neighbours, Settings::default());
    assert_eq!(search.run(u64::MAX), Reason::Life);
    assert_eq!(search.age(), Duration::from_secs(200));
}

#[test]
fn young_links_are_waited_for() {
    let mut young = friends(1, |_| Table::Unknown);
    young[0].age = Duration::from_secs(2);
    let mut search = Search::new(Asker::Own, young, Settings::default());
    search.wait();
    assert!(search.sent.is_empty());
    search.wait();
    assert_eq!(
        (search.age(), search.sent.len()),
        (Duration::from_secs(3), 1)
    );
}

#[test]
fn a_first_neighbour_is_waited_for_but_not_for_ever() {
    let mut search = Search::new(Asker::Own, Vec::new(), Settings::default());
    for _ in 0..5 {
        search.wait();
    }
    search.neighbours = friends(1, |_| Table::Unknown);
    search.wait();
    assert_eq!(search.sent.len(), 1);

    let mut search = Search::new(Asker::Own, Vec::new(), Settings::default());
    assert_eq!(search.run(1), Reason::NoNeighbours);
    assert_eq!(search.age(), search.settings.patience);
}

#[test]
fn neighbours_that_left_are_neither_asked_nor_waited_for() {
    let mut search = Search::new(
        Asker::Own,
        friends(3, |_| Table::Unknown),
        Settings::default(),
    );
    search.wait();
    let (first, _) = search.sent[0];
    let unasked = (0..3).map(Link).find(|&link| link != first).unwrap();
    search.gone(unasked);
    assert!(
        search.query.due(&search.settings) > search.now,
        "still waiting"
    );
    search.gone(first);
    assert_eq!(search.query.due(&search.settings), search.now);
    assert_eq!(search.run(u64::MAX), Reason::NoNeighbours);
    let left = (0..3)
        .map(Link)
        .find(|&link| link != first && link != unasked);
    assert_eq!(
        search.sent.iter().map(|&(link, _)| Some(link)).next_back(),
        Some(left)
    );
    assert_eq!(search.sent.len(), 2);
}

#[test]
fn a_leaf_that_leaves_ends_its_query() {
    let mut search = Search::new(
        leaf(false),
        friends(9, |_| Table::Unknown),
        Settings::default(),
    );
    search.wait();
    search.gone(LEAF);
    assert_eq!(search.over, Some(Reason::LeafGone));
    assert_eq!(search.query.hits(search.now, 1_000, &search.settings), None);
}

#[test]
fn guidance_counts_our_share_of_what_the_leaf_keeps() {
    let mut search = Search::new(
        leaf(true),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    search.hits(19);
    assert_eq!(search.asked_leaf, 0);
    search.hits(1);
    search.hits(4);
    assert_eq!(search.asked_leaf, 1, "once");
    search.kept(30);
    assert_eq!(
        (search.query.results(), search.over),
        (10, None),
        "a third of 30"
    );
    search.hits(20);
    assert_eq!((search.asked_leaf, search.query.results()), (2, 30));
    search.kept(149);
    assert_eq!((search.query.results(), search.over), (49, None));
    search.hits(1);
    assert_eq!(search.over, Some(Reason::Enough));
}

#[test]
fn a_leaf_that_keeps_nothing_cannot_draw_results_for_ever() {
    let mut search = Search::new(
        leaf(true),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    for _ in 0..15 {
        search.hits(5);
        search.kept(0);
    }
    assert_eq!(search.over, Some(Reason::Enough));
    assert_eq!(search.query.routed(), 75);
}

#[test]
fn a_leaf_says_stop_asked_or_not() {
    for guides in [false, true] {
        let mut search = Search::new(
            leaf(guides),
            friends(9, |_| Table::Unknown),
            Settings::default(),
        );
        search.wait();
        search.kept(0xFFFF);
        assert_eq!(search.over, Some(Reason::LeafStop));
    }
    let mut search = Search::new(
        Asker::Own,
        friends(9, |_| Table::Unknown),
        Settings::default(),
    );
    search.kept(0xFFFF);
    assert_eq!(search.over, None, "nobody guides ours");
}

#[test]
fn nothing_is_sent_for_a_leaf_that_owes_an_answer_and_two_silences_end_it() {
    let mut search = Search::new(
        leaf(true),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    search.wait();
    let sent = search.sent.len();
    search.hits(20);
    search.wait();
    assert_eq!(
        (search.age(), search.asked_leaf),
        (Duration::from_secs(40), 2)
    );
    search.wait();
    assert_eq!(search.age(), Duration::from_secs(80));
    assert_eq!(
        (search.over, search.sent.len()),
        (Some(Reason::LeafSilent), sent)
    );
}

#[test]
fn an_answer_lets_the_walk_go_on() {
    let mut search = Search::new(
        leaf(true),
        friends(30, |_| Table::Unknown),
        Settings::default(),
    );
    search.wait();
    let sent = search.sent.len();
    search.hits(20);
    search.wait();
    search.kept(3);
    search.wait();
    assert_eq!((search.sent.len(), search.over), (sent + 1, None));
}

/// Another way to spend a budget: everybody, with one hop more each time.
#[derive(Debug)]
struct ExpandingRing;

impl SearchPolicy for ExpandingRing {
    fn next(
        &self,
        settings: &Settings,
        progress: &Progress<'_>,
        candidates: &[Candidate],
    ) -> Option<Round> {
        let ttl = u8::try_from(progress.rounds + 1).ok()?;
        let copies: Vec<QueryCopy> = candidates
            .iter()
            .filter(|candidate| ttl <= candidate.highest_ttl(settings))
            .map(|candidate| candidate.copy(ttl, settings))
            .collect();
        (!copies.is_empty()).then_some(Round {
            copies,
            wait: Duration::from_secs(u64::from(ttl)),
        })
    }
}

#[test]
fn an_experiment_brings_its_own_policy() {
    let mut search = Search::new(
        Asker::Own,
        friends(4, |_| Table::Unknown),
        Settings::default(),
    );
    while search.over.is_none() {
        search.wait_with(&ExpandingRing);
    }
    let ttls: Vec<u8> = search.sent.iter().map(|&(_, ttl)| ttl).collect();
    assert_eq!(ttls, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(
        (search.over, search.age()),
        (Some(Reason::NoNeighbours), Duration::from_secs(6))
    );
    assert_eq!(search.query.reached(), 1 + 4 * 635);
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let table = prop_oneof![
        Just(Table::Unknown),
        Just(Table::Matches),
        Just(Table::Excludes)
    ];
    let any = (
        prop_oneof![Just(None), (0u16..64).prop_map(Some), any::<Option<u16>>()],
        proptest::option::of(0u8..9),
        table,
        0u64..20_000,
        any::<bool>(),
        prop_oneof![Just(0u16), any::<u16>()],
    );
    proptest::collection::vec(any, 0..40).prop_map(|all| {
        (0..)
            .zip(all)
            .map(
                |(link, (degree, max_ttl, table, age, ext_probes, pending))| Candidate {
                    link: Link(link),
                    degree,
                    max_ttl,
                    table,
                    age: Duration::from_millis(age),
                    ext_probes,
                    pending,
                },
            )
            .collect()
    })
}

#[derive(Clone, Debug)]
enum Event {
    Wait,
    Hits(u32),
    Kept(u16),
    Gone(u32),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Wait),
        2 => (0u32..30).prop_map(Event::Hits),
        1 => any::<u16>().prop_map(Event::Kept),
        1 => (0u32..40).prop_map(Event::Gone),
    ]
}

proptest! {
    /// Whoever the neighbours are and whatever happens: no neighbour gets more than it takes, nor
    /// twice but where it said so, nor TTL 1 against its table, nor over a young link; and the
    /// query ends within its life.
    #[test]
    fn keeps_the_rules_and_ends(
        neighbours in any_candidates(),
        events in proptest::collection::vec(any_event(), 0..60),
        guides: bool,
        own: bool,
    ) {
        let settings = Settings::default();
        let asker = if own { Asker::Own } else { leaf(guides) };
        let mut search = Search::new(asker, neighbours, settings.clone());
        let known = search.neighbours.clone();
        let mut events = events.into_iter();
        let mut ticks = 0;
        while search.over.is_none() {
            let before = search.sent.len();
            match events.next().unwrap_or(Event::Wait) {
                Event::Wait => search.wait(),
                Event::Hits(count) => search.hits(count),
                Event::Kept(count) => search.kept(count),
                Event::Gone(link) => search.gone(Link(link)),
            }
            for (link, ttl) in &search.sent[before..] {
                let there = search.neighbours.iter().find(|neighbour| neighbour.link == *link);
                prop_assert!(there.is_some_and(|neighbour| neighbour.age >= settings.stable_age));
                prop_assert!(*ttl >= 1);
            }
            ticks += 1;
            prop_assert!(ticks < 3_000, "a query that never ends");
        }
        prop_assert!(search.age() <= settings.life);
        prop_assert!(search.query.reached() < settings.horizon + 10 * settings.copy_hosts);
        for neighbour in known {
            let ttls: Vec<u8> = search
                .sent
                .iter()
                .filter(|(link, _)| *link == neighbour.link)
                .map(|&(_, ttl)| ttl)
                .collect();
            let told = neighbour.max_ttl.unwrap_or(settings.max_ttl_untold);
            prop_assert!(ttls.iter().all(|&ttl| ttl <= told.min(settings.max_ttl)));
            match ttls[..] {
                [] | [_] => {}
                [first, second] => {
                    prop_assert!(neighbour.ext_probes && first == 1 && second > 1);
                }
                _ => prop_assert!(false, "{ttls:?}"),
            }
            if neighbour.table == Table::Excludes {
                prop_assert!(!ttls.contains(&1));
            }
        }
    }

    /// The same inputs give the same outputs.
    #[test]
    fn repeats_itself(neighbours in any_candidates(), rarity in 1u64..5_000) {
        let run = || {
            let mut search = Search::new(Asker::Own, neighbours.clone(), Settings::default());
            let reason = search.run(rarity);
            (reason, search.sent, search.now)
        };
        prop_assert_eq!(run(), run());
    }
}
