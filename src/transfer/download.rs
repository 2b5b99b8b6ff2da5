//! A download: one file from many sources at once, as [`crate::swarm::download`] decides.
//!
//! Each source that is asked has a task of its own, which reads, compares with the tree and hands
//! on whole tiles. This one here writes them to `<incomplete>/<sha1>.part`, notes them in the
//! [`Ledger`], from which a later run resumes, and asks for more. Only a whole file whose SHA-1 was
//! verified ever lies in the target folder. Dropping the future stops the download and keeps what
//! is verified.

mod job;
mod known;
mod ledger;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::{self, AbortHandle, Abortable, Either};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::announce::Announce;
use super::disk;
use super::exchange::Giving;
use super::name::safe_file_name;
use super::part::Part;
use super::source::{self, News, Session, Teller, Wanted};
use super::trees::Trees;
use super::writer::Writer;
use crate::runtime;
use crate::swarm::download::{Download, Input, Output, Surroundings, Verdict};
use crate::swarm::tile_set::TileSet;
use crate::wire::tiger_tree::{TigerTree, kept_node_len, node_of};
use crate::wire::urn::Sha1;

pub use crate::swarm::download::QueuePlace;
pub use job::{Error, Failure, Finished, Job, Progress, Settings, Source, Standing};
pub use ledger::{Kept, Ledger, NoLedger};

/// The longest tile that is gathered in memory. Files of more than 256 GiB have longer ones in their
/// tree, which is not used for them.
const LONGEST_TILE: u64 = 32 << 20;
/// How often it is told how far the download is, at most.
const REPORT: Duration = Duration::from_millis(200);

/// Sources that are found while a download runs. As long as the other end is held, a download that
/// has nobody left to ask waits for more.
pub type Offers = mpsc::UnboundedReceiver<SocketAddr>;

/// Fetches a file from the sources of the job and those that they tell of, with the default
/// [`Settings`], telling `events` what happens.
///
/// # Errors
/// When no source is left, when the disk fails.
pub async fn run(
    job: Job,
    ledger: Arc<dyn Ledger>,
    events: impl Fn(Progress) + Send + Sync,
) -> Result<Finished, Error> {
    let (_, offers) = mpsc::unbounded();
    run_with(job, ledger, &Settings::default(), offers, events).await
}

/// Fetches a file, from those who are offered meanwhile, too, telling `events` what happens.
///
/// # Errors
/// When no source is left and no more are offered, when the disk fails.
pub async fn run_with(
    job: Job,
    ledger: Arc<dyn Ledger>,
    settings: &Settings,
    offers: Offers,
    events: impl Fn(Progress) + Send + Sync,
) -> Result<Finished, Error> {
    let mut transfer = Transfer::prepare(&job, ledger, settings, offers, events).await?;
    let ending = match transfer.begin().await? {
        Some(ending) => ending,
        None => transfer.carry_on().await?,
    };
    match ending {
        Ending::Done => {
            let from = transfer.last_giver;
            let first = job.sources.first().map(|source| source.address);
            let name = safe_file_name(&job.name);
            let ledger = Arc::clone(&transfer.ledger);
            let path = transfer.writer.place(&job.target, name).await?;
            if let Some(giving) = transfer.giving.take() {
                let path = path.clone();
                runtime::spawn_blocking(move || giving.complete(&path)).await;
            }
            runtime::spawn_blocking(move || ledger.close()).await;
            Ok(Finished {
                path,
                bytes: job.size,
                from: from.or(first),
            })
        }
        Ending::Exhausted | Ending::Contradiction => {
            let contradiction = ending == Ending::Contradiction;
            transfer.clear_away(contradiction).await;
            Err(transfer.lack(contradiction))
        }
    }
}

/// Throws away the unfinished file of a content, if there is one.
pub fn discard(incomplete: &Path, sha1: Sha1) {
    if let Err(error) = super::part::discard(incomplete, &sha1.to_string()) {
        log::warn!("{error}");
    }
}

