//! The page around tables and plots.

use std::fmt::Write as _;

use super::figures::Section;
use crate::error::LabError;
use crate::markup::Escaped;
use crate::plot;
use crate::prepared::PreparedArm;
use crate::run::{ArmOutcome, CellOutcome};
use crate::store::{CellManifest, Store};
use crate::table;

/// A cell's place and what it is.
pub(super) struct CellEntry {
    arm: String,
    seed: u64,
    folder: String,
    manifest: Option<CellManifest>,
}

/// Where the cells of an arm are, and what made them.
pub(super) fn cells(
    prepared: &PreparedArm<'_>,
    outcome: &ArmOutcome,
    store: &Store,
) -> Result<Vec<CellEntry>, LabError> {
    let entry = |cell: &CellOutcome| {
        let manifest = store.cell(&prepared.train_key(cell.seed)).manifest()?;
        Ok(CellEntry { arm: outcome.name.clone(), seed: cell.seed, folder: cell.folder.clone(), manifest })
    };
    outcome.cells.iter().map(entry).collect()
}

/// The whole page, which is well-formed XML as well.
pub(super) fn page(name: &str, sections: &[Section], cells: &[CellEntry]) -> String {
    let title = Escaped(name);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n\
         <meta name=\"color-scheme\" content=\"light dark\" />\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\" />\n\
         <link rel=\"icon\" href=\"data:,\" />\n<title>{title}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n",
        plot::stylesheet(),
        include_str!("page.css")
    );
    let _ = writeln!(out, "<header>\n<h1>{title}</h1>\n<nav aria-label=\"Sections\">");
    let headings = sections.iter().map(|section| section.heading).chain(["Protocol"]);
    for heading in headings {
        let _ = writeln!(out, "<a href=\"#{}\">{heading}</a>", anchor(heading));
    }
    out.push_str("</nav>\n</header>\n<main>\n");
    for section in sections {
        let heading = section.heading;
        let _ = writeln!(
            out,
            "<section id=\"{}\">\n<h2>{heading}</h2>\n<p>{}</p>",
            anchor(heading),
            Escaped(section.words)
        );
        if !section.figures.is_empty() {
            out.push_str("<div class=\"plots\">\n");
            for figure in &section.figures {
                let _ = writeln!(out, "<figure class=\"plot\">\n{}</figure>", figure.svg);
            }
            out.push_str("</div>\n");
        }
        section.tables.iter().for_each(|table| out.push_str(&table::html(table)));
        out.push_str("</section>\n");
    }
    protocol(&mut out, cells);
    out + "</main>\n</body>\n</html>\n"
}

/// Which cells the page was made from, and every setting of each arm.
fn protocol(out: &mut String, cells: &[CellEntry]) {
    out.push_str(
        "<section id=\"protocol\">\n<h2>Protocol</h2>\n<p>The cells of the run store that this page was made from.</p>\n\
         <figure class=\"table\">\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Cells\">\n<table class=\"words\">\n\
         <thead><tr><th scope=\"col\">arm</th><th scope=\"col\">seed</th><th scope=\"col\">cell</th><th scope=\"col\">program</th>\
         <th scope=\"col\">device</th><th scope=\"col\">finished</th><th scope=\"col\">training</th></tr></thead>\n<tbody>\n",
    );
    for cell in cells {
        let manifest = cell.manifest.as_ref();
        let finished = manifest.and_then(|manifest| manifest.finished.as_deref()).unwrap_or("not finished");
        let (program, device, seconds) = manifest.map_or(("–", "–", 0.0), |manifest| {
            (manifest.program.as_str(), manifest.device.as_str(), manifest.seconds)
        });
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(&cell.arm),
            cell.seed,
            Escaped(&cell.folder),
            Escaped(program),
            Escaped(device),
            Escaped(finished),
            duration(seconds)
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</figure>\n");
    for arm in cells.chunk_by(|a, b| a.arm == b.arm) {
        let Some(manifest) = arm.iter().find_map(|cell| cell.manifest.as_ref()) else { continue };
        let _ = writeln!(
            out,
            "<details>\n<summary>Settings of {}</summary>\n<pre>{}</pre>\n</details>",
            Escaped(&arm[0].arm),
            Escaped(&format!("{:#}", manifest.settings))
        );
    }
    out.push_str("</section>\n");
}

fn duration(seconds: f64) -> String {
    match seconds {
        0.0 => "–".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}
