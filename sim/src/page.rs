//! The command `report`: one page of HTML of the results in a folder, with all it needs in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use crate::Error;
use crate::arguments::Report;
use crate::experiment::{Figures, Findings, Measure, Verdict};
use crate::plot::{Mark, Series, bars, escaped, lines};
use crate::results::{Results, place};
use crate::swarm_plots;
use crate::table::{FEW, bounds, figure};

/// Runs the command; `out` is told where the page is.
///
/// # Errors
/// When the folder has no results or the page cannot be written.
pub fn run(arguments: &Report, out: &mut impl Write) -> Result<(), Error> {
    let results = Results::read_all(&arguments.folder)?;
    let mut experiments: BTreeMap<&str, Vec<&Results>> = BTreeMap::new();
    for (_, results) in &results {
        experiments
            .entry(&results.experiment)
            .or_default()
            .push(results);
    }
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| arguments.folder.join("report.html"));
    place(&path, page(&experiments).as_bytes())?;
    writeln!(out, "{}", path.display())?;
    Ok(())
}

fn page(experiments: &BTreeMap<&str, Vec<&Results>>) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n\
         <meta name='viewport' content='width=device-width'>\n\
         <title>Experiments with Filbert</title>\n<style>{STYLE}</style>\n\
         <h1>Experiments with Filbert</h1>\n"
    );
    summary(&mut html, experiments);
    for (name, points) in experiments {
        experiment(&mut html, name, points);
    }
    html + "</html>\n"
}

/// All claims of all experiments at a glance.
fn summary(html: &mut String, experiments: &BTreeMap<&str, Vec<&Results>>) {
    let all: Vec<Verdict> = experiments
        .values()
        .flatten()
        .flat_map(|results| &results.findings.claims)
        .map(|claim| claim.verdict)
        .collect();
    let count = |of| all.iter().filter(|&&verdict| verdict == of).count();
    let _ = write!(
        html,
        "<p>{} claims: {} reproduced, {} unverified, {} missed.</p>\n<ul>\n",
        all.len(),
        count(Verdict::Reproduced),
        count(Verdict::Unverified),
        count(Verdict::Missed)
    );
    for (name, points) in experiments {
        let Some(first) = points.first() else {
            continue;
        };
        let (name, title) = (escaped(name), escaped(&first.findings.title));
        let _ = writeln!(html, "<li><a href='#{name}'>{name}</a>: {title}</li>");
    }
    html.push_str("</ul>\n");
}

fn experiment(html: &mut String, name: &str, points: &[&Results]) {
    let Some(first) = points.first() else {
        return;
    };
    let findings = &first.findings;
    let (name, title) = (escaped(name), escaped(&findings.title));
    let _ = write!(
        html,
        "<h2 id='{name}'>{title}</h2>\n<p>Seed {}, {} replicas, filbert-sim {}, {} of {} points.</p>\n",
        findings.seed,
        findings.replicas,
        escaped(&first.version),
        points.len(),
        first.points
    );
    if findings.replicas < FEW {
        html.push_str("<p>With so few replicas, intervals say little.</p>\n");
    }
    plots(html, points);
    for results in points {
        point(html, results);
    }
    let _ = writeln!(
        html,
        "<details><summary>Configuration</summary><pre>{}</pre></details>",
        escaped(&first.text)
    );
}

fn point(html: &mut String, results: &Results) {
    if !results.settings.is_empty() {
        let settings = results.settings.iter();
        let settings: Vec<String> = settings
            .map(|(path, value)| format!("{path} = {value}"))
            .collect();
        let _ = writeln!(
            html,
            "<h3>Point {}: {}</h3>",
            results.point,
            escaped(&settings.join(", "))
        );
    }
    claims(html, &results.findings);
    figures(html, &results.findings.figures);
    let _ = writeln!(
        html,
        "<p class='hash'>Rows: SHA-1 {}</p>",
        escaped(&results.hash)
    );
}

fn claims(html: &mut String, findings: &Findings) {
    if findings.claims.is_empty() {
        return;
    }
    html.push_str("<table>\n<tr><th>verdict<th>claim<th>expected<th>found<th>source</tr>\n");
    for claim in &findings.claims {
        let verdict = claim.verdict.name();
        let found = claim
            .found
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), figure);
        let source = claim.source.as_deref().unwrap_or_default();
        let _ = writeln!(
            html,
            "<tr><td class='{verdict}'>{verdict}<td>{}<td>{}<td>{found}<td>{}</tr>",
            escaped(&claim.says),
            bounds(claim),
            escaped(source)
        );
    }
    html.push_str("</table>\n");
}

