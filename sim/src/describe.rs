//! The command `topology`: makes, imports and describes graphs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use filbert::topology::{Diameter, Estimate, Graph, PowerLaw, Statistics, write_edge_list};
use serde_json::{Value, json};

use crate::Error;
use crate::arguments::Topology;
use crate::random::{Purpose, generator};

/// Runs the command; `out` takes the edge list or the statistics.
///
/// # Errors
/// When the graph cannot be had, or something cannot be written.
pub fn run(arguments: &Topology, out: &mut impl Write) -> Result<(), Error> {
    let (name, graph) = arguments.origin().load(arguments.seed)?;
    if let Some(path) = &arguments.output {
        save(&name, arguments.seed, &graph, path).map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
    }
    if arguments.stats {
        let mut rng = generator(arguments.seed, Purpose::Statistics);
        let statistics = Statistics::of(&graph, &mut rng);
        if arguments.json {
            serde_json::to_writer(&mut *out, &object(&name, &statistics))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            table(&name, &statistics, out)?;
        }
    } else if arguments.output.is_none() {
        write_graph(&name, arguments.seed, &graph, out)?;
    }
    Ok(())
}

fn save(name: &str, seed: u64, graph: &Graph, path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write_graph(name, seed, graph, &mut file)?;
    file.flush()
}

fn write_graph(name: &str, seed: u64, graph: &Graph, out: &mut impl Write) -> io::Result<()> {
    let size = format!("{} nodes, {} edges", graph.nodes(), graph.edges());
    let name = format!("{name} seed {seed}");
    let mut comments = vec![name.as_str(), &size];
    // An edge list has no roles; whoever reads it is told what they were.
    let first_leaf = graph.iter().find(|&node| graph.is_leaf(node));
    let tiers = first_leaf.map(|first| format!("nodes from {first} on are leaves"));
    comments.extend(tiers.as_deref());
    write_edge_list(graph, &comments, out)
}

fn table(name: &str, found: &Statistics, out: &mut impl Write) -> io::Result<()> {
    let degrees = &found.degrees;
    let share = 100.0 * found.largest_component as f64 / found.nodes.max(1) as f64;
    let rows = [
        ("graph", name.to_owned()),
        ("nodes", found.nodes.to_string()),
        ("edges", found.edges.to_string()),
        (
            "degree",
            format!(
                "{} to {}, mean {:.3}",
                degrees.min, degrees.max, degrees.mean
            ),
        ),
        ("power law", power_law(degrees.power_law.as_ref())),
        ("components", found.components.to_string()),
        (
            "largest",
            format!("{} nodes ({share:.2} %)", found.largest_component),
        ),
        ("clustering", estimate(&found.clustering)),
        (
            "assortative",
            found.assortativity.map_or_else(
                || "all degrees are the same".to_owned(),
                |r| format!("{r:.4} (exact)"),
            ),
        ),
        ("diameter", diameter(found.diameter)),
        ("mean path", estimate(&found.paths.mean)),
        ("95 % within", percentile(&found.paths.within)),
    ];
    let tiers = found.tiers.iter().flat_map(|tiers| {
        [
            (
                "ultrapeers",
                format!("{}, degree {:.3}", tiers.ultrapeers, tiers.degree),
            ),
            (
                "leaves",
                format!("{}, parents {:.3}", tiers.leaves, tiers.parents),
            ),
            (
                "leaves each",
                format!("{:.3}, at most {}", tiers.leaves_each, tiers.leaves_most),
            ),
            ("path on top", estimate(&tiers.path_length)),
        ]
    });
    for (label, value) in rows.into_iter().chain(tiers) {
        writeln!(out, "{label:<12}{value}")?;
    }
    writeln!(out, "\n{:>8}{:>12}", "degree", "nodes")?;
    for (degree, nodes) in &degrees.distribution {
        writeln!(out, "{degree:>8}{nodes:>12}")?;
    }
    Ok(())
}

fn diameter(found: Diameter) -> String {
    let Diameter { at_least, at_most } = found;
    if at_least == at_most {
        format!("{at_least} (exact)")
    } else {
        format!("{at_least} to {at_most}")
    }
}

/// How far apart 95 of 100 pairs are at most.
fn percentile(within: &[f64]) -> String {
    if within.is_empty() {
        return "no pairs".to_owned();
    }
    let near = within.iter().take_while(|&&share| share < 0.95).count();
    let share = within.get(near).map_or(100.0, |share| 100.0 * share);
    format!("{} hops ({share:.2} % of pairs)", near + 1)
}

fn power_law(found: Option<&PowerLaw>) -> String {
    let Some(law) = found else {
        return "too few degrees to tell".to_owned();
    };
    format!(
        "exponent {:.3} from degree {} on ({} nodes), distance {:.4} (by chance {:.4})",
        law.exponent,
        law.from,
        law.nodes,
        law.distance,
        law.chance()
    )
}

fn estimate(estimate: &Estimate) -> String {
    let Estimate {
        value,
        nodes,
        exact,
    } = estimate;
    let how = if *exact {
        "exact".to_owned()
    } else {
        format!("from {nodes} sampled nodes")
    };
    format!("{value:.4} ({how})")
}

fn object(name: &str, found: &Statistics) -> Value {
    let estimate = |estimate: &Estimate| json!({ "value": estimate.value, "nodes": estimate.nodes, "exact": estimate.exact });
    json!({
        "graph": name,
        "nodes": found.nodes,
        "edges": found.edges,
        "degree": {
            "min": found.degrees.min,
            "mean": found.degrees.mean,
            "max": found.degrees.max,
            "distribution": found.degrees.distribution,
            "power_law": found.degrees.power_law.map(|law| json!({
                "exponent": law.exponent,
                "from": law.from,
                "nodes": law.nodes,
                "distance": law.distance,
            })),
        },
        "components": found.components,
        "largest_component": found.largest_component,
        "clustering": estimate(&found.clustering),
        "assortativity": found.assortativity,
        "diameter_at_least": found.diameter.at_least,
        "diameter_at_most": found.diameter.at_most,
        "path_length": estimate(&found.paths.mean),
        "pairs_within": found.paths.within,
        "tiers": found.tiers.as_ref().map(|tiers| json!({
            "ultrapeers": tiers.ultrapeers,
            "leaves": tiers.leaves,
            "top_edges": tiers.top_edges,
            "degree": tiers.degree,
            "parents": tiers.parents,
            "leaves_each": tiers.leaves_each,
            "leaves_most": tiers.leaves_most,
            "path_length": estimate(&tiers.path_length),
        })),
    })
}
