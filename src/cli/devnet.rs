//! `filbert devnet`: many real servents on loopback, which find and fetch a file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use futures::future::{self, Either, FutureExt};
use serde::Serialize;

use super::Context;
use super::exit::{Exit, Failure};
use super::home::absolute;
use super::run::Rules;
use super::{output, size};
use crate::devnet::{Devnet, FEWEST, FetchTold, MOST, Plan, SearchTold, Story};
use crate::runtime;
use crate::topology::Spec;
use crate::web;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// How many servents; 12 unless a topology says otherwise
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(FEWEST)..=i64::from(MOST)))]
    servents: Option<u32>,
    /// A directory whose files they share; may be given again. Without it: the project's docs, or
    /// made-up files
    #[arg(long = "share", value_name = "DIR")]
    shares: Vec<PathBuf>,
    /// How they are linked, such as regular:n=20,d=4, ws:n=12,k=4,p=0.1 or grid:w=5,h=4
    #[arg(long, value_name = "SPEC")]
    topology: Option<Spec>,
    /// They choose their roles and neighbours themselves, each knowing only the first
    #[arg(long, conflicts_with = "topology")]
    auto: bool,
    /// The rules by which queries travel; without it those by which a guest finds every holder
    #[arg(long, value_enum, conflicts_with = "auto")]
    profile: Option<Rules>,
    /// End when the story is told
    #[arg(long)]
    once: bool,
    /// Decides the links of a random topology
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

/// What `--once --json` prints.
#[derive(Debug, Serialize)]
struct Told {
    servents: usize,
    ultrapeers: usize,
    settled_ms: Option<u64>,
    searches: Vec<SearchJson>,
    fetches: Vec<FetchJson>,
    messages: u64,
    duplicates: u64,
    links: usize,
    files: usize,
    skipped: usize,
    bytes: u64,
    ms: u64,
    held: bool,
}

#[derive(Debug, Serialize)]
struct SearchJson {
    words: String,
    hits: usize,
    hops: u8,
    first_hit_ms: Option<u64>,
    expected: usize,
    distance: u32,
}

#[derive(Debug, Serialize)]
struct FetchJson {
    name: String,
    size: u64,
    sha1: String,
    verified: bool,
    sources: usize,
    ms: u64,
    error: Option<String>,
}

/// The first line of a devnet that stays up.
#[derive(Debug, Serialize)]
struct Standing {
    api: SocketAddr,
    token_file: PathBuf,
    entry: SocketAddr,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let shares = arguments.shares.iter().map(|share| absolute(share));
    let plan = Plan {
        servents: arguments.servents,
        topology: arguments.topology,
        auto: arguments.auto,
        shares: shares.collect::<Result<_, _>>()?,
        seed: arguments.seed,
        profile: arguments.profile.map(Rules::profile),
    };
    let interrupted = runtime::interrupted().boxed();
    let life = live(context, plan, arguments.once).boxed();
    match future::select(life, interrupted).await {
        Either::Left((outcome, _)) => outcome,
        // Its directory goes with it.
        Either::Right((Ok(_), _)) => Ok(Exit::Interrupted),
        Either::Right((Err(error), life)) => {
            log::debug!("signals cannot be watched: {error}");
            life.await
        }
    }
}

async fn live(context: &Context, plan: Plan, once: bool) -> Result<Exit, Failure> {
    context.tell("filbert: starting servents on loopback");
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Error, error.to_string());
    let devnet = Devnet::start(plan).await.map_err(|error| failed(&error))?;
    if once {
        let story = devnet.run().await;
        devnet.stop().await;
        return tell(context, &story);
    }
    let entry = devnet.entry();
    let options = web::Options {
        address: Some(
            context
                .api
                .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        ),
        home: Some(entry.home().to_owned()),
    };
    let control_plane = web::serve(entry.clone(), options)
        .await
        .map_err(|error| failed(&error))?;
    let standing = Standing {
        api: control_plane.access().address,
        token_file: entry.home().join("token"),
        entry: entry.address(),
    };
    if context.json {
        output::json(&standing)?;
    }
    let stopped = entry.stopped().boxed();
    // Who stops it does not wait for the end of the story.
    if let Either::Left((story, stopped)) = future::select(devnet.run().boxed(), stopped).await {
        if !context.json {
            narrate(&story)?;
            invite(&devnet, &standing)?;
        }
        stopped.await;
    }
    devnet.stop().await;
    control_plane.stop().await;
    Ok(Exit::Ok)
}

