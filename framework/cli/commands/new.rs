//! `balpoe new plugin`: a crate of one's own with a component that compiles, complies and runs as it is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use balpoe_core::registry::{self, Kind};
use serde_json::Value as Json;

use super::list::kind_named;
use crate::arguments::NewPluginArguments;
use crate::diagnostics::Failure;
use crate::terminal;

pub(super) fn plugin(arguments: &NewPluginArguments) -> Result<ExitCode, Failure> {
    let kind = kind_named(&arguments.kind)?;
    let template = Template::of(kind);
    let name = Name::new(&arguments.name, kind, template.component)?;
    let framework = match &arguments.framework {
        Some(text) => Framework::given(text)?,
        None => Framework::own(),
    };
    let folder = PathBuf::from(&name.kebab);
    if folder.exists() {
        return Err(Failure::usage(format!(
            "`{}` exists already; remove it, choose another name, or go to another folder",
            folder.display()
        )));
    }
    framework.refuse_inside()?;
    for (file, text) in files(&name, kind, &template, &framework) {
        write(&folder.join(file), &text)?;
    }
    terminal::print(&format!(
        "made {name}/, a crate with the {kind} \"{name}\"\n\n  \
         src/{snake}.rs: what it computes, its settings, its registration, a unit test\n  \
         src/main.rs: the whole program with it\n  \
         tests/compliance.rs: what every {kind} promises\n  \
         experiments/{name}.toml: an experiment that uses it\n\n\
         next:\n\n  \
         cd {name}\n  cargo test\n  cargo run --release -- experiment experiments/{name}.toml\n",
        name = name.kebab,
        snake = name.snake(),
    ));
    Ok(ExitCode::SUCCESS)
}

/// What differs from kind to kind.
struct Template {
    /// The component, called `MyPlugin`.
    component: &'static str,
    /// The end of the experiment file.
    arms: &'static str,
    /// What it depends on beside `balpoe-core`.
    dependency: Option<&'static str>,
}

impl Template {
    fn of(kind: Kind) -> Self {
        macro_rules! template {
            ($name:literal, $dependency:expr) => {
                Self {
                    component: include_str!(concat!("../templates/plugin/", $name, ".rs")),
                    arms: include_str!(concat!("../templates/plugin/", $name, ".toml")),
                    dependency: $dependency,
                }
            };
        }
        match kind {
            Kind::Dataset => template!("dataset", Some("balpoe-data")),
            Kind::Sampler => template!("sampler", None),
            Kind::Augmentation => template!("augmentation", None),
            Kind::Backbone => template!("backbone", Some("balpoe-net")),
            Kind::Head => template!("head", Some("balpoe-net")),
            Kind::Objective => template!("objective", None),
            Kind::Mixing => template!("mixing", None),
            Kind::Optimizer => template!("optimizer", None),
            Kind::Schedule => template!("schedule", None),
            Kind::Calibrator => template!("calibrator", None),
            Kind::Aggregator => template!("aggregator", None),
        }
    }
}

/// All files of the crate, by their place in it.
fn files(name: &Name, kind: Kind, template: &Template, framework: &Framework) -> Vec<(String, String)> {
    macro_rules! template {
        ($file:literal) => {
            include_str!(concat!("../templates/plugin/", $file)).to_owned()
        };
    }
    let depend = |names: &[&str]| -> String {
        let lines: Vec<String> = names.iter().map(|name| framework.dependency(name)).collect();
        lines.join("\n")
    };
    let mut dependencies = vec!["balpoe", "balpoe-core"];
    dependencies.extend(template.dependency);
    let manifest = template!("Cargo.toml.template")
        .replace("{rust-version}", env!("CARGO_PKG_RUST_VERSION"))
        .replace("{dependencies}", &depend(&dependencies))
        .replace("{dev-dependencies}", &depend(&["balpoe-testing"]));
    // A data set brings images of its own.
    let images = if kind == Kind::Dataset { String::new() } else { template!("procedural.toml") };
    let experiment = template!("experiment.toml") + &images + template.arms;

    let texts = [
        ("Cargo.toml".to_owned(), manifest),
        ("rustfmt.toml".to_owned(), include_str!("../../../rustfmt.toml").to_owned()),
        (".gitignore".to_owned(), template!("gitignore")),
        ("README.md".to_owned(), template!("README.md")),
        ("src/lib.rs".to_owned(), template!("crate.rs")),
        ("src/main.rs".to_owned(), template!("program.rs")),
        (format!("src/{}.rs", name.snake()), template.component.to_owned()),
        ("tests/compliance.rs".to_owned(), template!("compliance.rs")),
        (format!("experiments/{}.toml", name.kebab), experiment),
    ];
    let named = |text: String| {
        text.replace("{kind}", kind.name())
            .replace("{question}", kind.question())
            .replace("my-plugin", &name.kebab)
            .replace("my_plugin", &name.snake())
            .replace("MyPlugin", &name.pascal())
    };
    texts.into_iter().map(|(file, text)| (file, named(text))).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::usage(format!("cannot write `{}`: {error}", path.display())))
}

