//! What the official files are: names, sizes and digests.

use super::names;
use crate::fetch::Archive;

/// A file as its authors published it.
#[derive(Clone, Copy, Debug)]
pub struct OfficialFile {
    /// Its name inside the data set's folder.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: &'static str,
}

/// A subset of the training images whose content is known by itself, so that it can be verified inside files that are not
/// whole.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedSubset {
    /// It is the official exponential subset of this imbalance ratio, and thereby holds those of all larger ratios.
    pub imbalance_ratio: f64,
    /// SHA-256 of its records in the order of the draw.
    pub sha256: &'static str,
}

/// One of the two CIFAR data sets: 32x32 images in records of label bytes, then 1024 red, green and blue bytes.
#[derive(Debug)]
pub struct Cifar {
    /// Name of the component, which `balpoe data fetch` takes.
    pub name: &'static str,
    /// Folder under the data root.
    pub folder: &'static str,
    /// Training files, in order.
    pub train: &'static [OfficialFile],
    /// The test file.
    pub test: OfficialFile,
    /// Label bytes of a record; the last of them is the class.
    pub label_bytes: usize,
    /// The file that names the classes, one a line.
    pub names_file: &'static str,
    /// The names, if that file is not there.
    pub names: &'static [&'static str],
    /// A subset that is accepted inside training files which are not the official ones.
    pub verified_subset: Option<VerifiedSubset>,
    /// Where the files come from.
    pub archive: Archive,
}

/// Height and width of the images.
pub(super) const SIDE: usize = 32;

impl Cifar {
    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// Training images of each class.
    pub fn largest_class(&self) -> usize {
        let bytes: u64 = self.train.iter().map(|file| file.bytes).sum();
        bytes as usize / self.record() / self.classes()
    }

    /// Bytes of a record.
    pub(super) fn record(&self) -> usize {
        self.label_bytes + 3 * SIDE * SIDE
    }
}

/// CIFAR-10. Digests of the files: `ankane/torchvision-ruby`, `lib/torchvision/datasets/cifar10.rb`; of the subset: computed from
/// files whose SHA-1 are those of Apache `MXNet`'s `gluon.data.vision.CIFAR10`.
pub static CIFAR10: Cifar = Cifar {
    name: "cifar10",
    folder: "cifar-10-batches-bin",
    train: &[
        OfficialFile {
            name: "data_batch_1.bin",
            bytes: 30_730_000,
            sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        },
        OfficialFile {
            name: "data_batch_2.bin",
            bytes: 30_730_000,
            sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        },
        OfficialFile {
            name: "data_batch_3.bin",
            bytes: 30_730_000,
            sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        },
        OfficialFile {
            name: "data_batch_4.bin",
            bytes: 30_730_000,
            sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        },
        OfficialFile {
            name: "data_batch_5.bin",
            bytes: 30_730_000,
            sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        },
    ],
    test: OfficialFile {
        name: "test_batch.bin",
        bytes: 30_730_000,
        sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    label_bytes: 1,
    names_file: "batches.meta.txt",
    names: &names::CIFAR10,
    verified_subset: Some(VerifiedSubset {
        imbalance_ratio: 10.0,
        sha256: "e47021d714ec8fef5caf9d0278069690927f5497815dd584b921f36e11dc6f78",
    }),
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        folder: "cifar-10-batches-bin",
    },
};

/// CIFAR-100 with its fine classes. Digests: `ankane/torchvision-ruby`, `lib/torchvision/datasets/cifar100.rb`; the same files
/// have the SHA-1 of Apache `MXNet`'s `gluon.data.vision.CIFAR100`.
pub static CIFAR100: Cifar = Cifar {
    name: "cifar100",
    folder: "cifar-100-binary",
    train: &[OfficialFile {
        name: "train.bin",
        bytes: 153_700_000,
        sha256: "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    }],
    test: OfficialFile {
        name: "test.bin",
        bytes: 30_740_000,
        sha256: "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
    },
    label_bytes: 2,
    names_file: "fine_label_names.txt",
    names: &names::CIFAR100,
    verified_subset: None,
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        bytes: 168_513_733,
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        folder: "cifar-100-binary",
    },
};
