//! The limits on transfers that hold now, by the time of day.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, Either, FutureExt};

use super::Node;
use crate::runtime;
use crate::transfer::schedule::{Rates, Span};
use crate::transfer::throttle::{Rate, Throttle};
use crate::transfer::upload::Uploads;

/// How often the time of day is looked at.
const LOOK: Duration = Duration::from_secs(20);

/// The limits of a node.
#[derive(Debug)]
pub(super) struct Limits {
    usual: Rates,
    spans: Vec<Span>,
    download: Arc<Rate>,
    download_each: Arc<Rate>,
    /// All downloads together.
    downloads: Arc<Throttle>,
}

impl Limits {
    /// Those that hold now.
    pub(super) fn new(usual: Rates, spans: Vec<Span>) -> Self {
        let download = Arc::new(Rate::new(None));
        Self {
            usual,
            spans,
            downloads: Arc::new(Throttle::new(Arc::clone(&download))),
            download,
            download_each: Arc::new(Rate::new(None)),
        }
    }

    /// What one more download keeps to.
    pub(super) fn download(&self) -> Vec<Arc<Throttle>> {
        let own = Throttle::new(Arc::clone(&self.download_each));
        vec![Arc::clone(&self.downloads), Arc::new(own)]
    }

    /// Sets what holds now.
    pub(super) fn settle(&self, uploads: &Uploads) {
        let rates = match self.spans.is_empty() {
            true => self.usual,
            false => self.usual.at(minute(), &self.spans),
        };
        uploads.limit(rates.upload, rates.upload_each);
        self.download.set(rates.download);
        self.download_each.set(rates.download_each);
    }
}

impl Node {
    /// Keeps to the schedule until the node stops.
    pub(super) async fn keep_schedule(self) {
        if self.0.limits.spans.is_empty() {
            return;
        }
        let mut stopped = self.0.stop.stopped();
        loop {
            let rest = runtime::sleep(LOOK).boxed();
            if let Either::Right(_) = future::select(rest, &mut stopped).await {
                return;
            }
            let node = self.clone();
            runtime::spawn_blocking(move || node.0.limits.settle(&node.0.uploads)).await;
        }
    }
}

/// The minute of the day, in local time.
fn minute() -> u16 {
    let now = jiff::Zoned::now();
    let part = |number: i8| u16::try_from(number).unwrap_or(0);
    part(now.hour()) * 60 + part(now.minute())
}
