//! The command `plan`: the points of an experiment, and what they would cost.

use std::io::{self, Write};

use crate::Error;
use crate::arguments::Plan;
use crate::experiment::{File, Land, Strategy, Subject, Variant};
use crate::run::read;

/// Runs the command.
///
/// # Errors
/// When the file is no experiment or the plan cannot be written.
pub fn run(arguments: &Plan, out: &mut impl Write) -> Result<(), Error> {
    let (source, points) = read(&arguments.file)?;
    writeln!(
        out,
        "{}: {} points\n\n{:>6} {:>10} {:>9} {:>14}  settings",
        source.name,
        points.len(),
        "point",
        "servents",
        "searches",
        "copies about"
    )?;
    let mut whole = 0;
    for point in &points {
        let cost = Cost::of(&point.file)?;
        whole += cost.copies;
        let settings = point.settings.iter();
        let settings: Vec<String> = settings
            .map(|(path, value)| format!("{path}={value}"))
            .collect();
        row(out, point.number, &cost, &settings.join(" "))?;
    }
    writeln!(out, "\nAbout {whole} copies of queries in all.")?;
    Ok(())
}

fn row(out: &mut impl Write, number: usize, cost: &Cost, settings: &str) -> io::Result<()> {
    let (servents, searches, copies) = (cost.servents, cost.searches, cost.copies);
    writeln!(
        out,
        "{number:>6} {servents:>10} {searches:>9} {copies:>14}  {settings}"
    )
}

/// What one point costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    servents: u64,
    searches: u64,
    /// Copies of queries, where floods do not stop early.
    copies: u64,
}

impl Cost {
    fn of(file: &File) -> Result<Self, Error> {
        if let Some(swarm) = &file.swarm {
            let plans = swarm.variants.iter().map(|variant| swarm.plan(variant));
            let members = plans.map(|plan| 1 + plan.downloaders + plan.attackers);
            return Ok(Self {
                servents: members.max().unwrap_or(0).into(),
                searches: u64::from(file.replicas) * swarm.variants.len() as u64,
                copies: 0,
            });
        }
        if let Some(living) = &file.living {
            return Ok(Self {
                servents: living.servents.into(),
                searches: u64::from(file.replicas) * living.searches_expected(),
                copies: 0,
            });
        }
        let (servents, edges) = Land::of(&file.network)?.size();
        let variants = match file.subject() {
            Subject::Attack(attack) => Some(attack.variant_names().len()),
            // How many queries that takes is what is to be found out.
            Subject::Gia(gia) => Some(gia.variants.len()),
            _ => None,
        };
        if let Some(variants) = variants {
            return Ok(Self {
                servents: servents.max(1),
                searches: u64::from(file.replicas) * variants as u64,
                copies: 0,
            });
        }
        let each = u64::from(file.replicas)
            * file.file_names().len() as u64
            * u64::from(file.queries.each);
        let of = |variant: &Variant| copies(variant, servents, edges);
        Ok(Self {
            servents,
            searches: each * file.variants.len() as u64,
            copies: each * file.variants.iter().map(of).sum::<u64>(),
        })
    }
}

/// About so many copies of one query: one over each end of each link, and as many as a tree of the mean
/// degree has where the TTL ends before that; of walkers, were none to find anything.
fn copies(variant: &Variant, servents: u64, edges: u64) -> u64 {
    if matches!(variant.strategy, Strategy::Walk | Strategy::DegreeWalk) {
        return u64::from(variant.walkers) * u64::from(variant.steps);
    }
    if matches!(variant.strategy, Strategy::Probe | Strategy::Guess) {
        return variant.steps.into();
    }
    let degree = (2 * edges).div_ceil(servents.max(1));
    let mut level = degree;
    let mut tree = 0_u64;
    for _ in 0..variant.ttl {
        tree = tree.saturating_add(level);
        level = level.saturating_mul(degree.saturating_sub(1).max(1));
    }
    tree.min(2 * edges)
}