/// How a download ends, beside failures of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    Exhausted,
    Contradiction,
}

/// What a download hears of.
enum Event {
    News((SocketAddr, u64, News)),
    Offer(SocketAddr),
    NoMoreOffers,
}

/// A conversation with a source.
struct Talk {
    number: u64,
    orders: mpsc::UnboundedSender<std::ops::Range<u32>>,
    end: AbortHandle,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.end.abort();
    }
}

struct Transfer<'a, E> {
    job: &'a Job,
    events: E,
    ledger: Arc<dyn Ledger>,
    wanted: Arc<Wanted>,
    swarm: Download,
    rng: Pcg64Mcg,
    origin: Instant,
    writer: Writer,
    /// The place among those that give, and how many tiles that knows of.
    giving: Option<Giving>,
    given: u32,
    /// By address; the numbers tell what is of an earlier conversation.
    talks: HashMap<SocketAddr, Talk>,
    last_number: u64,
    sender: mpsc::Sender<(SocketAddr, u64, News)>,
    news: mpsc::Receiver<(SocketAddr, u64, News)>,
    /// More sources; nothing once there will be none.
    offers: Option<Offers>,
    failures: HashMap<SocketAddr, source::Error>,
    /// The sources that were told of last, and when.
    told: (Vec<SocketAddr>, Option<Instant>),
    /// The queues that were told of last.
    queues: Vec<(SocketAddr, QueuePlace)>,
    last_giver: Option<SocketAddr>,
    /// Bytes that came, whatever became of them.
    came: u64,
    reported: Option<Instant>,
}

impl<'a, E: Fn(Progress) + Send + Sync> Transfer<'a, E> {
    async fn prepare(
        job: &'a Job,
        ledger: Arc<dyn Ledger>,
        settings: &Settings,
        offers: Offers,
        events: E,
    ) -> Result<Self, Error> {
        let stem = job.sha1.to_string();
        let writer = Writer::open(&job.incomplete, &job.target, stem, job.size).await?;
        let tile_len = kept_node_len(job.size).min(LONGEST_TILE);
        let trees = Arc::new(match settings.verify {
            true => Trees::new(job.size, tile_len, job.root),
            false => Trees::unwanted(job.size, tile_len),
        });
        let exchange = job.exchange.as_ref().filter(|_| settings.verify);
        let giving = exchange.zip(writer.part()).map(|(exchange, part)| {
            let path = part.path().to_owned();
            exchange.give(job.sha1, tile_len, Arc::clone(&trees), path)
        });
        let wanted = Wanted {
            sha1: job.sha1,
            tile_len,
            trees,
            announce: Announce::new(job.announce.filter(|_| giving.is_some())),
            from: job.from,
            tls: job.tls.clone(),
            network: job.network.clone(),
            call_back: job.call_back.clone(),
            reached_at: job.announce,
            web_seeds: Arc::clone(&job.web_seeds),
            settings: settings.clone(),
        };
        let (sender, news) = mpsc::channel(4);
        Ok(Self {
            job,
            events,
            ledger,
            wanted: Arc::new(wanted),
            swarm: Download::new(job.size, tile_len),
            rng: Pcg64Mcg::from_rng(&mut rand::rng()),
            origin: Instant::now(),
            writer,
            giving,
            given: 0,
            talks: HashMap::new(),
            last_number: 0,
            sender,
            news,
            offers: Some(offers),
            failures: HashMap::new(),
            told: (Vec::new(), None),
            queues: Vec::new(),
            last_giver: None,
            came: 0,
            reported: None,
        })
    }

