//! One cell from its settings to its predictions: trained, saved, continued.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use balpoe_core::components::{Augmentation, Data, Position, Split};
use balpoe_core::experiment::{Arm, Key};
use balpoe_core::random::{Purpose, Stream};
use balpoe_core::registry::Built;
use balpoe_data::{BatchImages, ImageForm, Normalisation, Pipeline, SpareMemory};

use crate::checkpoint::{Checkpoints, Progress};
use crate::data_record::DataRecord;
use crate::error::LabError;
use crate::event::{CellName, Event, Observer, Step};
use crate::log::{LogOptions, Logs, Measurement};
use crate::network::Network;
use crate::readme;
use crate::resources::Resources;
use crate::split::TrainingSplit;
use crate::store::{CellFolder, CellManifest};
use crate::summary::Metrics;
use crate::trainer::{StepResult, Trainer};
use crate::weights::WeightFile;

/// Images that are predicted at once.
const PREDICTION_BATCH: usize = 256;

/// How cells are run; nothing here changes what comes out, but for rounding where devices or the number of replicas differ.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'a> {
    /// What the cells that are trained side by side share.
    pub resources: Resources<'a>,
    /// Threads that decode and augment ahead.
    pub workers: usize,
    /// Cells that are trained side by side.
    pub jobs: usize,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Set when the user asks to stop.
    pub interrupted: &'a AtomicBool,
    /// Logs beside `log.jsonl`.
    pub logs: &'a LogOptions,
}

impl RunOptions<'_> {
    /// The options of one of several workers.
    pub(crate) fn share(self, worker: usize, workers: usize) -> Self {
        Self { resources: self.resources.share(worker, workers), ..self }
    }
}

/// A cell and everything that it is made from.
pub(crate) struct Cell<'a> {
    pub(crate) name: &'a CellName,
    pub(crate) arm: &'a Arm,
    pub(crate) data: &'a Data,
    pub(crate) split: &'a TrainingSplit,
    pub(crate) network: &'a Network,
    pub(crate) key: &'a Key,
    pub(crate) folder: &'a CellFolder,
    /// Where TensorBoard's event file goes.
    pub(crate) events: &'a Path,
}

/// What is left to do for a trained cell, once its figures are there.
pub(crate) struct Trained {
    logs: Logs,
    progress: Progress,
}

impl Trained {
    /// Adds the figures to the logs that show them.
    pub(crate) fn figures(self, metrics: &Metrics, observer: &Observer<'_>) -> Result<(), LabError> {
        self.logs.finish(metrics, &self.progress, observer)
    }
}

/// What a cell was trained on, in turn, when it goes on on `now`.
fn in_turn(before: String, now: &str) -> String {
    if before == now || before.ends_with(&format!("; then {now}")) {
        before
    } else {
        format!("{before}; then {now}")
    }
}

