//! A recording of what the servent sees, written behind its back.
//!
//! The servent hands over lines and never waits: where the disk is slower, records are left out and
//! counted. Words and GUIDs go through a keyed hash whose key goes with the recorder.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::overlay::recording::{Event, HEADER, Record, Told, WORDS};
use crate::overlay::{Input, Instant, Offer, Output, Recipients, Role};
use crate::wire::query::Query;
use crate::wire::words::{canonical, words};
use crate::wire::{Descriptor, HEADER_LEN, Header, Kind};

/// Bytes that a recording has at most, unless said otherwise.
pub(super) const MOST_BYTES: u64 = 1 << 30;
/// Records that wait for the disk.
const WAITING: usize = 16_384;
/// After so long without a record, those that are there are on the disk.
const QUIET: Duration = Duration::from_secs(1);

/// Takes down what a servent sees.
pub(super) struct Recorder {
    key: RandomState,
    lines: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    /// The writer wants nothing more.
    over: Arc<AtomicBool>,
    /// Records that found no place since the last that did.
    missed: u64,
}

impl Recorder {
    /// Begins a recording in a new file of at most so many bytes, of a servent in this role.
    pub(super) fn begin(path: &Path, most: u64, role: Role) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut paper = Paper {
            file: BufWriter::new(file),
            left: most,
        };
        paper.write(HEADER)?;
        let (lines, waiting) = sync_channel(WAITING);
        let over = Arc::new(AtomicBool::new(false));
        let (done, shown) = (Arc::clone(&over), path.to_owned());
        let writing = move || {
            match write(paper, &waiting) {
                Ok(true) => log::warn!("the recording {} is full", shown.display()),
                Ok(false) => {}
                Err(error) => log::warn!("the recording {} ends: {error}", shown.display()),
            }
            done.store(true, Ordering::Relaxed);
        };
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let mut recorder = Self {
            key: RandomState::new(),
            lines: Some(lines),
            writer: Some(thread.spawn(writing)?),
            over,
            missed: 0,
        };
        recorder.put(Instant::default(), Event::Begin(role));
        Ok(recorder)
    }

    /// Takes down what happens to the servent.
    pub(super) fn take(&mut self, now: Instant, input: &Input<'_>) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let event = match *input {
            Input::Joined { link, meeting } => {
                let Offer {
                    role,
                    degree,
                    max_ttl,
                    ..
                } = Offer::of(meeting.caller.greeting, meeting.role);
                Event::Open {
                    link: link.0,
                    role,
                    degree,
                    max_ttl,
                }
            }
            Input::Received {
                link,
                header,
                payload,
            } => Event::Got {
                link: link.0,
                descriptor: self.tell(&header, payload.len()),
                words: match header.kind {
                    Kind::Query => Query::read(payload)
                        .map(|query| self.words(query.search_text()))
                        .unwrap_or_default(),
                    _ => Vec::new(),
                },
            },
            Input::Closed { link } => Event::Close(link.0),
            Input::Search { query, .. } => Event::Asked(self.words(query.search_text())),
            Input::Datagram { bytes, .. } => Event::Datagram(narrow(bytes.len())),
            _ => return,
        };
        self.put(now, event);
    }

    /// Takes down what the servent wants sent, of which `received` is what it passes on; it has so
    /// many neighbours.
    pub(super) fn give(
        &mut self,
        now: Instant,
        outputs: &[Output],
        received: Option<&Descriptor>,
        neighbours: usize,
    ) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        for output in outputs {
            let (to, descriptor) = match (output, received) {
                (Output::Forward { to, ttl, hops }, Some(Descriptor { header, payload })) => {
                    let header = Header {
                        ttl: *ttl,
                        hops: *hops,
                        ..*header
                    };
                    (to, self.tell(&header, payload.len()))
                }
                (Output::Send { to, descriptor }, _) => {
                    let Descriptor { header, payload } = descriptor;
                    (to, self.tell(header, payload.len()))
                }
                _ => continue,
            };
            let copies = match to {
                Recipients::One(_) => 1,
                Recipients::AllBut(_) => neighbours.saturating_sub(1),
                Recipients::All => neighbours,
                Recipients::Some(links) => links.len(),
            };
            let copies = narrow(copies);
            self.put(now, Event::Sent { copies, descriptor });
        }
    }

    fn tell(&self, header: &Header, payload: usize) -> Told {
        Told {
            kind: header.kind.code(),
            ttl: header.ttl,
            hops: header.hops,
            bytes: narrow(HEADER_LEN + payload),
            guid: self.key.hash_one(header.guid),
        }
    }

    /// The words of a text, each once; their order says nothing.
    fn words(&self, text: &str) -> Vec<u64> {
        let text = canonical(text);
        let mut hashes: Vec<u64> = words(&text)
            .take(WORDS)
            .map(|word| self.key.hash_one(word))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    fn put(&mut self, now: Instant, event: Event) {
        let Some(lines) = &self.lines else {
            return;
        };
        let line = |event| {
            let at = now.as_micros();
            Record { at, event }.to_string()
        };
        if self.missed > 0 {
            if lines.try_send(line(Event::Missed(self.missed))).is_err() {
                self.missed += 1;
                return;
            }
            self.missed = 0;
        }
        if let Err(TrySendError::Full(_)) = lines.try_send(line(event)) {
            self.missed += 1;
        }
    }
}

