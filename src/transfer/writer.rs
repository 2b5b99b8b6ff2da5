//! The unfinished file as a download's task holds it: the same as [`Part`], on the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{self, Error};
use super::part::Part;
use crate::runtime;

/// How often a part that another download holds is tried again, and how long after.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A [`Part`] whose every operation runs on the blocking pool. When a call is dropped half-way, the
/// operation runs to its end there and the part is closed after it.
#[derive(Debug)]
pub(super) struct Writer {
    /// Away only while an operation runs.
    part: Option<Part>,
}

impl Writer {
    /// Opens the part `stem` in `incomplete` after making sure that `target` can be written, so that
    /// a wrong folder shows before a long download and not after it.
    pub(super) async fn open(
        incomplete: &Path,
        target: &Path,
        stem: String,
        size: u64,
    ) -> Result<Self, Error> {
        let (incomplete, target): (Arc<Path>, PathBuf) = (incomplete.into(), target.to_owned());
        runtime::spawn_blocking(move || disk::check_writable(&target)).await?;
        let mut tries = 0;
        loop {
            let (folder, stem) = (Arc::clone(&incomplete), stem.clone());
            match runtime::spawn_blocking(move || Part::open(&folder, &stem, size)).await {
                // A download that was stopped just now may have one operation under way.
                Err(Error::Busy { .. }) if tries < BUSY_TRIES => {
                    tries += 1;
                    runtime::sleep(BUSY_PAUSE).await;
                }
                part => return Ok(Self { part: Some(part?) }),
            }
        }
    }

    /// Runs an operation on the part.
    pub(super) async fn with<T: Send + 'static>(
        &mut self,
        operation: impl FnOnce(&mut Part) -> T + Send + 'static,
    ) -> T {
        let mut part = self.take();
        let (part, outcome) = runtime::spawn_blocking(move || {
            let outcome = operation(&mut part);
            (part, outcome)
        })
        .await;
        self.part = Some(part);
        outcome
    }

    pub(super) fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    pub(super) async fn place(mut self, folder: &Path, name: String) -> Result<PathBuf, Error> {
        let (part, folder) = (self.take(), folder.to_owned());
        runtime::spawn_blocking(move || part.place(&folder, &name)).await
    }

    /// Removes the part; nothing else can be done with it after that.
    pub(super) async fn remove(&mut self) -> Result<(), Error> {
        let part = self.take();
        runtime::spawn_blocking(move || part.remove()).await
    }

    fn take(&mut self) -> Part {
        // Every operation borrows or consumes the writer until the part is back, and a download
        // that is dropped half-way drops its writer with it.
        self.part.take().expect("one operation at a time")
    }
}
