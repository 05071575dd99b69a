//! The loader: same batches for any number of workers, errors that arrive, threads that end.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use balpoe_core::components::{Augmentation, DataError, Image, Images, Moving, Split};
use balpoe_core::random::Stream;
use balpoe_data::{
    BatchImages, ImageForm, LoadedBatch, Normalisation, Pipeline, ResidentImages, SpareMemory,
};
use balpoe_net::PixelMap;

/// Adds random bytes, so that the stream of every image shows in its pixels.
#[derive(Debug)]
struct Noise;

impl Augmentation for Noise {
    fn apply(&self, mut image: Image, stream: &mut Stream) -> Image {
        image.pixels.iter_mut().for_each(|pixel| *pixel ^= stream.word() as u8);
        image
    }
}

#[derive(Debug)]
struct Panics;

impl Augmentation for Panics {
    fn apply(&self, _: Image, _: &mut Stream) -> Image {
        panic!("cannot go on")
    }
}

/// Images of which one is broken, counting how many were read.
#[derive(Default)]
struct Broken {
    reads: AtomicUsize,
    at: Option<usize>,
}

impl Images for Broken {
    fn read(&self, position: usize) -> Result<Image, DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.at == Some(position) {
            return Err(DataError::Other(format!("image {position} is broken")));
        }
        Ok(Image::black(2, 2))
    }
}

fn pipeline(
    images: Arc<dyn Images>,
    count: u32,
    augmentation: Option<Arc<dyn Augmentation>>,
    workers: usize,
) -> Arc<Pipeline> {
    Arc::new(Pipeline {
        split: Split { images, labels: (0..count).map(|i| i % 5).collect() },
        size: (2, 2),
        augmentations: augmentation.into_iter().collect(),
        normalisation: Normalisation::new([0.5; 3], [0.25; 3]),
        batch_size: NonZeroUsize::new(4).unwrap(),
        workers,
        form: ImageForm::Normalised,
        spare: SpareMemory::default(),
    })
}

fn resident(count: u8) -> Arc<dyn Images> {
    Arc::new(ResidentImages::new(2, 2, (0..count).flat_map(|i| [i; 12]).collect()))
}

#[test]
fn batches_do_not_depend_on_the_number_of_workers() {
    let load = |workers, seed, epoch| -> Vec<LoadedBatch> {
        let order = (0..50).rev().collect();
        let pipeline = pipeline(resident(50), 50, Some(Arc::new(Noise)), workers);
        pipeline.load(order, seed, epoch).collect::<Result<_, _>>().unwrap()
    };
    let alone = load(0, 1, 1);
    assert_eq!(alone.len(), 13);
    assert_eq!(alone[12].positions, [1, 0], "the last, incomplete batch is kept");
    assert_eq!(alone[0].labels, [4, 3, 2, 1]);
    for workers in [1, 2, 3, 20] {
        assert!(load(workers, 1, 1) == alone, "{workers} workers");
    }
    for workers in [0, 2] {
        let pipeline = pipeline(resident(50), 50, Some(Arc::new(Noise)), workers);
        let rest: Result<Vec<_>, _> = pipeline.load_from((0..50).rev().collect(), 1, 1, 5).collect();
        assert!(rest.unwrap() == alone[5..], "{workers} workers, from the middle");
        assert!(pipeline.load_from((0..50).collect(), 1, 1, 13).next().is_none());
    }
    assert!(load(2, 2, 1) != alone && load(2, 1, 2) != alone, "seed and epoch matter");
}

#[test]
fn without_augmentations_pixels_are_only_normalised() {
    let mut loader = pipeline(resident(3), 3, None, 2).load(vec![2, 2], 0, 0);
    let batch = loader.next().unwrap().unwrap();
    assert_eq!(batch.images, BatchImages::Normalised(vec![(2.0_f32 / 255.0 - 0.5) / 0.25; 24]));
    assert!(loader.next().is_none());
    assert!(pipeline(resident(3), 3, None, 2).load(Vec::new(), 0, 0).next().is_none());
}

/// Moves images up or to the left.
#[derive(Debug)]
struct Step {
    up: bool,
}

impl Augmentation for Step {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        image.mapped(&self.map((image.height, image.width), stream))
    }

    fn moving(&self) -> Option<&dyn Moving> {
        Some(self)
    }
}

impl Moving for Step {
    fn map(&self, _: (usize, usize), stream: &mut Stream) -> PixelMap {
        let by = stream.below(2) as i64;
        if self.up { PixelMap::shift(0, by) } else { PixelMap::shift(by, 0) }
    }
}

