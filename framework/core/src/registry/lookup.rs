//! Finding and building registered components.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::parameter::properties;
use super::{Component, Descriptor, Kind, Registration};
use crate::config::{self, ConfigError, Sources, Table, Value, suggestion};

/// A built component: the object, and what it was built from.
#[derive(Debug)]
pub struct Built<T: ?Sized> {
    /// The component, shared with the threads that use it.
    pub component: Arc<T>,
    /// Its registered name.
    pub name: &'static str,
    /// [`Component::VERSION`].
    pub version: u32,
    /// All settings, defaults filled in.
    pub settings: Json,
    /// The settings that differ from their defaults: what decides a cell's key, so that a setting which is added later
    /// changes no key while it is at its default.
    pub identity: Json,
}

/// A trait object type that components register for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kind of component",
    note = "the kinds are Dataset, Sampler, Augmentation, Backbone, ExpertHead, Objective, Mixing, Optimizer, Schedule, Calibrator and Aggregator"
)]
pub trait ComponentKind: Send + Sync + 'static {
    /// The kind.
    const KIND: Kind;

    /// All registrations of this kind, in no particular order.
    fn registrations() -> Vec<&'static Registration<Self>>;
}

macro_rules! component_kinds {
    ($($kind:ident => $object:ident),* $(,)?) => {
        $(
            inventory::collect!(Registration<dyn crate::components::$object>);

            impl ComponentKind for dyn crate::components::$object {
                const KIND: Kind = Kind::$kind;

                fn registrations() -> Vec<&'static Registration<Self>> {
                    inventory::iter::<Registration<Self>>().collect()
                }
            }
        )*

        /// Every registered component, sorted by kind and name.
        pub fn descriptors() -> Vec<&'static Descriptor> {
            let mut all = Vec::new();
            $(all.extend(<dyn crate::components::$object>::registrations().into_iter().map(|r| &r.descriptor));)*
            all.sort_by_key(|d| (d.kind, d.name, d.file, d.line));
            all
        }
    };
}

component_kinds! {
    Dataset => Dataset,
    Sampler => Sampler,
    Augmentation => Augmentation,
    Backbone => Backbone,
    Head => ExpertHead,
    Objective => Objective,
    Mixing => Mixing,
    Optimizer => Optimizer,
    Schedule => Schedule,
    Calibrator => Calibrator,
    Aggregator => Aggregator,
}

/// The component of this kind and name, if it is registered once.
pub fn find(kind: Kind, name: &str) -> Option<&'static Descriptor> {
    descriptors().into_iter().find(|d| d.kind == kind && d.name == name)
}

/// Names that were registered more than once, each with a message that shows both places. The program refuses to start
/// while there is one.
pub fn conflicts() -> Vec<String> {
    let mut seen: BTreeMap<(Kind, &str), &Descriptor> = BTreeMap::new();
    let mut messages = Vec::new();
    for descriptor in descriptors() {
        if let Some(first) = seen.insert((descriptor.kind, descriptor.name), descriptor) {
            messages.push(format!(
                "two components are called {}/{}: {}:{} and {}:{}; rename one of them",
                first.kind, first.name, first.file, first.line, descriptor.file, descriptor.line
            ));
        }
    }
    messages
}

/// Builds the component that a table's `kind` names.
///
/// # Errors
/// If the table has no `kind`, the name is not registered, or the settings do not fit; each with its place.
pub fn build<T: ComponentKind + ?Sized>(value: Value, sources: &Sources) -> Result<Built<T>, ConfigError> {
    let kind = T::KIND;
    let place = value.origin.clone();
    let help = format!("write {} and under it kind = \"…\"", kind.header());
    let mut table = value.into_table().map_err(|error| error.help(help))?;
    let registrations = T::registrations();
    let mut known: Vec<&str> = registrations.iter().map(|r| r.descriptor.name).collect();
    known.sort_unstable();

    let Some(chosen) = table.entries.remove("kind") else {
        return Err(ConfigError::at(place, format!("this {kind} has no `kind`"))
            .help(format!("registered {kind}s: {}", known.join(", "))));
    };
    let name: String = config::deserialize(chosen.value.clone(), sources)?;
    let Some(registration) = registrations.into_iter().find(|r| r.descriptor.name == name) else {
        return Err(ConfigError::at(chosen.value.origin, format!("unknown {kind} \"{name}\""))
            .help(help_on_name(kind, &name, &known)));
    };
    let origin = chosen.value.origin;
    let table_value = Value { data: config::Data::Table(table.clone()), origin: origin.clone() };
    let (component, settings) =
        (registration.build)(table_value, sources).map_err(|error| error.within(&table, &origin))?;
    let descriptor = &registration.descriptor;
    let identity = without_defaults(&settings, &(descriptor.schema)().to_value());
    Ok(Built {
        component: component.into(),
        name: descriptor.name,
        version: descriptor.version,
        settings,
        identity,
    })
}

/// What to do about a name that is not registered: perhaps it is misspelt, or of another kind, or its crate is not linked.
fn help_on_name(kind: Kind, name: &str, known: &[&str]) -> String {
    let elsewhere = descriptors().into_iter().find(|d| d.name == name).map(|d| d.kind);
    let near = match (suggestion(name, known.iter().copied()), elsewhere) {
        (Some(near), _) => format!("did you mean \"{near}\"? "),
        (None, Some(other)) => format!("\"{name}\" is one of the {other}s, for {}; ", other.header()),
        (None, None) => String::new(),
    };
    format!(
        "{near}registered {kind}s: {}; if \"{name}\" comes from a plugin crate, add `use that_crate as _;` to the program \
         that links it",
        known.join(", ")
    )
}

/// What [`crate::register!`] puts into a registration: reads, checks and boxes one component type.
///
/// # Errors
/// If the settings do not fit the type, or its check refuses them.
pub fn construct<C: Component>(value: Value, sources: &Sources) -> Result<(C, Json), ConfigError> {
    let component: C = config::deserialize(value, sources)?;
    component.check()?;
    let settings = serde_json::to_value(&component).map_err(|error| {
        ConfigError::new(format!("cannot write the settings of {component:?} as JSON: {error}"))
    })?;
    Ok((component, settings))
}

fn without_defaults(settings: &Json, schema: &Json) -> Json {
    let (Some(settings), properties) = (settings.as_object(), properties(schema)) else {
        return settings.clone();
    };
    let differs = |(name, value): &(&String, &Json)| {
        let property = properties.and_then(|p| p.get(name.as_str()));
        // Where things are found says nothing of what they are.
        let whereabouts = property.and_then(|p| p.get("whereabouts")) == Some(&Json::Bool(true));
        !whereabouts && property.and_then(|p| p.get("default")) != Some(*value)
    };
    let kept: BTreeMap<_, _> = settings.iter().filter(differs).map(|(n, v)| (n.clone(), v.clone())).collect();
    Json::Object(kept.into_iter().collect())
}

impl<T: ?Sized> Registration<T> {
    /// Builds the component from TOML text without a header, as in [`Descriptor::example`].
    ///
    /// # Errors
    /// If the text is not TOML or does not fit the component.
    pub fn build_text(&self, text: &str) -> Result<(Box<T>, Json), ConfigError> {
        let mut sources = Sources::default();
        let id = sources.add("example", text, ".");
        let mut table = Table::parse(text, id)?;
        table.entries.remove("kind");
        let origin = config::Origin { source: id, span: 0..text.len() };
        let value = Value { data: config::Data::Table(table.clone()), origin: origin.clone() };
        (self.build)(value, &sources).map_err(|error| error.within(&table, &origin))
    }
}