/// Names that a crate cannot have: Rust's words, its own crates, what Cargo keeps for itself, and what the new crate depends
/// on.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "lib",
    "loop",
    "macro",
    "main",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "aux",
    "con",
    "nul",
    "prn",
];

/// The longest name, so that lines of the templates stay within what rustfmt allows.
const LONGEST: usize = 40;

/// The plugin's name, as in `my-plugin`.
struct Name {
    kebab: String,
}

impl Name {
    fn new(given: &str, kind: Kind, component: &str) -> Result<Self, Failure> {
        let name = Self { kebab: given.to_owned() };
        if !is_kebab(given) {
            let near = kebab_of(given);
            let near = near.map(|near| format!("; `{near}` would be one")).unwrap_or_default();
            return Err(Failure::usage(format!(
                "`{given}` is no name for a plugin: expected at most {LONGEST} lower-case letters, digits and single \
                 hyphens, beginning with a letter{near}"
            )));
        }
        if TAKEN.contains(&given) || given.starts_with("balpoe") {
            return Err(Failure::usage(format!(
                "a crate cannot be called `{given}`: Rust, Cargo or balpoe has the name already; choose another"
            )));
        }
        // The struct must not be called as anything that the component uses, such as `Matrix`.
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        if component.split(|c| !is_part(c)).any(|word| word == name.pascal()) {
            return Err(Failure::usage(format!(
                "a {kind} called `{given}` would be a type called `{}`, which it needs for something else; choose another name",
                name.pascal()
            )));
        }
        if registry::find(kind, given).is_some() {
            return Err(Failure::usage(format!(
                "there is a {kind} \"{given}\" already (`balpoe describe {kind}/{given}`); choose another name"
            )));
        }
        Ok(name)
    }

    fn snake(&self) -> String {
        self.kebab.replace('-', "_")
    }

    fn pascal(&self) -> String {
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        self.kebab.split('-').map(capital).collect()
    }
}

fn is_kebab(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word)
}

/// A name that somebody may have meant: `MyPlugin` and `my_plugin` are `my-plugin`.
fn kebab_of(text: &str) -> Option<String> {
    let mut kebab = String::new();
    let mut before = '-';
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            kebab.push('-');
        }
        let c = if c == '_' || c == ' ' { '-' } else { c };
        kebab.push(c.to_ascii_lowercase());
        before = c;
    }
    is_kebab(&kebab).then_some(kebab)
}

/// Where the framework's crates come from.
enum Framework {
    /// A checkout, as it is written from within the new crate.
    Checkout { root: PathBuf, from_crate: PathBuf },
    /// A published version.
    Version(String),
}

impl Framework {
    /// The checkout that this program was built from, or the published version where there is none.
    fn own() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        if is_checkout(&root) {
            Self::Checkout { from_crate: root.clone(), root }
        } else {
            Self::Version(env!("CARGO_PKG_VERSION").to_owned())
        }
    }

    /// A path to a checkout, or a version.
    fn given(text: &str) -> Result<Self, Failure> {
        let root = PathBuf::from(text);
        if is_checkout(&root) {
            let from_crate = if root.is_absolute() { root.clone() } else { Path::new("..").join(&root) };
            return Ok(Self::Checkout { root, from_crate });
        }
        let version = text.trim_start_matches(['=', '^', '~']);
        let numbers: Vec<&str> = version.split(['-', '+']).next().unwrap_or_default().split('.').collect();
        if numbers.len() <= 3 && numbers.iter().all(|number| number.parse::<u64>().is_ok()) {
            return Ok(Self::Version(text.to_owned()));
        }
        Err(Failure::usage(format!(
            "`{text}` is neither a checkout of balpoe (a folder with `framework/core/Cargo.toml` in it) nor a version such as `{}`",
            env!("CARGO_PKG_VERSION")
        )))
    }

    /// A crate inside the checkout would be taken for a member of its workspace.
    fn refuse_inside(&self) -> Result<(), Failure> {
        let Self::Checkout { root, .. } = self else { return Ok(()) };
        let here = fs::canonicalize(".").ok();
        match (here, fs::canonicalize(root)) {
            (Some(here), Ok(root)) if here.starts_with(&root) => Err(Failure::usage(format!(
                "this folder is inside the checkout `{}`, whose workspace would claim the new crate; go to another folder",
                root.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The line of the manifest.
    fn dependency(&self, name: &str) -> String {
        match self {
            Self::Version(version) => format!("{name} = \"{version}\""),
            Self::Checkout { from_crate, .. } => {
                let path = match name.strip_prefix("balpoe-") {
                    Some(room) => from_crate.join("framework").join(room),
                    None => from_crate.clone(),
                };
                // A JSON string is a TOML string.
                format!("{name} = {{ path = {} }}", Json::from(path.display().to_string()))
            }
        }
    }
}

fn is_checkout(root: &Path) -> bool {
    ["core", "testing"].iter().all(|room| root.join("framework").join(room).join("Cargo.toml").is_file())
}
