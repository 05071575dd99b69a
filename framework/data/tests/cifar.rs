//! CIFAR files: small ones made here, and the real ones where `BALPOE_DATA` names their folder.

use std::path::{Path, PathBuf};

use balpoe_core::components::{Data, DataError, FileState};
use balpoe_core::digest::sha256;
use balpoe_data::{
    CIFAR10, CIFAR100, Cifar, Draw, LongTailed, OfficialFile, Profile, TestDistribution, VerifiedSubset,
};

fn settings(imbalance_ratio: f64) -> LongTailed {
    LongTailed {
        profile: Profile::Exponential,
        imbalance_ratio,
        draw: Draw::Official,
        group_imbalance_ratio: None,
        mean: [0.5; 3],
        deviation: [0.25; 3],
    }
}

/// Records of CIFAR-10's layout with two classes in turn; every byte of a record's plane `p` is its position plus `p`.
fn records(count: u8) -> Vec<u8> {
    (0..count)
        .flat_map(|i| {
            let planes = (0..3).flat_map(move |p| std::iter::repeat_n(i + p, 32 * 32));
            std::iter::once(i % 2).chain(planes)
        })
        .collect()
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A data set of eight training and two test images, written to `root`.
fn small(root: &Path) -> Cifar {
    let folder = root.join("small");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &'static str, content: Vec<u8>| {
        std::fs::write(folder.join(name), &content).unwrap();
        OfficialFile { name, bytes: content.len() as u64, sha256: leak(sha256(&content)) }
    };
    let (first, second) = (records(8)[..5 * 3073].to_vec(), records(8)[5 * 3073..].to_vec());
    Cifar {
        name: "small",
        folder: "small",
        train: Box::leak(Box::new([file("a.bin", first), file("b.bin", second)])),
        test: file("test.bin", records(2)),
        label_bytes: 1,
        names_file: "names.txt",
        names: &["even", "odd"],
        verified_subset: None,
        archive: CIFAR10.archive,
    }
}

fn overwrite(root: &Path, file: &str, at: usize, byte: u8) {
    let path = root.join("small").join(file);
    let mut content = std::fs::read(&path).unwrap();
    content[at] = byte;
    std::fs::write(path, content).unwrap();
}

#[test]
fn records_become_images_in_the_order_of_the_draw() {
    let root = tempfile::tempdir().unwrap();
    let data = small(root.path()).load(root.path(), &settings(2.0)).unwrap();
    assert_eq!(data.train.labels, [0, 0, 0, 0, 1, 1]);
    assert_eq!((data.size, data.group_counts.as_slice()), ((32, 32), [4, 2].as_slice()));
    assert_eq!(data.classes, ["even", "odd"]);
    let mut positions: Vec<u8> = (0..6)
        .map(|i| {
            let image = data.train.images.read(i).unwrap();
            let [r, g, b] = image.pixel(31, 0);
            assert_eq!((g, b, u32::from(r % 2)), (r + 1, r + 2, data.train.labels[i]));
            r
        })
        .collect();
    positions[..4].sort_unstable();
    assert_eq!(positions[..4], [0, 2, 4, 6]);
    assert_eq!(data.test.labels, [0, 1]);
    assert!(data.train.images.read(6).is_err());
}

#[test]
fn settings_decide_the_subset_and_the_groups() {
    let root = tempfile::tempdir().unwrap();
    let cifar = small(root.path());
    std::fs::write(root.path().join("small/names.txt"), "Gerade\nungerade\n\n").unwrap();
    let load = |settings: &LongTailed| cifar.load(root.path(), settings).unwrap();
    let base = load(&settings(2.0));
    assert_eq!(base.classes, ["Gerade", "ungerade"]);
    let grouped = load(&LongTailed { group_imbalance_ratio: Some(4.0), ..settings(2.0) });
    assert_eq!(
        (grouped.group_counts.as_slice(), &grouped.fingerprint),
        ([4, 1].as_slice(), &base.fingerprint)
    );
    let seeded = load(&LongTailed { draw: Draw::Seeded(5), ..settings(2.0) });
    assert_ne!(seeded.subset, base.subset);
    assert_ne!(seeded.fingerprint, base.fingerprint);
    let other = load(&settings(4.0));
    assert_ne!(other.subset, base.subset);
}

