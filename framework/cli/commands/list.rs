//! `balpoe list`: the registered components.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::suggestion;
use balpoe_core::registry::{Kind, descriptors};

use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(kind: Option<&str>) -> Result<ExitCode, Failure> {
    let wanted = kind.map(kind_named).transpose()?;
    let mut text = String::new();
    for kind in Kind::ALL.into_iter().filter(|kind| wanted.is_none_or(|wanted| wanted == *kind)) {
        let of_kind: Vec<_> = descriptors().into_iter().filter(|d| d.kind == kind).collect();
        let _ = writeln!(text, "{kind}: {}?", kind.question());
        let width = of_kind.iter().map(|d| d.name.len()).max().unwrap_or(0);
        for descriptor in of_kind {
            let _ = writeln!(text, "  {:width$}  {}", descriptor.name, descriptor.summary);
        }
    }
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// The kind of this name.
pub(super) fn kind_named(name: &str) -> Result<Kind, Failure> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let near = suggestion(name, names.iter().copied())
            .map(|n| format!("did you mean `{n}`? "))
            .unwrap_or_default();
        Failure::usage(format!("unknown kind `{name}`; {near}kinds: {}", names.join(", ")))
    })
}
