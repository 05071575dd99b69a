//! CIFAR-10-LT and CIFAR-100-LT: long-tailed subsets of the official files.

use balpoe_core::components::{Data, DataError, Dataset, FileReport, Outline, Place, Progress};
use balpoe_core::config::ConfigError;
use balpoe_core::registry::Component;
use balpoe_data::{CIFAR10, CIFAR100, Draw, LongTailed, Profile, TestDistribution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which images of each class are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// Those of the published experiments: NumPy's legacy generator with seed 0.
    #[default]
    Official,
    /// Those that `subset_seed` draws.
    Seeded,
}

/// Settings of both data sets.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CifarSettings {
    /// Training images of the most frequent class over those of the rarest; 1 keeps all.
    pub imbalance_ratio: f64,
    /// Shape of the class counts.
    pub profile: Profile,
    /// Which images of each class are kept.
    pub subset: Subset,
    /// Seed of a seeded subset. The experiment's seeds do not change the subset.
    pub subset_seed: u64,
    /// Group classes into many, medium and few-shot by the counts of this imbalance ratio instead of the real one. Published
    /// numbers of ratio 10 and 50 are grouped at 100.
    pub group_imbalance_ratio: Option<f64>,
    /// Mean of each channel, red first, in [0, 1].
    pub mean: [f64; 3],
    /// Standard deviation of each channel in [0, 1].
    pub deviation: [f64; 3],
}

impl Default for CifarSettings {
    fn default() -> Self {
        Self {
            imbalance_ratio: 100.0,
            profile: Profile::Exponential,
            subset: Subset::Official,
            subset_seed: 0,
            group_imbalance_ratio: None,
            // CIFAR-10's, for both data sets, as the reference implementation has it.
            mean: [0.4914, 0.4822, 0.4465],
            deviation: [0.2023, 0.1994, 0.2010],
        }
    }
}

impl CifarSettings {
    fn check(&self, data: &balpoe_data::Cifar) -> Result<(), ConfigError> {
        let classes = data.classes();
        let ratios = [
            ("imbalance_ratio", Some(self.imbalance_ratio)),
            ("group_imbalance_ratio", self.group_imbalance_ratio),
        ];
        for (key, ratio) in ratios {
            if let Some(ratio) = ratio {
                self.profile
                    .training_counts(classes, data.largest_class(), ratio)
                    .map_err(|error| ConfigError::key(key, error.to_string()))?;
            }
        }
        if self.subset == Subset::Official && self.subset_seed != 0 {
            return Err(ConfigError::key(
                "subset_seed",
                "`subset_seed` has no effect on the official subset",
            )
            .help("remove it, or set subset = \"seeded\""));
        }
        if self.deviation.iter().any(|&d| d.is_nan() || d <= 0.0) {
            return Err(ConfigError::key("deviation", "standard deviations must be positive"));
        }
        Ok(())
    }

    fn load(&self, data: &balpoe_data::Cifar, place: Place<'_>) -> Result<Data, DataError> {
        let draw = match self.subset {
            Subset::Official => Draw::Official,
            Subset::Seeded => Draw::Seeded(self.subset_seed),
        };
        let settings = LongTailed {
            profile: self.profile,
            imbalance_ratio: self.imbalance_ratio,
            draw,
            group_imbalance_ratio: self.group_imbalance_ratio,
            mean: self.mean.map(|v| v as f32),
            deviation: self.deviation.map(|v| v as f32),
        };
        data.load(place.root, &settings)
    }

    fn outline(&self, data: &balpoe_data::Cifar) -> Option<Outline> {
        let counts = self.profile.training_counts(data.classes(), data.largest_class(), self.imbalance_ratio);
        Some(Outline { size: (32, 32), class_counts: counts.ok()? })
    }
}

