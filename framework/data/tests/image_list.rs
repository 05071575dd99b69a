//! Lists of image files: what is read, what is reported, what stands for broken files; packs; the importer.

#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use balpoe_core::components::{Augmentation, Cropping, Data, DataError, FileState, Image, Place, Window};
use balpoe_core::random::Stream;
use balpoe_data::{
    BatchImages, ImageForm, ImageList, Normalisation, Pipeline, SpareMemory, imaging, import_inaturalist,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// A folder of images in all conditions, with lists. Class 0: four good files; class 1: one of each trouble.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/imaging.safetensors");
        let golden = std::fs::read(path).unwrap();
        let golden = SafeTensors::deserialize(&golden).unwrap();
        let file = |name: &str| golden.tensor(&format!("file/{name}")).unwrap().data().to_vec();
        let whole = file("420.jpg");
        for (name, bytes) in [
            ("a/1.jpg", whole.clone()),
            ("a/2.jpg", file("grey.jpg")),
            ("a/3.png", file("rgb.png")),
            ("a/4.jpg", file("progressive.jpg")),
            ("b/cmyk.jpg", file("cmyk.jpg")),
            ("b/cut.jpg", whole[..whole.len() / 2].to_vec()),
            ("b/deep.png", file("sixteen_bit.png")),
            ("b/junk.jpg", b"<html>404</html>".to_vec()),
            ("b/turned.jpg", file("turned.jpg")),
            ("t/a.jpg", file("444.jpg")),
            ("t/b.jpg", file("422.jpg")),
        ] {
            let path = root.path().join("images").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let folder = Self { root };
        folder.write(
            "train.txt",
            "a/1.jpg 0\na/2.jpg 0\na/3.png 0\na/4.jpg 0\nb/cut.jpg 1\nb/gone.jpg 1\nb/cmyk.jpg 1\nb/junk.jpg 1\n\
             b/deep.png 1\nb/turned.jpg 1\n",
        );
        folder.write("test.txt", "t/a.jpg 0\nt/b.jpg 1\n");
        folder
    }

    fn place(&self) -> Place<'_> {
        Place { root: self.root.path() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn list(settings: &Value) -> ImageList {
        let mut all = json!({ "folder": "images", "train": "train.txt", "test": "test.txt", "size": 32 });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let list: ImageList = serde_json::from_value(all).unwrap();
        list.check().unwrap();
        list
    }

    fn load(&self, settings: &Value) -> Result<Data, DataError> {
        Self::list(settings).load(self.place())
    }
}

/// Takes the lower right half of the image.
#[derive(Debug)]
struct Corner;

impl Augmentation for Corner {
    fn apply(&self, image: Image, stream: &mut Stream) -> Image {
        imaging::cut(&image, self.window(image.height, image.width, stream))
    }

    fn cropping(&self) -> Option<&dyn Cropping> {
        Some(self)
    }
}

impl Cropping for Corner {
    fn window(&self, height: usize, width: usize, stream: &mut Stream) -> Window {
        let (rows, columns) = (height / 2, width / 2);
        let top = stream.below(height - rows);
        Window { top, left: columns, height: rows, width: columns, size: (32, 32) }
    }
}

fn batches(data: &Data, workers: usize) -> Vec<BatchImages> {
    let pipeline = Arc::new(Pipeline {
        split: data.train.clone(),
        size: (32, 32),
        augmentations: vec![Arc::new(Corner)],
        normalisation: Normalisation::new([0.5; 3], [0.25; 3]),
        batch_size: NonZeroUsize::new(3).unwrap(),
        workers,
        form: ImageForm::Normalised,
        spare: SpareMemory::default(),
    });
    let order = (0..data.train.len() as u32).rev().collect();
    pipeline.load(order, 7, 3).map(|batch| batch.unwrap().images).collect()
}

#[test]
fn images_of_all_kinds_are_read_and_others_of_the_class_stand_for_broken_ones() {
    let folder = Folder::new();
    let data = folder.load(&json!({})).unwrap();
    assert_eq!(data.classes, ["a", "b"]);
    assert_eq!((data.train.len(), data.test.len(), data.group_counts.as_slice()), (10, 2, &[4, 6][..]));
    let image = |position: usize| data.train.images.read(position).unwrap();
    for position in 0..10 {
        assert_eq!((image(position).height, image(position).width), (78, 110), "image {position}");
    }
    // The next of the class that can be read: cmyk.jpg for the first two, deep.png for junk.jpg.
    assert_eq!(image(4), image(6));
    assert_eq!(image(5), image(6));
    assert_eq!(image(7), image(8));
    assert_ne!(image(7), image(6));
    let notices = data.train.images.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].starts_with("3 of 10 image files gave no image"), "{}", notices[0]);
    assert!(notices[0].contains("cut.jpg`: truncated"), "{}", notices[0]);
    // Tests see the middle of the scaled image.
    let test = data.test.images.read_for_test(1).unwrap();
    assert_eq!((test.height, test.width), (32, 32));
    assert_eq!(test, imaging::fit_and_crop(&data.test.images.read(1).unwrap(), 36, (32, 32)));
}

