//! What headings and labels mean.

/// What the figures of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Accuracy over all test images.
    Overall,
    /// Mean accuracy over the classes with many (0), a medium number of (1) or few (2) training images.
    Group(usize),
    /// The number of classes of such a group.
    Classes(usize),
    /// Anything else.
    Other,
}

/// What a row is among its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One run.
    Seed,
    /// The mean over the runs above.
    Mean,
    /// The standard deviation over the runs above.
    Deviation,
    /// A row that stands for itself.
    Single,
}

const GROUPS: [&[&str]; 3] =
    [&["many", "head", "frequent"], &["medium", "med", "mid", "middle"], &["few", "tail", "rare"]];
const COUNTS: [&str; 5] = ["num", "number", "count", "counts", "n"];
const OVERALL: [&str; 3] = ["all", "overall", "top1"];
const OTHER_METRICS: [&str; 14] = [
    "ece",
    "mce",
    "nll",
    "brier",
    "loss",
    "entropy",
    "confidence",
    "conf",
    "images",
    "samples",
    "std",
    "sd",
    "top5",
    "f1",
];
/// Words that say nothing about which figures a column holds.
const FILLERS: [&str; 14] = [
    "shot",
    "shots",
    "class",
    "classes",
    "distribution",
    "distributions",
    "test",
    "set",
    "testset",
    "the",
    "in",
    "percent",
    "mean",
    "of",
];

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace("top-1", "top1").replace("top 1", "top1");
    let text = text.replace("top-5", "top5").replace("top 5", "top5");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn group(word: &str) -> Option<usize> {
    GROUPS.iter().position(|names| names.contains(&word))
}

fn is_accuracy(word: &str) -> bool {
    word.starts_with("acc") || OVERALL.contains(&word)
}

/// What a column's last heading says.
pub(super) fn quantity(heading: &str) -> Quantity {
    let words = words(heading);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&OTHER_METRICS) {
        return Quantity::Other;
    }
    let accuracy = words.iter().any(|word| is_accuracy(word));
    let counted = has(&COUNTS) || heading.contains('#') || (has(&["classes"]) && !accuracy);
    match words.iter().find_map(|word| group(word)) {
        Some(group) if counted => Quantity::Classes(group),
        Some(group) => Quantity::Group(group),
        None if accuracy && !counted => Quantity::Overall,
        None => Quantity::Other,
    }
}

/// A heading without case, punctuation and words that say nothing, to compare headings.
pub(super) fn key(heading: &str) -> String {
    words(heading).into_iter().filter(|word| !FILLERS.contains(&word.as_str())).collect()
}

/// To which setting (data set, method, test distribution …) a column belongs, from the outermost heading inwards.
pub(super) fn setting(path: &[String]) -> Vec<String> {
    let Some((leaf, above)) = path.split_last() else { return Vec::new() };
    let mut setting: Vec<String> = above.iter().map(|heading| key(heading)).collect();
    let is_quantity = |word: &str| {
        group(word).is_some() || is_accuracy(word) || COUNTS.contains(&word) || FILLERS.contains(&word)
    };
    if quantity(leaf) != Quantity::Other {
        setting.push(words(leaf).into_iter().filter(|word| !is_quantity(word)).collect());
    }
    setting.retain(|key| !key.is_empty());
    setting
}

/// Whether the test set below a heading has as many images of each class; `None` when the heading does not say.
pub(super) fn is_balanced(setting: &[String]) -> Option<bool> {
    let says = |words: &[&str]| setting.iter().any(|key| words.iter().any(|word| key.contains(word)));
    if says(&["forward", "backward", "fwd", "bwd", "imbalanced", "shifted", "unbalanced"]) {
        Some(false)
    } else if says(&["uniform", "balanced"]) {
        Some(true)
    } else {
        None
    }
}

/// What a row's label says.
pub(super) fn kind(label: &str) -> Kind {
    let words = words(label);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let numbered = label.bytes().any(|byte| byte.is_ascii_digit());
    let run = words.iter().any(|word| is_run(word.trim_end_matches(|c: char| c.is_ascii_digit())));
    if run && numbered {
        Kind::Seed
    } else if has(&["mean", "avg", "average"]) {
        Kind::Mean
    } else if has(&["std", "sd", "stdev", "stddev", "deviation", "dev", "σ"]) || label.trim() == "±" {
        Kind::Deviation
    } else {
        Kind::Single
    }
}

/// Whether a heading stands above the numbers of runs.
pub(super) fn is_run(heading: &str) -> bool {
    ["seed", "run", "trial", "fold", "repeat", "repetition"].contains(&heading.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::{Kind, Quantity, is_balanced, key, kind, quantity, setting};

    #[test]
    fn headings_name_quantities() {
        for (heading, expected) in [
            ("accruacy", Quantity::Overall),
            ("All", Quantity::Overall),
            ("Top-1 acc. (%)", Quantity::Overall),
            ("Top-5 acc.", Quantity::Other),
            ("few_class_num", Quantity::Classes(2)),
            ("# many", Quantity::Classes(0)),
            ("medium_shot_acc", Quantity::Group(1)),
            ("Tail", Quantity::Group(2)),
            ("ECE (all)", Quantity::Other),
            ("Method", Quantity::Other),
        ] {
            assert_eq!(quantity(heading), expected, "{heading}");
        }
    }

    #[test]
    fn settings_are_compared_without_fillers() {
        let path = |headings: &[&str]| headings.iter().map(|&heading| heading.to_owned()).collect::<Vec<_>>();
        assert_eq!(setting(&path(&["uniform distribution", "few_shot_acc"])), ["uniform"]);
        assert_eq!(setting(&path(&["CIFAR", "forward-50 Many"])), ["cifar", "forward50"]);
        assert_eq!(key("Forward 50 test set"), "forward50");
        assert_eq!(is_balanced(&["forward50".to_owned()]), Some(false));
        assert_eq!(is_balanced(&["cifar".to_owned(), "uniform".to_owned()]), Some(true));
    }

    #[test]
    fn labels_name_kinds() {
        for (label, expected) in [
            ("SEED=1", Kind::Seed),
            ("run3", Kind::Seed),
            ("mean ± std", Kind::Mean),
            ("standard   deviation", Kind::Deviation),
            ("Standard-training   regime", Kind::Single),
            ("BalPoE", Kind::Single),
        ] {
            assert_eq!(kind(label), expected, "{label}");
        }
    }
}
