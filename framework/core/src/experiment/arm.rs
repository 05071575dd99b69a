//! One arm of an experiment: its components and settings.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::calibrator::FittedCalibrator;
use super::key::identity;
use super::phase::{self, Phase};
use super::recipe::Recipe;
use super::sections::{Sections, blame};
use super::settings::{Evaluate, Train, Validation};
use super::{FORMAT, Key};
use crate::components::{Aggregator, Backbone, Dataset, ExpertHead, Trainees};
use crate::config::{ConfigError, Origin, Sources, Table};
use crate::digest::sha256_of_positions;
use crate::registry::Built;

/// What a sweep has chosen for an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The arm's name with the settings.
    pub label: String,
    /// What was chosen, from how many, and why: a line for tables.
    pub line: String,
    /// The metric that decided, such as `accuracy`.
    pub metric: String,
    /// Everything that was tried, in the order of the grid.
    pub tried: Vec<Tried>,
}

/// A setting that a sweep has tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The setting, such as `optimizer.learning_rate = 0.1`.
    pub setting: String,
    /// The metric on the validation images by seed; none where the trial did not finish.
    pub scores: Vec<(u64, Option<f64>)>,
    /// Whether the arm is run with it.
    pub chosen: bool,
}

/// A variant of the experiment: everything that a cell needs besides its seed.
#[derive(Debug)]
pub struct Arm {
    /// Its name in tables.
    pub name: String,
    /// Which images.
    pub dataset: Built<dyn Dataset>,
    /// The network.
    pub backbone: Built<dyn Backbone>,
    /// The classifiers.
    pub head: Built<dyn ExpertHead>,
    /// How it is trained, up to the first phase.
    pub recipe: Recipe,
    /// What changes on the way, in order.
    pub phases: Vec<Phase>,
    /// Calibrators, in order.
    pub calibrators: Vec<FittedCalibrator>,
    /// How experts are combined.
    pub aggregator: Built<dyn Aggregator>,
    /// `[train]`.
    pub train: Train,
    /// `[evaluate]`.
    pub evaluate: Evaluate,
    /// `[validation]`.
    pub validation: Option<Validation>,
    /// What a sweep has chosen.
    pub tuned: Option<Tuned>,
    /// The resolved table, for places in messages and for `balpoe plan`.
    pub table: Table,
}

impl Arm {
    /// Builds an arm from its resolved table. `place` is the experiment's file, for what is nowhere in it.
    ///
    /// # Errors
    /// If a section is missing, unknown, or does not fit.
    pub(super) fn build(
        name: String,
        table: Table,
        place: &Origin,
        sources: &Sources,
    ) -> Result<Self, ConfigError> {
        let whole = table.clone();
        let mut sections = Sections { table, place: Some(place), sources };
        let dataset = sections.component()?;
        let mut recipe = Recipe::take(&mut sections)?;
        let backbone = sections.component()?;
        let head = sections.component()?;
        let train: Train =
            sections.settings("train", Train::check)?.ok_or_else(|| sections.missing("train"))?;
        let phases = phase::read(sections.items("phase")?, &whole, &mut recipe, train.epochs, sources)?;
        let arm = Self {
            name,
            dataset,
            backbone,
            head,
            recipe,
            phases,
            calibrators: sections.calibrators()?,
            aggregator: sections.component()?,
            train,
            evaluate: sections.settings("evaluate", Evaluate::check)?.unwrap_or_default(),
            validation: sections.settings("validation", Validation::check)?,
            tuned: None,
            table: whole,
        };
        sections.nothing_left()?;
        if arm.validation.is_none() && arm.evaluate.cross_fit.is_none() && !arm.calibrators.is_empty() {
            let message = "a calibrator needs held-out images to be fitted on, and there is no [validation]";
            let help = "for example: [validation] per_class = 5; or, on folds of the test images, [evaluate] cross_fit = 5";
            let error = ConfigError::new(message).help(help);
            return Err(arm.blame("calibrator", error));
        }
        Ok(arm)
    }

