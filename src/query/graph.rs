//! A range query's answer as lines over time, in text.

mod axis;

use super::answer::{Answer, Point, Series};
use super::print::table;
use axis::Scale;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget as _};
use std::fmt::Write as _;

/// More lines than this nobody tells apart.
const MAX_LINES: usize = 10;
/// Of the 256 of terminals: legible on dark and on light ground.
const COLOURS: [u8; MAX_LINES] = [33, 208, 35, 170, 37, 160, 99, 136, 64, 244];

/// What the graph is drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Characters in a line.
    pub(super) width: u16,
    /// Lines, without the legend.
    pub(super) height: u16,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
    /// Whether lines are told apart by colour; each has a letter at its end in any case.
    pub(super) colours: bool,
}

/// A series that is drawn.
struct Line<'a> {
    series: &'a Series,
    letter: char,
    colour: Color,
    /// Runs of points without a gap.
    runs: Vec<Vec<(f64, f64)>>,
    last: f64,
}

/// The answer as a graph and its legend; what has no lines, as a table.
pub(super) fn draw(answer: &Answer, frame: &Frame) -> String {
    let Answer::Series { series, .. } = answer else {
        return table(answer);
    };
    let lines: Vec<Line<'_>> = series
        .iter()
        .filter_map(|series| Line::of(series, frame))
        .take(MAX_LINES)
        .zip(('A'..='Z').zip(COLOURS))
        .map(|(line, (letter, colour))| Line {
            letter,
            colour: Color::Indexed(colour),
            ..line
        })
        .collect();
    if lines.is_empty() {
        return match series.iter().any(|series| !series.points.is_empty()) {
            true => "no floats to draw; -o table shows what there is\n".to_owned(),
            false => table(answer),
        };
    }
    let mut out = chart(&lines, frame);
    legend(&mut out, &lines, frame);
    let rest = series.len() - lines.len();
    if rest > 0 {
        let _ = writeln!(
            out,
            "{rest} more series are not drawn: ask for fewer, as with topk(5, …), or with -o table"
        );
    }
    out
}

impl<'a> Line<'a> {
    fn of(series: &'a Series, frame: &Frame) -> Option<Self> {
        let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut before: Option<&Point> = None;
        let mut last = f64::NAN;
        for point in &series.points {
            let Some(value) = point.float.filter(|value| value.is_finite()) else {
                before = None;
                continue;
            };
            let joined = before.is_some_and(|before| point.time_ms - before.time_ms <= frame.step_ms);
            match runs.last_mut().filter(|_| joined) {
                Some(run) => run.push((axis::float(point.time_ms), value)),
                None => runs.push(vec![(axis::float(point.time_ms), value)]),
            }
            (before, last) = (Some(point), value);
        }
        (!runs.is_empty()).then_some(Self {
            series,
            letter: ' ',
            colour: Color::Reset,
            runs,
            last,
        })
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.runs.iter().flatten().map(|(_, value)| *value)
    }

    fn least(&self) -> f64 {
        self.values().fold(f64::INFINITY, f64::min)
    }

    fn greatest(&self) -> f64 {
        self.values().fold(f64::NEG_INFINITY, f64::max)
    }
}

fn chart(lines: &[Line<'_>], frame: &Frame) -> String {
    let scale = Scale::of(
        lines.iter().map(Line::least).fold(f64::INFINITY, f64::min),
        lines.iter().map(Line::greatest).fold(f64::NEG_INFINITY, f64::max),
        frame.height / 4,
    );
    // The letters stand behind the plot, at the height where their lines end.
    let rows = frame.height.saturating_sub(2);
    let mut ends: Vec<Vec<&Line<'_>>> = vec![Vec::new(); usize::from(rows)];
    for line in lines {
        ends[scale.row(line.last, rows)].push(line);
    }
    let margin = ends.iter().map(Vec::len).max().unwrap_or(0) + 1;
    let margin = u16::try_from(margin).unwrap_or(u16::MAX).min(frame.width / 4);
    let area = Rect::new(0, 0, frame.width - margin, frame.height);
    let datasets = lines.iter().flat_map(|line| {
        line.runs.iter().map(|run| {
            let kind = if run.len() > 1 {
                GraphType::Line
            } else {
                GraphType::Scatter
            };
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(kind)
                .style(Style::new().fg(line.colour))
                .data(run)
        })
    });
    let mut end_ms = frame.end_ms;
    if end_ms == frame.start_ms {
        end_ms += 1;
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, frame.width, frame.height));
    Chart::new(datasets.collect())
        .x_axis(
            Axis::default()
                .bounds([axis::float(frame.start_ms), axis::float(end_ms)])
                .labels(axis::time_labels(frame.start_ms, frame.end_ms, frame.width)),
        )
        .y_axis(Axis::default().bounds(scale.bounds()).labels(scale.labels()))
        .legend_position(None)
        .render(area, &mut buffer);
    for (row, ends) in (0u16..).zip(&ends) {
        for (at, line) in (area.width + 1..frame.width).zip(ends) {
            buffer[(at, row)].set_char(line.letter).set_fg(line.colour);
        }
    }
    text(&buffer, frame.colours)
}

