//! A download: one file from one of its sources at a time, the next one where one fails.
//!
//! The bytes go to `<incomplete>/<sha1>.part`, from which a later run resumes. Only a whole file
//! whose SHA-1 was verified ever lies in the target folder. Dropping the future stops the download
//! and keeps the part.

mod job;

use std::net::SocketAddr;
use std::time::Instant;

use super::disk;
use super::name::safe_file_name;
use super::source::{self, Ask, Ended, Remedy};
use super::writer::Writer;
use crate::runtime;

pub use job::{Error, Failure, Finished, Job, Progress, Settings, Source};

/// Fetches a file with the default [`Settings`], telling `events` what happens.
///
/// # Errors
/// When no source is left, when the disk fails.
pub async fn run(job: Job, events: impl Fn(Progress) + Send + Sync) -> Result<Finished, Error> {
    run_with(job, &Settings::default(), events).await
}

/// Fetches a file, telling `events` what happens.
///
/// # Errors
/// When no source is left, when the disk fails.
pub async fn run_with(
    job: Job,
    settings: &Settings,
    events: impl Fn(Progress) + Send + Sync,
) -> Result<Finished, Error> {
    let Some(first) = job.sources.first().map(|source| source.address) else {
        return Err(Error::NoSource {
            failures: Vec::new(),
        });
    };
    let stem = job.sha1.to_string();
    let writer = Writer::open(&job.incomplete, &job.target, stem, job.size).await?;
    let mut download = Download {
        candidates: candidates(&job.sources),
        inherited: writer.len() > 0,
        givers: Vec::new(),
        alone: false,
        writer,
        job: &job,
        settings,
        events: &events,
    };
    if download.inherited {
        events(Progress::Resumed {
            bytes: download.writer.len(),
        });
    }
    match download.fetch().await {
        Ok(()) => {
            let from = download
                .givers
                .last()
                .map_or(first, |giver| download.candidates[*giver].address);
            let path = download
                .writer
                .place(&job.target, safe_file_name(&job.name))
                .await?;
            Ok(Finished {
                path,
                bytes: job.size,
                from,
            })
        }
        Err(Ending::Disk(error)) => Err(error.into()),
        Err(Ending::NoneLeft) => Err(download.give_up().await),
    }
}

/// A source and how it has behaved.
#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    /// Not asked before.
    ready: Option<Instant>,
    /// Connections that broke in a row.
    broken: u32,
    /// Times it was busy.
    refusals: u32,
    /// Not asked again.
    out: bool,
    error: Option<source::Error>,
}

fn candidates(sources: &[Source]) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for Source { address, .. } in sources {
        if candidates.iter().all(|known| known.address != *address) {
            candidates.push(Candidate {
                address: *address,
                ready: None,
                broken: 0,
                refusals: 0,
                out: false,
                error: None,
            });
        }
    }
    candidates
}

/// Why a download cannot go on.
enum Ending {
    Disk(disk::Error),
    NoneLeft,
}

impl From<disk::Error> for Ending {
    fn from(error: disk::Error) -> Self {
        Self::Disk(error)
    }
}

struct Download<'a, E> {
    job: &'a Job,
    settings: &'a Settings,
    events: &'a E,
    writer: Writer,
    candidates: Vec<Candidate>,
    /// Who gave the bytes that are there, the last one last, beside those of an earlier run.
    givers: Vec<usize>,
    /// Whether some of the bytes are from an earlier run.
    inherited: bool,
    /// After wrong bytes of unknown origin: a file is from one source only, so that the one that
    /// lies is known.
    alone: bool,
}

