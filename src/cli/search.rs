//! `filbert search`: live results.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::Context;
use super::exit::{Exit, Failure};
use super::explain::Explanation;
use super::output::{self, Align};
use super::session::{Joining, Session};
use super::size;
use crate::api::{FileType, Found, Search, SearchPhase, SearchRequest, Watch};

/// How long a daemon without a neighbour is given to find one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to ask, and what is wanted of the answers.
#[derive(Args, Debug)]
pub(super) struct Asked {
    /// Words of a file's name, or a urn:… or magnet link
    #[arg(required = true)]
    words: Vec<String>,
    /// Smallest size, as 700k, 10M, 4G
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    min_size: Option<u64>,
    /// Largest size
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_size: Option<u64>,
    /// Only files of this kind; may be given again
    #[arg(long = "type", value_name = "KIND", value_enum)]
    types: Vec<Type>,
}

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// End after so many files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u32,
    /// Say on stderr what is asked, and what the servent counted meanwhile
    #[arg(long)]
    explain: bool,
    /// Print each file as a line of JSON as it comes
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    joining: Joining,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Type {
    /// Sound
    Audio,
    /// Moving pictures
    Video,
    /// Text
    Document,
    /// Pictures
    Image,
    /// Programs and archives
    Program,
    /// Torrents
    Torrent,
}

impl From<Type> for FileType {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Audio => Self::Audio,
            Type::Video => Self::Video,
            Type::Document => Self::Document,
            Type::Image => Self::Image,
            Type::Program => Self::Program,
            Type::Torrent => Self::Torrent,
        }
    }
}

impl Asked {
    pub(super) fn request(&self) -> SearchRequest {
        SearchRequest {
            query: self.words.join(" "),
            types: self.types.iter().copied().map(Into::into).collect(),
            min_size: self.min_size,
            max_size: self.max_size,
        }
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let session = Session::open(context, &arguments.joining, None).await?;
    let exit = search(context, &arguments, &session).await;
    session.close().await;
    exit
}

async fn search(
    context: &Context,
    arguments: &Arguments,
    session: &Session,
) -> Result<Exit, Failure> {
    let timeout = Duration::from_secs(arguments.timeout.into());
    let patience = if session.is_hopeless() {
        Duration::ZERO
    } else {
        timeout.min(PATIENCE)
    };
    session.connected(patience).await?;
    let request = arguments.asked.request();
    let explanation = match arguments.explain {
        true => Some(Explanation::begin(context, &request, &session.client).await?),
        false => None,
    };
    let mut search = session.client.search(&request).await?;
    let deadline = Instant::now() + timeout;
    let mut printer = Printer::new(context, arguments, session);
    loop {
        let full = printer.take(&search)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if full || left.is_zero() || search.state == SearchPhase::Finished {
            break;
        }
        let watch = Watch {
            after: search.version,
            wait_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1),
        };
        search = session.client.search_state(search.id, watch).await?;
    }
    // Hits may come until the very end.
    let search = session.client.cancel_search(search.id).await?;
    if let Some(explanation) = explanation {
        explanation.finish(context, &session.client).await?;
    }
    printer.finish(search)
}

/// Prints what is found, each file once, as it comes.
struct Printer<'a> {
    context: &'a Context,
    arguments: &'a Arguments,
    short_lived: bool,
    shown: HashSet<u64>,
}

impl<'a> Printer<'a> {
    fn new(context: &'a Context, arguments: &'a Arguments, session: &Session) -> Self {
        Self {
            context,
            arguments,
            short_lived: session.is_short_lived(),
            shown: HashSet::new(),
        }
    }

    /// Shows what is new, and tells whether that is as much as was wanted.
    fn take(&mut self, search: &Search) -> Result<bool, Failure> {
        for found in &search.results {
            if self.is_full() {
                break;
            }
            if self.shown.insert(found.number) {
                self.show(found)?;
            }
        }
        Ok(self.is_full())
    }

    fn is_full(&self) -> bool {
        let limit = self.arguments.limit;
        limit.is_some_and(|limit| self.shown.len() as u64 >= limit)
    }

    fn show(&self, found: &Found) -> Result<(), Failure> {
        if self.arguments.jsonl {
            return output::json(found);
        }
        if self.context.json {
            return Ok(());
        }
        // Rows are printed before the next is known, so the columns have fixed widths.
        let row = |number: &str, size: &str, hops: &str, name: &str| {
            let number = output::pad(number, 4, Align::Right);
            let size = output::pad(size, 10, Align::Right);
            let hops = output::pad(hops, 4, Align::Right);
            output::line(&format!("{number}  {size}  {hops}  {name}"))
        };
        if self.shown.len() == 1 {
            row("#", "size", "hops", "name")?;
        }
        let (size, hops) = (size::human(found.size), found.hops.to_string());
        row(
            &found.number.to_string(),
            &size,
            &hops,
            &output::plain(&found.name),
        )?;
        match &found.sha1 {
            // Its numbers end with the servent; the hash does not.
            Some(sha1) if self.short_lived => output::line(&format!("{:24}urn:sha1:{sha1}", "")),
            _ => Ok(()),
        }
    }

    fn finish(mut self, mut search: Search) -> Result<Exit, Failure> {
        self.take(&search)?;
        search
            .results
            .retain(|found| self.shown.contains(&found.number));
        if self.context.json && !self.arguments.jsonl {
            output::json(&search)?;
        }
        let files = search.results.len();
        if files == 0 {
            self.context.tell("filbert: nothing found");
            return Ok(Exit::NothingFound);
        }
        let sources: usize = search.results.iter().map(|found| found.sources.len()).sum();
        let next = if self.short_lived {
            "fetch with `filbert get urn:sha1:…` and the same options".to_owned()
        } else {
            format!(
                "fetch with `filbert get {}`, sources with `filbert results {}`",
                search.results[0].number, search.id
            )
        };
        self.context.tell(&format!(
            "filbert: {files} {} from {sources} {}; {next}",
            if files == 1 { "file" } else { "files" },
            if sources == 1 { "source" } else { "sources" },
        ));
        Ok(Exit::Ok)
    }
}
