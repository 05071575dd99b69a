//! `balpoe data`: fetch, verify and show data sets.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use balpoe_core::components::{Data, Dataset, FileReport, FileState, Place, Progress};
use balpoe_core::config::{self, ConfigError, Origin, Override, Sources, Table, Value};
use balpoe_core::registry::{self, Built};
use balpoe_lab::{FailureClass, LabError};
use balpoe_stats::calibration::ShotGroup;

use crate::arguments::{AnnotationLayout, DataCommand};
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(command: &DataCommand) -> Result<ExitCode, Failure> {
    match command {
        DataCommand::Fetch { name, data } => fetch(name, &data.root),
        DataCommand::Verify { name, set, data } => verify(name, set, &data.root),
        DataCommand::Show { name, set, data } => show(name, set, &data.root),
        DataCommand::Pack { name, set, data } => pack(name, set, &data.root),
        DataCommand::Import { layout: AnnotationLayout::Inaturalist2018, train, test, data } => {
            import_inaturalist(train, test, &data.root)
        }
    }
}

fn fetch(name: &str, root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let dataset = dataset(name, &[], &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let mut tell =
        tell_progress(|percent, total| format!("{name}: {percent} % of {:.1} MB\n", total as f64 / 1e6));
    dataset.component.fetch(Place { root }, &mut tell).map_err(LabError::from)?;
    verify(name, &[], root)
}

/// Tells of progress in a line for every tenth part, which reads well on a terminal and in a log.
fn tell_progress(line: impl Fn(u64, u64) -> String) -> impl FnMut(Progress) {
    let mut told = 0;
    move |Progress { done, total }| {
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        if percent / 10 > told {
            told = percent / 10;
            terminal::tell(&line(percent, total));
        }
    }
}

fn pack(name: &str, set: &[String], root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let dataset = dataset(name, set, &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let mut tell = tell_progress(|percent, total| format!("{name}: {percent} % of {total} images\n"));
    let packs = dataset.component.pack(Place { root }, &mut tell).map_err(LabError::from)?;
    let mut text = String::new();
    for pack in packs {
        let bytes = std::fs::metadata(&pack).map_or(0, |metadata| metadata.len());
        let _ = writeln!(text, "{}: {:.1} MB", pack.display(), bytes as f64 / 1e6);
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn import_inaturalist(train: &Path, test: &Path, root: &Path) -> Result<ExitCode, Failure> {
    // What the published lists of iNaturalist 2018 have: training and test images, classes.
    const PUBLISHED: ([usize; 2], usize) = ([437_513, 24_426], 8142);
    let imported =
        balpoe_data::import_inaturalist(train, test, &root.join("iNaturalist18")).map_err(LabError::from)?;
    let mut text = String::new();
    for (path, images) in &imported.lists {
        let _ = writeln!(text, "{}: {images} images", path.display());
    }
    let images: Vec<usize> = imported.lists.iter().map(|list| list.1).collect();
    let as_published = (images.as_slice(), imported.classes) == (PUBLISHED.0.as_slice(), PUBLISHED.1);
    let _ = writeln!(
        text,
        "{} classes; {}",
        imported.classes,
        if as_published {
            "numbers of images and classes are the published ones"
        } else {
            "not the published numbers: 437513 training and 24426 test images of 8142 classes"
        }
    );
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn verify(name: &str, set: &[String], root: &Path) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let dataset = dataset(name, set, &mut sources).map_err(|error| Failure::with(error, &sources))?;
    let reports = dataset.component.verify(Place { root }).map_err(LabError::from)?;
    let mut text = String::new();
    if reports.is_empty() {
        let _ = writeln!(text, "{name} needs no files");
    }
    for report in &reports {
        let state = match report.state {
            FileState::Verified => "verified",
            FileState::Partial => "partial",
            FileState::Suspect => "suspect",
            FileState::Wrong => "wrong",
            FileState::Missing => "missing",
        };
        let _ = writeln!(text, "{state:8}  {}: {}", report.path.display(), report.meaning);
    }
    terminal::print(&text);
    let usable = |report: &FileReport| !matches!(report.state, FileState::Wrong | FileState::Missing);
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

/// The data set of this name with its defaults, or the one of a file, with some settings changed.
fn dataset(name: &str, set: &[String], sources: &mut Sources) -> Result<Built<dyn Dataset>, ConfigError> {
    let overrides: Vec<Override> = set.iter().cloned().map(Override::Set).collect();
    let file = Path::new(name);
    let (mut table, origin) = if file.extension().is_some_and(|extension| extension == "toml") {
        let section = config::load(file, sources)?.into_table()?.entries.remove("dataset");
        let value = section.ok_or_else(|| ConfigError::new(format!("`{name}` has no [dataset]")))?.value;
        let origin = value.origin.clone();
        (value.into_table()?, origin)
    } else {
        let text = format!("kind = {name:?}");
        let id = sources.add(name, text.clone(), ".");
        (Table::parse(&text, id)?, Origin { source: id, span: 0..text.len() })
    };
    config::apply(&mut table, &overrides, sources)?;
    registry::build(Value { data: config::Data::Table(table), origin }, sources)
}

fn load(name: &str, set: &[String], root: &Path, sources: &mut Sources) -> Result<Data, LabError> {
    Ok(dataset(name, set, sources)?.component.load(Place { root })?)
}
