//! Where a query has been, and where it goes.

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
    /// Whom servents have sent it to, or have it from, by the number of the servent. The paper's
    /// servents remember this for each GUID.
    marks: Vec<(u32, Places)>,
}

impl Query {
    /// A query that is nowhere yet.
    pub(super) const fn new(asked: u64, keyword: u32) -> Self {
        Self {
            asked,
            keyword,
            processed: 0,
            answer: None,
            under_way: 0,
            marks: Vec::new(),
        }
    }

    /// Whether a servent gets it for the first time.
    pub(super) fn is_new_to(&self, node: u32) -> bool {
        self.find(node).is_err()
    }

    /// A servent remembers some of its neighbours for it.
    pub(super) fn mark(&mut self, node: u32, places: Places) {
        match self.find(node) {
            Ok(at) => self.marks[at].1 |= places,
            Err(at) => self.marks.insert(at, (node, places)),
        }
    }

    /// The neighbours, of so many, that a servent has not sent it to. Where it has sent it to all of
    /// them it begins anew, with all.
    pub(super) fn fresh(&mut self, node: u32, all: Places) -> Places {
        let Ok(at) = self.find(node) else {
            return all;
        };
        let mark = &mut self.marks[at].1;
        if all & !*mark == 0 {
            *mark = 0;
        }
        all & !*mark
    }

    /// Nobody has to remember it any more.
    pub(super) fn forget(&mut self) {
        self.marks = Vec::new();
    }

    fn find(&self, node: u32) -> Result<usize, usize> {
        self.marks
            .binary_search_by_key(&node, |&(marked, _)| marked)
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
