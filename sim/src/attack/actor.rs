//! What an attacker on a node of the overlay is asked.

use filbert::overlay::{Link, Recipients};
use filbert::wire::{Descriptor, Guid};
use rand_pcg::Pcg64Mcg;

use super::flood::Flooder;
use super::guids::{Guesser, Swallower};
use super::settings::Deed;
use super::spam::Spammer;

/// All attackers of a run: they know of each other. Behind each is a servent as honest as any other, which
/// does whatever its attacker leaves it.
pub(super) trait Actor: std::fmt::Debug {
    /// Microseconds between two deeds that nobody asked for, where there are such.
    fn pause(&self) -> Option<u64> {
        None
    }

    /// What the attacker on `node` then sends to all its neighbours.
    fn act(&mut self, node: u32, rng: &mut Pcg64Mcg) -> Option<Descriptor> {
        let _ = (node, rng);
        None
    }

    /// A descriptor comes to the attacker: adds to `sends` what it sends for it, and says whether its
    /// servent is to hear of it.
    fn hear(&mut self, heard: &Heard<'_>, rng: &mut Pcg64Mcg, sends: &mut Sends) -> bool {
        let _ = (heard, rng, sends);
        true
    }
}

/// What comes to an attacker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    /// The node it is on.
    pub node: u32,
    /// The link over which it comes.
    pub link: Link,
    /// What comes.
    pub descriptor: &'a Descriptor,
}

/// What an attacker sends, and to whom.
pub(super) type Sends = Vec<(Recipients, Descriptor)>;

/// Those who do a deed where queries go so far and there are so many files.
pub(super) fn of(deed: Deed, max_ttl: u8, files: u32) -> Box<dyn Actor> {
    match deed {
        Deed::Flood {
            per_minute,
            hops,
            counted,
            for_files,
        } => {
            let files = for_files.then_some(files);
            Box::new(Flooder::new(per_minute, (hops, max_ttl), counted, files))
        }
        Deed::Spam { results, echo } => Box::new(Spammer { results, echo }),
        Deed::Guess => Box::new(Guesser::new(max_ttl)),
        Deed::Swallow => Box::new(Swallower::new(max_ttl)),
    }
}

/// The GUID that comes after one, for who counts: its last six free bytes are a number.
pub(super) const fn next(guid: Guid) -> Guid {
    let mut bytes = *guid.as_bytes();
    let mut place = 14;
    while place > 8 {
        bytes[place] = bytes[place].wrapping_add(1);
        if bytes[place] != 0 {
            break;
        }
        place -= 1;
    }
    Guid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_count_in_the_bytes_that_have_no_mark() {
        let guid = |end: [u8; 3]| {
            let [a, b, c] = end;
            Guid::from_bytes([7, 7, 7, 7, 7, 7, 7, 7, 0xff, 0, 0, 0, a, b, c, 0])
        };
        // Byte 15 is a mark, as byte 8 is.
        let counted = |from: [u8; 3]| *next(guid(from)).as_bytes();
        assert_eq!(counted([0, 0, 1]), *guid([0, 0, 2]).as_bytes());
        assert_eq!(counted([0, 1, 0xff]), *guid([0, 2, 0]).as_bytes());
    }
}
