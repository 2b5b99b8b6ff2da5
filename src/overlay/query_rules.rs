//! What a query may ask for: its text against the rules of today's servents (protocol §4.2, §4.6).
//!
//! Judged on the parsed query alone, without memory; who repeats himself or asks too often is
//! another matter.

use super::flood::Onward;
use super::settings::Profile;
use super::stats::Drop;
use crate::wire::query::Query;

/// Largest TTL + hops of a query for the newest files.
const NEWEST_REACH: u8 = 2;

/// Largest TTL + hops of a query that nearly every servent could answer.
const GENERAL_REACH: u8 = 3;

/// Text of at most so many bytes is only matched near the asker.
const SHORT_TEXT: usize = 3;

/// What becomes of a query that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Where it goes on from here.
    pub onward: Onward,
    /// Whether it is matched with what we share: short text is not, far from its asker.
    pub answered: bool,
}

/// Judges a query that came in this state and would go on as `onward`.
///
/// # Errors
/// The reason to drop it.
pub(super) fn judge(query: &Query, onward: Onward, profile: Profile) -> Result<Verdict, Drop> {
    let within = |most: u8| Onward {
        ttl: onward.ttl.min(most.saturating_sub(onward.hops)),
        ..onward
    };
    let pass = |onward| Verdict {
        onward,
        answered: true,
    };
    if query.asks_for_newest() {
        return Ok(pass(within(NEWEST_REACH)));
    }
    if query.wanted().next().is_some() {
        return Ok(pass(onward));
    }
    let text = query.search_text();
    if query.asks_nothing() {
        return Err(Drop::TooShort);
    }
    if is_browse(text) {
        return Err(Drop::Browse);
    }
    if is_general(text) {
        // The hops that it came with are one less.
        if onward.hops > GENERAL_REACH {
            return Err(Drop::TooGeneral);
        }
        return Ok(pass(within(GENERAL_REACH)));
    }
    if is_greedy(text) {
        return Err(Drop::Greedy);
    }
    Ok(Verdict {
        onward,
        answered: text.len() > SHORT_TEXT || onward.hops <= profile.max_ttl / 2,
    })
}

/// Whether a query asks for a list of everything, which is not what queries are for.
fn is_browse(text: &str) -> bool {
    text == "*.*" || text.trim().is_empty()
}

/// Whether nearly every servent has something of that name.
fn is_general(text: &str) -> bool {
    let bare = text.trim_start_matches("*.");
    text.chars().all(|char| "*.- ".contains(char))
        || ["mp3", "mpg"]
            .iter()
            .any(|general| bare.eq_ignore_ascii_case(general))
}

/// Whether a single letter and an extension are all that is asked for.
fn is_greedy(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(char::is_alphanumeric);
    first && chars.next() == Some('.') && matches!(chars.count(), 3 | 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::urn::{Sha1, Urn};

    fn judged(text: &str, hops: u8) -> Result<(u8, bool), Drop> {
        let mut query = Query::keywords("any words").unwrap();
        query.text = text.to_owned();
        let onward = Onward { ttl: 4, hops };
        let verdict = judge(&query, onward, Profile::PUBLIC)?;
        assert_eq!(verdict.onward.hops, hops);
        Ok((verdict.onward.ttl, verdict.answered))
    }

    #[test]
    fn ordinary_words_pass_unchanged() {
        for text in [
            "linux iso",
            "a.longer",
            "x y",
            "b.tar.gz",
            "mp3 player",
            "été",
        ] {
            assert_eq!(judged(text, 1), Ok((4, true)), "{text}");
        }
    }

    #[test]
    fn what_asks_for_everything_is_dropped_or_kept_near() {
        for text in ["    ", " ", "*.*"] {
            let reason = judged(text, 1).unwrap_err();
            assert!(matches!(reason, Drop::Browse | Drop::TooShort), "{text:?}");
        }
        for text in ["mp3", "MPG", "*.mp3", "*.*.*", "-- "] {
            assert_eq!(judged(text, 1), Ok((2, true)), "{text}");
            assert_eq!(judged(text, 3), Ok((0, true)), "{text}");
            assert_eq!(judged(text, 4), Err(Drop::TooGeneral), "{text}");
        }
        for text in ["a.mp3", "z.jpeg"] {
            assert_eq!(judged(text, 1), Err(Drop::Greedy), "{text}");
        }
        for text in ["", "x"] {
            assert_eq!(judged(text, 1), Err(Drop::TooShort), "{text}");
        }
    }

    #[test]
    fn short_text_is_matched_near_its_asker_only() {
        assert_eq!(judged("iso", 2), Ok((4, true)));
        assert_eq!(judged("iso", 3), Ok((4, false)));
        assert_eq!(judged("isos", 3), Ok((4, true)));
    }

    #[test]
    fn contents_go_as_far_as_they_will_and_the_newest_two_links() {
        let onward = Onward { ttl: 4, hops: 1 };
        let mut query = Query::for_urn(Urn::Sha1(Sha1::from_bytes([7; 20])));
        for text in ["\\", "", "    ", "a.mp3"] {
            query.text = text.to_owned();
            let verdict = judge(&query, onward, Profile::PUBLIC);
            assert_eq!(verdict.map(|verdict| verdict.onward), Ok(onward), "{text}");
        }
        for (hops, ttl) in [(1, 1), (2, 0), (3, 0)] {
            let verdict = judge(
                &Query::for_newest(),
                Onward { ttl: 4, hops },
                Profile::PUBLIC,
            );
            assert_eq!(verdict.map(|verdict| verdict.onward.ttl), Ok(ttl));
        }
    }
}