    /// Gives an error that a component raised later its place in the experiment's file.
    pub fn blame(&self, section: &str, error: ConfigError) -> ConfigError {
        blame(&self.table, section, error)
    }

    /// The recipe that is in force after so many phases have begun.
    pub fn recipe_in(&self, phases: usize) -> &Recipe {
        phases.checked_sub(1).and_then(|last| self.phases.get(last)).map_or(&self.recipe, |p| &p.recipe)
    }

    /// What the run store calls the arm: with the settings that a sweep has chosen, so that all cells of one setting have one name.
    pub fn stored_name(&self) -> &str {
        self.tuned.as_ref().map_or(&self.name, |tuned| &tuned.label)
    }

    /// Prepares the objectives for the backbone's experts and an invented data set of two classes, to find settings that do not
    /// fit each other before the data are there.
    ///
    /// # Errors
    /// If an objective refuses.
    pub fn rehearse(&self) -> Result<(), ConfigError> {
        self.check_objectives(Trainees { experts: self.backbone.component.experts(), class_counts: &[2, 1] })
    }

    /// Prepares the objective of every phase.
    ///
    /// # Errors
    /// If one refuses.
    pub fn check_objectives(&self, trainees: Trainees<'_>) -> Result<(), ConfigError> {
        let check = |recipe: &Recipe| recipe.objective.component.prepare(trainees).map(drop);
        check(&self.recipe).map_err(|error| self.blame("objective", error))?;
        self.phases
            .iter()
            .try_for_each(|phase| check(&phase.recipe).map_err(|error| phase.blame("objective", error)))
    }

    /// The key of a cell's weights. `fingerprint` is the data's, `network` the canonical text of the network.
    pub fn train_key(&self, seed: u64, fingerprint: &str, network: &str) -> Key {
        let mut facts = self.recipe.identity();
        let own = json!({
            "format": FORMAT,
            "data": fingerprint,
            "network": network,
            "seed": seed,
            "dataset": identity(&self.dataset),
            "backbone": identity(&self.backbone),
            "head": identity(&self.head),
            "train": settings_identity(&self.train, &json!({
                "batch_size": 128, "batch_norm_group": "all", "lowering": "auto", "winograd": true, "precision": "bf16",
            })),
            "validation": self.validation,
        });
        facts.extend(own.as_object().cloned().unwrap_or_default());
        // Keys of arms without phases are older than phases.
        if !self.phases.is_empty() {
            facts.insert("phases".to_owned(), self.phases.iter().map(Phase::identity).collect());
        }
        Key::of(&Json::Object(facts))
    }

    /// The key of a cell's evaluation. `listed` are the test distributions that the data set has lists for: another list under the
    /// same name is another evaluation.
    pub fn evaluation_key(&self, train_key: &Key, listed: &BTreeMap<String, Vec<u32>>) -> Key {
        let calibrators: Vec<Json> = self
            .calibrators
            .iter()
            .map(|c| json!({ "on": c.stage, "calibrator": identity(&c.calibrator) }))
            .collect();
        let mut facts = json!({
            "format": FORMAT,
            "train": train_key.as_str(),
            "calibrators": calibrators,
            "aggregator": identity(&self.aggregator),
            "evaluate": settings_identity(&self.evaluate, &json!({ "bins": 15 })),
        });
        let listed: BTreeMap<&str, String> = self
            .evaluate
            .distributions
            .iter()
            .filter_map(|name| Some((name.as_str(), sha256_of_positions(listed.get(name)?))))
            .collect();
        if !listed.is_empty() {
            facts["listed"] = json!(listed);
        }
        Key::of(&facts)
    }
}

/// Settings without those that are at the default that they had when they were added.
fn settings_identity(settings: &impl serde::Serialize, defaults: &Json) -> Json {
    let mut value = json!(settings);
    if let (Some(map), Some(defaults)) = (value.as_object_mut(), defaults.as_object()) {
        map.retain(|name, value| defaults.get(name) != Some(value));
    }
    value
}