impl Drop for Recorder {
    /// Waits until all that was taken down is written.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::warn!("the recording broke off");
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// The file, and the room that is left in it.
struct Paper {
    file: BufWriter<File>,
    left: u64,
}

impl Paper {
    fn write(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.file, "{line}")?;
        self.left = self.left.saturating_sub(line.len() as u64 + 1);
        Ok(())
    }
}

/// Writes what comes until nothing more comes, or the file is full; says whether it is.
fn write(mut paper: Paper, waiting: &Receiver<String>) -> io::Result<bool> {
    /// The last line of a full recording has at most so many bytes.
    const LAST: u64 = 32;
    loop {
        let line = match waiting.recv_timeout(QUIET) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                paper.file.flush()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                paper.file.flush()?;
                paper.file.get_ref().sync_all()?;
                return Ok(false);
            }
        };
        if line.len() as u64 + 1 + LAST > paper.left {
            let at = line.split(' ').next().unwrap_or("0");
            paper.write(&format!("{at} full"))?;
            paper.file.flush()?;
            return Ok(true);
        }
        paper.write(&line)?;
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::recording::parse;
    use crate::overlay::{Link, SearchId};

    fn ask(recorder: &mut Recorder, at: u64, text: &str) {
        let query = Query::keywords(text).unwrap();
        let input = Input::Search {
            id: SearchId(1),
            query: &query,
            ttl: None,
        };
        recorder.take(Instant::from_micros(at), &input);
    }

    #[test]
    fn words_are_hidden_and_the_same_within_one_recording_only() {
        let directory = tempfile::tempdir().unwrap();
        let recorded = |name: &str| {
            let path = directory.path().join(name);
            let mut recorder = Recorder::begin(&path, MOST_BYTES, Role::Leaf).unwrap();
            ask(&mut recorder, 1, "Blue Moon");
            ask(&mut recorder, 2, "moon blue");
            ask(&mut recorder, 3, "green moon");
            drop(recorder);
            let text = std::fs::read_to_string(path).unwrap();
            assert!(!text.to_lowercase().contains("moon"), "{text}");
            let records = parse(&text).unwrap();
            assert_eq!(records[0].event, Event::Begin(Role::Leaf));
            assert_eq!(records[1].event, records[2].event);
            assert_ne!(records[1].event, records[3].event);
            records[1].event.clone()
        };
        assert_ne!(recorded("one"), recorded("another"), "each has its own key");
    }

    #[test]
    fn a_recording_ends_when_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("small");
        let mut recorder = Recorder::begin(&path, 1_000, Role::Leaf).unwrap();
        for at in 0..1_000 {
            let input = Input::Closed { link: Link(7) };
            recorder.take(Instant::from_micros(at), &input);
        }
        drop(recorder);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!((900..=1_000).contains(&text.len()), "{}", text.len());
        assert_eq!(parse(&text).unwrap().last().unwrap().event, Event::Full);
        let again = Recorder::begin(&path, 1_000, Role::Leaf).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
