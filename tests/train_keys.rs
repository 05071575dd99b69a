//! Train keys that must not change: stores hold results under them.

use std::path::Path;

use balpoe::core::config::Sources;
use balpoe::core::experiment::Experiment;

/// Keys of each experiment's first arm under an invented data set and network, which have hashes of their own. A change here makes
/// every stored result of the experiment count as missing.
const KEYS: [(&str, &str); 3] = [
    ("cifar100-lt", "c058291fcbaac9f97db16dd2845faded56c8c36abf969431707afae57eb59ea4"),
    ("cifar10-lt-long", "afd8869fb6d6b1dc8dc5512a339393895f1cca5c922fdf2ac5de819855249cfe"),
    ("quickstart", "cdf116ee6c6a2b57ea8d3089e8a711cb21a373241213c370ad154300bd9c618b"),
];

#[test]
fn published_settings_keep_their_keys() {
    for (file, expected) in KEYS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/{file}.toml"));
        let experiment = Experiment::read(&path, &[], &mut Sources::default()).expect(file);
        let key = experiment.arms[0].train_key(1, "the data", "the network");
        assert_eq!(key.as_str(), expected, "{file}");
    }
}