    /// Takes over what an earlier run left, and offers the sources that are known.
    async fn begin(&mut self) -> Result<Option<Ending>, disk::Error> {
        let (ledger, root) = (Arc::clone(&self.ledger), self.job.root);
        let (kept, tree) = runtime::spawn_blocking(move || {
            let kept = ledger.recall();
            let root = root.or_else(|| kept.as_ref().and_then(|kept| kept.root));
            (kept, root.and_then(|root| ledger.tree(root)))
        })
        .await;
        let of_root = self
            .job
            .root
            .and_then(|root| TigerTree::of_root(self.job.size, root));
        if let Some(tree) = tree.or(of_root) {
            self.believe(tree).await?;
        }
        let found = self.writer.part().is_some_and(Part::was_found);
        if let Some(kept) = kept.filter(|kept| found && kept.tile_len == self.wanted.tile_len) {
            let count = self.job.size.div_ceil(kept.tile_len);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let tiles = TileSet::from_bytes(&kept.tiles, count);
            self.swarm.restore(
                &tiles,
                kept.root.is_some() && kept.root == self.wanted.trees.root(),
            );
            let bytes = self.swarm.bytes().1;
            if bytes > 0 {
                (self.events)(Progress::Resumed { bytes });
            }
        }
        if self.swarm.bytes().1 < self.job.size {
            // Before anybody is asked for what there is no room for.
            let (folder, keep) = (self.job.incomplete.clone(), self.wanted.settings.keep_free);
            let room = self.wanted.tile_len.min(self.job.size);
            runtime::spawn_blocking(move || disk::leave_free(&folder, keep, room)).await?;
        }
        let mut ending = self.tell(Input::Tick, None).await?;
        for source in &self.job.sources {
            if ending.is_some_and(|ending| ending != Ending::Exhausted) {
                break;
            }
            ending = self.tell(Input::Offered(source.address), None).await?;
        }
        // Before the first source was offered there was none.
        Ok(ending.filter(|ending| *ending != Ending::Exhausted))
    }

    /// Until it ends.
    async fn carry_on(&mut self) -> Result<Ending, disk::Error> {
        loop {
            let due = self.swarm.deadline(&self.wanted.settings.swarm);
            let due = due.map_or(REPORT, |due| due.saturating_sub(self.origin.elapsed()));
            let pause = due.clamp(Duration::from_millis(1), REPORT);
            let ending = match runtime::timeout(pause, self.next()).await {
                Ok(Event::News((address, number, news))) => {
                    self.hear(address, number, news).await?
                }
                // Who offers it knows whether anybody can be there.
                Ok(Event::Offer(address)) if Some(address) != self.job.own => {
                    self.tell(Input::Offered(address), None).await?
                }
                Ok(Event::Offer(_) | Event::NoMoreOffers) => None,
                Err(_) if due <= pause => self.tell(Input::Tick, None).await?,
                Err(_) => None,
            };
            let mut ending = ending;
            if self.report(false) {
                for caller in self.callers() {
                    ending = ending.or(self.tell(Input::Offered(caller), None).await?);
                }
            }
            match ending {
                Some(Ending::Exhausted) => self.starve(),
                Some(ending) => return Ok(ending),
                None => {}
            }
            if self.offers.is_none() && self.swarm.is_exhausted() {
                return Ok(Ending::Exhausted);
            }
        }
    }

    /// What happens next.
    async fn next(&mut self) -> Event {
        // This task holds an end of the news itself.
        let Some(offers) = &mut self.offers else {
            return self
                .news
                .next()
                .await
                .map_or(Event::NoMoreOffers, Event::News);
        };
        match future::select(offers.next(), self.news.next()).await {
            Either::Left((Some(address), _)) => Event::Offer(address),
            Either::Right((Some(news), _)) => Event::News(news),
            _ => {
                self.offers = None;
                Event::NoMoreOffers
            }
        }
    }