#[test]
fn wrong_files_are_refused_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let cifar = small(root.path());
    let failure = || cifar.load(root.path(), &settings(2.0)).unwrap_err();

    overwrite(root.path(), "a.bin", 3072, 99);
    let error = failure();
    assert!(matches!(&error, DataError::Hash { path, .. } if path.ends_with("small/a.bin")), "{error}");
    assert!(error.to_string().contains("balpoe data fetch small"), "{error}");

    overwrite(root.path(), "a.bin", 3073, 7);
    let label = failure().to_string();
    assert!(label.contains("record 1 of") && label.contains("label 7, expected a label below 2"), "{label}");

    std::fs::write(root.path().join("small/b.bin"), records(2)).unwrap();
    let cut = small(root.path());
    std::fs::write(root.path().join("small/b.bin"), records(2)).unwrap();
    let error = cut.load(root.path(), &settings(2.0)).unwrap_err();
    assert!(matches!(error, DataError::Size { expected: 9219, found: 6146, .. }), "{error}");

    let nowhere = root.path().join("nowhere");
    let error = cifar.load(&nowhere, &settings(2.0)).unwrap_err();
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("BALPOE_DATA"), "{error}");
}

#[test]
fn a_damaged_test_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let cifar = small(root.path());
    overwrite(root.path(), "test.bin", 100, 99);
    let error = cifar.load(root.path(), &settings(2.0)).unwrap_err();
    assert!(matches!(&error, DataError::Hash { path, .. } if path.ends_with("small/test.bin")), "{error}");
}

#[test]
fn a_verified_subset_is_accepted_inside_other_files() {
    let root = tempfile::tempdir().unwrap();
    let mut cifar = small(root.path());
    // The digest of the records of the official subset of ratio 2, in the order of the draw.
    let data = cifar.load(root.path(), &settings(2.0)).unwrap();
    let subset: Vec<u8> = (0..6)
        .flat_map(|i| {
            let first = data.train.images.read(i).unwrap().pixel(0, 0)[0] as usize;
            records(8)[first * 3073..][..3073].to_vec()
        })
        .collect();
    cifar.verified_subset = Some(VerifiedSubset { imbalance_ratio: 2.0, sha256: leak(sha256(&subset)) });
    let left_out = [1_usize, 3, 5, 7]
        .into_iter()
        .find(|i| !(4..6).any(|k| data.train.images.read(k).unwrap().pixel(0, 0)[0] as usize == *i))
        .unwrap();
    let (file, record) = if left_out < 5 { ("a.bin", left_out) } else { ("b.bin", left_out - 5) };
    overwrite(root.path(), file, record * 3073 + 1, 200);

    let load = |settings: &LongTailed| cifar.load(root.path(), settings);
    assert_eq!(load(&settings(2.0)).unwrap().fingerprint, data.fingerprint);
    assert!(load(&settings(4.0)).is_ok(), "a subset of the verified subset");
    let everything = load(&settings(1.0)).unwrap_err();
    assert!(matches!(everything, DataError::Hash { .. }), "{everything}");
    let states: Vec<FileState> =
        cifar.verify(root.path()).unwrap().iter().map(|report| report.state).collect();
    let mut expected = [FileState::Verified; 3];
    expected[usize::from(left_out >= 5)] = FileState::Partial;
    assert_eq!(states, expected);
    let kept = data.train.images.read(0).unwrap().pixel(0, 0)[0] as usize;
    let (file, record) = if kept < 5 { ("a.bin", kept) } else { ("b.bin", kept - 5) };
    overwrite(root.path(), file, record * 3073 + 1, 200);
    assert!(matches!(load(&settings(2.0)), Err(DataError::Hash { .. })));
    assert!(cifar.verify(root.path()).unwrap().iter().all(|report| report.state != FileState::Partial));
}

