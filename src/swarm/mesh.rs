//! Who else has a file: alternate locations that an uploader heard of and gives to those who ask it
//! for the same (protocol §10.6). What is taken is for the driver to judge; this one only forgets.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::wire::urn::Sha1;

/// How much is remembered, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Contents known at once; of more, the one heard of longest ago is forgotten.
    pub contents: usize,
    /// Holders known of one content; of more, the one heard of longest ago is forgotten.
    pub holders: usize,
    /// How long a holder counts that is not heard of again.
    pub life: Duration,
    /// Reports of failure after which a holder is forgotten.
    pub doubts: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contents: 1_000,
            holders: 100,
            life: Duration::from_secs(60 * 60),
            doubts: 3,
        }
    }
}

/// Holders of contents.
#[derive(Debug, Default)]
pub struct Mesh {
    settings: Settings,
    contents: HashMap<Sha1, VecDeque<Holder>>,
    /// Contents, the one heard of longest ago first.
    order: VecDeque<Sha1>,
}

#[derive(Debug)]
struct Holder {
    address: SocketAddr,
    heard: Duration,
    doubts: u8,
}

impl Mesh {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Somebody has a content, or part of it.
    pub fn note(&mut self, now: Duration, sha1: Sha1, address: SocketAddr) {
        if self.contents.contains_key(&sha1) {
            self.order.retain(|known| *known != sha1);
        } else if self.contents.len() >= self.settings.contents.max(1)
            && let Some(oldest) = self.order.pop_front()
        {
            self.contents.remove(&oldest);
        }
        self.order.push_back(sha1);
        let holders = self.contents.entry(sha1).or_default();
        holders.retain(|holder| holder.address != address);
        if holders.len() >= self.settings.holders.max(1) {
            holders.pop_front();
        }
        holders.push_back(Holder {
            address,
            heard: now,
            doubts: 0,
        });
    }

    /// Somebody could not fetch a content there.
    pub fn doubt(&mut self, sha1: Sha1, address: SocketAddr) {
        let most = self.settings.doubts;
        if let Some(holders) = self.contents.get_mut(&sha1) {
            for holder in holders
                .iter_mut()
                .filter(|holder| holder.address == address)
            {
                holder.doubts = holder.doubts.saturating_add(1);
            }
            holders.retain(|holder| holder.doubts < most);
        }
    }

    /// At most `count` holders of a content of those that are `fit`, any of them.
    pub fn pick(
        &mut self,
        now: Duration,
        sha1: Sha1,
        count: usize,
        fit: impl Fn(SocketAddr) -> bool,
        rng: &mut dyn Rng,
    ) -> Vec<SocketAddr> {
        let life = self.settings.life;
        let Some(holders) = self.contents.get_mut(&sha1) else {
            return Vec::new();
        };
        holders.retain(|holder| now.saturating_sub(holder.heard) < life);
        let mut fit: Vec<_> = holders
            .iter()
            .map(|holder| holder.address)
            .filter(|address| fit(*address))
            .collect();
        for place in 0..fit.len().min(count) {
            let other = rng.random_range(place..fit.len());
            fit.swap(place, other);
        }
        fit.truncate(count);
        fit
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg32;

    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([1, 2, 3, 4], port))
    }

    fn sha1(byte: u8) -> Sha1 {
        Sha1::from_bytes([byte; 20])
    }

    fn mesh() -> Mesh {
        Mesh::new(Settings {
            contents: 2,
            holders: 3,
            life: Duration::from_secs(10),
            doubts: 2,
        })
    }

    fn known(mesh: &mut Mesh, now: u64, content: u8) -> Vec<u16> {
        let mut rng = Pcg32::seed_from_u64(1);
        let now = Duration::from_secs(now);
        let mut known: Vec<u16> = mesh
            .pick(now, sha1(content), 9, |_| true, &mut rng)
            .iter()
            .map(SocketAddr::port)
            .collect();
        known.sort_unstable();
        known
    }

    #[test]
    fn it_is_capped_and_forgets_the_oldest() {
        let mut mesh = mesh();
        for port in [1, 2, 3, 1, 4] {
            mesh.note(Duration::ZERO, sha1(1), at(port));
        }
        assert_eq!(known(&mut mesh, 0, 1), [1, 3, 4]);
        mesh.note(Duration::ZERO, sha1(2), at(9));
        mesh.note(Duration::ZERO, sha1(1), at(5));
        mesh.note(Duration::ZERO, sha1(3), at(9));
        assert_eq!(known(&mut mesh, 0, 2), [0; 0]);
        assert_eq!(known(&mut mesh, 0, 1), [1, 4, 5]);
    }

    #[test]
    fn who_is_not_heard_of_again_or_doubted_is_forgotten() {
        let mut mesh = mesh();
        mesh.note(Duration::ZERO, sha1(1), at(1));
        mesh.note(Duration::from_secs(5), sha1(1), at(2));
        assert_eq!(known(&mut mesh, 10, 1), [2]);
        mesh.doubt(sha1(1), at(2));
        mesh.note(Duration::from_secs(6), sha1(1), at(2));
        mesh.doubt(sha1(1), at(2));
        assert_eq!(
            known(&mut mesh, 10, 1),
            [2],
            "heard of again, it counts anew"
        );
        mesh.doubt(sha1(1), at(2));
        assert_eq!(known(&mut mesh, 10, 1), [0; 0]);
    }

    #[test]
    fn any_of_them_are_given() {
        let mut mesh = Mesh::default();
        for port in 1..=50 {
            mesh.note(Duration::ZERO, sha1(1), at(port));
        }
        let mut rng = Pcg32::seed_from_u64(1);
        let even = |address: SocketAddr| address.port().is_multiple_of(2);
        let mut given = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let some = mesh.pick(Duration::ZERO, sha1(1), 10, even, &mut rng);
            assert_eq!(some.len(), 10);
            given.extend(some);
        }
        assert!(given.len() == 25 && given.iter().all(|address| even(*address)));
    }
}
