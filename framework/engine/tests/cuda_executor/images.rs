//! Steps on images that come as bytes, or that the devices keep: the same as on images that the host has changed, normalised and
//! blended.

use crate::common::{Random, parameters};
use crate::group;
use crate::steps::{After, Batch, after, batches, frozen, network, ready, sgd};
use balpoe_engine::cuda::Storage;
use balpoe_engine::{BatchNormGroup, CudaReplicas, EngineError, StepImages};
use balpoe_net::{Blend, Net, PixelMap};

/// Images that the devices keep.
const KEPT: usize = 9;
/// Maps of each image.
const MAPS: usize = 2;

/// A batch in all forms that its images may have.
struct Forms {
    batch: Batch,
    positions: Vec<u32>,
    maps: Vec<PixelMap>,
    bytes: Vec<u8>,
    blend: Option<Blend>,
}

/// What the images are made from.
struct Source {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    table: Box<[[f32; 3]; 256]>,
}

impl Source {
    fn new(net: &Net) -> Self {
        let shape = net.input_shape();
        let mut random = Random::new(5);
        let pixels = (0..KEPT * shape.len()).map(|_| random.below(256) as u8).collect();
        let mut table = Box::new([[0.0; 3]; 256]);
        for (byte, values) in table.iter_mut().enumerate() {
            *values = [0.4, 0.5, 0.6].map(|mean| (byte as f32 / 255.0 - mean) / 0.3);
        }
        Self { height: shape.height, width: shape.width, pixels, table }
    }

    /// Turns a batch's images into these, as the host would.
    fn forms(&self, mut batch: Batch, random: &mut Random, with_blend: bool) -> Forms {
        let (count, image) = (batch.len(), self.height * self.width * 3);
        let positions: Vec<u32> = (0..count).map(|_| random.below(KEPT) as u32).collect();
        let mut shift = || PixelMap::shift(random.below(5) as i64 - 2, random.below(5) as i64 - 2);
        let maps: Vec<PixelMap> = (0..count)
            .flat_map(|i| [shift(), [PixelMap::mirror(self.width), PixelMap::IDENTITY][i % 2]])
            .collect();
        let mut bytes = Vec::new();
        for (&position, maps) in positions.iter().zip(maps.chunks_exact(MAPS)) {
            let own = self.pixels[position as usize * image..][..image].to_vec();
            bytes.extend(maps.iter().fold(own, |image, map| self.moved(&image, map)));
        }
        batch.images = bytes.iter().enumerate().map(|(i, &byte)| self.table[byte as usize][i % 3]).collect();
        let blend = with_blend.then(|| Blend {
            partners: (0..count as u32).rev().collect(),
            weight: 0.7,
            rows: 2..self.height,
            columns: 0..self.width - 3,
        });
        if let Some(Blend { partners, weight, rows, columns }) = &blend {
            let whole = batch.images.clone();
            for (i, value) in batch.images.iter_mut().enumerate() {
                let (row, column) = (i % image / 3 / self.width, i / 3 % self.width);
                if rows.contains(&row) && columns.contains(&column) {
                    let other = whole[partners[i / image] as usize * image + i % image];
                    *value = weight * *value + (1.0 - weight) * other;
                }
            }
        }
        Forms { batch, positions, maps, bytes, blend }
    }

    fn moved(&self, image: &[u8], map: &PixelMap) -> Vec<u8> {
        let pixel = |i: usize| {
            let source = map.source((i / 3 % self.width, i / 3 / self.width), (self.width, self.height));
            source.map_or(0, |(column, row)| image[(row * self.width + column) * 3 + i % 3])
        };
        (0..image.len()).map(pixel).collect()
    }
}

impl Forms {
    fn normalised(&self) -> StepImages<'_> {
        StepImages::Normalised(&self.batch.images)
    }

    fn bytes(&self) -> StepImages<'_> {
        StepImages::Bytes { pixels: &self.bytes, blend: self.blend.as_ref() }
    }

    fn kept(&self) -> StepImages<'_> {
        StepImages::Kept { positions: &self.positions, maps: &self.maps, blend: self.blend.as_ref() }
    }
}