    /// What a source tells.
    async fn hear(
        &mut self,
        address: SocketAddr,
        number: u64,
        news: News,
    ) -> Result<Option<Ending>, disk::Error> {
        let current = self
            .talks
            .get(&address)
            .is_some_and(|talk| talk.number == number);
        if let News::Tree(tree) = news {
            return self.believe(tree).await;
        }
        if !current {
            return Ok(None);
        }
        match news {
            News::Has(has) => self.tell(Input::Has(address, has), None).await,
            News::Others(others) => {
                let mut ending = None;
                for other in others.into_iter().filter(|other| self.job.may_ask(*other)) {
                    ending = self.tell(Input::Offered(other), None).await?;
                }
                Ok(ending)
            }
            News::Received(bytes) => {
                self.came += bytes;
                self.tell(Input::Received(address, bytes), None).await
            }
            News::Tile {
                tile,
                bytes,
                verdict,
                own,
                key,
            } => {
                let arrived = Input::Arrived {
                    source: address,
                    tile,
                    verdict,
                };
                self.last_giver = Some(address);
                if verdict == Verdict::Right && own {
                    let bytes = bytes.len() as u64;
                    let source = address;
                    (self.events)(Progress::Gave { source, key, bytes });
                }
                self.tell(arrived, Some(bytes)).await
            }
            News::Failed(error) => {
                let (trouble, reason) = (error.trouble(), error.to_string());
                let source = address;
                (self.events)(Progress::Failed { source, reason });
                self.note_failure(address, error);
                let ending = self.tell(Input::Failed(address, trouble), None).await;
                if self.swarm.given_up().any(|(lost, _)| lost == address) {
                    self.talks.remove(&address);
                }
                ending
            }
            News::Invited => self.tell(Input::Invited(address), None).await,
            News::Tree(_) => Ok(None),
        }
    }

    /// Takes a tree into use that has the root it was asked by.
    async fn believe(&mut self, tree: TigerTree) -> Result<Option<Ending>, disk::Error> {
        let proven = self.job.proven && self.job.root == Some(tree.root());
        let Some(tree) = self.wanted.trees.take(tree) else {
            return Ok(None);
        };
        let ledger = Arc::clone(&self.ledger);
        runtime::spawn_blocking(move || ledger.keep_tree(&tree)).await;
        self.tell(Input::Tree { proven }, None).await
    }

    /// Lets the swarm decide, and carries out what it wants; `bytes` are those of the tile that
    /// arrived.
    async fn tell(
        &mut self,
        input: Input,
        bytes: Option<Bytes>,
    ) -> Result<Option<Ending>, disk::Error> {
        let mut inputs = VecDeque::from([input]);
        let mut ending = None;
        while let Some(input) = inputs.pop_front() {
            for output in self.decide(input) {
                match output {
                    Output::Ask { source, tiles } => self.ask(source, tiles),
                    Output::Stop(source) => drop(self.talks.remove(&source)),
                    Output::Store { tile, .. } => {
                        if let Some(bytes) = bytes.clone() {
                            self.store(tile, bytes).await?;
                        }
                    }
                    Output::Check(tile) => {
                        let right = self.check(tile).await?;
                        inputs.push_back(Input::Checked { tile, right });
                    }
                    Output::Hash => {
                        self.report(true);
                        (self.events)(Progress::Verifying);
                        let right = self.is_the_file().await?;
                        inputs.push_back(Input::Hashed { right });
                    }
                    Output::Distrust => {
                        log::warn!("the tiger tree of {} is another file's", self.job.sha1);
                        self.wanted.trees.distrust();
                    }
                    Output::Blamed { source, tile } => {
                        self.talks.remove(&source);
                        self.note_failure(source, source::Error::WrongBytes);
                        (self.events)(Progress::Blamed { source, tile });
                    }
                    Output::Rejected(sources) => (self.events)(Progress::Rejected { sources }),
                    Output::Exhausted => ending = Some(Ending::Exhausted),
                    Output::Contradiction => ending = Some(Ending::Contradiction),
                    Output::Done => ending = Some(Ending::Done),
                }
            }
        }
        self.give();
        Ok(ending)
    }

