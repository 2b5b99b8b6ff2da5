//! What the settings file says of transfers, for a node.

use std::sync::Arc;

use crate::config::{self, Limit};
use crate::node::{
    Builder, CreditPolicy, DownloadLimits, Equal, GiveAndTake, GiveBack, QueueSettings, Rates,
    Span, UploadLimits,
};

/// Has a node keep to the settings.
pub(super) fn settle(builder: Builder, transfers: &config::Transfers) -> Builder {
    let config::Transfers {
        upload_limit,
        upload_limit_each,
        download_limit,
        download_limit_each,
        keep_free,
        slots,
        slots_per_address,
        places,
        places_per_address,
        least_rate,
        credit,
        browse,
        give_back,
        schedule,
    } = transfers;
    let queue = QueueSettings {
        slots: *slots,
        slots_each: *slots_per_address,
        places: *places,
        places_each: *places_per_address,
        ..QueueSettings::default()
    };
    let policy: Arc<dyn CreditPolicy> = match credit {
        true => Arc::new(GiveAndTake),
        false => Arc::new(Equal),
    };
    let rates = Rates {
        upload: upload_limit.0,
        upload_each: upload_limit_each.0,
        download: download_limit.0,
        download_each: download_limit_each.0,
    };
    let limits = UploadLimits {
        queue,
        least_rate: least_rate.0.unwrap_or(0),
        policy,
        ..UploadLimits::default()
    };
    let limit = |limit: Option<Limit>| limit.map(|limit| limit.0);
    let span = |span: &config::Span| Span {
        from: span.from.0,
        to: span.to.0,
        upload: limit(span.upload_limit),
        upload_each: limit(span.upload_limit_each),
        download: limit(span.download_limit),
        download_each: limit(span.download_limit_each),
    };
    let downloads = DownloadLimits {
        keep_free: keep_free.0.unwrap_or(0),
        ..DownloadLimits::default()
    };
    let give_back = match give_back {
        config::GiveBack::Auto => None,
        config::GiveBack::Always => Some(GiveBack::Always),
        config::GiveBack::WhileDownloading => Some(GiveBack::WhileDownloading),
        config::GiveBack::Never => Some(GiveBack::Never),
    };
    let builder = match give_back {
        Some(give_back) => builder.give_back(give_back),
        None => builder,
    };
    builder
        .upload_limits(limits)
        .download_limits(downloads)
        .rates(rates)
        .schedule(schedule.iter().map(span).collect())
        .browse(*browse)
}
