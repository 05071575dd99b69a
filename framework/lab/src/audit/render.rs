//! Reports as text and JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Class, Report};

/// Grows when a reader of the old document could not read the new one.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    #[serde(flatten)]
    report: &'a Report,
}

impl Report {
    /// The report for people, ending in a newline.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let corrected =
                finding.corrected.as_ref().map(|corrected| format!(" → {corrected}")).unwrap_or_default();
            let _ = writeln!(out, "{} | {}", finding.row, finding.column);
            let _ = writeln!(out, "    {}: {}{corrected}", finding.class.name(), finding.printed);
            let _ = writeln!(out, "    {}\n", finding.reason);
        }
        let counts: Vec<String> = Class::ALL
            .into_iter()
            .map(|class| (class, self.findings.iter().filter(|finding| finding.class == class).count()))
            .filter(|&(_, count)| count > 0)
            .map(|(class, count)| format!("{count} {}", class.name()))
            .collect();
        let _ = match self.findings.len() {
            0 => writeln!(out, "nothing found"),
            1 => writeln!(out, "1 finding: {}", counts.join(", ")),
            total => writeln!(out, "{total} findings: {}", counts.join(", ")),
        };
        self.notes.iter().for_each(|note| {
            let _ = writeln!(out, "{note}");
        });
        out
    }

    /// The report for programs: one object per finding.
    #[expect(clippy::missing_panics_doc, reason = "strings always serialise")]
    pub fn json(&self) -> String {
        let document = Document { version: VERSION, report: self };
        serde_json::to_string_pretty(&document).expect("a report has only strings as keys") + "\n"
    }
}
