//! The figures of the bench as a picture: lines over two logarithmic axes.

use std::fmt::Write;

/// What was measured with so many who fetch, in times of one copy.
pub(crate) struct Row {
    pub(crate) count: usize,
    pub(crate) server: f64,
    pub(crate) swarm: f64,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Room for the numbers on the left and below.
const LEFT: f64 = 56.0;
const BELOW: f64 = 56.0;
const EDGE: f64 = 16.0;
/// The axes end here, and begin at one.
const MOST: f64 = 32.0;

/// The picture, as SVG.
pub(crate) fn draw(rows: &[Row], bound: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut add = |text: String| writeln!(svg, "{text}").expect("a string takes all");
    for tick in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] {
        let (x, y) = (across(tick), up(tick));
        let (right, bottom) = (across(MOST), up(1.0));
        add(format!(
            "<path d=\"M{LEFT:.0} {y:.0}H{right:.0}M{x:.0} {bottom:.0}V{EDGE}\" stroke=\"#ddd\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{tick}</text>\n\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{tick}</text>",
            LEFT - 8.0,
            y + 4.0,
            bottom + 20.0
        ));
    }
    let [most, least] = [MOST, 1.0].map(across);
    add(format!(
        "<path d=\"M{least:.0} {y:.0}H{most:.0}\" stroke=\"#888\" stroke-dasharray=\"6 4\"/>\n\
         <text x=\"{most:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#666\">bound set before: \
         {bound}</text>",
        up(bound) - 6.0,
        y = up(bound),
    ));
    let place = |count: usize, times: f64| (across(count as f64), up(times));
    let server: Vec<_> = rows
        .iter()
        .map(|row| place(row.count, row.server))
        .collect();
    let swarm: Vec<_> = rows.iter().map(|row| place(row.count, row.swarm)).collect();
    for (name, colour, points) in [
        ("one server", "#c0392b", server),
        ("servents", "#1f6fb2", swarm),
    ] {
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        add(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
            line.join(" ")
        ));
        for (x, y) in &points {
            add(format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
            ));
        }
        if let Some((x, y)) = points.get(points.len() / 2) {
            add(format!(
                "<text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\">{name}</text>",
                x + 8.0,
                y + 18.0
            ));
        }
    }
    add(format!(
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">how many fetch one file at once</text>\n\
         <text transform=\"translate(16 {:.0}) rotate(-90)\" text-anchor=\"middle\">until all have it, \
         in times of one copy</text>\n</svg>",
        f64::midpoint(least, most),
        HEIGHT - 12.0,
        up(MOST.sqrt()),
    ));
    svg
}

/// Where a number of servents stands.
fn across(count: f64) -> f64 {
    LEFT + count.log2() / MOST.log2() * (WIDTH - LEFT - EDGE)
}

/// Where a time stands.
fn up(times: f64) -> f64 {
    HEIGHT - BELOW - times.max(1.0).log2() / MOST.log2() * (HEIGHT - BELOW - EDGE)
}
