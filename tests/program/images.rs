//! Lists of image files from outside: verified, shown, packed, imported, trained on with a broken file among them.

use std::path::Path;

use safetensors::SafeTensors;

use crate::sandbox::{REPOSITORY, Sandbox};

/// A folder of real files with lists: two classes, one file missing and one cut off.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let golden =
        std::fs::read(Path::new(REPOSITORY).join("tests/golden/imaging.safetensors")).expect("golden files");
    let golden = SafeTensors::deserialize(&golden).expect("golden files");
    let file = |name: &str| golden.tensor(&format!("file/{name}")).expect(name).data().to_vec();
    let (mut train, mut test) = (String::new(), String::new());
    for class in 0..2 {
        let folder = sandbox.path(&format!("data/photos/class{class}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for number in 0..16 {
            let mut content = file(["420.jpg", "444.jpg", "grey.jpg", "cmyk.jpg"][number % 4]);
            // Bytes after the image's end change the file and not the image, so that no two files are the same.
            content.extend([class, number as u8]);
            if (class, number) == (1, 3) {
                content.truncate(content.len() / 2);
            }
            if (class, number) != (1, 9) {
                std::fs::write(folder.join(format!("{number}.jpg")), content).expect("written");
            }
            let list = if number < 12 { &mut train } else { &mut test };
            list.push_str(&format!("class{class}/{number}.jpg {class}\n"));
        }
    }
    sandbox.write("data/train.txt", &train);
    sandbox.write("data/test.txt", &test);
    sandbox.variant(
        "photos.toml",
        "kind = \"procedural\"\nclasses = 4\nsize = 16\nlargest_class = 40\nimbalance_ratio = 8.0\ntest_images = 8\n\n\
         [[augmentation]]\nkind = \"pad-crop\"\npadding = 2\n",
        "kind = \"image-list\"\nfolder = \"photos\"\ntrain = \"train.txt\"\ntest = \"test.txt\"\nsize = 16\n\n\
         [[augmentation]]\nkind = \"random-resized-crop\"\nsize = 16\n\n[[augmentation]]\nkind = \"rand-augment\"\n",
    );
    sandbox
}

#[test]
fn files_are_verified_shown_packed_and_imported() {
    let sandbox = sandbox();
    let annotations = r#"{"images": [{"id": 1, "file_name": "train_val2018/Aves/0/a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 0}]}"#;
    sandbox.write("train2018.json", annotations);
    for (command, code, expected) in [
        (
            "data verify photos.toml",
            3,
            &[
                "24 images of 2 of 2 classes, 6 grey (read as RGB), 5 CMYK (converted), 1 missing, 1 truncated",
                "3.jpg: truncated",
                "9.jpg: missing",
                "8 images of 2 of 2 classes, 2 grey (read as RGB), 2 CMYK (converted)",
            ][..],
        ),
        ("data show photos.toml", 0, &["24 training and 8 test images of 2 classes", "class1"]),
        ("data pack photos.toml --set reduce=32", 0, &[".pack: 0.1 MB", ".pack: 0.0 MB"]),
        (
            "data import inaturalist2018 train2018.json train2018.json",
            0,
            &["iNaturalist18_train.txt: 1 images", "1 classes; not the published numbers"],
        ),
        (
            "data verify photos.toml --set train=\"elsewhere.txt\"",
            3,
            &["missing", "elsewhere.txt: put the files there"],
        ),
        ("data show photos.toml --set reduce=0", 2, &["expected 1 to 4096 pixels, found 0"]),
    ] {
        let outcome = sandbox.run(command);
        let text = outcome.stdout + &outcome.stderr;
        assert_eq!(outcome.code, Some(code), "{command}: {text}");
        for part in expected {
            assert!(text.contains(part), "{command} does not say \"{part}\": {text}");
        }
    }
}

/// The weights are the same with a pack and without, whatever the number of workers, and broken files are told of.
#[test]
fn broken_files_and_packs_do_not_change_a_run() {
    let sandbox = sandbox();
    let run = |store: &str, more: &str| {
        let outcome = sandbox.run(&format!("experiment photos.toml --threads 1 --out {store} {more}"));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("2 of 24 image files gave no image"), "{}", outcome.stderr);
        std::fs::read(sandbox.cell(store).join("weights.safetensors")).expect("weights")
    };
    let weights = run("plain", "--workers 2");
    assert_eq!(sandbox.run("data pack photos.toml").code, Some(0));
    assert!(run("packed", "--workers 1") == weights, "a pack changed the weights");

    let stopped = sandbox.run("experiment photos.toml --out stopped --set dataset.broken=\"stop\"");
    assert_eq!(stopped.code, Some(3), "{}", stopped.stderr);
}