fn train(
    executor: &mut CudaReplicas,
    batches: &[Forms],
    form: impl Fn(usize, &Forms) -> StepImages<'_>,
) -> After {
    let frozen = frozen(executor.net());
    let mut step = |(i, batch): (usize, &Forms)| {
        let outcome = executor.train_step(&form(i, batch), &batch.batch.targets(), &sgd(i), &frozen).unwrap();
        [outcome.loss, outcome.correct]
    };
    let outcomes = batches.iter().enumerate().map(&mut step).collect();
    after(executor, outcomes)
}

#[test]
fn images_of_every_form_train_alike() {
    let net = network();
    let source = Source::new(&net);
    let mut random = Random::new(6);
    // Fewer images than devices at last.
    let lens = [16, 11, 16, 3];
    let forms = |(i, batch)| source.forms(batch, &mut random, i != 1);
    let batches: Vec<Forms> = batches(&net, &lens).into_iter().enumerate().map(forms).collect();
    for storage in [Storage::F32, Storage::Bf16] {
        for devices in [1, 2, 4] {
            let Some(gpus) = group(devices, storage) else { return };
            let norm = BatchNormGroup::Images(4);
            let on = |form: &dyn Fn(usize, &Forms) -> u8| {
                let mut executor = ready(&net, norm, &gpus);
                executor.set_normalisation(&source.table).unwrap();
                executor.keep_images(&source.pixels, MAPS).unwrap();
                train(&mut executor, &batches, |i, batch| match form(i, batch) {
                    0 => batch.normalised(),
                    1 => batch.bytes(),
                    _ => batch.kept(),
                })
            };
            let expected = on(&|_, _| 0);
            on(&|_, _| 1).assert_like(&expected, &format!("bytes, {storage:?}, {devices} devices"));
            on(&|_, _| 2).assert_like(&expected, &format!("kept, {storage:?}, {devices} devices"));
            on(&|i, _| (i % 3) as u8)
                .assert_like(&expected, &format!("in turn, {storage:?}, {devices} devices"));
            assert!(gpus.iter().all(|gpu| gpu.allocated() == 0), "what was allocated is released");
        }
    }
}

#[test]
fn images_that_do_not_fit_are_refused_before_anything_runs() {
    let net = network();
    let source = Source::new(&net);
    let Some(gpus) = group(2, Storage::F32) else { return };
    let mut executor = ready(&net, BatchNormGroup::All, &gpus);
    let before = after(&executor, Vec::new());
    let right = || source.forms(batches(&net, &[6]).remove(0), &mut Random::new(9), true);
    let batch = right();
    let mut refused = |images: StepImages<'_>| {
        let frozen = frozen(&net);
        executor.train_step(&images, &batch.batch.targets(), &sgd(0), &frozen).expect_err("it does not fit")
    };
    assert_eq!(refused(batch.bytes()), EngineError::NoNormalisation);
    let error = refused(batch.kept()).to_string();
    assert!(error.contains("it must be below the number of images kept"), "{error}");
    let error = refused(StepImages::Bytes { pixels: &batch.bytes[1..], blend: None }).to_string();
    assert!(error.ends_with("it must have 2808, [batch, height, width, 3]"), "{error}");
    let short = StepImages::Kept { positions: &[0; 6], maps: &batch.maps[1..], blend: None };
    assert!(matches!(refused(short), EngineError::Length { found: 11, expected: 6, .. }));
    let mut stranger = batch.blend.clone().unwrap();
    stranger.partners[2] = 6;
    let error = refused(StepImages::Bytes { pixels: &batch.bytes, blend: Some(&stranger) }).to_string();
    assert_eq!(error, "an image's partner is 6; it must be below the number of images of the batch");
    let mut outside = batch.blend.clone().unwrap();
    outside.rows.end += 1;
    let error = refused(StepImages::Bytes { pixels: &batch.bytes, blend: Some(&outside) }).to_string();
    assert_eq!(error, "the end of a blend's rows is 14; it must be within the image");
    assert!(executor.keep_images(&source.pixels[1..], MAPS).is_err(), "no whole images");
    let unchanged = after(&executor, Vec::new());
    assert!(unchanged.parameters == before.parameters && unchanged.buffers == before.buffers);
    assert_eq!(unchanged.parameters, parameters(&net, &mut Random::new(7)));
}