impl Cell<'_> {
    /// Trains the cell from where it stands, and saves weights and predictions.
    pub(crate) fn train(
        &self,
        manifest: &CellManifest,
        options: RunOptions<'_>,
        observer: &Observer<'_>,
    ) -> Result<Trained, LabError> {
        let checkpoints = Checkpoints::new(self.folder.path(), self.key.as_str());
        let saved = checkpoints.latest()?;
        let mut manifest = manifest.clone();
        if saved.is_some()
            && let Some(begun) = self.folder.manifest()?
        {
            manifest.device = in_turn(begun.device, &manifest.device);
        }
        let manifest = &manifest;
        self.folder.write_manifest(manifest)?;
        self.folder.write_data_record(&DataRecord::of(self.data))?;
        readme::write(self.folder)?;
        let train = &self.split.train;
        let mut trainer =
            Trainer::new(self.arm, self.data, train, self.network, self.name.seed, options.resources)?;
        if let Some((progress, state)) = saved {
            trainer.restore(progress, state, self.folder.path())?;
        }
        for detour in trainer.detours() {
            observer(&Event::Notice(format!("arm {}: {detour}", self.name.arm)));
        }
        let mut logs =
            Logs::open(self.folder, manifest, self.events, &trainer.progress, options.logs, observer)?;
        if let Err(error) = self.epochs(&mut trainer, &checkpoints, &mut logs, options, observer) {
            if !matches!(error, LabError::Interrupted) {
                logs.failed(observer);
            }
            return Err(error);
        }
        self.finish(&mut trainer, manifest, options, observer)?;
        checkpoints.clear()?;
        Ok(Trained { logs, progress: trainer.progress })
    }

    /// Takes weights from elsewhere in place of training, and saves them and their predictions.
    pub(crate) fn adopt(
        &self,
        weights: &WeightFile,
        manifest: &CellManifest,
        options: RunOptions<'_>,
        observer: &Observer<'_>,
    ) -> Result<(), LabError> {
        let train = &self.split.train;
        let mut trainer =
            Trainer::new(self.arm, self.data, train, self.network, self.name.seed, options.resources)?;
        trainer.load(weights)?;
        self.folder.write_manifest(manifest)?;
        self.folder.write_data_record(&DataRecord::of(self.data))?;
        self.finish(&mut trainer, manifest, options, observer)
    }

    /// Saves weights and predictions of a network that is trained, and marks the cell as done.
    fn finish(
        &self,
        trainer: &mut Trainer<'_>,
        manifest: &CellManifest,
        options: RunOptions<'_>,
        observer: &Observer<'_>,
    ) -> Result<(), LabError> {
        observer(&Event::Predicting(self.name));
        self.folder.write_weights(&trainer.weights()?)?;
        let positions: Vec<u32> = (0..self.data.test.len() as u32).collect();
        self.predict(trainer, "test", &self.data.test, &positions, options)?;
        if !self.split.validation.is_empty() {
            let positions = &self.split.validation_positions;
            self.predict(trainer, "validation", &self.split.validation, positions, options)?;
        }
        let splits = [&self.split.train, &self.data.test];
        self.pass_on_notices(trainer, observer);
        for notice in splits.into_iter().flat_map(|split| split.images.notices()) {
            observer(&Event::Notice(format!("arm {}: {notice}", self.name.arm)));
        }
        let mut done = manifest.clone();
        done.finished = Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        done.seconds = trainer.progress.seconds;
        self.folder.write_manifest(&done)
    }

    /// Tells what came up on the devices.
    fn pass_on_notices(&self, trainer: &Trainer<'_>, observer: &Observer<'_>) {
        for notice in trainer.executor().take_notices() {
            observer(&Event::Notice(format!("arm {}: {notice}", self.name.arm)));
        }
    }

    fn epochs(
        &self,
        trainer: &mut Trainer<'_>,
        checkpoints: &Checkpoints,
        logs: &mut Logs,
        options: RunOptions<'_>,
        observer: &Observer<'_>,
    ) -> Result<(), LabError> {
        let (arm, seed) = (self.arm, self.name.seed);
        let train = &self.split.train;
        let class_counts = train.class_counts(self.data.classes.len());
        let epochs = arm.train.epochs;
        let pipeline_now = |trainer: &mut Trainer<'_>| -> Result<_, LabError> {
            let form = trainer.image_form(train)?;
            let augmentations = &trainer.recipe().augmentations;
            Ok(Arc::new(self.pipeline(train, augmentations, arm.train.batch_size, form, options)))
        };
        let mut pipeline = pipeline_now(trainer)?;
        let mut clock = Clock::new(trainer.progress.seconds);
        // A GPU's results come a step late.
        let tell = |result: Option<StepResult>, images_per_second| {
            let Some(StepResult { position, loss, learning_rate }) = result else { return };
            let Position { epoch, epochs, batch, batches } = position;
            let (epoch, batch) = (epoch + 1, batch + 1);
            let step = Step { epoch, epochs, batch, batches, loss, learning_rate, images_per_second };
            observer(&Event::Step { cell: self.name, step });
        };
        let mut sitting_images = 0;
        let mut announced = false;

        while trainer.progress.epoch < epochs {
            let epoch = trainer.progress.epoch;
            if let Some(phase) = trainer.begin_phases(epoch)? {
                pipeline = pipeline_now(trainer)?;
                observer(&Event::Phase { cell: self.name, phase, position: trainer.progress.phase });
            }
            let mut stream = Stream::new(seed, Purpose::Sampling, epoch as u64, 0);
            let order = trainer.recipe().sampler.component.epoch(&train.labels, &class_counts, &mut stream);
            let batches = order.len().div_ceil(arm.train.batch_size);
            if !announced {
                announced = true;
                observer(&Event::Training { cell: self.name, from_epoch: epoch, epochs, batches });
            }
            let epoch_start = Instant::now();
            let mut epoch_images = 0;
            for loaded in pipeline.load_from(order, seed, epoch as u64, trainer.progress.batch) {
                let mut loaded = loaded?;
                let position = Position { epoch, epochs, batch: trainer.progress.batch, batches };
                epoch_images += loaded.len();
                sitting_images += loaded.len();
                let result = trainer.advance(&mut loaded, position)?;
                self.pass_on_notices(trainer, observer);
                pipeline.give_back(loaded.images);
                tell(result, sitting_images as f64 / clock.sitting());
                let stop = options.interrupted.load(Ordering::Relaxed);
                if stop || clock.since_save() >= options.checkpoint_every {
                    tell(trainer.settle()?, sitting_images as f64 / clock.sitting());
                    trainer.progress.seconds = clock.total();
                    trainer.progress.log_bytes = logs.sync()?;
                    checkpoints.save(trainer.progress, &trainer.state()?)?;
                    clock.saved();
                }
                if stop {
                    return Err(LabError::Interrupted);
                }
            }
            tell(trainer.settle()?, sitting_images as f64 / clock.sitting());
            // Not the last step's: that one may have been taken before an interruption.
            let last = Position { epoch, epochs, batch: batches.saturating_sub(1), batches };
            let learning_rate = trainer.learning_rate(last);
            let progress = &mut trainer.progress;
            let loss = progress.loss_sum / progress.batch.max(1) as f64;
            let accuracy = progress.correct_sum / progress.images.max(1) as f64;
            progress.epoch += 1;
            progress.seconds = clock.total();
            let measured = |metric, value| Measurement {
                epoch: epoch + 1,
                step: progress.step,
                split: "train".into(),
                metric: Cow::Borrowed(metric),
                value,
            };
            let measurements = [
                measured("loss", loss),
                measured("accuracy", accuracy),
                measured("learning_rate", learning_rate),
            ];
            logs.append(&measurements, observer)?;
            (progress.batch, progress.loss_sum, progress.correct_sum, progress.images) = (0, 0.0, 0.0, 0);
            let images_per_second = epoch_images as f64 / epoch_start.elapsed().as_secs_f64();
            let images_left = (epochs - progress.epoch) * train.len();
            observer(&Event::Epoch {
                cell: self.name,
                epoch: progress.epoch,
                epochs,
                loss,
                accuracy,
                learning_rate,
                images_per_second,
                left: Duration::from_secs_f64(
                    images_left as f64 * clock.sitting() / sitting_images.max(1) as f64,
                ),
            });
        }
        trainer.progress.seconds = clock.total();
        logs.sync().map(drop)
    }

    fn pipeline(
        &self,
        split: &Split,
        augmentations: &[Built<dyn Augmentation>],
        batch: usize,
        form: ImageForm,
        options: RunOptions<'_>,
    ) -> Pipeline {
        Pipeline {
            split: split.clone(),
            size: self.data.size,
            augmentations: augmentations.iter().map(|built| Arc::clone(&built.component)).collect(),
            normalisation: Normalisation::new(self.data.mean, self.data.deviation),
            batch_size: NonZeroUsize::new(batch).unwrap_or(NonZeroUsize::MIN),
            workers: options.workers,
            form,
            spare: SpareMemory::default(),
        }
    }

    /// Saves every expert's logits on the samples of a split, which have these positions in their data set.
    fn predict(
        &self,
        trainer: &mut Trainer<'_>,
        name: &str,
        split: &Split,
        positions: &[u32],
        options: RunOptions<'_>,
    ) -> Result<(), LabError> {
        let shape = (self.network.experts, self.network.classes);
        let mut predictions = self.folder.write_predictions(name, shape, &split.labels, positions)?;
        let batch = PREDICTION_BATCH.min(trainer.max_batch());
        let pipeline = Arc::new(self.pipeline(split, &[], batch, ImageForm::Normalised, options));
        for loaded in pipeline.load((0..split.len() as u32).collect(), 0, 0) {
            let loaded = loaded?;
            let BatchImages::Normalised(images) = &loaded.images else {
                unreachable!("the pipeline normalises")
            };
            let logits = trainer.predict(images, loaded.len())?;
            pipeline.give_back(loaded.images);
            predictions.push(&logits)?;
        }
        predictions.finish()
    }
}

/// Time of this sitting, of all sittings, and since the last checkpoint.
struct Clock {
    start: Instant,
    before: f64,
    save: Instant,
}

impl Clock {
    fn new(before: f64) -> Self {
        Self { start: Instant::now(), before, save: Instant::now() }
    }

    fn sitting(&self) -> f64 {
        self.start.elapsed().as_secs_f64().max(1e-9)
    }

    fn total(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    fn since_save(&self) -> Duration {
        self.save.elapsed()
    }

    fn saved(&mut self) {
        self.save = Instant::now();
    }
}
