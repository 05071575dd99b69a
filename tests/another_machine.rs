//! Results that travel: exported where the data set is, imported where it is not.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use balpoe::core::components::{Data, DataError, Dataset, Place};
use balpoe::core::config::{Override, Sources};
use balpoe::core::experiment::Experiment;
use balpoe::core::registry::Component;
use balpoe::data::{Procedural, Profile, TestDistribution};
use balpoe::lab::comparison::image_outcomes;
use balpoe::lab::runs::{self, Export, Import};
use balpoe::lab::table::{Format, render};
use balpoe::lab::{
    LabError, LogOptions, Resources, RunOptions, Store, collect, run, summarise, write_report,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Images that are there where the data root has the file `photographs`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Photographs {}

impl Component for Photographs {}

impl Dataset for Photographs {
    fn load(&self, place: Place<'_>) -> Result<Data, DataError> {
        let path = place.root.join("photographs");
        if !path.exists() {
            return Err(DataError::Missing { path, remedy: "take some".to_owned() });
        }
        let profile = Profile::Exponential;
        Procedural {
            classes: 4,
            size: 16,
            largest_class: 40,
            profile,
            imbalance_ratio: 8.0,
            test_images: 8,
            seed: 0,
        }
        .generate()
    }

    fn distribution(&self, name: &str, data: &Data) -> Result<Vec<u32>, DataError> {
        name.parse::<TestDistribution>()?.positions(&data.test.labels, data.classes.len())
    }
}

balpoe::core::register! {
    Dataset "photographs" => Photographs,
    summary: "images that are not everywhere",
    paper: "",
    example: "kind = \"photographs\"",
}

/// The miniature on photographs, with two arms and with images kept apart for a calibrator.
fn experiment(overrides: &[&str]) -> Experiment {
    let tiny = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/experiments/tiny.toml"));
    let tiny = tiny.expect("the miniature");
    let (before, after) = tiny.split_once("[dataset]").expect("a data set");
    let (_, after) = after.split_once("[[augmentation]]").expect("augmentations");
    let text = format!(
        "{before}[dataset]\nkind = \"photographs\"\n[validation]\nper_class = 1\n[[calibrator]]\nkind = \"temperature\"\n\
         [[augmentation]]{after}\n[[arm]]\nname = \"balanced\"\n\
         [[arm]]\nname = \"plain\"\nset = {{ objective = {{ kind = \"cross-entropy\" }} }}\n"
    );
    let mut overrides: Vec<Override> = overrides.iter().map(|set| Override::Set((*set).to_owned())).collect();
    overrides.push(Override::Set("train.epochs=1".to_owned()));
    Experiment::parse("tiny", &text, &overrides, &mut Sources::default()).expect("an experiment")
}

/// Runs the experiment, and gives its tables with what was told meanwhile.
fn tables(
    experiment: &mut Experiment,
    data: &Path,
    store: &Store,
) -> Result<(String, Vec<String>), LabError> {
    let interrupted = AtomicBool::new(false);
    let options = RunOptions {
        resources: Resources::processor(1),
        workers: 0,
        jobs: 1,
        checkpoint_every: Duration::from_hours(1),
        interrupted: &interrupted,
        logs: &LogOptions::default(),
    };
    let told = Mutex::new(Vec::new());
    let outcomes = run(experiment, data, store, options, &|event| {
        told.lock().expect("no panic").push(format!("{event:?}"));
    })?;
    let text = render(&summarise(experiment, &outcomes)?.tables(), Format::Text);
    Ok((text, told.into_inner().expect("no panic")))
}

#[test]
fn everything_is_shown_without_data_weights_and_logits() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let (data, nothing) = (home.join("data"), home.join("nothing"));
    fs::create_dir(&data).expect("made");
    fs::write(data.join("photographs"), "").expect("written");
    let (store, other) =
        (Store::open(&home.join("runs")).expect("made"), Store::open(&home.join("other")).expect("made"));

    let mut plan = experiment(&[]);
    let (here, _) = tables(&mut plan, &data, &store).expect("run");
    let cells = runs::select(&store, &["tiny".to_owned()]).expect("cells");
    assert_eq!(cells.len(), 2);
    let archives = home.join("archives");
    let exported = runs::export(&cells, &archives, Export::default(), &nothing).expect("exported");
    assert!(exported.iter().all(|archive| archive.bytes < 20_000), "{exported:?}");
    for cell in runs::import(&other, std::slice::from_ref(&archives)).expect("imported") {
        assert_eq!((cell.import, cell.unreachable), (Import::New, None));
    }

    // The same tables, comparison and page, though there are no images, no weights and no logits.
    let (there, told) = tables(&mut plan, &nothing, &other).expect("shown");
    assert_eq!(there, here);
    let notice = "nothing/photographs`; take some; finished cells are shown from the record";
    assert!(told.iter().any(|event| event.contains(notice)), "{told:?}");
    let images = |data: &Path, store: &Store| image_outcomes(&plan, data, store).expect("outcomes of images");
    assert_eq!(images(&nothing, &other), images(&data, &store));
    let mut page = |data: &Path, store: &Store| {
        let outcomes = collect(&mut plan, data, store).expect("collected");
        fs::read_to_string(write_report(&plan, &outcomes, data, store).expect("a page")).expect("text")
    };
    assert_eq!(page(&nothing, &other), page(&data, &store));

    // Exported again, it is the same archive.
    let cells = runs::select(&other, &["tiny".to_owned()]).expect("cells");
    let again = runs::export(&cells, &home.join("again"), Export::default(), &nothing).expect("exported");
    for (first, second) in exported.iter().zip(&again) {
        assert_eq!(fs::read(&first.path).expect("bytes"), fs::read(&second.path).expect("bytes"));
    }

    // What was not exported is said to be missing, cell by cell.
    let mut wanting = experiment(&["aggregator.kind=majority-vote"]);
    let (text, _) = tables(&mut wanting, &nothing, &other).expect("a table of failures");
    assert!(text.contains("the cell was imported without its predictions"), "{text}");
    let mut more = experiment(&["seeds=[1,2]"]);
    let (text, _) = tables(&mut more, &nothing, &other).expect("a table with failures");
    assert!(text.contains("photographs`; take some"), "{text}");

    // With the logits in the archive, another aggregator works there as here.
    let cells = runs::select(&store, &["tiny".to_owned()]).expect("cells");
    let what = Export { predictions: true, weights: false };
    let whole = home.join("whole");
    runs::export(&cells, &whole, what, &nothing).expect("exported");
    for cell in runs::import(&other, &[whole]).expect("imported") {
        assert_eq!(cell.import, Import::Completed(2));
    }
    let (there, _) = tables(&mut wanting, &nothing, &other).expect("shown");
    assert_eq!(there, tables(&mut wanting, &data, &store).expect("shown").0);
}
