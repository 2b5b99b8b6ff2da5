//! Plots as SVG, for the page of a report: nothing but text, so that a page needs no other file.

use std::fmt::Write;

/// A line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What it is of.
    pub(crate) label: String,
    /// Its points, by rising x.
    pub(crate) points: Vec<Mark>,
}

/// A point of a plot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Half the interval around y.
    pub(crate) half: f64,
}

/// A plot of lines over the same axis.
pub(crate) fn lines(x_name: &str, y_name: &str, series: &[Series]) -> String {
    let marks = || series.iter().flat_map(|series| &series.points);
    let across = Axis::over(marks().map(|mark| mark.x), LEFT, WIDTH - RIGHT, false);
    let ends = marks().flat_map(|mark| [mark.y - mark.half, mark.y + mark.half]);
    let lowest = marks().map(|mark| mark.y).fold(f64::INFINITY, f64::min);
    let highest = marks().map(|mark| mark.y).fold(0.0, f64::max);
    let logarithmic = lowest > 0.0 && highest / lowest > 50.0;
    let ends = ends.map(|end| {
        if logarithmic {
            end.max(lowest / 2.0)
        } else {
            end
        }
    });
    let ends = ends.chain((!logarithmic).then_some(0.0));
    let up = Axis::over(ends, HEIGHT - BOTTOM, TOP, logarithmic);
    let mut svg = open(HEIGHT + LINE * series.len() as f64);
    for tick in up.ticks() {
        let y = up.place(tick);
        let end = WIDTH - RIGHT;
        let _ = write!(
            svg,
            "<line x1='{LEFT}' y1='{y:.1}' x2='{end}' y2='{y:.1}' class='grid'/>"
        );
        text(&mut svg, LEFT - 6.0, y + 4.0, "end", &number(tick));
    }
    for tick in across.ticks() {
        text(
            &mut svg,
            across.place(tick),
            HEIGHT - BOTTOM + 16.0,
            "middle",
            &number(tick),
        );
    }
    text(
        &mut svg,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 6.0,
        "middle",
        x_name,
    );
    text(&mut svg, LEFT, TOP - 8.0, "start", y_name);
    for (place, series) in series.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let mut path = String::new();
        for mark in &series.points {
            let (x, y) = (across.place(mark.x), up.place(mark.y));
            let _ = write!(path, "{x:.1},{y:.1} ");
            let _ = write!(
                svg,
                "<circle cx='{x:.1}' cy='{y:.1}' r='3' fill='{colour}'/>"
            );
            if mark.half > 0.0 {
                let low = if logarithmic {
                    (mark.y - mark.half).max(lowest / 2.0)
                } else {
                    mark.y - mark.half
                };
                let (low, high) = (up.place(low), up.place(mark.y + mark.half));
                let _ = write!(
                    svg,
                    "<line x1='{x:.1}' y1='{low:.1}' x2='{x:.1}' y2='{high:.1}' stroke='{colour}'/>"
                );
            }
        }
        let _ = write!(
            svg,
            "<polyline points='{path}' fill='none' stroke='{colour}'/>"
        );
        let y = HEIGHT + LINE * place as f64 + 10.0;
        let _ = write!(
            svg,
            "<rect x='{LEFT}' y='{:.1}' width='12' height='4' fill='{colour}'/>",
            y - 6.0
        );
        text(&mut svg, LEFT + 18.0, y, "start", &series.label);
    }
    svg + "</svg>"
}

/// A plot of one bar for each label.
pub(crate) fn bars(name: &str, bars: &[(String, f64, f64)]) -> String {
    let ends = bars.iter().map(|(_, mean, half)| mean + half);
    let across = Axis::over(ends.chain([0.0]), NAMES, WIDTH - RIGHT, false);
    let mut svg = open(TOP + LINE * bars.len() as f64 + 10.0);
    text(&mut svg, NAMES, TOP - 8.0, "start", name);
    for (place, (label, mean, half)) in bars.iter().enumerate() {
        let y = TOP + LINE * place as f64;
        let colour = COLOURS[place % COLOURS.len()];
        text(&mut svg, NAMES - 6.0, y + 11.0, "end", label);
        let width = (across.place(*mean) - NAMES).max(0.0);
        let _ = write!(
            svg,
            "<rect x='{NAMES}' y='{y:.1}' width='{width:.1}' height='12' fill='{colour}'/>"
        );
        if *half > 0.0 {
            let (low, high) = (
                across.place((mean - half).max(0.0)),
                across.place(mean + half),
            );
            let y = y + 6.0;
            let _ = write!(
                svg,
                "<line x1='{low:.1}' y1='{y:.1}' x2='{high:.1}' y2='{y:.1}' class='half'/>"
            );
        }
        text(
            &mut svg,
            across.place(mean + half) + 4.0,
            y + 11.0,
            "start",
            &number(*mean),
        );
    }
    svg + "</svg>"
}

/// What makes text safe within markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Where values lie on a plot.
#[derive(Clone, Copy, Debug)]
struct Axis {
    least: f64,
    most: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, start: f64, end: f64, logarithmic: bool) -> Self {
        let (least, most) = values.filter(|value| value.is_finite()).fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), value| (least.min(value), most.max(value)),
        );
        let (least, most) = if least > most {
            (0.0, 1.0)
        } else {
            (least, most)
        };
        Self {
            least,
            most: if most > least { most } else { least + 1.0 },
            start,
            end,
            logarithmic,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| {
            if self.logarithmic {
                value.log10()
            } else {
                value
            }
        };
        let share = (scale(value) - scale(self.least)) / (scale(self.most) - scale(self.least));
        self.start + share * (self.end - self.start)
    }

    /// A handful of round values.
    fn ticks(&self) -> Vec<f64> {
        let within = |tick: &f64| (self.least..=self.most * (1.0 + 1e-9)).contains(tick);
        if self.logarithmic {
            return (-9..=15)
                .map(|power| 10_f64.powi(power))
                .filter(within)
                .collect();
        }
        let rough = (self.most - self.least) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps
            .into_iter()
            .find(|&step| step >= rough)
            .unwrap_or(rough);
        let first = (self.least / step).ceil();
        (0..10)
            .map(|place| (first + f64::from(place)) * step)
            .filter(within)
            .collect()
    }
}

fn open(height: f64) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img'>")
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    let _ = write!(
        svg,
        "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{words}</text>"
    );
}

/// A number in few characters.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        1e9.. => format!("{:.3}G", value / 1e9),
        1e6.. => format!("{:.3}M", value / 1e6),
        1e3.. => format!("{value:.0}"),
        1.0.. => format!("{}", (value * 100.0).round() / 100.0),
        _ => format!("{}", (value * 1e4).round() / 1e4),
    }
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
const LINE: f64 = 18.0;
/// Where bars begin, behind their names.
const NAMES: f64 = 220.0;
/// Told apart also by those who see few colours (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#555555",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let axis =
            |values: [f64; 2], logarithmic| Axis::over(values.into_iter(), 0.0, 100.0, logarithmic);
        assert_eq!(
            axis([0.0, 10.0], false).ticks(),
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        );
        assert_eq!(axis([5.0, 2000.0], true).ticks(), [10.0, 100.0, 1000.0]);
        assert_eq!(axis([0.0, 10.0], false).place(5.0), 50.0);
    }

    #[test]
    fn a_name_cannot_break_out_of_the_markup() {
        let svg = bars("<script>", &[("a'b".to_owned(), 1.0, 0.0)]);
        assert!(
            !svg.contains("<script>") && svg.contains("a&#39;b"),
            "{svg}"
        );
    }
}
