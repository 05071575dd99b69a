//! A folder to run the program in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The repository, where `experiments/` and `configs/` are.
pub(crate) const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// No run of these tests takes a tenth of it, and none may hang for ever.
const LIMIT: Duration = Duration::from_mins(4);

/// Variables of the environment that would change what the program does.
const SURROUNDINGS: [&str; 8] = [
    "BALPOE_DATA",
    "BALPOE_LOG",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Phases for the miniature, in place of its `[train]`: the second epoch trains a new head on a frozen backbone, the third goes on
/// with everything but the first layer.
pub(crate) const PHASES: &str = "\
[[phase]]
after = 1
freeze = [\"backbone\"]
reinitialise = [\"head\"]
set = { sampler = { kind = \"class-balanced\" }, objective = { kind = \"cross-entropy\" }, mixing = [] }

[[phase]]
after = 2
freeze = [\"layer1\"]
set = { \"optimizer.learning_rate\" = 0.01, schedule = { kind = \"cosine\" } }

[train]";

/// A folder of a test's own with the miniature experiment `tiny.toml` in it.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let tiny = Path::new(REPOSITORY).join("tests/experiments/tiny.toml");
        sandbox.write("tiny.toml", &fs::read_to_string(tiny).expect("the miniature"));
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// The miniature under another name with one part replaced.
    pub(crate) fn variant(&self, name: &str, part: &str, replacement: &str) {
        let tiny = fs::read_to_string(self.path("tiny.toml")).expect("the miniature");
        assert_eq!(tiny.matches(part).count(), 1, "the miniature has `{part}` once");
        self.write(name, &tiny.replace(part, replacement));
    }

    /// Runs the program here, with these arguments separated by blanks.
    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        run_in(self.folder.path(), arguments)
    }

    /// Starts the program and does not wait.
    pub(crate) fn start(&self, arguments: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_balpoe"));
        SURROUNDINGS.into_iter().for_each(|variable| _ = command.env_remove(variable));
        command
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started")
    }

    /// Runs the program and gives what a user would see of its complaints.
    pub(crate) fn complaint(&self, arguments: &str) -> String {
        let outcome = self.run(arguments);
        format!("$ balpoe {arguments}\n{}[exit code {}]\n\n", outcome.stderr, outcome.code.unwrap_or(-1))
    }

    /// The only cell in a run store.
    pub(crate) fn cell(&self, store: &str) -> PathBuf {
        let cells = fs::read_dir(self.path(store).join("cells")).expect("cells");
        let cells: Vec<PathBuf> = cells.map(|entry| entry.expect("an entry").path()).collect();
        let [cell] = &cells[..] else { panic!("expected one cell, found {cells:?}") };
        cell.clone()
    }

    /// Waits until a store's only cell has a whole checkpoint of this step or a later one, or the program has ended.
    pub(crate) fn wait_for_step(&self, store: &str, step: u32, program: &mut Child) {
        let start = Instant::now();
        while start.elapsed() < LIMIT && program.try_wait().expect("a state").is_none() {
            if self.path(store).join("cells").read_dir().is_ok_and(|mut cells| cells.next().is_some())
                && newest_checkpoint(&self.cell(store)).is_some_and(|found| found >= step)
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The step of a cell's newest whole checkpoint.
pub(crate) fn newest_checkpoint(cell: &Path) -> Option<u32> {
    let entries = cell.join("checkpoints").read_dir().ok()?;
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).max()
}

/// Runs the program in a folder, with the surroundings of the machine kept out.
pub(crate) fn run_in(folder: &Path, arguments: &str) -> Outcome {
    run_words(folder, &arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

/// Runs the program in a folder with these arguments.
pub(crate) fn run_words(folder: &Path, arguments: &[String]) -> Outcome {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_balpoe"));
    SURROUNDINGS.into_iter().for_each(|variable| _ = command.env_remove(variable));
    let output = command
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .timeout(LIMIT)
        .output()
        .expect("the program ran");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Compares a text with its snapshot, after removing what changes from run to run and from machine to machine.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{12}\b", "[key]");
    settings.add_filter(r"checkpoints/\d{10}", "checkpoints/[step]");
    settings
        .add_filter(r"loss \d+\.\d+  train accuracy [\d.]+ %", "loss [loss]  train accuracy [accuracy] %");
    settings.add_filter(r"\d+ images/s  .* left", "[speed]");
    settings.add_filter(r"[\d.]+ % on (\w+), took .*", "[accuracy] % on $1, took [time]");
    // On a handful of images, which setting is best may depend on the last bit.
    settings.add_filter(r"= \S+: chosen from (.*) \([\d.]+ %", "= [best]: chosen from $1 ([score] %");
    // Which of two settings is better in one epoch is the processor's rounding to say.
    settings.add_filter(
        r"(?m)(optimizer\.learning_rate = \S+) +\d+\.\d\d(?: +yes)?$",
        "$1 [score, chosen or not]",
    );
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings.add_filter(r"after \d+ s of training", "after [time] of training");
    settings.add_filter(r"\b\d+(\.\d)? (k|M)?B\b", "[size]");
    settings.add_filter(r"cpu, [\w+-]+, \d+ threads", "[device]");
    settings.add_filter(r"(\| \[key\] \| \w+ \|)( [\d.–]+ \|)+", "$1 [figures]");
    settings.add_filter(r"device: cpu, because .*\n", "device: [device]\n");
    settings.add_filter(r"(registered at \S+\.rs):\d+", "$1:[line]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}
