//! What came of an attack: a row a run.

use serde::Serialize;

use super::watch::Search;
use crate::experiment::Measure;

/// What a variant came to in one replica. What its stage does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The variant.
    pub variant: String,
    /// The replica, counted from 0.
    pub replica: u32,
    /// Searches of honest servents that count.
    pub searches: u64,
    /// The share of them that were shown a genuine result in time.
    pub success: Option<f64>,
    /// The share of the holders that each was shown, in the mean.
    pub recall: Option<f64>,
    /// Honest servents that took each query, in the mean.
    pub reached: Option<f64>,
    /// Milliseconds to the first genuine result, in the mean of those that were shown one.
    pub first_ms: Option<f64>,
    /// Of all results that were shown, the share that is genuine.
    pub genuine_share: Option<f64>,
    /// Of the hits that honest servents sent, the share that did not come to who searched.
    pub hits_lost: Option<f64>,
    /// Descriptors that an honest servent handles in a second.
    pub load: Option<f64>,
    /// Of the links between honest servents, the share that ended.
    pub links_lost: Option<f64>,
    /// Of the links of attackers to honest servents, the share that ended.
    pub attackers_cut: Option<f64>,
    /// Of the places of a servent for ultrapeers, the share that an attacker has, over the second half.
    pub sybil_share: Option<f64>,
    /// The same of honest ones.
    pub honest_share: Option<f64>,
}

/// How it was on the overlay, beside the searches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub load: f64,
    pub links_lost: Option<f64>,
    pub attackers_cut: Option<f64>,
}

impl Outcome {
    /// What searches came to where each file has so many holders beside who searches.
    pub(super) fn of<'a>(
        searches: impl Iterator<Item = &'a Search> + Clone,
        holders: impl Fn(&Search) -> u64,
        weather: Weather,
    ) -> Self {
        let count = searches.clone().count() as u64;
        let mean = |of: &dyn Fn(&Search) -> Option<f64>| {
            let values: Vec<f64> = searches.clone().filter_map(of).collect();
            let sum: f64 = values.iter().sum();
            (!values.is_empty()).then(|| sum / values.len() as f64)
        };
        let sum = |of: fn(&Search) -> u64| searches.clone().map(of).sum::<u64>();
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let genuine = sum(|search| search.genuine);
        let sent = sum(|search| search.sent);
        Self {
            searches: count,
            success: mean(&|search| Some(f64::from(search.genuine > 0))),
            recall: mean(&|search| share(search.answered.len() as u64, holders(search))),
            reached: mean(&|search| Some(search.reached as f64)),
            first_ms: mean(&|search| Some(search.first? as f64 / 1e3)),
            genuine_share: share(genuine, genuine + sum(|search| search.made_up)),
            hits_lost: share(sent - sum(|search| search.arrived).min(sent), sent),
            load: Some(weather.load),
            links_lost: weather.links_lost,
            attackers_cut: weather.attackers_cut,
            ..Self::default()
        }
    }

    /// A figure of it; `None` where it has none.
    #[must_use]
    pub const fn figure(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Success => self.success,
            Measure::Recall => self.recall,
            Measure::Reached => self.reached,
            Measure::FirstMs => self.first_ms,
            Measure::GenuineShare => self.genuine_share,
            Measure::HitsLost => self.hits_lost,
            Measure::Load => self.load,
            Measure::LinksLost => self.links_lost,
            Measure::AttackersCut => self.attackers_cut,
            Measure::SybilShare => self.sybil_share,
            Measure::HonestShare => self.honest_share,
            _ => None,
        }
    }
}
