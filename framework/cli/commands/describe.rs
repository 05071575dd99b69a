//! `balpoe describe`: what a component does, its settings, an example; in text, Markdown or JSON.

use std::fmt::Write as _;
use std::process::ExitCode;

use balpoe_core::config::suggestion;
use balpoe_core::registry::{Descriptor, Kind, Parameter, descriptors};
use serde_json::{Value as Json, json};

use super::list::kind_named;
use crate::arguments::{DescribeArguments, DescriptionFormat};
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn run(arguments: &DescribeArguments) -> Result<ExitCode, Failure> {
    let wanted = arguments.component.as_deref().filter(|_| !arguments.all);
    let text = match (wanted, arguments.format) {
        (Some(name), format) if name.contains('/') => {
            let descriptor = component_named(name)?;
            match format {
                DescriptionFormat::Text => text(descriptor),
                DescriptionFormat::Markdown => markdown(descriptor),
                DescriptionFormat::Json => pretty(&json_of(descriptor)),
            }
        }
        (kind, format) => {
            let kinds = match kind {
                Some(name) => vec![kind_of(name)?],
                None => Kind::ALL.to_vec(),
            };
            match format {
                DescriptionFormat::Text => {
                    kinds.into_iter().flat_map(of_kind).map(text).collect::<Vec<_>>().join("\n")
                }
                DescriptionFormat::Markdown => reference(&kinds),
                DescriptionFormat::Json => {
                    pretty(&Json::Array(kinds.into_iter().flat_map(of_kind).map(json_of).collect()))
                }
            }
        }
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn of_kind(kind: Kind) -> Vec<&'static Descriptor> {
    descriptors().into_iter().filter(|descriptor| descriptor.kind == kind).collect()
}

fn title(descriptor: &Descriptor) -> String {
    format!("{}/{}", descriptor.kind, descriptor.name)
}

fn component_named(name: &str) -> Result<&'static Descriptor, Failure> {
    let all = descriptors();
    let names: Vec<String> = all.iter().map(|descriptor| title(descriptor)).collect();
    all.into_iter().find(|descriptor| title(descriptor) == name).ok_or_else(|| {
        let near = suggestion(name, names.iter().map(String::as_str));
        let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        Failure::usage(format!("no component `{name}`; {near}`balpoe list` shows them all"))
    })
}

/// A kind by its name; a component's name without its kind is a likely mistake.
fn kind_of(name: &str) -> Result<Kind, Failure> {
    match descriptors().into_iter().find(|descriptor| descriptor.name == name) {
        Some(component) if Kind::ALL.iter().all(|kind| kind.name() != name) => Err(Failure::usage(format!(
            "expected KIND/NAME or a kind, found `{name}`; did you mean `{}`?",
            title(component)
        ))),
        _ => kind_named(name),
    }
}

/// For the terminal.
fn text(descriptor: &Descriptor) -> String {
    let mut text = format!("{}: {}\n", title(descriptor), descriptor.summary);
    let description = descriptor.description();
    if !description.is_empty() {
        let _ = writeln!(text, "\n{}", indented(&description, ""));
    }
    if !descriptor.paper.is_empty() {
        let _ = writeln!(text, "\n{}", indented(&format!("paper: {}", descriptor.paper), ""));
    }
    let parameters = descriptor.parameters();
    text.push_str(if parameters.is_empty() { "\nno settings\n" } else { "\nsettings:\n" });
    for parameter in parameters {
        let default =
            parameter.default_text().map_or("must be given".to_owned(), |value| format!("default {value}"));
        let _ = writeln!(text, "  {} ({}, {default})", parameter.name, parameter.form);
        let _ = writeln!(text, "{}", indented(&parameter.documentation, "      "));
    }
    text.push_str("\nexample:\n");
    for line in table_of(descriptor).lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "\nregistered at {}:{}", descriptor.file, descriptor.line);
    text
}

/// Text in lines of at most 100 columns that start with this indent.
fn indented(text: &str, indent: &str) -> String {
    let options = textwrap::Options::new(100).initial_indent(indent).subsequent_indent(indent);
    textwrap::fill(text, options.word_splitter(textwrap::WordSplitter::NoHyphenation))
}

/// The example as it stands in an experiment file.
fn table_of(descriptor: &Descriptor) -> String {
    format!("{}\n{}\n", descriptor.kind.header(), descriptor.example.trim())
}

/// The chapter of the book: every component of these kinds.
fn reference(kinds: &[Kind]) -> String {
    let mut text = String::new();
    if kinds.len() == Kind::ALL.len() {
        text.push_str(
            "# Components\n\n\
             What `balpoe describe --all --format markdown` prints: every component that comes with the program, by kind. \
             A component is chosen by its `kind` in an experiment file; settings that are left out have their defaults.\n\n",
        );
    }
    for (position, &kind) in kinds.iter().enumerate() {
        let separator = if position == 0 { "" } else { "\n" };
        let mut question = kind.question().to_owned();
        question[..1].make_ascii_uppercase();
        let _ = writeln!(text, "{separator}## {kind}\n\n{question}? `{}`", kind.header());
        for descriptor in of_kind(kind) {
            let _ = write!(text, "\n{}", markdown(descriptor));
        }
    }
    text
}

/// A section of a Markdown document.
fn markdown(descriptor: &Descriptor) -> String {
    let mut text = format!("### {}\n\n{}\n", title(descriptor), sentence(descriptor.summary));
    let description = descriptor.description();
    if !description.is_empty() {
        let _ = writeln!(text, "\n{description}");
    }
    if !descriptor.paper.is_empty() {
        let _ = writeln!(text, "\n*{}.*", descriptor.paper);
    }
    let _ = writeln!(text, "\n```toml\n{}```", table_of(descriptor));
    let parameters = descriptor.parameters();
    if parameters.is_empty() {
        text.push_str("\nNo settings.\n");
    } else {
        text.push_str("\n| setting | values | default | meaning |\n|---|---|---|---|\n");
        for parameter in parameters {
            let _ = writeln!(text, "{}", row(&parameter));
        }
    }
    text
}

fn row(parameter: &Parameter) -> String {
    let default = match parameter.default_text() {
        Some(text) if text == "none" => text,
        Some(text) => format!("`{text}`"),
        None => "must be given".to_owned(),
    };
    let cells =
        [format!("`{}`", parameter.name), parameter.form.clone(), default, parameter.documentation.clone()];
    format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// A one-line summary with a capital and a full stop.
fn sentence(summary: &str) -> String {
    let mut letters = summary.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn json_of(descriptor: &Descriptor) -> Json {
    json!({
        "kind": descriptor.kind,
        "name": descriptor.name,
        "summary": descriptor.summary,
        "description": descriptor.description(),
        "paper": descriptor.paper,
        "settings": descriptor.parameters(),
        "example": table_of(descriptor),
        "version": descriptor.version,
        "schema": (descriptor.schema)(),
    })
}

fn pretty(value: &Json) -> String {
    format!("{value:#}\n")
}