#[test]
fn turned_photographs_are_turned_when_asked_for() {
    let folder = Folder::new();
    let upright = folder.load(&json!({ "exif_orientation": "apply" })).unwrap();
    let image = upright.train.images.read(9).unwrap();
    assert_eq!((image.height, image.width), (110, 78));
    let stored = folder.load(&json!({})).unwrap().train.images.read(9).unwrap();
    assert_eq!(image, imaging::orient(stored, 6));
}

#[test]
fn a_broken_file_ends_a_run_only_if_asked_to() {
    let folder = Folder::new();
    let data = folder.load(&json!({ "broken": "stop" })).unwrap();
    assert!(data.train.images.read(0).is_ok());
    let error = data.train.images.read(5).unwrap_err().to_string();
    assert!(error.contains("gone.jpg`: missing; replace it"), "{error}");

    // A test image, and a class without any image, are black.
    folder.write("test.txt", "t/gone.jpg 0\nt/b.jpg 1\n");
    let data = folder.load(&json!({})).unwrap();
    assert_eq!(data.test.images.read_for_test(0).unwrap(), Image::black(32, 32));
    folder.write("train.txt", "a/1.jpg 0\nb/gone.jpg 1\nb/junk.jpg 1\n");
    let data = folder.load(&json!({})).unwrap();
    assert_eq!(data.train.images.read(1).unwrap(), Image::black(32, 32));
}