fn figures(html: &mut String, figures: &[Figures]) {
    html.push_str("<table>\n<tr><th>variant<th>file");
    for measure in Measure::ALL {
        let _ = write!(html, "<th>{}", measure.name());
    }
    html.push_str("</tr>\n");
    for row in figures {
        let _ = write!(
            html,
            "<tr><td>{}<td>{}",
            escaped(&row.variant),
            escaped(&row.file)
        );
        for measure in Measure::ALL {
            let found = row.measures.get(measure).map_or_else(String::new, figure);
            let _ = write!(html, "<td class='figure'>{found}");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

/// One plot for each measure: over the first swept number, or bars where none is swept.
fn plots(html: &mut String, points: &[&Results]) {
    let axis = swept_number(points);
    html.push_str("<div class='plots'>\n");
    let swarms: String = points
        .iter()
        .map(|point| swarm_plots::plots(&point.findings.figures))
        .collect();
    html.push_str(&swarms);
    for measure in PLOTTED.into_iter().filter(|_| swarms.is_empty()) {
        let plot = match &axis {
            Some(axis) => lines(axis, measure.name(), &series(points, axis, measure)),
            None => bars(measure.name(), &heights(points, measure)),
        };
        html.push_str(&plot);
        html.push('\n');
    }
    html.push_str("</div>\n");
}

/// A setting that is a number at each point, and not always the same.
fn swept_number(points: &[&Results]) -> Option<String> {
    let numbers = |path: &String| -> Option<Vec<f64>> {
        let values = points
            .iter()
            .map(|point| point.settings.get(path)?.parse().ok());
        values.collect()
    };
    let varies = |path: &&String| {
        numbers(path).is_some_and(|numbers| numbers.iter().any(|&number| number != numbers[0]))
    };
    points.first()?.settings.keys().find(varies).cloned()
}

/// A line for each variant, file and what else is set.
fn series(points: &[&Results], axis: &str, measure: Measure) -> Vec<Series> {
    let mut lines: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
    for point in points {
        let Some(x) = point
            .settings
            .get(axis)
            .and_then(|value| value.parse().ok())
        else {
            continue;
        };
        let others = point.settings.iter().filter(|(path, _)| *path != axis);
        let others: String = others
            .map(|(path, value)| format!(" {path}={value}"))
            .collect();
        for figures in &point.findings.figures {
            if let Some(found) = figures.measures.get(&measure) {
                let label = format!("{} {}{others}", figures.variant, figures.file);
                lines.entry(label).or_default().push(Mark {
                    x,
                    y: found.mean,
                    half: found.interval.unwrap_or(0.0),
                });
            }
        }
    }
    let series = lines.into_iter().map(|(label, mut points)| {
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        Series { label, points }
    });
    series.collect()
}

fn heights(points: &[&Results], measure: Measure) -> Vec<(String, f64, f64)> {
    let mut bars = Vec::new();
    for point in points {
        let settings: String = point
            .settings
            .values()
            .map(|value| format!(" {value}"))
            .collect();
        for figures in &point.findings.figures {
            if let Some(found) = figures.measures.get(&measure) {
                let label = format!("{} {}{settings}", figures.variant, figures.file);
                bars.push((label, found.mean, found.interval.unwrap_or(0.0)));
            }
        }
    }
    bars
}

/// What is plotted; the tables have all.
const PLOTTED: [Measure; 4] = [
    Measure::Messages,
    Measure::Reached,
    Measure::Success,
    Measure::DuplicateShare,
];

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:1rem 0;font-size:13px;display:block;overflow-x:auto}\
td,th{padding:.2rem .6rem;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}\
.figure{text-align:right;white-space:nowrap}.reproduced{color:#006400}.missed{color:#a00000;font-weight:bold}\
.unverified{color:#7a5c00}.hash{color:#555;font-size:12px}.plots{display:flex;flex-wrap:wrap;gap:1rem}\
svg text{font:11px sans-serif}svg .grid{stroke:#ddd}svg .half{stroke:#000}pre{overflow-x:auto;background:#f5f5f5;padding:1rem}";