fn text(buffer: &Buffer, colours: bool) -> String {
    let mut out = String::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut current = Color::Reset;
        for cell in row.positions().map(|position| &buffer[position]) {
            let colour = if cell.symbol() == " " { current } else { cell.fg };
            if colours && colour != current {
                line.push_str(&paint(colour));
                current = colour;
            }
            line.push_str(cell.symbol());
        }
        line.truncate(line.trim_end().len());
        if current != Color::Reset {
            line.push_str(&paint(Color::Reset));
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The sequence that changes to a colour.
fn paint(colour: Color) -> String {
    match colour {
        Color::Indexed(number) => format!("\x1b[38;5;{number}m"),
        _ => "\x1b[39m".to_owned(),
    }
}

fn legend(out: &mut String, lines: &[Line<'_>], frame: &Frame) {
    for line in lines {
        let figures = format!(
            "min {}  max {}  last {}",
            axis::number(line.least()),
            axis::number(line.greatest()),
            axis::number(line.last)
        );
        let room = usize::from(frame.width).saturating_sub(figures.chars().count() + 4);
        let name: String = match line.series.name() {
            name if name.chars().count() > room => name.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
            name => name,
        };
        let letter = if frame.colours {
            format!("{}{}{}", paint(line.colour), line.letter, paint(Color::Reset))
        } else {
            line.letter.to_string()
        };
        let _ = writeln!(out, "{letter} {name:<room$}  {figures}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FRAME: Frame = Frame {
        width: 60,
        height: 10,
        start_ms: 0,
        end_ms: 100_000,
        step_ms: 10_000,
        colours: false,
    };

    fn answer(values: &[(i64, &str)]) -> Answer {
        let values: Vec<_> = values.iter().map(|(at, value)| json!([at, value])).collect();
        Answer::of(json!({"resultType": "matrix", "result": [
            {"metric": {"__name__": "up", "job": "a"}, "values": values},
        ]}))
        .unwrap()
    }

    #[test]
    fn a_line_rises_from_corner_to_corner() {
        let values: Vec<(i64, String)> = (0..=10).map(|at| (at * 10, at.to_string())).collect();
        let values: Vec<(i64, &str)> = values.iter().map(|(at, value)| (*at, &value[..])).collect();
        let text = draw(&answer(&values), &FRAME);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 11, "{text}");
        assert!(lines[0].contains("10") && lines[0].ends_with(" A"), "{text}");
        assert!(
            lines[9].starts_with("  00:00:00") || lines[9].contains("00:00:00"),
            "{text}"
        );
        assert!(lines[9].contains("00:01:40"), "{text}");
        assert!(
            lines[10].starts_with("A up{job=\"a\"}") && lines[10].ends_with("min 0  max 10  last 10"),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{text}");
        assert!(!text.contains('\x1b'));
        assert!(draw(&answer(&values), &Frame { colours: true, ..FRAME }).contains("\x1b[38;5;33m"));
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        assert_eq!(
            draw(&answer(&[(10, "NaN")]), &FRAME),
            "no floats to draw; -o table shows what there is\n"
        );
        let none = Answer::of(json!({"resultType": "matrix", "result": []})).unwrap();
        assert_eq!(draw(&none, &FRAME), "no data\n");
        let many: Vec<_> = (0..12)
            .map(|at| json!({"metric": {"n": at.to_string()}, "values": [[50, "1"]]}))
            .collect();
        let many = Answer::of(json!({"resultType": "matrix", "result": many})).unwrap();
        assert!(draw(&many, &FRAME).contains("2 more series are not drawn"));
    }

    #[test]
    fn gaps_are_not_bridged() {
        let answer = answer(&[(0, "1"), (10, "1"), (50, "1"), (60, "NaN"), (70, "1")]);
        let Answer::Series { series, .. } = &answer else {
            panic!("series")
        };
        let runs: Vec<usize> = Line::of(&series[0], &FRAME)
            .unwrap()
            .runs
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(runs, [2, 1, 1]);
    }
}