impl<E: Fn(Progress) + Sync> Download<'_, E> {
    /// Until the part is the file.
    async fn fetch(&mut self) -> Result<(), Ending> {
        loop {
            if self.writer.len() == self.job.size {
                (self.events)(Progress::Verifying);
                if self.writer.sha1().await? == *self.job.sha1.as_bytes() {
                    return Ok(());
                }
                self.reject().await?;
            }
            let number = self.next().ok_or(Ending::NoneLeft)?;
            self.pause(number).await;
            if self.alone && self.givers.last() != Some(&number) {
                self.writer.clear().await?;
                self.givers.clear();
            }
            self.ask(number).await?;
        }
    }

    /// Who is asked next: who may be asked first; in doubt, the better one.
    fn next(&self) -> Option<usize> {
        let left = |number: &usize| !self.candidates[*number].out;
        let giver = self.givers.last().copied().filter(|_| self.alone);
        giver.filter(left).or_else(|| {
            let left = (0..self.candidates.len()).filter(left);
            left.min_by_key(|number| self.candidates[*number].ready)
        })
    }

    async fn pause(&self, number: usize) {
        let Candidate {
            address: source,
            ready,
            ..
        } = self.candidates[number];
        let pause = ready.map(|ready| ready.saturating_duration_since(Instant::now()));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            (self.events)(Progress::Waiting { source, pause });
            runtime::sleep(pause).await;
        }
    }

    /// Fetches from one source as long as that goes well, and notes how it behaved.
    async fn ask(&mut self, number: usize) -> Result<(), disk::Error> {
        let source = self.candidates[number].address;
        (self.events)(Progress::Connecting { source });
        let before = self.writer.len();
        let ask = Ask {
            sha1: self.job.sha1,
            size: self.job.size,
            address: source,
            from: self.job.from,
            tls: &self.job.tls,
            network: self.job.network.as_ref(),
            settings: self.settings,
        };
        let outcome = ask.fetch(&mut self.writer, self.events).await;
        let gained = self.writer.len() - before;
        if gained > 0 {
            self.givers.retain(|giver| *giver != number);
            self.givers.push(number);
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(Ended::Disk(error)) => Err(error),
            Err(Ended::Source(error)) => {
                let reason = error.to_string();
                (self.events)(Progress::Failed { source, reason });
                self.candidates[number].note(error, gained, self.settings);
                Ok(())
            }
        }
    }

    /// All bytes are there and are not the file.
    async fn reject(&mut self) -> Result<(), Ending> {
        self.writer.clear().await?;
        let sources = self
            .givers
            .iter()
            .map(|giver| self.candidates[*giver].address);
        (self.events)(Progress::Rejected {
            sources: sources.collect(),
        });
        match (self.givers.as_slice(), self.inherited) {
            ([liar], false) => {
                let liar = &mut self.candidates[*liar];
                liar.error = Some(source::Error::WrongBytes);
                liar.out = true;
            }
            // Nobody gave anything, and nothing is not the file: the job contradicts itself.
            ([], false) => return Err(Ending::NoneLeft),
            _ => self.alone = true,
        }
        self.givers.clear();
        self.inherited = false;
        Ok(())
    }

    async fn give_up(self) -> Error {
        let contradiction = self.job.size == 0;
        if self.writer.len() == 0
            && let Err(error) = self.writer.remove().await
        {
            log::warn!("{error}");
        }
        let failures = self.candidates.into_iter().filter_map(|candidate| {
            let Candidate { address, error, .. } = candidate;
            error.map(|error| Failure { address, error })
        });
        let failures: Vec<_> = failures.collect();
        let liars = failures
            .iter()
            .filter(|failure| matches!(failure.error, source::Error::WrongBytes));
        let sources: Vec<_> = liars.map(|failure| failure.address).collect();
        if sources.is_empty() && !contradiction {
            return Error::NoSource { failures };
        }
        let sha1 = self.job.sha1;
        Error::Verification {
            sha1,
            sources,
            failures,
        }
    }
}

impl Candidate {
    /// Takes note of how a fetch that gave `gained` bytes ended.
    fn note(&mut self, error: source::Error, gained: u64, settings: &Settings) {
        if gained >= settings.worthwhile {
            (self.broken, self.refusals) = (0, 0);
        }
        let pause = match error.remedy() {
            Remedy::Again => {
                self.broken += 1;
                (self.broken < settings.attempts).then(|| settings.retry_delay * self.broken)
            }
            Remedy::Later(pause) => {
                self.refusals += 1;
                let pause = pause.unwrap_or(settings.busy_delay);
                (self.refusals <= settings.refusals && pause <= settings.longest_wait)
                    .then_some(pause)
            }
            Remedy::Never => None,
        };
        self.out = pause.is_none();
        self.ready = pause.map(|pause| Instant::now() + pause);
        self.error = Some(error);
    }
}

#[cfg(test)]
mod tests;
