//! `balpoe runs`: the run store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use balpoe_lab::runs::{self, CellState, Export, Import, StoredCell};
use balpoe_lab::{FailureClass, Store};

use crate::arguments::{CellArguments, ExportPart, RunsCommand, StoreRoot};
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(command: Option<RunsCommand>, store: &StoreRoot) -> Result<ExitCode, Failure> {
    match command {
        None => list(store),
        Some(RunsCommand::List { store }) => list(&store),
        Some(RunsCommand::Show { cells }) => show(&cells),
        Some(RunsCommand::Remove { cells, yes }) => remove(&cells, yes),
        Some(RunsCommand::Export { cells, to, with, data }) => export(&cells, &to, &with, &data.root),
        Some(RunsCommand::Import { archives, store }) => import(&archives, &store),
    }
}

fn list(store: &StoreRoot) -> Result<ExitCode, Failure> {
    let cells = runs::cells(&Store::at(&store.root))?;
    if cells.is_empty() {
        terminal::tell(&format!(
            "no cells in `{}`; --out names the folder of a run store\n",
            store.root.display()
        ));
    } else {
        terminal::print(&table(&cells));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &CellArguments) -> Result<ExitCode, Failure> {
    let mut texts = Vec::new();
    for cell in select(arguments)? {
        texts.push(format!("`{}`\n\n{}", cell.folder.path().display(), runs::describe(&cell)?));
    }
    terminal::print(&texts.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn remove(arguments: &CellArguments, sure: bool) -> Result<ExitCode, Failure> {
    let cells = select(arguments)?;
    if !sure {
        terminal::print(&table(&cells));
        terminal::tell("nothing is removed yet; the same command with --yes removes these cells\n");
        return Ok(ExitCode::from(FailureClass::Usage as u8));
    }
    for cell in &cells {
        runs::remove(cell)?;
        terminal::print(&format!("removed {}\n", name(cell)));
    }
    Ok(ExitCode::SUCCESS)
}

fn export(
    arguments: &CellArguments,
    to: &Path,
    with: &[ExportPart],
    data_root: &Path,
) -> Result<ExitCode, Failure> {
    let what = Export {
        predictions: with.contains(&ExportPart::Predictions),
        weights: with.contains(&ExportPart::Weights),
    };
    for archive in runs::export(&select(arguments)?, to, what, data_root)? {
        terminal::print(&format!("{} ({})\n", archive.path.display(), runs::size(archive.bytes)));
    }
    Ok(ExitCode::SUCCESS)
}

fn import(archives: &[PathBuf], store: &StoreRoot) -> Result<ExitCode, Failure> {
    for cell in runs::import(&Store::open(&store.root)?, archives)? {
        let manifest = &cell.manifest;
        let done = match cell.import {
            Import::New => "imported".to_owned(),
            Import::Completed(files) => format!("completed by {files} files"),
            Import::Known => "there already".to_owned(),
        };
        terminal::print(&format!(
            "{} {}/{}: {done}\n",
            manifest.short_key(),
            manifest.title(),
            manifest.seed
        ));
        if let Some(reason) = cell.unreachable {
            terminal::tell(&format!("{}: no experiment finds it: {reason}\n", manifest.short_key()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn select(arguments: &CellArguments) -> Result<Vec<StoredCell>, Failure> {
    Ok(runs::select(&Store::at(&arguments.store.root), &arguments.names)?)
}

fn name(cell: &StoredCell) -> String {
    format!("{} {}/{}", cell.manifest.short_key(), cell.manifest.title(), cell.manifest.seed)
}

/// Cells as lines under headings.
fn table(cells: &[StoredCell]) -> String {
    let heading = ["cell", "experiment", "arm", "seed", "state", "keeps", "size", "finished"];
    let mut rows = vec![heading.map(str::to_owned)];
    for StoredCell { manifest, state, weights, predictions, bytes, .. } in cells {
        let epochs = manifest.settings["train"]["epochs"].as_u64().unwrap_or_default();
        let state = match state {
            CellState::Done => "done".to_owned(),
            CellState::Begun(epoch) => format!("begun, epoch {epoch} of {epochs}"),
            CellState::Training(epoch) => format!("training, epoch {epoch} of {epochs}"),
        };
        let keeps = match (weights, predictions) {
            (true, true) => "weights, predictions",
            (true, false) => "weights",
            (false, true) => "predictions",
            (false, false) if manifest.finished.is_some() => "results",
            (false, false) => "–",
        };
        rows.push([
            manifest.short_key().to_owned(),
            manifest.experiment.clone(),
            manifest.arm.clone(),
            manifest.seed.to_string(),
            state,
            keeps.to_owned(),
            runs::size(*bytes),
            manifest.finished.clone().unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
