//! What every registered component has to keep, whatever it is called.
//!
//! The suite finds components in the registry; naming them is nobody's task. Each is built from its own example and then held
//! to the promises of its kind's trait. What is wrong comes back as text, everything at once.

mod aggregators;
mod augmentations;
mod backbones;
mod calibrators;
mod datasets;
mod heads;
mod mixings;
mod objectives;
mod optimizers;
mod registration;
mod samplers;
mod schedules;

use std::panic::{AssertUnwindSafe, catch_unwind};

use balpoe_core::components::{
    Aggregator, Augmentation, Backbone, Calibrator, Dataset, ExpertHead, Mixing, Objective, Optimizer,
    Sampler, Schedule,
};
use balpoe_core::registry::{self, ComponentKind};

/// What is wrong with one component.
#[derive(Debug, Default)]
struct Findings {
    messages: Vec<String>,
}

impl Findings {
    /// Notes a broken promise.
    fn note(&mut self, message: impl Into<String>) {
        self.messages.push(message.into());
    }

    /// Notes a broken promise unless it holds.
    fn expect(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.note(message());
        }
    }
}

/// Everything that is wrong with the registered components: one line each, starting with `kind/name`.
pub fn check_everything() -> Vec<String> {
    let mut messages = registry::conflicts();
    messages.extend(check_kind::<dyn Dataset>(datasets::check));
    messages.extend(check_kind::<dyn Sampler>(samplers::check));
    messages.extend(check_kind::<dyn Augmentation>(augmentations::check));
    messages.extend(check_kind::<dyn Backbone>(backbones::check));
    messages.extend(check_kind::<dyn ExpertHead>(heads::check));
    messages.extend(check_kind::<dyn Objective>(objectives::check));
    messages.extend(check_kind::<dyn Mixing>(mixings::check));
    messages.extend(check_kind::<dyn Optimizer>(optimizers::check));
    messages.extend(check_kind::<dyn Schedule>(schedules::check));
    messages.extend(check_kind::<dyn Calibrator>(calibrators::check));
    messages.extend(check_kind::<dyn Aggregator>(aggregators::check));
    messages
}

/// Runs the suite over everything that is registered in this test binary.
///
/// # Panics
/// If anything is wrong, with the whole list; also if nothing is registered, which means that a `use my_plugin as _;` is
/// missing.
pub fn assert_everything_complies() {
    assert!(
        !registry::descriptors().is_empty(),
        "no component is registered: add `use my_plugin as _;` to the test"
    );
    let messages = check_everything();
    assert!(messages.is_empty(), "{} broken promises:\n{}", messages.len(), messages.join("\n"));
}

/// Registration and behaviour of all components of a kind. A panic is one more finding.
fn check_kind<T: ComponentKind + ?Sized>(behaviour: fn(&T, &mut Findings)) -> Vec<String> {
    let mut registrations = T::registrations();
    registrations.sort_by_key(|registration| registration.descriptor.name);
    let mut messages = Vec::new();
    for registration in registrations {
        let descriptor = &registration.descriptor;
        let mut findings = Findings::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if let Some(component) = registration::check(registration, &mut findings) {
                behaviour(&component, &mut findings);
            }
        }));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            findings.note(format!("panicked: {text}"));
        }
        let name = |message: String| format!("{}/{}: {message}", descriptor.kind, descriptor.name);
        messages.extend(findings.messages.into_iter().map(name));
    }
    messages
}
