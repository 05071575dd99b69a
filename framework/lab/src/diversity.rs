//! How much the experts differ: measured chunk by chunk, shown as one table.

use balpoe_core::components::LogitMatrix;
use balpoe_stats::calibration::{Diversity, EvaluationError, Outcomes, Predictions};

use crate::table::{Cell, Column, Row, Table, Value};

/// Diversity summed over rows.
#[derive(Debug, Default)]
pub(crate) struct DiversitySum {
    sum: Option<Diversity>,
    rows: f64,
}

impl DiversitySum {
    /// Adds rows of several experts.
    pub(crate) fn add(&mut self, experts: &[LogitMatrix], labels: &[u32]) -> Result<(), EvaluationError> {
        let views = experts.iter().map(|expert| Predictions::logits(&expert.values, labels, expert.classes));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let Some(first) = views.first() else { return Ok(()) };
        let mut part = Outcomes::of(first)?.all().diversity(&views)?;
        for_each_figure(&mut part, &mut |figure| *figure *= labels.len() as f64);
        self.append(Self { sum: Some(part), rows: labels.len() as f64 });
        Ok(())
    }

    /// Adds what was summed elsewhere.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.rows += other.rows;
        let Some(sum) = &mut self.sum else {
            self.sum = other.sum;
            return;
        };
        let mut figures = Vec::new();
        if let Some(other) = &mut other.sum {
            for_each_figure(other, &mut |figure| figures.push(*figure));
        }
        let mut figures = figures.into_iter();
        for_each_figure(sum, &mut |figure| *figure += figures.next().unwrap_or(0.0));
    }

    /// The table; none for fewer than two experts.
    pub(crate) fn table(mut self, name: &str) -> Option<Table> {
        let rows = self.rows;
        let mean = self.sum.as_mut().filter(|sum| sum.entropy.len() >= 2)?;
        for_each_figure(mean, &mut |figure| *figure /= rows);
        let experts = mean.entropy.len();
        let mut columns = Vec::new();
        for group in ["disagreement (%)", "mutual information (nats)"] {
            columns.extend((0..experts).map(|e| Column::new(format!("expert {e}"), 3).in_group(group)));
        }
        columns.push(Column::new("from the mean", 3).in_group("divergence (nats)"));
        columns.push(Column::new("entropy (nats)", 3));
        let mut table = Table::new("diversity", format!("{name}: diversity of experts"), "expert", columns);
        for e in 0..experts {
            let pairs = |of: &[Vec<f64>], scale: f64| -> Vec<Cell> {
                (0..experts).map(|other| Value::Number(scale * of[e][other]).into()).collect()
            };
            let mut cells = pairs(&mean.disagreement, 100.0);
            cells.extend(pairs(&mean.pairwise_information, 1.0));
            cells.push(Value::Number(mean.divergence_from_mean[e]).into());
            cells.push(Value::Number(mean.entropy[e]).into());
            table.push(Row::new(format!("expert {e}"), cells));
        }
        table.note(format!(
            "Mean disagreement of pairs {:.3} %; mutual information between the prediction and which expert made it {:.3} nats.",
            100.0 * mean.mean_disagreement(),
            mean.mutual_information
        ));
        Some(table)
    }
}

/// Visits every figure, always in the same order.
fn for_each_figure(of: &mut Diversity, visit: &mut dyn FnMut(&mut f64)) {
    let pairs = [&mut of.disagreement, &mut of.pairwise_information];
    pairs.into_iter().flatten().flatten().for_each(&mut *visit);
    of.divergence_from_mean.iter_mut().chain(&mut of.entropy).for_each(&mut *visit);
    visit(&mut of.mutual_information);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_add_up_to_the_whole() {
        let value = |i: usize| ((i * 37 % 101) as f32).sin() * 3.0;
        let expert = |from: usize, rows: usize, e: usize| LogitMatrix {
            values: (from * 5..(from + rows) * 5).map(|i| value(i + 1000 * e)).collect(),
            classes: 5,
        };
        let labels: Vec<u32> = (0..20).map(|row| row % 5).collect();
        let experts = |from, rows| [expert(from, rows, 0), expert(from, rows, 1), expert(from, rows, 2)];
        let mut whole = DiversitySum::default();
        whole.add(&experts(0, 20), &labels).unwrap();
        let (mut first, mut second) = (DiversitySum::default(), DiversitySum::default());
        first.add(&experts(0, 3), &labels[..3]).unwrap();
        first.add(&experts(3, 9), &labels[3..12]).unwrap();
        second.add(&experts(12, 8), &labels[12..]).unwrap();
        first.append(second);
        let (a, b) = (whole.table("a").unwrap(), first.table("a").unwrap());
        for (a, b) in a.rows().iter().zip(b.rows()) {
            for (a, b) in a.cells.iter().zip(&b.cells) {
                let (Value::Number(a), Value::Number(b)) = (&a.value, &b.value) else { panic!("numbers") };
                assert!((a - b).abs() < 1e-12, "{a} and {b}");
            }
        }
    }
}
