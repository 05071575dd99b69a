//! `balpoe data`: fetch, verify and show data sets.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::{Data, Dataset, FileReport, FileState, Place, Progress};
use balpoe_core::config::{self, ConfigError, Origin, Override, Sources, Table, Value};
use balpoe_core::registry::{self, Built};
use balpoe_lab::{FailureClass, LabError};
use balpoe_stats::calibration::ShotGroup;

use crate::arguments::DataCommand;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(command: &DataCommand) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::Fetch { name, data } => fetch(name, &data.root),
        DataCommand::Verify { name, data } => verify(name, &data.root),
        DataCommand::Show { name, set, data } => show(name, set, &data.root),
    }
}

fn fetch(name: &str, root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let dataset = dataset(name, &[], &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let mut told = 0;
    let mut tell = |progress: Progress| {
        let percent = (progress.done * 100).checked_div(progress.total).unwrap_or(0);
        // A line for every tenth part reads well on a terminal and in a log.
        if percent / 10 > told {
            told = percent / 10;
            terminal::tell(&format!("{name}: {percent} % of {:.1} MB\n", progress.total as f64 / 1e6));
        }
    };
    dataset.component.fetch(Place { root }, &mut tell).map_err(LabError::from)?;
    verify(name, root)
}

fn verify(name: &str, root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let dataset = dataset(name, &[], &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let reports = dataset.component.verify(Place { root }).map_err(LabError::from)?;
    let mut text = String::new();
    if reports.is_empty() {
        let _ = writeln!(text, "{name} needs no files");
    }
    for report in &reports {
        let state = match report.state {
            FileState::Verified => "verified",
            FileState::Partial => "partial",
            FileState::Wrong => "wrong",
            FileState::Missing => "missing",
        };
        let _ = writeln!(text, "{state:8}  {}: {}", report.path.display(), report.meaning);
    }
    terminal::print(&text);
    let usable = |report: &FileReport| matches!(report.state, FileState::Verified | FileState::Partial);
    Ok(if reports.iter().all(usable) { ExitCode::SUCCESS } else { ExitCode::from(FailureClass::Data as u8) })
}

fn show(name: &str, set: &[String], root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let data = load(name, set, root, &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let classes = data.classes.len();
    let train = data.train.class_counts(classes);
    let test = data.test.class_counts(classes);
    let mut text = format!(
        "{name}: {} training and {} test images of {classes} classes\n",
        data.train.len(),
        data.test.len()
    );
    let most = train.iter().max().copied().unwrap_or(0);
    let least = train.iter().min().copied().unwrap_or(0);
    let _ = writeln!(
        text,
        "imbalance ratio: {:.1} ({most} to {least} images a class)",
        most as f64 / least.max(1) as f64
    );
    let groups: Vec<ShotGroup> = data.group_counts.iter().map(|&n| ShotGroup::of_count(n)).collect();
    let of = |group| groups.iter().filter(|g| **g == group).count();
    let _ = writeln!(
        text,
        "groups: {} many-shot, {} medium-shot, {} few-shot classes",
        of(ShotGroup::Many),
        of(ShotGroup::Medium),
        of(ShotGroup::Few)
    );
    let _ = writeln!(text, "subset SHA-256: {}\nfingerprint: {}\n", data.subset, data.fingerprint);
    let width = data.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(5);
    let _ = writeln!(text, "label  {:width$}  train  test  group", "class");
    for (label, class) in data.classes.iter().enumerate() {
        let group = match groups[label] {
            ShotGroup::Many => "many",
            ShotGroup::Medium => "medium",
            ShotGroup::Few => "few",
        };
        let _ =
            writeln!(text, "{label:>5}  {class:width$}  {:>5}  {:>4}  {group}", train[label], test[label]);
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// The data set of this name with its defaults, or with some of them changed.
fn dataset(name: &str, set: &[String], sources: &mut Sources) -> Result<Built<dyn Dataset>, ConfigError> {
    let text = format!("kind = {name:?}");
    let id = sources.add(name, text.clone(), ".");
    let mut table = Table::parse(&text, id)?;
    let overrides: Vec<Override> = set.iter().cloned().map(Override::Set).collect();
    config::apply(&mut table, &overrides, sources)?;
    let origin = Origin { source: id, span: 0..text.len() };
    registry::build(Value { data: config::Data::Table(table), origin }, sources)
}

fn load(name: &str, set: &[String], root: &Path, sources: &mut Sources) -> Result<Data, LabError> {
    Ok(dataset(name, set, sources)?.component.load(Place { root })?)
}
