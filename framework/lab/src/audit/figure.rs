//! Figures as intervals: a printed number stands for all that would be printed so.

use std::collections::BTreeMap;

use super::layout::Section;
use super::number::{Notation, Printed, Reading, is_slip};
use super::quantity::{Kind, Quantity};

/// Single-precision noise in figures that are printed with all their digits, relative.
const NOISE: f64 = 2.5e-7;

/// What a printed number stands for: `value ± half`. Accuracies are in percent however they are printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) value: f64,
    pub(super) half: f64,
}

/// Where a figure must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Figure {
    pub(super) fn span(self) -> Span {
        Span { low: self.value - self.half, high: self.value + self.half }
    }
}

impl Span {
    pub(super) fn around(value: f64, half: f64) -> Self {
        Self { low: value - half, high: value + half }
    }

    /// All of the span, as a figure.
    pub(super) fn figure(self) -> Figure {
        Figure { value: self.centre(), half: (self.high - self.low) / 2.0 }
    }

    pub(super) fn centre(self) -> f64 {
        f64::midpoint(self.low, self.high)
    }

    /// What lies in both; `None` when nothing does.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let both = Self { low: self.low.max(other.low), high: self.high.min(other.high) };
        (both.low <= both.high + 1e-9).then_some(both)
    }

    /// How far apart two spans are; 0 when they touch.
    pub(super) fn gap(self, other: Self) -> f64 {
        (self.low - other.high).max(other.low - self.high).max(0.0)
    }
}

/// Why a cell holds no figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Problem {
    pub(super) why: &'static str,
    /// What was meant, where that is clear.
    pub(super) repair: Option<Figure>,
    /// Whether it is a number after all.
    pub(super) is_number: bool,
}

/// A cell of the table.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) printed: String,
    pub(super) figure: Option<Figure>,
    /// Behind a `±`.
    pub(super) deviation: Option<Figure>,
    pub(super) problem: Option<Problem>,
    pub(super) is_nan: bool,
    /// Digits behind the mark, of the figure and of its deviation.
    decimals: [usize; 2],
}

/// All cells of a section, and how to write figures in its manner.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    cells: Vec<Vec<Cell>>,
    /// What a printed number is multiplied with, per column.
    scales: Vec<f64>,
    /// The digits of a column's rows of one kind, where the document leaves trailing zeros out.
    full_decimals: Option<BTreeMap<(usize, Kind), usize>>,
    notation: Notation,
}

/// Whether a document leaves trailing zeros out: many figures, of different lengths, and none ends in a zero.
pub(super) fn leaves_zeros_out(sections: &[Section], notation: Notation) -> bool {
    let cells = sections.iter().flat_map(|section| &section.rows).flat_map(|row| &row.cells);
    let fractions: Vec<&str> = cells.filter_map(|cell| Some(cell.split_once(notation.mark)?.1)).collect();
    fractions.len() >= 20 && fractions.iter().all(|digits| !digits.ends_with('0'))
}

impl Figures {
    pub(super) fn new(section: &Section, notation: Notation, leaves_zeros_out: bool) -> Self {
        let counts: Vec<bool> =
            section.columns.iter().map(|column| matches!(column.quantity, Quantity::Classes(_))).collect();
        let readings: Vec<Vec<Reading>> = section
            .rows
            .iter()
            .map(|row| {
                row.cells.iter().zip(&counts).map(|(cell, &counts)| notation.read(cell, counts)).collect()
            })
            .collect();
        let scales = (0..section.columns.len()).map(|column| scale(section, &readings, column)).collect();
        let full_decimals = leaves_zeros_out.then(|| full_decimals(section, &readings));
        let mut figures = Self { cells: Vec::new(), scales, full_decimals, notation };
        for (row, readings) in section.rows.iter().zip(readings) {
            let cells = readings.into_iter().enumerate().map(|(column, reading)| {
                figures.cell(section, column, row.kind, &row.cells[column], &reading)
            });
            let cells = cells.collect();
            figures.cells.push(cells);
        }
        figures
    }

    pub(super) fn cell_at(&self, row: usize, column: usize) -> &Cell {
        &self.cells[row][column]
    }

