//! Where a query has been, and where it goes.

use std::mem;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// Neighbours of a servent by their places, one bit for each.
pub(super) type Places = u128;

/// A query on its way.
#[derive(Debug)]
pub(super) struct Query {
    /// When it was asked, in microseconds.
    pub(super) asked: u64,
    /// What it is for.
    pub(super) keyword: u32,
    /// How many servents have processed it: hops of a walker, copies of a flood.
    pub(super) processed: u64,
    /// When it was answered, and after how many hops.
    pub(super) answer: Option<(u64, u64)>,
    /// Copies that wait somewhere.
    pub(super) under_way: u32,
    marks: Marks,
}

/// Whom each servent has sent a query to, or has it from. The paper's servents remember this for each
/// GUID; here the query carries it, in a table of open addresses that a walker finds its way in with one
/// look.
#[derive(Debug, Default)]
struct Marks {
    /// A servent and its neighbours, or nobody.
    slots: Vec<(u32, Places)>,
    servents: usize,
}

impl Query {
    /// A query that is nowhere yet.
    pub(super) fn new(asked: u64, keyword: u32) -> Self {
        Self {
            asked,
            keyword,
            processed: 0,
            answer: None,
            under_way: 0,
            marks: Marks::default(),
        }
    }

    /// A servent hears of it. Says whether for the first time.
    pub(super) fn reaches(&mut self, node: u32) -> bool {
        let before = self.marks.servents;
        self.marks.of(node);
        self.marks.servents > before
    }

    /// The neighbours that a servent has sent it to, or has it from.
    pub(super) fn marked(&mut self, node: u32) -> &mut Places {
        self.marks.of(node)
    }

    /// Nobody has to remember it any more.
    pub(super) fn forget(&mut self) {
        self.marks = Marks::default();
    }
}

impl Marks {
    /// What a servent has marked: nobody in the beginning.
    fn of(&mut self, node: u32) -> &mut Places {
        if self.slots.len() < 2 * (self.servents + 1) {
            self.grow();
        }
        let at = self.find(node);
        if self.slots[at].0 == NOBODY {
            self.slots[at].0 = node;
            self.servents += 1;
        }
        &mut self.slots[at].1
    }

    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(16);
        let before = mem::replace(&mut self.slots, vec![(NOBODY, 0); size]);
        for (node, places) in before.into_iter().filter(|&(node, _)| node != NOBODY) {
            let at = self.find(node);
            self.slots[at] = (node, places);
        }
    }

    /// The slot of a servent, or the one that it is to have.
    fn find(&self, node: u32) -> usize {
        // Multiplied by the golden ratio, neighbouring numbers go far apart.
        let spread = node.wrapping_mul(0x9e37_79b9).rotate_left(16);
        let last = self.slots.len() - 1;
        let mut at = spread as usize & last;
        while self.slots[at].0 != node && self.slots[at].0 != NOBODY {
            at = (at + 1) & last;
        }
        at
    }
}

/// One of some places at random; none where there is none.
pub(super) fn any_of(places: Places, rng: &mut Pcg64Mcg) -> Option<u32> {
    let count = places.count_ones();
    if count == 0 {
        return None;
    }
    let mut left = places;
    for _ in 0..rng.random_range(0..count) {
        left &= left - 1;
    }
    Some(left.trailing_zeros())
}

/// The first so many places.
pub(super) const fn first(count: u32) -> Places {
    match count {
        0 => 0,
        1..Places::BITS => (1 << count) - 1,
        _ => Places::MAX,
    }
}

/// No servent's number.
const NOBODY: u32 = u32::MAX;
