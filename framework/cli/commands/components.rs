//! `balpoe list` and `balpoe describe`.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::suggestion;
use balpoe_core::registry::{Kind, descriptors};

use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn list(kind: Option<&str>) -> Result<ExitCode, Failure> {
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

pub(super) fn kind_named(name: &str) -> Result<Kind, Failure> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let near = suggestion(name, names.iter().copied())
            .map(|n| format!("did you mean `{n}`? "))
            .unwrap_or_default();
        Failure::usage(format!("unknown kind `{name}`; {near}kinds: {}", names.join(", ")))
    })
}

pub(super) fn describe(component: &str) -> Result<ExitCode, Failure> {
    let all = descriptors();
    let Some(descriptor) = all.iter().find(|d| format!("{}/{}", d.kind, d.name) == component) else {
        let names: Vec<String> = all.iter().map(|d| format!("{}/{}", d.kind, d.name)).collect();
        let near = suggestion(component, names.iter().map(String::as_str));
        let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        return Err(Failure::usage(format!(
            "no component `{component}`; {near}`balpoe list` shows them all"
        )));
    };
    let mut text = format!("{}/{}: {}\n", descriptor.kind, descriptor.name, descriptor.summary);
    if !descriptor.paper.is_empty() {
        let _ = writeln!(text, "paper: {}", descriptor.paper);
    }
    let parameters = descriptor.parameters();
    if parameters.is_empty() {
        text.push_str("\nno settings\n");
    } else {
        text.push_str("\nsettings:\n");
    }
    for parameter in parameters {
        let default =
            parameter.default.map_or("must be given".to_owned(), |value| format!("default {value}"));
        let _ = writeln!(text, "  {} ({}, {default})", parameter.name, parameter.form);
        let _ = writeln!(text, "      {}", parameter.documentation);
    }
    text.push_str("\nexample:\n");
    for line in descriptor.example.trim().lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "\nregistered at {}:{}", descriptor.file, descriptor.line);
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}