    fn cell(&self, section: &Section, column: usize, kind: Kind, printed: &str, reading: &Reading) -> Cell {
        let mut cell = Cell {
            printed: printed.to_owned(),
            figure: None,
            deviation: None,
            problem: None,
            is_nan: *reading == Reading::NotANumber,
            decimals: [0; 2],
        };
        match reading {
            Reading::Number { main, deviation } => {
                cell.figure = Some(self.figure(column, kind, *main));
                cell.deviation = deviation.map(|deviation| self.figure(column, Kind::Deviation, deviation));
                cell.decimals = [main.decimals, deviation.map_or(0, |deviation| deviation.decimals)];
            }
            Reading::Malformed { repair, why } => {
                cell.decimals[0] =
                    repair.map_or_else(|| self.usual_decimals(section, column), |repair| repair.decimals);
                let repair = repair.map(|repair| self.figure(column, kind, repair));
                cell.problem = Some(Problem { why, repair, is_number: false });
            }
            Reading::Empty | Reading::Words | Reading::NotANumber => {}
        }
        let is_accuracy = matches!(section.columns[column].quantity, Quantity::Overall | Quantity::Group(_));
        let outside =
            cell.figure.filter(|figure| is_accuracy && !(0.0..=100.0 + figure.half).contains(&figure.value));
        if let Some(outside) = outside {
            cell.figure = None;
            let decimals = self.usual_decimals(section, column);
            // `5198` among figures with two decimals lacks its mark.
            let repaired = outside.value * last_digit(decimals);
            let lacks_mark = cell.decimals[0] == 0 && decimals > 0 && (0.0..=100.0).contains(&repaired);
            cell.decimals[0] = decimals.max(cell.decimals[0]);
            let repair =
                lacks_mark.then(|| Figure { value: repaired, half: self.half(column, kind, decimals) });
            cell.problem =
                Some(Problem { why: "an accuracy lies between 0 and 100 %", repair, is_number: true });
        }
        cell
    }

    /// The most frequent number of decimals of a column.
    fn usual_decimals(&self, section: &Section, column: usize) -> usize {
        let mut frequency = BTreeMap::<usize, usize>::new();
        for row in &section.rows {
            if let Reading::Number { main, .. } = self.notation.read(&row.cells[column], false) {
                *frequency.entry(main.decimals).or_default() += 1;
            }
        }
        frequency
            .into_iter()
            .max_by_key(|&(decimals, count)| (count, decimals))
            .map_or(0, |(decimals, _)| decimals)
    }

    fn figure(&self, column: usize, kind: Kind, printed: Printed) -> Figure {
        let scale = if printed.percent { 1.0 } else { self.scales[column] };
        let decimals = self.full(column, kind, printed.decimals);
        let value = printed.value * scale;
        Figure { value, half: 0.5 * last_digit(decimals) * scale + NOISE * value.abs() }
    }

    fn half(&self, column: usize, kind: Kind, decimals: usize) -> f64 {
        0.5 * last_digit(self.full(column, kind, decimals)) * self.scales[column]
    }

    /// The number of decimals that a printed number of so many has, with the zeros that were left out.
    fn full(&self, column: usize, kind: Kind, decimals: usize) -> usize {
        let full = self.full_decimals.as_ref().and_then(|full| full.get(&(column, kind)));
        full.map_or(decimals, |&full| full.max(decimals))
    }

    /// The digits with which the figure (0) or deviation (1) of a cell would be corrected.
    fn decimals(&self, section: &Section, row: usize, column: usize, part: usize) -> usize {
        let kind = if part == 1 { Kind::Deviation } else { section.rows[row].kind };
        self.full(column, kind, self.cells[row][column].decimals[part])
    }

    fn scale_of(&self, row: usize, column: usize) -> f64 {
        if self.cells[row][column].printed.contains('%') { 1.0 } else { self.scales[column] }
    }

    /// `value` as the cell would print it.
    pub(super) fn written(&self, section: &Section, row: usize, column: usize, value: f64) -> String {
        self.number(value / self.scale_of(row, column), self.decimals(section, row, column, 0))
            + if self.cells[row][column].printed.contains('%') { "%" } else { "" }
    }

    /// `value` as the deviation that the cell would print.
    pub(super) fn written_deviation(
        &self,
        section: &Section,
        row: usize,
        column: usize,
        value: f64,
    ) -> String {
        self.number(value / self.scale_of(row, column), self.decimals(section, row, column, 1))
    }

    /// The bounds of a span with a digit more than the cell has.
    pub(super) fn written_span(&self, section: &Section, row: usize, column: usize, span: Span) -> String {
        let scale = self.scale_of(row, column);
        let decimals = self.decimals(section, row, column, 0) + 1;
        let [low, high] = [span.low, span.high].map(|bound| self.number(bound / scale, decimals.min(8)));
        if low == high { low } else { format!("{low} to {high}") }
    }

    fn number(&self, value: f64, decimals: usize) -> String {
        // A tie such as 61.705 is not exact in binary, and was rounded up by whoever printed it.
        let mut text = self.notation.write(value + value.signum() * 1e-12, decimals);
        if self.full_decimals.is_some() && decimals > 0 {
            text.truncate(text.trim_end_matches('0').trim_end_matches(self.notation.mark).len());
        }
        text
    }