#[test]
fn every_file_is_reported_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let cifar = small(root.path());
    let reports = cifar.verify(root.path()).unwrap();
    assert!(reports.iter().all(|r| r.state == FileState::Verified && r.meaning == "the official file"));
    std::fs::remove_file(root.path().join("small/a.bin")).unwrap();
    overwrite(root.path(), "b.bin", 9, 99);
    std::fs::write(root.path().join("small/test.bin"), "short").unwrap();
    let reports = cifar.verify(root.path()).unwrap();
    let states: Vec<FileState> = reports.iter().map(|report| report.state).collect();
    assert_eq!(states, [FileState::Missing, FileState::Wrong, FileState::Wrong]);
    assert!(reports[2].meaning.starts_with("5 bytes where 6146 are expected"), "{}", reports[2].meaning);
    assert!(reports.iter().all(|report| report.meaning.contains("balpoe data fetch small")));
}

/// The folder of the real data; tests that need it say so and pass when there is none.
#[expect(clippy::print_stderr, reason = "says why a test did nothing")]
fn real() -> Option<PathBuf> {
    let root = std::env::var_os("BALPOE_DATA").map(PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: BALPOE_DATA is not set");
    }
    root
}

fn check(data: &Data, total: usize, subset: &str) {
    assert_eq!(data.train.len(), total);
    assert_eq!(data.subset, subset);
    assert_eq!(data.test.len(), 10_000);
    assert_eq!(data.group_counts, data.train.class_counts(data.classes.len()));
}

/// SHA-256 of the index lists that the reference implementation's code draws with numpy 2.4.6 from the official labels:
/// `np.random.seed(0)`; for each class `idx = np.where(y == c)[0]; np.random.shuffle(idx); idx[:int(n_max * imb ** (c / (C - 1)))]`.
#[test]
fn official_subsets_of_cifar100_are_those_of_the_reference() {
    let Some(root) = real() else { return };
    for (ratio, total, subset) in [
        (10.0, 19_573, "3b58e94c18104966827925bcb779f76407d6f89763d6893328f29ff3850b2d31"),
        (50.0, 12_608, "9ae2c06907a23afb04f1697065a8729b60988b90708df3511cc7f387c7955c85"),
        (100.0, 10_847, "92db61d4d8847a2a1140b271ec8575f002729622531a6595aa6f84211fee79e7"),
    ] {
        check(&CIFAR100.load(&root, &settings(ratio)).unwrap(), total, subset);
    }
}

#[test]
fn official_subsets_of_cifar10_are_those_of_the_reference() {
    let Some(root) = real() else { return };
    for (ratio, total, subset) in [
        (10.0, 20_431, "c06ed1d31500880c026c055d7bd2223623333cfbf7bf06be20e8e1e1089e4fd0"),
        (50.0, 13_996, "2477fffcd09bcacdfe3e1918fc95a6ccfa91c0186f92f9508e766e9dd471805f"),
        (100.0, 12_406, "ca97f03cbf4d69c40e0acdacf758852f25c5cd6bdbc78c5d179cf1d64c69bc3f"),
    ] {
        check(&CIFAR10.load(&root, &settings(ratio)).unwrap(), total, subset);
    }
}

#[test]
fn the_real_test_set_shifts_as_published() {
    let Some(root) = real() else { return };
    let data = CIFAR100.load(&root, &settings(100.0)).unwrap();
    let kept = "forward50".parse::<TestDistribution>().unwrap().positions(&data.test.labels, 100).unwrap();
    assert_eq!(kept.len(), 2486);
    assert!(kept.iter().take(100).all(|&p| data.test.labels[p as usize] == 0));
    assert_eq!(data.classes[..3], ["apple", "aquarium_fish", "baby"]);
}
