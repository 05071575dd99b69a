//! The line that registers a component.

/// Registers a component type under a kind and a name.
///
/// ```
/// use balpoe_core::components::{Position, Schedule};
/// use balpoe_core::registry::Component;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// The learning rate never changes.
/// #[derive(Debug, Serialize, Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Constant {}
///
/// impl Component for Constant {}
///
/// impl Schedule for Constant {
///     fn factor(&self, _: Position) -> f64 {
///         1.0
///     }
/// }
///
/// balpoe_core::register! {
///     Schedule "always-one" => Constant,
///     summary: "the learning rate never changes",
///     paper: "",
///     example: r#"kind = "always-one""#,
/// }
///
/// # fn main() {
/// assert!(balpoe_core::registry::find(balpoe_core::registry::Kind::Schedule, "always-one").is_some());
/// # }
/// ```
///
/// The first word is the trait. A crate whose components are only registered, never named, is dropped by the linker: the
/// program that uses it needs `use that_crate as _;`.
#[macro_export]
macro_rules! register {
    (
        $object:ident $name:literal => $component:ty,
        summary: $summary:literal,
        paper: $paper:literal,
        example: $example:literal $(,)?
    ) => {
        const _: () = $crate::private::check_name($name);

        $crate::private::inventory::submit! {
            $crate::registry::Registration::<dyn $crate::components::$object> {
                descriptor: $crate::registry::Descriptor {
                    kind: <dyn $crate::components::$object as $crate::registry::ComponentKind>::KIND,
                    name: $name,
                    summary: $summary,
                    paper: $paper,
                    example: $example,
                    version: <$component as $crate::registry::Component>::VERSION,
                    schema: || $crate::private::schemars::schema_for!($component),
                    file: file!(),
                    line: line!(),
                },
                build: |value, sources| {
                    let (component, settings) =
                        $crate::private::construct::<$component>(value, sources)?;
                    Ok((Box::new(component), settings))
                },
            }
        }
    };
    ($($other:tt)*) => {
        compile_error!(
            "`register!` expects, in this order: Trait \"name\" => Type, summary: \"one line\", paper: \"where it is from\", \
             example: \"its table\""
        );
    };
}
