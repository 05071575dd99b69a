//! Events as a progress bar on a terminal, and as plain lines in a pipe.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use balpoe_lab::summary::{Metric, Subject};
use balpoe_lab::{CellName, Event, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal;

/// Shows events.
pub(crate) struct Progress {
    /// On a terminal: a bar for each cell that is being trained, by its position.
    bars: Option<Mutex<Bars>>,
}

struct Bars {
    screen: MultiProgress,
    by_cell: BTreeMap<usize, ProgressBar>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bars = Bars { screen: MultiProgress::new(), by_cell: BTreeMap::new() };
        Self { bars: terminal::is_watched().then(|| Mutex::new(bars)) }
    }

    pub(crate) fn show(&self, event: &Event<'_>) {
        match &self.bars {
            Some(bars) => bars.lock().unwrap_or_else(PoisonError::into_inner).show(event),
            None => {
                if let Some(line) = line(event) {
                    terminal::tell(&format!("{line}\n"));
                }
            }
        }
    }

    /// Removes the bars, before something else is printed.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut bars.by_cell).values().for_each(ProgressBar::finish_and_clear);
        }
    }
}

impl Bars {
    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Training { cell, from_epoch, epochs, batches } => {
                let bar = self.screen.add(ProgressBar::new((epochs * batches) as u64));
                let style = ProgressStyle::with_template("{prefix} {bar:24} {percent:>3} %  {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_position((from_epoch * batches) as u64);
                bar.reset_eta();
                bar.set_prefix(name(cell));
                self.by_cell.insert(cell.position, bar);
            }
            Event::Step { cell, step } => {
                if let Some(bar) = self.by_cell.get(&cell.position) {
                    show_step(bar, step);
                }
            }
            // The bar says it better than a line per epoch.
            Event::Epoch { .. } => {}
            event => {
                if let Event::Evaluated { cell, .. } | Event::Failed { cell, .. } | Event::Predicting(cell) =
                    event
                    && let Some(bar) = self.by_cell.remove(&cell.position)
                {
                    bar.finish_and_clear();
                }
                if let Some(line) = line(event) {
                    self.screen.suspend(|| terminal::tell(&format!("{line}\n")));
                }
            }
        }
    }
}

fn show_step(bar: &ProgressBar, step: &Step) {
    // Samplers differ in how many batches make an epoch, and phases in their samplers.
    bar.set_length((step.epochs * step.batches) as u64);
    bar.set_position(((step.epoch - 1) * step.batches + step.batch) as u64);
    let left = (step.epochs * step.batches) as u64 - bar.position();
    let rate = bar.per_sec().max(1e-9);
    bar.set_message(format!(
        "epoch {}/{}  loss {:.3}  lr {}  {:.0} images/s  {} left",
        step.epoch,
        step.epochs,
        step.loss,
        number(step.learning_rate),
        step.images_per_second,
        duration(Duration::from_secs_f64(left as f64 / rate)),
    ));
}

/// An event as a line; steps have none.
fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Cached(cell) => format!("{}: done before", name(cell)),
        Event::Training { cell, from_epoch: 0, epochs, batches } => {
            format!("{}: training, {epochs} epochs of {batches} batches", name(cell))
        }
        Event::Training { cell, from_epoch, epochs, .. } => {
            format!("{}: going on after epoch {from_epoch} of {epochs}", name(cell))
        }
        Event::Phase { cell, phase, position } => {
            format!("{}: phase {position} after epoch {}: {}", name(cell), phase.after, phase.summary())
        }
        Event::Step { .. } => return None,
        Event::Epoch { cell, epoch, epochs, loss, accuracy, learning_rate, images_per_second, left } => {
            format!(
                "{}: epoch {epoch}/{epochs}  loss {loss:.4}  train accuracy {:.1} %  lr {}  {images_per_second:.0} images/s  {} left",
                name(cell),
                100.0 * accuracy,
                number(*learning_rate),
                duration(*left),
            )
        }
        Event::Predicting(cell) => format!("{}: predicting the test images", name(cell)),
        Event::Evaluated { cell, metrics, took } => {
            let accuracies: Vec<(&str, f64)> = metrics
                .iter()
                .filter(|(key, _)| key.subject == Subject::Ensemble && key.metric == Metric::Accuracy)
                .filter_map(|(key, value)| Some((key.distribution.as_str(), value?)))
                .collect();
            let shown = accuracies.iter().find(|(name, _)| *name == "uniform").or(accuracies.first());
            let accuracy = shown.map(|(name, value)| format!("{:.2} % on {name}", 100.0 * value));
            format!("{}: {}, took {}", name(cell), accuracy.unwrap_or_default(), duration(*took))
        }
        Event::Failed { cell, error } => format!("{}: failed: {error}", name(cell)),
        Event::Notice(text) => text.clone(),
    })
}

fn name(cell: &CellName) -> String {
    format!("[{}/{}] {} seed {}", cell.position + 1, cell.cells, cell.arm, cell.seed)
}

/// A learning rate without digits that mean nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 h 02 min`, `3 min 20 s`, `12 s`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}
