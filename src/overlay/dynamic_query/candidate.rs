//! What a search knows of a neighbour that it may ask.

use super::super::Link;
use super::super::time::Duration;
use super::horizon;
use super::policy::QueryCopy;
use super::settings::Settings;

/// An ultrapeer among the neighbours, as it stands when a search chooses whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its link.
    pub link: Link,
    /// How many ultrapeers it is linked to, if it told (`X-Degree`).
    pub degree: Option<u16>,
    /// The highest TTL it takes in a fresh query, if it told (`X-Max-TTL`).
    pub max_ttl: Option<u8>,
    /// What its query routing table says of this query.
    pub table: Table,
    /// How old the link is.
    pub age: Duration,
    /// Whether the same query may come to it again with a higher TTL (`X-Ext-Probes`).
    pub ext_probes: bool,
    /// Descriptors that wait to be sent to it.
    pub pending: u16,
}

/// What the query routing table of a neighbour says of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// It sent none.
    Unknown,
    /// Somebody at the neighbour may answer.
    Matches,
    /// Nobody at the neighbour itself will.
    Excludes,
}

impl Candidate {
    /// Whether the link is old enough to carry a search.
    #[must_use]
    pub fn is_stable(&self, settings: &Settings) -> bool {
        self.age >= settings.stable_age
    }

    /// A copy with this TTL, and the hosts it is expected to reach.
    #[must_use]
    pub fn copy(&self, ttl: u8, settings: &Settings) -> QueryCopy {
        let degree = self.degree.unwrap_or(settings.degree_untold);
        QueryCopy {
            link: self.link,
            ttl,
            hosts: horizon::expected(degree, ttl, settings),
        }
    }

    /// The highest TTL that may go to it: no more than it or we allow, nor than reaches too many
    /// at once. 0 where it takes no query at all.
    #[must_use]
    pub fn highest_ttl(&self, settings: &Settings) -> u8 {
        let told = self.max_ttl.unwrap_or(settings.max_ttl_untold);
        let most = told.min(settings.max_ttl);
        (2..=most)
            .take_while(|&ttl| self.copy(ttl, settings).hosts <= settings.copy_hosts)
            .last()
            .unwrap_or_else(|| most.min(1))
    }

    /// The lowest TTL that is of use, after the TTL last sent to it: above that one, and not 1
    /// where its own table says no.
    #[must_use]
    pub const fn lowest_ttl(&self, sent: Option<u8>) -> u8 {
        match (sent, self.table) {
            (Some(ttl), _) => ttl.saturating_add(1),
            (None, Table::Excludes) => 2,
            (None, _) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(degree: u16, max_ttl: u8) -> Candidate {
        Candidate {
            link: Link(1),
            degree: Some(degree),
            max_ttl: Some(max_ttl),
            table: Table::Unknown,
            age: Duration::from_secs(60),
            ext_probes: true,
            pending: 0,
        }
    }

    #[test]
    fn the_highest_ttl_is_the_least_of_three() {
        let settings = Settings::default();
        assert_eq!(candidate(6, 3).highest_ttl(&settings), 3, "its own");
        assert_eq!(candidate(6, 7).highest_ttl(&settings), 4, "ours");
        assert_eq!(candidate(16, 4).highest_ttl(&settings), 4);
        assert_eq!(candidate(32, 4).highest_ttl(&settings), 3, "too many hosts");
        assert_eq!(candidate(u16::MAX, 4).highest_ttl(&settings), 1);
        assert_eq!(candidate(32, 0).highest_ttl(&settings), 0);
        let untold = Candidate {
            degree: None,
            max_ttl: None,
            ..candidate(0, 0)
        };
        assert_eq!(untold.highest_ttl(&settings), 4);
    }

    #[test]
    fn a_table_that_says_no_takes_ttl_1_away() {
        let told = |table| Candidate {
            table,
            ..candidate(32, 3)
        };
        assert_eq!(told(Table::Unknown).lowest_ttl(None), 1);
        assert_eq!(told(Table::Matches).lowest_ttl(None), 1);
        assert_eq!(told(Table::Excludes).lowest_ttl(None), 2);
        assert_eq!(told(Table::Matches).lowest_ttl(Some(1)), 2);
    }
}
