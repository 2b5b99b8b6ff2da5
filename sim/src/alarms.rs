//! When servents want to be woken: their deadlines in virtual time.
//!
//! Apart from the [`calendar`](crate::calendar) of what travels, since deadlines lie seconds ahead
//! where deliveries lie milliseconds ahead. A servent has at most one deadline; an older one that
//! waits still is passed over when its time comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The deadlines of servents, in microseconds. Takes no memory until the first is set.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// The deadline that holds for each servent; [`NEVER`] where none does.
    set: Vec<u64>,
}

impl Alarms {
    /// Sets the deadline of `node`, one of `nodes`, in place of the one before.
    pub fn set(&mut self, nodes: usize, node: u32, at: u64) {
        if self.set.is_empty() {
            self.set = vec![NEVER; nodes];
        }
        if self.set[node as usize] != at {
            self.set[node as usize] = at;
            self.heap.push(Reverse((at, node)));
        }
    }

    /// The next deadline.
    #[inline]
    pub fn next_at(&mut self) -> Option<u64> {
        while let Some(&Reverse((at, node))) = self.heap.peek() {
            if self.set[node as usize] == at {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes the next deadline out: whose it is. Servents of one time come by number.
    pub fn pop(&mut self) -> Option<u32> {
        self.next_at()?;
        let Reverse((_, node)) = self.heap.pop()?;
        self.set[node as usize] = NEVER;
        Some(node)
    }
}

/// No deadline.
const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_deadline_set_holds() {
        let mut alarms = Alarms::default();
        assert_eq!((alarms.next_at(), alarms.pop()), (None, None));
        for (node, at) in [(3, 50), (1, 20), (2, 20), (1, 70), (3, 10), (3, 10)] {
            alarms.set(4, node, at);
        }
        let order: Vec<(u64, u32)> =
            std::iter::from_fn(|| Some((alarms.next_at()?, alarms.pop()?))).collect();
        assert_eq!(order, [(10, 3), (20, 2), (70, 1)]);
    }
}