#[test]
fn images_of_every_form_are_the_same_images() {
    let pixels: Vec<u8> = (0..20 * 12).collect();
    let images: Arc<dyn Images> = Arc::new(ResidentImages::new(2, 2, pixels));
    let order: Vec<u32> = (0..20).chain(5..10).collect();
    let load = |form| {
        let mut pipeline = Arc::unwrap_or_clone(pipeline(Arc::clone(&images), 20, None, 0));
        pipeline.augmentations = vec![Arc::new(Step { up: true }), Arc::new(Step { up: false })];
        pipeline.form = form;
        let pipeline = Arc::new(pipeline);
        let batches: Vec<LoadedBatch> = pipeline.load(order.clone(), 3, 1).map(Result::unwrap).collect();
        // In memory that was used before.
        pipeline.give_back(batches[0].images.clone());
        assert!(pipeline.load(order.clone(), 3, 1).map(Result::unwrap).collect::<Vec<_>>() == batches);
        batches
    };
    let forms = [ImageForm::Normalised, ImageForm::Bytes, ImageForm::Maps].map(load);
    let [normalised, bytes, maps] = &forms;
    for ((normalised, bytes), maps) in normalised.iter().zip(bytes).zip(maps) {
        assert_eq!([&normalised.positions, &bytes.positions], [&maps.positions; 2]);
        assert_eq!([&normalised.labels, &bytes.labels], [&maps.labels; 2]);
        let (BatchImages::Normalised(values), BatchImages::Bytes(pixels), BatchImages::Maps(moves)) =
            (&normalised.images, &bytes.images, &maps.images)
        else {
            panic!("other forms than were asked for")
        };
        let mut expected = vec![0.0; pixels.len()];
        Normalisation::new([0.5; 3], [0.25; 3]).apply(pixels, &mut expected);
        assert_eq!(*values, expected);
        for ((&position, moves), pixels) in
            maps.positions.iter().zip(moves.chunks_exact(2)).zip(pixels.chunks_exact(12))
        {
            let image = images.read(position as usize).unwrap();
            assert_eq!(moves.iter().fold(image, |image, map| image.mapped(map)).pixels, pixels);
        }
    }
}

#[test]
fn memory_that_was_given_back_leaves_no_trace() {
    let order = || (0..50).chain(3..20).collect();
    let expected: Vec<LoadedBatch> =
        pipeline(resident(50), 50, None, 0).load(order(), 0, 0).collect::<Result<_, _>>().unwrap();
    for workers in [0, 2] {
        let pipeline = pipeline(resident(50), 50, None, workers);
        // Smaller than a batch, and larger.
        pipeline.give_back(BatchImages::Normalised(vec![f32::NAN; 7]));
        pipeline.give_back(BatchImages::Normalised(vec![f32::NAN; 1000]));
        for (batch, expected) in pipeline.load(order(), 0, 0).zip(&expected) {
            let batch = batch.unwrap();
            assert!(batch == *expected);
            pipeline.give_back(batch.images);
        }
    }
}

#[test]
fn a_broken_image_ends_the_epoch_with_its_error() {
    for workers in [0, 1, 3] {
        let images = Arc::new(Broken { at: Some(9), ..Broken::default() });
        let mut loader = pipeline(images, 40, None, workers).load((0..40).collect(), 0, 0);
        assert!(loader.next().unwrap().is_ok());
        assert!(loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "image 9 is broken");
        assert!(loader.next().is_none());
    }
}

#[test]
fn what_components_do_wrong_is_an_error() {
    for workers in [0, 2] {
        let panics = pipeline(resident(8), 8, Some(Arc::new(Panics)), workers).load(vec![0], 0, 0).next();
        let error = panics.unwrap().unwrap_err().to_string();
        assert!(error.contains("cannot go on"), "{error}");
        let outside = pipeline(resident(8), 8, None, workers).load(vec![8], 0, 0).next();
        let error = outside.unwrap().unwrap_err().to_string();
        assert!(error.contains("image 8 of 8"), "{error}");
        let images = Arc::new(ResidentImages::new(1, 2, vec![0; 6]));
        let small = pipeline(images, 1, None, workers).load(vec![0], 0, 0).next();
        let error = small.unwrap().unwrap_err().to_string();
        assert!(error.contains("is 1x2 after augmentation, expected 2x2"), "{error}");
    }
}

#[test]
fn work_ahead_is_bounded_and_ends_with_the_loader() {
    let images = Arc::new(Broken::default());
    let shared: Arc<dyn Images> = images.clone();
    let mut loader = pipeline(shared, 400, None, 2).load((0..400).collect(), 0, 0);
    loader.next().unwrap().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    // Two batches of four images ahead for each of two workers, and the one that was taken.
    let read = images.reads.load(Ordering::SeqCst);
    assert!(read <= 20, "{read} images were read");
    drop(loader);
    let read = images.reads.load(Ordering::SeqCst);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(images.reads.load(Ordering::SeqCst), read, "threads went on after the loader was dropped");
    assert_eq!(Arc::strong_count(&images), 1, "threads still hold the images");
}
