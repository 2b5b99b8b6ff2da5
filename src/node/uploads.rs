//! Uploads as a node tells of them, and what others gave and took, kept from run to run.

use super::{Inner, Node};
use crate::overlay::stats::{Sample, SampleKind};
use crate::store;
use crate::store::credit::Giver;
use crate::transfer::upload::{Counts, Listed, Meter, Peer};

impl Node {
    /// Bytes of files that it sent to others.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.0.uploads.sent()
    }

    /// What others are given now, and who waits for it.
    #[must_use]
    pub fn uploads(&self) -> Vec<Listed> {
        self.0.uploads.list()
    }
}

impl Inner {
    /// What came of the uploads, as metrics.
    pub(super) fn upload_samples(&self) -> Vec<Sample> {
        let Counts {
            granted,
            queued,
            refused,
            early,
            lapsed,
            banned,
            yielded,
            displaced,
        } = self.uploads.counts();
        let (meter, known) = self.uploads.meter();
        let counters = [
            (
                "upload_bytes",
                "bytes of files given to others",
                meter.taken,
            ),
            (
                "credited_bytes",
                "right bytes of files that others gave",
                meter.given,
            ),
            ("uploads_granted", "requests that got a slot", granted),
            (
                "uploads_queued",
                "requests that got or kept a place",
                queued,
            ),
            ("uploads_refused", "requests that got neither", refused),
            (
                "uploads_early",
                "requests that came before their time",
                early,
            ),
            (
                "uploads_lapsed",
                "places lost by who did not ask in time",
                lapsed,
            ),
            (
                "uploads_banned",
                "askers no longer heard for hammering",
                banned,
            ),
            (
                "uploads_yielded",
                "slots passed on at the end of a turn",
                yielded,
            ),
            (
                "uploads_displaced",
                "places taken by who gave more",
                displaced,
            ),
        ];
        let gauges = [
            ("uploads_active", "uploads under way", self.uploads.active()),
            (
                "uploads_waiting",
                "askers with a place",
                self.uploads.waiting(),
            ),
            ("credit_known", "servents whose gifts are remembered", known),
        ];
        let counters = counters.map(|(name, help, value)| Sample::counter(name, help, value));
        let gauges = gauges.map(|(name, help, value)| Sample {
            kind: SampleKind::Gauge,
            ..Sample::counter(name, help, value as u64)
        });
        counters.into_iter().chain(gauges).collect()
    }

    /// Writes down what others gave and took.
    pub(super) fn keep_credit(&self) -> Result<(), store::Error> {
        match self.uploads.changed_meters() {
            Some(meters) => {
                let row = |(peer, meter): (Peer, Meter)| store::credit::Given {
                    giver: match peer {
                        Peer::Address(address) => Giver::Address(address),
                        Peer::Key(key) => Giver::Key(key),
                    },
                    given: meter.given,
                    taken: meter.taken,
                };
                let rows: Vec<_> = meters.into_iter().map(row).collect();
                self.store.keep_credit(&rows)
            }
            None => Ok(()),
        }
    }
}
