//! `balpoe bench input` and `balpoe bench cifar-input`: speed of reading, decoding, augmenting and normalising images.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use balpoe_core::config::Sources;
use balpoe_core::experiment::Experiment;
use balpoe_lab::{BenchInputOptions, BenchResult, bench_input};
use serde_json::json;

use super::bench::{peak_memory_mib, rates};
use crate::arguments::{BenchInputArguments, CifarInputArguments, CifarRecipe, InputArguments, PhotoRecipe};
use crate::diagnostics::Failure;
use crate::terminal;

/// The sections that an experiment must have, and that do not matter here.
const REST: &str = r#"
backbone = { kind = "resnet20" }
head = { kind = "linear" }
objective = { kind = "cross-entropy" }
optimizer = { kind = "sgd" }
schedule = { kind = "constant" }
aggregator = { kind = "mean-logits" }
"#;

pub(super) fn photographs(arguments: &InputArguments) -> Result<ExitCode, Failure> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A string of JSON is one of TOML.
    let quoted = |path: &Path| serde_json::Value::from(absolute(path).to_string_lossy()).to_string();
    let (list, folder) = (quoted(&arguments.list), quoted(&arguments.root));
    let extra = match arguments.augment {
        PhotoRecipe::None => "",
        PhotoRecipe::Standard => r#", { kind = "colour-jitter" }"#,
        PhotoRecipe::Randaugment => r#", { kind = "colour-jitter" }, { kind = "rand-augment" }"#,
    };
    let reduce = arguments.reduce.map(|side| format!(", reduce = {side}")).unwrap_or_default();
    let experiment = format!(
        "dataset = {{ kind = \"image-list\", folder = {folder}, train = {list}, test = {list}, scaled_decoding = {}{reduce} }}\n\
         augmentation = [{{ kind = \"random-resized-crop\" }}, {{ kind = \"horizontal-flip\" }}{extra}]\n\
         train = {{ epochs = 1, batch_size = 64 }}\n",
        arguments.scaled_decoding
    );
    let name = format!("input-{}", arguments.augment.name());
    measure(&name, &experiment, &arguments.packs, &arguments.shared)
}

pub(super) fn cifar(arguments: &CifarInputArguments) -> Result<ExitCode, Failure> {
    let extra = match arguments.augment {
        CifarRecipe::Standard => r#"{ kind = "rotation" }"#,
        CifarRecipe::Autoaugment => r#"{ kind = "auto-augment" }"#,
    };
    let experiment = format!(
        "dataset = {{ kind = \"cifar100\" }}\n\
         augmentation = [{{ kind = \"pad-crop\" }}, {{ kind = \"horizontal-flip\" }}, {extra}]\n\
         train = {{ epochs = 1 }}\n"
    );
    let name = format!("cifar-input-{}", arguments.augment.name());
    measure(&name, &experiment, &arguments.data.root, &arguments.shared)
}

fn measure(
    name: &str,
    experiment: &str,
    root: &Path,
    arguments: &BenchInputArguments,
) -> Result<ExitCode, Failure> {
    let mut sources = Sources::default();
    let experiment = Experiment::parse("bench", &format!("{experiment}{REST}"), &[], &mut sources)
        .map_err(|error| Failure::with(error, &sources))?;
    let options = BenchInputOptions {
        workers: arguments.workers,
        times: arguments.times.max(1),
        repeats: arguments.repeats.max(1),
    };
    let root: PathBuf = root.to_owned();
    for arm in &experiment.arms {
        let result = bench_input(arm, &root, options).map_err(|error| Failure::with(error, &sources))?;
        terminal::print(&report(name, &result, arguments));
    }
    Ok(ExitCode::SUCCESS)
}

fn report(name: &str, result: &BenchResult, arguments: &BenchInputArguments) -> String {
    let rates = rates(result);
    if arguments.json {
        let report = json!({
            "name": name,
            "images_per_s_median": (rates.median * 10.0).round() / 10.0,
            "images_per_s_best": (rates.best * 10.0).round() / 10.0,
            "repeats": result.seconds.len(),
            "peak_rss_mib": peak_memory_mib(),
            "workers": arguments.workers,
        });
        return format!("{report}\n");
    }
    format!(
        "{name}: {:.0} images/s (median of {}, best {:.0}), {} workers\n",
        rates.median,
        result.seconds.len(),
        rates.best,
        arguments.workers
    )
}
