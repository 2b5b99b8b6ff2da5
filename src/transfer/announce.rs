//! What a download tells its sources beside its requests: that it has something itself, who gave it
//! right bytes, and who failed (protocol §10.6).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::ALTERNATES;
use super::firewalled::Firewalled;
use crate::wire::Guid;
use crate::wire::address::is_private;

/// What all sources of a download are told.
#[derive(Debug, Default)]
pub(super) struct Announce {
    /// Where we give what we have, if we do.
    own: Option<SocketAddr>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gives: bool,
    good: Vec<SocketAddr>,
    bad: Vec<SocketAddr>,
    /// Of those who gave right bytes the ones that have to be called.
    firewalled: Vec<Firewalled>,
}

/// What one source was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    good: HashSet<SocketAddr>,
    bad: HashSet<SocketAddr>,
    firewalled: HashSet<Guid>,
}

impl Announce {
    pub(super) fn new(own: Option<SocketAddr>) -> Self {
        Self {
            own,
            state: Mutex::default(),
        }
    }

    /// Whether there is something that we could give.
    pub(super) fn set_gives(&self, gives: bool) {
        self.state().gives = gives;
    }

    /// Who gave right bytes, and who failed.
    pub(super) fn set_others(&self, good: Vec<SocketAddr>, bad: Vec<SocketAddr>) {
        let mut state = self.state();
        (state.good, state.bad) = (good, bad);
    }

    /// Who gave right bytes and has to be called; ourselves among them, where we do.
    pub(super) fn set_firewalled(&self, firewalled: Vec<Firewalled>) {
        self.state().firewalled = firewalled;
    }

    /// The value of `X-Falt` for a source: nobody twice.
    pub(super) fn firewalled(&self, told: &mut Told) -> Option<String> {
        let state = self.state();
        let new = state.firewalled.iter();
        let new = new.filter(|one| told.firewalled.insert(one.servent));
        let texts: Vec<_> = new.take(ALTERNATES).map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// The values of `X-Alt` and `X-NAlt` for the source at `to`: of others nothing twice, and no
    /// private address for one that is not private.
    pub(super) fn headers(
        &self,
        to: SocketAddr,
        told: &mut Told,
    ) -> (Option<String>, Option<String>) {
        let state = self.state();
        let fit = |address: &&SocketAddr| {
            **address != to && (is_private(to.ip()) || !is_private(address.ip()))
        };
        let new = |all: &[SocketAddr], told: &mut HashSet<SocketAddr>| -> Vec<SocketAddr> {
            let new = all.iter().filter(fit).copied();
            new.filter(|address| told.insert(*address))
                .take(ALTERNATES)
                .collect()
        };
        let mut good = new(&state.good, &mut told.good);
        let bad = new(&state.bad, &mut told.bad);
        // Said each time, so that it is not forgotten.
        if let Some(own) = self.own.filter(|_| state.gives) {
            good.insert(0, own);
        }
        (listed(&good), listed(&bad))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listed(addresses: &[SocketAddr]) -> Option<String> {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_once_and_ourselves_when_we_have_something() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let announce = Announce::new(Some(at("9.9.9.9:1")));
        let mut told = Told::default();
        let to = at("1.2.3.4:5");
        assert_eq!(announce.headers(to, &mut told), (None, None));
        announce.set_gives(true);
        let good = ["8.8.8.8:1", "1.2.3.4:5", "10.0.0.1:1"].map(at).into();
        announce.set_others(good, vec![at("7.7.7.7:1")]);
        let first = announce.headers(to, &mut told);
        let both = "9.9.9.9:1, 8.8.8.8:1".to_owned();
        assert_eq!(first, (Some(both), Some("7.7.7.7:1".to_owned())));
        let falt = "0123456789abcdef0123456789abcdef;1.2.3.4:5";
        announce.set_firewalled(vec![falt.parse().unwrap()]);
        assert_eq!(announce.firewalled(&mut told).as_deref(), Some(falt));
        assert_eq!(announce.firewalled(&mut told), None);
        let second = announce.headers(to, &mut told);
        assert_eq!(second, (Some("9.9.9.9:1".to_owned()), None));
    }
}