    /// The figure that `span` leaves to a cell; `images` is the denominator of its share, where it is known.
    ///
    /// It is determined when one share of the images lies in the span, when all of the span is printed alike, or when a
    /// single slip of the hand leads there.
    pub(super) fn settle(
        &self,
        section: &Section,
        row: usize,
        column: usize,
        span: Span,
        images: Option<f64>,
    ) -> Option<Figure> {
        let value = self.determined(section, row, column, span, images)?;
        let ulp = self.ulp(section, row, column);
        let value = ((value + 1e-12) / ulp).round() * ulp;
        Some(Figure { value, half: 0.5 * ulp + NOISE * value.abs() })
    }

    /// One unit of the last digit of a cell, in percent for accuracies.
    fn ulp(&self, section: &Section, row: usize, column: usize) -> f64 {
        last_digit(self.decimals(section, row, column, 0)) * self.scale_of(row, column)
    }

    fn determined(
        &self,
        section: &Section,
        row: usize,
        column: usize,
        span: Span,
        images: Option<f64>,
    ) -> Option<f64> {
        let slack = 1e-9 + NOISE * span.centre().abs();
        let shares: Option<Vec<f64>> = images.and_then(|images| {
            let first = ((span.low - slack) / 100.0 * images).ceil();
            let last = ((span.high + slack) / 100.0 * images).floor();
            (last - first < 200.0)
                .then(|| (0..=(last - first) as i64).map(|k| (first + k as f64) / images * 100.0))
                .filter(|_| last >= first)
                .map(Iterator::collect)
        });
        let write = |value: f64| self.written(section, row, column, value);
        if write(span.low) == write(span.high) {
            return Some(span.centre());
        }
        if let Some([share]) = shares.as_deref() {
            return Some(*share);
        }
        let ulp = self.ulp(section, row, column);
        if span.high - span.low <= 1.01 * ulp && shares.is_none() {
            return Some(span.centre());
        }
        let printable = || {
            let first = (span.low / ulp).ceil();
            let count = ((span.high / ulp).floor() - first).max(-1.0) as i64;
            (0..=count.min(200)).map(move |step| (first + step as f64) * ulp)
        };
        let choices: Vec<f64> = shares.unwrap_or_else(|| printable().collect());
        let printed = &self.cells[row][column].printed;
        let mut slips: Vec<f64> =
            choices.into_iter().filter(|&value| is_slip(&write(value), printed)).collect();
        slips.dedup_by_key(|value| write(*value));
        match slips[..] {
            [slip] => Some(slip),
            _ => None,
        }
    }

    /// Whether a slip of the hand leads from a figure in the span to what the cell prints.
    pub(super) fn is_slip_into(&self, section: &Section, row: usize, column: usize, span: Span) -> bool {
        let ulp = self.ulp(section, row, column);
        let steps = (((span.high - span.low) / ulp).ceil() as i64).clamp(0, 200);
        let printed = &self.cells[row][column].printed;
        (0..=steps).any(|step| {
            let value = (span.low + step as f64 * ulp).min(span.high);
            is_slip(&self.written(section, row, column, value), printed)
        })
    }
}

/// One unit of the last of so many decimals.
fn last_digit(decimals: usize) -> f64 {
    0.1_f64.powf(decimals as f64)
}

/// 100 for a column of accuracies printed as fractions, else 1.
fn scale(section: &Section, readings: &[Vec<Reading>], column: usize) -> f64 {
    if !matches!(section.columns[column].quantity, Quantity::Overall | Quantity::Group(_)) {
        return 1.0;
    }
    let values = section.rows.iter().zip(readings).filter(|(row, _)| row.kind != Kind::Deviation);
    let mut values: Vec<f64> = values
        .filter_map(|(_, readings)| match &readings[column] {
            Reading::Number { main, .. } if !main.percent => Some(main.value),
            _ => None,
        })
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.get(values.len() / 2) {
        Some(&median) if median <= 1.0 => 100.0,
        _ => 1.0,
    }
}

/// The second largest number of decimals among three or more rows of a kind, so that one odd cell does not decide.
fn full_decimals(section: &Section, readings: &[Vec<Reading>]) -> BTreeMap<(usize, Kind), usize> {
    let mut all = BTreeMap::<(usize, Kind), Vec<usize>>::new();
    for (row, readings) in section.rows.iter().zip(readings) {
        for (column, reading) in readings.iter().enumerate() {
            if let Reading::Number { main, .. } = reading {
                all.entry((column, row.kind)).or_default().push(main.decimals);
            }
        }
    }
    let pick = |mut decimals: Vec<usize>| {
        decimals.sort_unstable_by(|a, b| b.cmp(a));
        decimals[usize::from(decimals.len() >= 3)]
    };
    all.into_iter().map(|(place, decimals)| (place, pick(decimals))).collect()
}
