//! The command `live`: lets one network live, and tells what it cost.

use std::io::{self, Write};
use std::time::Instant;

use clap::Args;
use filbert::overlay;

use super::churn::{Length, micros};
use super::outcome::{Outcome, SORTS};
use super::spec::{Phase, Spec};
use super::world::World;
use crate::Error;
use crate::experiment::{Catalogue, Replication, Sharing};
use crate::latency::Latency;
use crate::memory;

/// Arguments of `live`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Servents, those that are away included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    pub servents: u32,
    /// How long the network is watched
    #[arg(long, value_name = "H", default_value_t = 1.0)]
    pub hours: f64,
    /// Servents that are always there and that newcomers know
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub seeds: u32,
    /// Time over which those come that are there at first, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    pub arrive: f64,
    /// The share of servents that are there at first
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub present: f64,
    /// How long one stays: forever, constant:SECONDS, exponential:MEAN, weibull:SHAPE,SCALE,
    /// lognormal:MEDIAN,SIGMA or recorded:FILE
    #[arg(long, value_name = "LENGTH", default_value = "forever")]
    pub session: Length,
    /// How long it is away then
    #[arg(long, value_name = "LENGTH", default_value = "exponential:3600")]
    pub absence: Length,
    /// The share of sessions that end without a word
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub crash: f64,
    /// The share of servents to which nobody can connect
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub firewalled: f64,
    /// Searches of each servent in an hour
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    pub searches: f64,
    /// Files that are searched for
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub files: u32,
    /// Copies of all files together, for each servent
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    pub copies: f64,
    /// Addresses that a servent remembers at most; a live one 10000
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub hosts: usize,
    /// Routes that it remembers at most in each of two generations, and ways of pushes, and queries that
    /// had hits; a live one 200000, 20000 and 10000
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub routes: usize,
    /// How long what is sent travels: a model of `reach`
    #[arg(long, value_name = "MODEL", default_value = "lognormal:40,0.5")]
    pub latency: Latency,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// How often the network is looked at, in minutes, at least: a row for each
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    pub look: f64,
}

impl Arguments {
    /// The network that they say.
    ///
    /// # Errors
    /// When it makes no sense.
    fn spec(&self) -> Result<Spec, Error> {
        let seconds = self.hours * 3_600.0;
        // As many stretches of equal length as it takes for none to be longer than was asked for.
        let looks = (seconds / (self.look * 60.0) - 1e-9).clamp(1.0, 1e6).ceil();
        let look = (seconds / looks).min(self.look * 60.0);
        let copies = (self.copies * f64::from(self.servents)).clamp(0.0, 1e9);
        let name = |number: u32| format!("{}", f64::from(number) * look / 60.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within bounds, and not negative"
        )]
        let (copies, looks) = (copies as u32, looks as u32);
        let spec = Spec {
            servents: self.servents,
            seconds,
            seeds: self.seeds,
            present: self.present,
            arrive: self.arrive * 60.0,
            session: self.session.clone(),
            absence: self.absence.clone(),
            crash: self.crash,
            firewalled: self.firewalled,
            capacities: Vec::new(),
            latency: self.latency.clone(),
            loss: 0.0,
            depart: None,
            hosts: Some(self.hosts),
            routes: Some(self.routes),
            remembered: REMEMBERED,
            searches: self.searches,
            catalogue: Some(Catalogue {
                name: "files".to_owned(),
                files: self.files,
                popularity: 0.8,
                copies,
                replication: Replication::SquareRoot,
            }),
            sharing: Sharing::All,
            look,
            phases: (1..=looks)
                .map(|number| Phase {
                    name: name(number),
                    from: f64::from(number - 1) * look,
                    until: f64::from(number) * look,
                })
                .collect(),
            split: None,
            failure: None,
            variants: vec![super::Variant::default()],
        };
        spec.check().map_err(Error::Living)?;
        Ok(spec)
    }
}

/// Runs the command; `out` takes a row for each look and `log` what the run cost.
///
/// # Errors
/// When the network makes no sense or the rows cannot be written.
pub fn run(arguments: &Arguments, out: &mut impl Write, log: &mut impl Write) -> Result<(), Error> {
    let spec = arguments.spec()?;
    let start = Instant::now();
    let mut world = World::new(&spec, arguments.seed);
    let mut rows = csv::Writer::from_writer(out);
    let mut row = |world: &World, phase: &Phase| -> Result<(), Error> {
        let outcome = Outcome::of_phase(phase, world);
        rows.serialize(outcome).map_err(io::Error::other)?;
        Ok(rows.flush()?)
    };
    let mut last = None;
    for phase in &spec.phases {
        world.run(overlay::Instant::from_micros(micros(phase.until)));
        // The rows are what was asked for: nothing is lost when nobody reads this.
        let _ = tell(log, &world, &spec, start);
        // By now the searches of the one before are over.
        if let Some(last) = last.replace(phase) {
            row(&world, last)?;
        }
    }
    if let Some(last) = last {
        row(&world, last)?;
    }
    let _ = sum_up(log, &world);
    Ok(())
}

/// How far it is, and what it cost so far.
fn tell(log: &mut impl Write, world: &World, spec: &Spec, start: Instant) -> io::Result<()> {
    let (seen, took) = (world.seen(), start.elapsed().as_secs_f64());
    let done = seen.at as f64 / 1e6 / spec.seconds;
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    writeln!(
        log,
        "live: minute {:.0}, {} there, {} events, {:.0} a second, memory {} bytes, at most {}, {took:.0} \
         s so far, about {:.0} s left",
        seen.at as f64 / 6e7,
        seen.present,
        seen.count.events,
        seen.count.events as f64 / took,
        bytes(memory::resident()),
        bytes(memory::peak()),
        took / done * (1.0 - done).max(0.0),
    )
}

/// What happened in all.
fn sum_up(log: &mut impl Write, world: &World) -> io::Result<()> {
    let count = world.seen().count;
    let sent = SORTS.iter().zip(count.sent);
    let sent: Vec<String> = sent.map(|(sort, sent)| format!("{sent} {sort}")).collect();
    writeln!(
        log,
        "live: {} sessions, {} dials, {} met, {} refused, {} unanswered; sent {}",
        count.sessions,
        count.dials,
        count.met,
        count.refused,
        count.failed,
        sent.join(", ")
    )
}

/// Addresses that a servent knows from its last session.
const REMEMBERED: usize = 20;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn all_of_the_time_is_looked_at() {
        let stretches = |hours, look| {
            let line = ["live", "--servents", "99", "--hours", hours, "--look", look];
            let spec = Line::parse_from(line).arguments.spec().unwrap();
            let of = |phase: &Phase| (phase.name.clone(), phase.from, phase.until);
            (spec.look, spec.phases.iter().map(of).collect::<Vec<_>>())
        };
        let five = ("5".to_owned(), 0.0, 300.0);
        let whole = vec![five, ("10".to_owned(), 300.0, 600.0)];
        assert_eq!(stretches("0.16666666666666666", "5"), (300.0, whole));
        let short = vec![("3".to_owned(), 0.0, 180.0)];
        assert_eq!(stretches("0.05", "5"), (180.0, short));
        let halves = vec![("1.5".to_owned(), 0.0, 90.0), ("3".to_owned(), 90.0, 180.0)];
        assert_eq!(stretches("0.05", "2"), (90.0, halves));
    }
}