macro_rules! cifar {
    ($component:ident, $data:ident, $documentation:literal) => {
        #[doc = $documentation]
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $component(pub CifarSettings);

        impl Component for $component {
            fn check(&self) -> Result<(), ConfigError> {
                self.0.check(&$data)
            }
        }

        impl Dataset for $component {
            fn load(&self, place: Place<'_>) -> Result<Data, DataError> {
                self.0.load(&$data, place)
            }

            fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
                name.parse::<TestDistribution>()?.positions(&data.test.labels, data.classes.len())
            }

            fn outline(&self, _: Place<'_>) -> Option<Outline> {
                self.0.outline(&$data)
            }

            fn verify(&self, place: Place<'_>) -> Result<Vec<FileReport>, DataError> {
                $data.verify(place.root)
            }

            fn fetch(&self, place: Place<'_>, progress: &mut dyn FnMut(Progress)) -> Result<(), DataError> {
                $data.fetch(place.root, progress)
            }
        }
    };
}

cifar!(
    Cifar10,
    CIFAR10,
    "CIFAR-10-LT: 10 classes, at most 5,000 training and 1,000 test images each, 32x32."
);
cifar!(
    Cifar100,
    CIFAR100,
    "CIFAR-100-LT: 100 classes, at most 500 training and 100 test images each, 32x32."
);

balpoe_core::register! {
    Dataset "cifar10" => Cifar10,
    summary: "CIFAR-10-LT, a long-tailed subset of CIFAR-10",
    paper: "Krizhevsky, Learning multiple layers of features from tiny images, 2009; \
            Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019, section 4.1",
    example: "kind = \"cifar10\"\nimbalance_ratio = 100.0",
}

balpoe_core::register! {
    Dataset "cifar100" => Cifar100,
    summary: "CIFAR-100-LT, a long-tailed subset of CIFAR-100",
    paper: "Krizhevsky, Learning multiple layers of features from tiny images, 2009; \
            Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS 2019, section 4",
    example: "kind = \"cifar100\"\nimbalance_ratio = 100.0",
}

#[cfg(test)]
mod tests {
    use balpoe_core::registry::ComponentKind;

    use super::*;

    /// Builds the component from its table; the error's message with its advice.
    fn build(name: &str, table: &str) -> Result<Box<dyn Dataset>, String> {
        let registrations = <dyn Dataset>::registrations();
        let registration = registrations.into_iter().find(|r| r.descriptor.name == name).unwrap();
        registration
            .build_text(table)
            .map(|(component, _)| component)
            .map_err(|error| format!("{error}; {}", error.help.as_deref().unwrap_or_default()))
    }

    #[test]
    fn impossible_settings_are_explained() {
        for (name, table, expected) in [
            ("cifar100", "imbalance_ratio = 0.5", "must be at least 1, found 0.5"),
            ("cifar100", "imbalance_ratio = 1000.0", "it can be at most 500"),
            ("cifar10", "group_imbalance_ratio = nan", "must be at least 1, found NaN"),
            ("cifar10", "subset_seed = 3", "set subset = \"seeded\""),
            ("cifar10", "subset = \"oficial\"", "did you mean \"official\"?"),
            ("cifar100", "imbalance = 10.0", "unknown key `imbalance`; did you mean `imbalance_ratio`?"),
            ("cifar100", "deviation = [0.2, 0.0, 0.2]", "must be positive"),
        ] {
            let message = build(name, table).unwrap_err();
            assert!(message.contains(expected), "{table}: {message}");
        }
        assert!(build("cifar10", "imbalance_ratio = 1000.0\nsubset = \"seeded\"\nsubset_seed = 3").is_ok());
    }

    #[test]
    fn missing_files_say_how_to_get_them() {
        let nowhere = std::path::Path::new("no-such-folder");
        let error = build("cifar100", "").unwrap().load(Place { root: nowhere }).unwrap_err().to_string();
        assert!(error.contains("train.bin`; get it with `balpoe data fetch cifar100`"), "{error}");
    }
}