fn tell(context: &Context, story: &Story) -> Result<Exit, Failure> {
    if context.json {
        output::json(&Told::from(story))?;
    } else {
        narrate(story)?;
    }
    match story.held() {
        true => Ok(Exit::Ok),
        false => Err(Failure::new(
            Exit::Error,
            "the devnet did not do what it should",
        )),
    }
}

/// The story for people.
fn narrate(story: &Story) -> Result<(), Failure> {
    let Story {
        servents,
        links,
        files,
        skipped,
        ..
    } = story;
    output::line(&format!(
        "{servents} servents, {links} links, {files} files shared ({skipped} left out)"
    ))?;
    if let Some(settled) = story.settled {
        let (ultrapeers, seconds) = (story.ultrapeers, settled.as_secs_f64());
        let leaves = servents - ultrapeers;
        output::line(&format!(
            "settled to {ultrapeers} ultrapeers and {leaves} leaves in {seconds:.1} s"
        ))?;
    }
    for search in &story.searches {
        let SearchTold {
            words,
            hits: (found, all),
            hops,
            distance,
            first_hit,
        } = search;
        let words = output::plain(words);
        output::line(&match first_hit {
            Some(first) => format!(
                "searched \"{words}\": {found} of {all} found, {hops} hops away (at least \
                 {distance} by the topology), first hit after {:.1} ms",
                first.as_secs_f64() * 1e3
            ),
            None => format!("searched \"{words}\": nothing found"),
        })?;
    }
    for fetch in &story.fetches {
        let name = output::plain(&fetch.name);
        output::line(&match &fetch.error {
            None => format!(
                "fetched \"{name}\": {}, SHA-1 {} {}, {:.1} ms",
                size::human(fetch.size),
                fetch.sha1,
                if fetch.verified { "verified" } else { "WRONG" },
                fetch.took.as_secs_f64() * 1e3
            ),
            Some(error) => format!("not fetched \"{name}\": {error}"),
        })?;
    }
    output::line(&format!(
        "{} queries sent from link to link, {} of them duplicates that were dropped; {} over \
         links in {:.2} s",
        story.messages,
        story.duplicates,
        size::human(story.bytes),
        story.took.as_secs_f64()
    ))?;
    output::line(match story.held() {
        true => "everything held: every holder was found and every file is what it should be",
        false => "NOT everything held",
    })
}

/// What to try in another terminal.
fn invite(devnet: &Devnet, standing: &Standing) -> Result<(), Failure> {
    let home = devnet.entry().home().display();
    let (api, entry, words) = (standing.api, standing.entry, devnet.words());
    output::line("\nThe overlay stays up until Ctrl-C. In another terminal try:")?;
    output::line(&format!("  filbert --home {home} --api {api} peers"))?;
    output::line(&format!(
        "  filbert --home {home} --api {api} search {words}"
    ))?;
    output::line(&format!(
        "  filbert --home /tmp/filbert-guest run --listen 127.0.0.1:0 --peer {entry}"
    ))
}

impl From<&Story> for Told {
    fn from(story: &Story) -> Self {
        let search = |search: &SearchTold| SearchJson {
            words: search.words.clone(),
            hits: search.hits.0,
            hops: search.hops,
            first_hit_ms: search.first_hit.map(millis),
            expected: search.hits.1,
            distance: search.distance,
        };
        let fetch = |fetch: &FetchTold| FetchJson {
            name: fetch.name.clone(),
            size: fetch.size,
            sha1: fetch.sha1.to_string(),
            verified: fetch.verified,
            sources: fetch.sources,
            ms: millis(fetch.took),
            error: fetch.error.clone(),
        };
        Self {
            servents: story.servents,
            ultrapeers: story.ultrapeers,
            settled_ms: story.settled.map(millis),
            searches: story.searches.iter().map(search).collect(),
            fetches: story.fetches.iter().map(fetch).collect(),
            messages: story.messages,
            duplicates: story.duplicates,
            links: story.links,
            files: story.files,
            skipped: story.skipped,
            bytes: story.bytes,
            ms: millis(story.took),
            held: story.held(),
        }
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