    /// Gives to others what is verified, now that it is on the disk.
    fn give(&mut self) {
        let verified = self.swarm.verified();
        if let Some(giving) = self.giving.as_ref().filter(|_| verified != self.given) {
            giving.update(self.swarm.verified_tiles());
            self.given = verified;
            self.wanted.announce.set_gives(verified > 0);
        }
    }

    fn decide(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.wanted.settings.swarm,
            rng: &mut self.rng,
            out: &mut out,
        };
        self.swarm.handle(self.origin.elapsed(), input, &mut around);
        out
    }

    fn ask(&mut self, address: SocketAddr, tiles: std::ops::Range<u32>) {
        if !self.talks.contains_key(&address) {
            (self.events)(Progress::Connecting { source: address });
            self.last_number += 1;
            let number = self.last_number;
            let (orders, receiver) = mpsc::unbounded();
            let teller = Teller {
                address,
                number,
                news: self.sender.clone(),
            };
            let session = Session::new(Arc::clone(&self.wanted), teller);
            let (end, registration) = AbortHandle::new_pair();
            let talking = Abortable::new(session.converse(receiver), registration);
            runtime::spawn_detached(async move {
                let _ended = talking.await;
            });
            let talk = Talk {
                number,
                orders,
                end,
            };
            self.talks.insert(address, talk);
        }
        if let Some(talk) = self.talks.get(&address) {
            // The task lives as long as the talk.
            let _ = talk.orders.unbounded_send(tiles);
        }
    }

    /// Writes a tile and notes that it is there, in this order.
    async fn store(&mut self, tile: u32, bytes: Bytes) -> Result<(), disk::Error> {
        let at = self.wanted.bytes(&(tile..tile + 1)).start;
        let (ledger, kept) = (Arc::clone(&self.ledger), self.kept());
        let folder = self.job.incomplete.clone();
        let settings = &self.wanted.settings;
        let (keep, verify) = (settings.keep_free, settings.verify);
        self.writer
            .with(move |part| {
                disk::leave_free(&folder, keep, bytes.len() as u64)?;
                match verify {
                    true => part.write(at, &bytes)?,
                    false => part.put(at, &bytes)?,
                }
                ledger.note(&kept);
                Ok(())
            })
            .await
    }

    /// Whether a tile on the disk is as the tree has it.
    async fn check(&mut self, tile: u32) -> Result<bool, disk::Error> {
        let range = self.wanted.bytes(&(tile..tile + 1));
        let Some(tree) = self.wanted.trees.tree() else {
            return Ok(false);
        };
        let node = self
            .writer
            .with(move |part| Ok(node_of(&part.read(range)?)))
            .await?;
        let place = usize::try_from(tile).unwrap_or(usize::MAX);
        Ok(tree.nodes().get(place) == Some(&node))
    }

    /// Whether all that is there has the SHA-1 asked for. It is on the disk then.
    async fn is_the_file(&mut self) -> Result<bool, disk::Error> {
        if !self.wanted.settings.verify {
            return self.writer.with(|part| part.sync()).await.map(|()| true);
        }
        let sha1 = self.writer.with(Part::sha1).await?;
        Ok(sha1 == *self.job.sha1.as_bytes())
    }

    fn kept(&self) -> Kept {
        Kept {
            root: self.wanted.trees.tree().map(|tree| tree.root()),
            tile_len: self.wanted.tile_len,
            tiles: self.swarm.there().to_bytes(),
        }
    }

    /// Tells how far it is, if it is time for that; whether it was.
    fn report(&mut self, now: bool) -> bool {
        self.tell_sources(false);
        let due = now || self.reported.is_none_or(|at| at.elapsed() >= REPORT);
        if due {
            self.reported = Some(Instant::now());
            self.tell_queues();
            let (verified, received) = self.swarm.bytes();
            let (known, active) = self.swarm.sources();
            (self.events)(Progress::Standing(Standing {
                received,
                verified,
                came: self.came,
                known,
                active,
            }));
        }
        due
    }
}

#[cfg(test)]
mod tests;
