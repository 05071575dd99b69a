//! `balpoe data`: fetch, verify and show data sets.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::{Data, Dataset, Place};
use balpoe_core::config::{Override, Sources, Table};
use balpoe_core::registry;
use balpoe_lab::LabError;
use balpoe_stats::calibration::ShotGroup;

use crate::arguments::DataCommand;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(command: &DataCommand) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::Show { name, set, data } => show(name, set, &data.root),
    }
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

fn load(name: &str, set: &[String], root: &Path, sources: &mut Sources) -> Result<Data, LabError> {
    let id = sources.add("--name", format!("kind = {name:?}"), ".");
    let mut table = Table::parse(&sources.get(id).text.clone(), id)?;
    let overrides: Vec<Override> = set.iter().cloned().map(Override::Set).collect();
    balpoe_core::config::apply(&mut table, &overrides, sources)?;
    let origin = balpoe_core::config::Origin { source: id, span: 0..0 };
    let value = balpoe_core::config::Value { data: balpoe_core::config::Data::Table(table), origin };
    let dataset = registry::build::<dyn Dataset>(value, sources)?;
    Ok(dataset.component.load(Place { root })?)
}
