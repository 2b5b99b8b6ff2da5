//! The bounds of a queue.

use std::time::Duration;

/// How many slots and places there are, and how long they last.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots.
    pub slots: usize,
    /// Of these, for one host.
    pub slots_each: usize,
    /// Askers that wait at once. When all places are taken one of more weight takes the place of
    /// the last of the least weight; others are refused.
    pub places: usize,
    /// Of these, of one host.
    pub places_each: usize,
    /// How long a holder of weight 1 keeps its slot from request to request while others wait.
    pub turn: Duration,
    /// How long a slot is kept for the next request of its holder.
    pub hold: Duration,
    /// When the first in the line may ask again; the second after twice as long, and so on.
    pub poll: Duration,
    /// The longest of these times.
    pub longest_poll: Duration,
    /// How much later than it may one must have asked again, or one's place is lost.
    pub patience: Duration,
    /// How much earlier than told one may ask, since clocks differ.
    pub grace: Duration,
    /// When who understands no queue shall ask again.
    pub retry: Duration,
    /// How often one may ask too early; then one is not heard for a while.
    pub strikes: u32,
    /// For how long.
    pub ban: Duration,
    /// Askers that are not heard, at once; the one of longest ago is forgotten for a new one.
    pub banned: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 20,
            slots_each: 3,
            places: 200,
            places_each: 5,
            turn: Duration::from_secs(10),
            hold: Duration::from_secs(3),
            poll: Duration::from_secs(2),
            longest_poll: Duration::from_secs(10),
            patience: Duration::from_secs(15),
            grace: Duration::from_millis(500),
            retry: Duration::from_secs(60),
            strikes: 5,
            ban: Duration::from_secs(15 * 60),
            banned: 1_024,
        }
    }
}