#[test]
fn windows_and_packs_change_nothing_whatever_the_workers() {
    let folder = Folder::new();
    for settings in [json!({}), json!({ "reduce": 40 }), json!({ "exif_orientation": "apply" })] {
        let list = Folder::list(&settings);
        let plain = list.load(folder.place()).unwrap();
        let expected = batches(&plain, 0);
        assert_eq!(batches(&plain, 3), expected);
        // What the windows show is what the whole images show.
        let mut told = 0;
        let packs = list.pack(folder.place(), &mut |progress| told = progress.done.max(told)).unwrap();
        assert_eq!((packs.len(), told), (2, 12));
        let packed = list.load(folder.place()).unwrap();
        std::fs::rename(folder.root.path().join("images"), folder.root.path().join("away")).unwrap();
        assert_eq!(batches(&packed, 2), expected, "{settings}");
        assert_eq!(
            packed.train.images.read(3).unwrap().height,
            if settings.get("reduce").is_some() { 40 } else { 78 }
        );
        assert!(packed.train.images.notices()[0].contains("when the images were packed"));
        std::fs::rename(folder.root.path().join("away"), folder.root.path().join("images")).unwrap();
        assert_eq!(packed.fingerprint, plain.fingerprint);
        // A pack that is not whole is none.
        let bytes = std::fs::read(&packs[0]).unwrap();
        std::fs::write(&packs[0], &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(batches(&list.load(folder.place()).unwrap(), 1), expected);
        std::fs::remove_dir_all(folder.root.path().join("packs")).unwrap();
    }
}

#[test]
fn every_trouble_is_reported() {
    let folder = Folder::new();
    std::fs::copy(folder.root.path().join("images/a/3.png"), folder.root.path().join("images/b/same.png"))
        .unwrap();
    let list = std::fs::read_to_string(folder.root.path().join("train.txt")).unwrap();
    // A file twice, a copy under another label, a label that its folder does not have, a training image that is tested on.
    folder.write("train.txt", &(list + "a/1.jpg 0\nb/same.png 1\na/4.jpg 1\n"));
    folder.write("test.txt", "t/a.jpg 0\nt/b.jpg 1\na/2.jpg 0\n");
    let reports = Folder::list(&json!({})).verify(folder.place()).unwrap();
    let text: Vec<String> = reports
        .iter()
        .map(|r| {
            let path = r.path.strip_prefix(folder.root.path()).unwrap();
            format!("{:?} {}: {}", r.state, path.display(), r.meaning)
        })
        .collect();
    let stands = "in training, another image of its class stands for it";
    assert_eq!(
        text,
        [
            "Partial train.txt: 13 images of 2 of 2 classes, 2 grey (read as RGB), 1 CMYK (converted), 1 of 16 bits (upper \
             eight used), 1 that say the camera was turned (taken as stored), 1 missing, 1 truncated, 1 damaged"
                .to_owned(),
            format!("Wrong images/b/cut.jpg: truncated: the file ends before its image does; {stands}"),
            format!("Missing images/b/gone.jpg: missing; {stands}"),
            format!("Wrong images/b/junk.jpg: neither a JPEG nor a PNG file; {stands}"),
            "Verified test.txt: 3 images of 2 of 2 classes, 1 grey (read as RGB)".to_owned(),
            "Suspect images/a/2.jpg: a training image is tested on: it is also in the test list, as `a/2.jpg`; 1 such".to_owned(),
            format!("Suspect images/{}", text[6].split_once("images/").unwrap().1),
            "Suspect images/a/1.jpg: listed twice: `a/1.jpg`; 1 such".to_owned(),
            "Suspect images/a/4.jpg: perhaps mislabelled: its label is 1, but most images of its folder have 0; 1 such"
                .to_owned(),
        ]
    );
    assert!(text[6].contains("labels contradict each other") && text[6].ends_with("2 such"), "{}", text[6]);
    let missing = Folder::list(&json!({ "train": "no.txt" })).verify(folder.place()).unwrap();
    assert_eq!((missing.len(), missing[0].state), (1, FileState::Missing));
}

#[test]
fn wrong_lists_are_explained() {
    let folder = Folder::new();
    let fails = |settings: Value| folder.load(&settings).unwrap_err().to_string();
    assert!(fails(json!({ "train": "no.txt" })).contains("no.txt`; put the files there"));
    assert!(fails(json!({ "folder": "elsewhere" })).contains("elsewhere/a/1.jpg`; put the files there"));
    assert!(fails(json!({ "classes": 1 })).contains("`b/cut.jpg`, has label 1, expected a label below 1"));
    folder.write("names.txt", "only one\n");
    assert!(fails(json!({ "names": "names.txt" })).contains("does not name each of 2 classes"));
    folder.write("train.txt", "a/1.jpg 0\na/2.jpg\n");
    assert!(fails(json!({})).contains("line 2 of"));
    folder.write("train.txt", "\n");
    assert!(fails(json!({})).contains("names no images"));
}

#[test]
fn the_fingerprint_covers_the_lists_and_not_where_they_are() {
    let folder = Folder::new();
    let before = folder.load(&json!({})).unwrap();
    std::fs::copy(folder.root.path().join("train.txt"), folder.root.path().join("other.txt")).unwrap();
    let elsewhere = folder.load(&json!({ "train": "other.txt" })).unwrap();
    assert_eq!((&before.fingerprint, &before.subset), (&elsewhere.fingerprint, &elsewhere.subset));
    folder.write("other.txt", "a/2.jpg 0\na/1.jpg 0\nb/cmyk.jpg 1\n");
    assert_ne!(before.fingerprint, folder.load(&json!({ "train": "other.txt" })).unwrap().fingerprint);
}

#[test]
fn test_distributions_come_from_lists_or_the_formula() {
    let folder = Folder::new();
    let test: String = (0..20).map(|i| format!("t/{}.jpg {}\n", i, i % 2)).collect();
    folder.write("test.txt", &(test + "t/a.jpg 0\nt/b.jpg 1\n"));
    folder.write("list_forward10.txt", "t/4.jpg 0\nt/1.jpg 1\n");
    folder.write("list_val.txt", "not a distribution");
    let list = Folder::list(&json!({ "distributions": "list_{}.txt" }));
    let data = list.load(folder.place()).unwrap();
    assert_eq!(list.distribution("forward10", &data).unwrap(), [4, 1]);
    // Class 1 has more training images: it is the most frequent one, and keeps all 11 of its test images.
    let kept = list.distribution("forward5", &data).unwrap();
    let of = |class: u32| kept.iter().filter(|&&p| data.test.labels[p as usize] == class).count();
    assert_eq!((of(0), of(1)), (2, 11));
    assert_eq!(list.distribution("uniform", &data).unwrap().len(), 22);
    assert!(list.distribution("val", &data).is_err());
    folder.write("list_backward10.txt", "t/4.jpg 1\n");
    let error = list.load(folder.place()).unwrap_err().to_string();
    assert!(error.contains("`t/4.jpg` of class 1, is not in the test list"), "{error}");
}

#[test]
fn lists_of_inaturalist_are_made_from_its_annotations() {
    let folder = Folder::new();
    let annotations = json!({
        "info": { "year": 2018 },
        "images": [
            { "id": 7, "file_name": "train_val2018/Aves/1/b.jpg", "width": 800 },
            { "id": 3, "file_name": "train_val2018/Plantae/0/a.jpg", "width": 600 },
        ],
        "annotations": [
            { "id": 1, "image_id": 3, "category_id": 0 },
            { "id": 2, "image_id": 7, "category_id": 1 },
        ],
        "categories": [],
    });
    let json = folder.write("train2018.json", &annotations.to_string());
    let out = folder.root.path().join("iNaturalist18");
    let imported = import_inaturalist(&json, &json, &out).unwrap();
    assert_eq!((imported.classes, imported.lists[0].1, imported.lists[1].1), (2, 2, 2));
    let text = std::fs::read_to_string(&imported.lists[0].0).unwrap();
    assert_eq!(text, "train_val2018/Aves/1/b.jpg 1\ntrain_val2018/Plantae/0/a.jpg 0\n");

    let mut wrong = annotations.clone();
    wrong["annotations"][0]["category_id"] = json!(5);
    let json = folder.write("wrong.json", &wrong.to_string());
    let error = import_inaturalist(&json, &json, &out).unwrap_err().to_string();
    assert!(error.contains("Plantae/0/a.jpg` has label 5"), "{error}");
    let json = folder.write("wrong.json", "{}");
    let error = import_inaturalist(&json, &json, &out).unwrap_err().to_string();
    assert!(error.contains("not the annotations of iNaturalist 2018"), "{error}");
}

#[test]
fn the_real_long_tailed_photographs_load() {
    let Ok(root) = std::env::var("BALPOE_DATA") else {
        println!("skipped: BALPOE_DATA is not set");
        return;
    };
    let place = Place { root: Path::new(&root) };
    let list: ImageList = serde_json::from_value(json!({
        "folder": "tiny-imagenet-lt",
        "train": "tiny-imagenet-lt/train.txt",
        "test": "tiny-imagenet-lt/val.txt",
        "names": "tiny-imagenet-lt/classes.txt",
        "size": 64,
        "test_shorter_side": 64,
    }))
    .unwrap();
    if !place.root.join("tiny-imagenet-lt/train.txt").is_file() {
        println!("skipped: no tiny-imagenet-lt in BALPOE_DATA");
        return;
    }
    let data = list.load(place).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes.len()), (3140, 1500, 100));
    assert_eq!(data.classes[0], "goldfish, Carassius auratus");
    // 100 · (1/20)^(c/99), rounded down: no many-shot class, 54 medium and 46 few.
    let of = |range: std::ops::RangeInclusive<usize>| {
        data.group_counts.iter().filter(|n| range.contains(n)).count()
    };
    assert_eq!((of(101..=1000), of(20..=100), of(1..=19)), (0, 54, 46));
    let sizes: BTreeSet<(usize, usize)> = (0..3140)
        .step_by(157)
        .map(|p| data.train.images.read(p).unwrap())
        .map(|i| (i.height, i.width))
        .collect();
    assert_eq!(sizes, BTreeSet::from([(64, 64)]));
    assert!(data.train.images.notices().is_empty());
}
