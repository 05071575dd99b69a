//! Runs with their mean and standard deviation.

use balpoe_stats::statistics::Sample;

use super::figure::{Figure, Figures, Span};
use super::layout::Section;
use super::quantity::Kind;

/// The runs of one block in one column.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) column: usize,
    /// Rows of the runs.
    pub(super) runs: Vec<usize>,
    /// Row of the mean.
    pub(super) mean: Option<usize>,
    /// Row of the deviation; the mean's, where it stands behind a `±`.
    pub(super) deviation: Option<usize>,
}

/// How a document computes its means and deviations, as most of them show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conventions {
    /// Whether deviations divide by n instead of n − 1.
    pub(super) population: bool,
    /// Whether means were taken over the runs as printed, not over runs with more digits.
    exact_means: bool,
    /// The same for deviations.
    exact_deviations: bool,
}

impl Conventions {
    /// The same, with runs taken as printed.
    pub(super) fn exact(self) -> Self {
        Self { exact_means: true, exact_deviations: true, ..self }
    }

    /// The other kind of deviation.
    pub(super) fn other(self) -> Self {
        Self { population: !self.population, ..self }
    }
}

/// Whether a printed mean and deviation are those of some runs; `None` where one is not printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) mean: Option<bool>,
    pub(super) deviation: Option<bool>,
}

impl Verdict {
    /// Whether neither is wrong.
    pub(super) fn is_clean(self) -> bool {
        self.mean != Some(false) && self.deviation != Some(false)
    }
}

/// Every series of a section with two runs at least.
pub(super) fn all(section: &Section, figures: &Figures) -> Vec<Series> {
    let blocks = section.rows.iter().map(|row| row.block + 1).max().unwrap_or(0);
    let mut series = Vec::new();
    for block in 0..blocks {
        let rows = |kind: Kind| {
            (0..section.rows.len())
                .filter(move |&row| section.rows[row].block == block && section.rows[row].kind == kind)
        };
        for column in 0..section.columns.len() {
            let is_used = |&row: &usize| {
                let cell = figures.cell_at(row, column);
                cell.figure.is_some() || cell.problem.is_some()
            };
            let runs: Vec<usize> = rows(Kind::Seed).filter(is_used).collect();
            let mean = rows(Kind::Mean).find(is_used);
            let beside = mean.filter(|&mean| figures.cell_at(mean, column).deviation.is_some());
            let deviation = beside.or_else(|| rows(Kind::Deviation).find(is_used));
            if runs.len() >= 2 {
                series.push(Series { column, runs, mean, deviation });
            }
        }
    }
    series
}

impl Series {
    pub(super) fn printed_mean(&self, figures: &Figures) -> Option<Figure> {
        figures.cell_at(self.mean?, self.column).figure
    }

    pub(super) fn printed_deviation(&self, figures: &Figures) -> Option<Figure> {
        let cell = figures.cell_at(self.deviation?, self.column);
        if self.mean == self.deviation { cell.deviation } else { cell.figure }
    }

    /// The verdict over `runs`.
    pub(super) fn verdict(&self, figures: &Figures, runs: &[Figure], conventions: Conventions) -> Verdict {
        let holds = |printed: Option<Figure>, of: Option<f64>, slack: f64| {
            Some((printed?.value - of?).abs() <= printed?.half + slack)
        };
        let mean = mean(runs).zip(self.printed_mean(figures)).and_then(|(mean, printed)| {
            holds(
                Some(printed),
                Some(mean),
                if conventions.exact_means { noise(runs) } else { mean_slack(runs) },
            )
        });
        let slack =
            if conventions.exact_deviations { noise(runs) } else { deviation_slack(runs, conventions) };
        let deviation = holds(self.printed_deviation(figures), deviation(runs, conventions), slack);
        Verdict { mean, deviation }
    }

    /// Where a run must lie so that the mean is what is printed; `runs` are the others.
    pub(super) fn needed(
        &self,
        figures: &Figures,
        others: &[Figure],
        conventions: Conventions,
    ) -> Option<Span> {
        let printed = self.printed_mean(figures)?;
        let n = (others.len() + 1) as f64;
        let slack = if conventions.exact_means { noise(others) } else { mean_slack(others) };
        let sum: f64 = others.iter().map(|figure| figure.value).sum();
        Some(Span::around(n * printed.value - sum, n * (printed.half + slack)))
    }
}

/// What most series of a document show.
pub(super) fn conventions<'a>(
    documents: impl Iterator<Item = (&'a Figures, &'a [Series])>,
) -> (Conventions, [usize; 2]) {
    let (mut votes, mut means, mut deviations) = ([0, 0], [0, 0], [[0, 0], [0, 0]]);
    for (figures, all) in documents {
        for series in all {
            let runs: Option<Vec<Figure>> =
                series.runs.iter().map(|&row| figures.cell_at(row, series.column).figure).collect();
            let Some(runs) = runs else { continue };
            let verdict = |population: bool, exact: bool| {
                let conventions = Conventions { population, exact_means: exact, exact_deviations: exact };
                series.verdict(figures, &runs, conventions)
            };
            let [sample, population] =
                [false, true].map(|population| verdict(population, false).deviation == Some(true));
            votes[0] += usize::from(sample && !population);
            votes[1] += usize::from(population && !sample);
            for (exact, count) in [false, true].into_iter().zip(&mut means) {
                *count += usize::from(verdict(false, exact).mean == Some(true));
            }
            for (population, counts) in [false, true].into_iter().zip(&mut deviations) {
                for (exact, count) in [false, true].into_iter().zip(counts) {
                    *count += usize::from(verdict(population, exact).deviation == Some(true));
                }
            }
        }
    }
    let population = votes[1] > votes[0];
    let is_exact = |[loose, exact]: [usize; 2]| loose >= 4 && exact * 10 >= loose * 9;
    let conventions = Conventions {
        population,
        exact_means: is_exact(means),
        exact_deviations: is_exact(deviations[usize::from(population)]),
    };
    (conventions, votes)
}

pub(super) fn mean(runs: &[Figure]) -> Option<f64> {
    Some(sample(runs)?.mean())
}

pub(super) fn deviation(runs: &[Figure], conventions: Conventions) -> Option<f64> {
    let n = runs.len() as f64;
    let sd = sample(runs)?.sd()?;
    Some(if conventions.population { sd * ((n - 1.0) / n).sqrt() } else { sd })
}

fn sample(runs: &[Figure]) -> Option<Sample> {
    Sample::new(runs.iter().map(|run| run.value).collect::<Vec<_>>()).ok()
}

/// What rounding of the runs can do to their mean.
fn mean_slack(runs: &[Figure]) -> f64 {
    runs.iter().map(|run| run.half).sum::<f64>() / runs.len() as f64
}

/// What rounding of the runs can do to their deviation, which is a seminorm of the runs.
fn deviation_slack(runs: &[Figure], conventions: Conventions) -> f64 {
    let n = runs.len() as f64;
    let squares: f64 = runs.iter().map(|run| run.half * run.half).sum();
    (squares / if conventions.population { n } else { n - 1.0 }).sqrt()
}

/// What arithmetic in single precision can do.
fn noise(runs: &[Figure]) -> f64 {
    1e-9 + 2.5e-7 * runs.iter().map(|run| run.value.abs()).fold(0.0, f64::max)
}
