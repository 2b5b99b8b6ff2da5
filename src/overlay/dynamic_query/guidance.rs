//! Leaf guidance: the leaf says how many of the results it kept (protocol §8.5).

use super::super::time::Instant;
use super::settings::Settings;

/// The word by which a leaf ends its query.
const STOP: u16 = 0xFFFF;

/// What the leaf of a query said, and what it was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guidance {
    /// Results that count of those routed by the last report.
    kept: u32,
    /// Results routed by then.
    reported: u32,
    /// Results routed when it was last asked.
    asked_at: u32,
    /// When it was asked and has not answered.
    waiting: Option<Instant>,
    /// Questions in a row without an answer.
    silences: u8,
}

/// What a leaf said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Stop,
    Noted,
}

impl Guidance {
    /// Of `routed` results, those that count: our share of what the leaf kept, which it has from
    /// all its ultrapeers, and all since.
    pub(super) fn results(&self, routed: u32) -> u32 {
        self.kept.saturating_add(routed - self.reported)
    }

    /// Whether there is enough new to ask about.
    pub(super) fn is_due(&self, routed: u32, settings: &Settings) -> bool {
        let known = self.asked_at.max(self.reported);
        self.waiting.is_none() && routed - known >= settings.ask_after.max(1)
    }

    /// The leaf is asked.
    pub(super) const fn ask(&mut self, now: Instant, routed: u32) {
        self.waiting = Some(now);
        self.asked_at = routed;
    }

    /// The leaf says that it keeps so many, asked or not.
    pub(super) fn hear(&mut self, kept: u16, routed: u32, settings: &Settings) -> Word {
        if kept == STOP {
            return Word::Stop;
        }
        self.kept = u32::from(kept) / settings.leaf_ultrapeers.max(1);
        self.reported = routed;
        self.waiting = None;
        self.silences = 0;
        Word::Noted
    }

    /// Until when the leaf may answer; nothing is sent for it before.
    pub(super) fn patience_ends(&self, settings: &Settings) -> Option<Instant> {
        self.waiting.map(|asked| asked + settings.ask_wait)
    }

    /// It did not answer in time. Whether it may be asked again.
    pub(super) const fn silence(&mut self, settings: &Settings) -> bool {
        self.silences = self.silences.saturating_add(1);
        self.waiting = None;
        self.silences < settings.ask_silences
    }
}
