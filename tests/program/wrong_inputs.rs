//! Mistakes of users: every message says where, what was expected, what was found, and what to do; every class of mistakes has
//! its exit code.

use std::fs::{self, File};

use crate::sandbox::{Sandbox, assert_snapshot, newest_checkpoint};

/// The complaints about the miniature with one part replaced, for each of these parts and replacements.
fn complaints(sandbox: &Sandbox, replacements: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (name, part, replacement) in replacements {
        sandbox.variant(name, part, replacement);
        text += &sandbox.complaint(&format!("experiment {name}"));
    }
    text
}

#[test]
fn misspelt_names() {
    let sandbox = Sandbox::new();
    let calibrator = "[[calibrator]]\nkind = \"temperature\"\nom = \"experts\"\n\n[train]";
    let mut text = complaints(
        &sandbox,
        &[
            ("component.toml", "\"balanced-experts\"", "\"balanced-expert\""),
            ("section.toml", "[train]", "[trian]"),
            ("key.toml", "learning_rate =", "learning_rat ="),
            ("calibrator.toml", "[train]", calibrator),
            ("plain.toml", "kind = \"mixup\"", "kind = \"mixup\"\nalpah = 0.4"),
        ],
    );
    // The mistake is in the file that is extended, and that is the one to show.
    sandbox.write("extending.toml", "extends = \"key.toml\"\nseeds = [2]\n");
    for arguments in [
        "experiment extending.toml",
        "experiment tiny.toml --set train.epoch=2",
        "experiment tiny.toml --set evaluat.bins=2",
        "list calibratr",
        "describe mixing/mixupp",
        "data show cifra100",
    ] {
        text += &sandbox.complaint(arguments);
    }
    assert_snapshot("misspelt_names", &text);
}

#[test]
fn values_that_do_not_fit() {
    let sandbox = Sandbox::new();
    let mut text = complaints(
        &sandbox,
        &[
            ("word.toml", "epochs = 3", "epochs = \"three\""),
            ("number.toml", "learning_rate = 0.02", "learning_rate = \"fast\""),
            ("table.toml", "[train]", "[[train]]"),
            ("single.toml", "[[mixing]]", "[mixing]"),
            ("tau.toml", "{ limits = [0.0, 1.0] }", "[0.0, 1.0, 2.0]"),
            ("range.toml", "learning_rate = 0.02", "learning_rate = -0.02"),
            ("seeds.toml", "seeds = [1]", "seeds = []"),
            ("twice.toml", "seeds = [1]", "seeds = [1, 1]"),
            ("pairs.toml", "kind = \"mixup\"", "kind = \"mixup\"\n\n[[mixing]]\nkind = \"cutmix\""),
            ("validation.toml", "[train]", "[[calibrator]]\nkind = \"temperature\"\n\n[train]"),
            ("distribution.toml", "\"forward2\"", "\"sideways2\""),
            ("nothing.toml", "[backbone]", "[spine]"),
            ("syntax.toml", "seeds = [1]", "seeds = [1"),
        ],
    );
    sandbox.write("arms.toml", "extends = \"tiny.toml\"\n\n[[arm]]\nname = \"a\"\n\n[[arm]]\nname = \"a\"\n");
    for arguments in [
        "experiment arms.toml",
        "experiment tiny.toml --set train.batch_size=-1",
        "experiment tiny.toml --set train.epochs",
        "experiment tiny.toml --set train.epochs=[",
        "experiment tiny.toml --set seeds.first=1",
        "experiment tiny.toml --unset train.epoch",
        "experiment tiny.toml --device gpu",
        "experiment tiny.toml --seeds one",
        "experiment",
    ] {
        text += &sandbox.complaint(arguments);
    }
    assert_snapshot("values_that_do_not_fit", &text);
}

#[test]
fn files_that_extend_each_other() {
    let sandbox = Sandbox::new();
    sandbox.write("self.toml", "name = \"self\"\nextends = \"self.toml\"\n");
    sandbox.write("a.toml", "extends = [\"tiny.toml\", \"b.toml\"]\n");
    sandbox.write("b.toml", "extends = \"c.toml\"\n");
    sandbox.write("c.toml", "extends = \"a.toml\"\n");
    sandbox.write("orphan.toml", "name = \"orphan\"\nextends = [\"tiny.toml\", \"parent.toml\"]\n");
    let text: String = ["self.toml", "a.toml", "orphan.toml", "absent.toml"]
        .map(|file| sandbox.complaint(&format!("experiment {file}")))
        .concat();
    assert_snapshot("files_that_extend_each_other", &text);
}

#[test]
fn data_that_is_not_there_or_not_right() {
    let sandbox = Sandbox::new();
    sandbox.write("cifar.toml", "extends = \"tiny.toml\"\n[dataset]\nkind = \"cifar100\"\n");
    let mut text = sandbox.complaint("experiment cifar.toml --data data");
    let folder = sandbox.path("data/cifar-100-binary");
    fs::create_dir_all(&folder).expect("a folder");
    let train = File::create(folder.join("train.bin")).expect("a file");
    for bytes in [153_000_000, 153_700_000] {
        // Holes read as zeros: black images of class 0.
        train.set_len(bytes).expect("a length");
        text += &sandbox.complaint("experiment cifar.toml --data data");
    }
    assert_snapshot("data_that_is_not_there_or_not_right", &text);
}

#[test]
fn a_file_in_place_of_the_output_folder() {
    let sandbox = Sandbox::new();
    sandbox.write("runs", "");
    let text = sandbox.complaint("experiment tiny.toml")
        + &sandbox.complaint("experiment tiny.toml --out runs/deeper");
    assert_snapshot("a_file_in_place_of_the_output_folder", &text);
}

#[test]
fn checkpoints_that_are_damaged_or_of_another_network() {
    let sandbox = Sandbox::new();
    for (store, more) in [("runs", ""), ("wider", " --set backbone.width=12")] {
        let command = format!("experiment tiny.toml --checkpoint-every 0 --out {store}{more}");
        let mut program = sandbox.start(&command);
        sandbox.wait_for_step(store, 3, &mut program);
        program.kill().expect("killed");
        program.wait().expect("ended");
    }
    let newest = |store: &str| {
        let cell = sandbox.cell(store);
        let step = newest_checkpoint(&cell).expect("killed in the middle");
        cell.join(format!("checkpoints/{step:010}"))
    };

    let stranger = sandbox.cell("runs").join("checkpoints/9999999999");
    fs::create_dir(&stranger).expect("a folder");
    for file in ["manifest.json", "state.safetensors"] {
        fs::copy(newest("wider").join(file), stranger.join(file)).expect("copied");
    }
    let mut text = sandbox.complaint("experiment tiny.toml");
    fs::remove_dir_all(stranger).expect("removed");

    let state = newest("runs").join("state.safetensors");
    let mut bytes = fs::read(&state).expect("a checkpoint");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&state, bytes).expect("written");
    text += &sandbox.complaint("experiment tiny.toml");
    fs::write(newest("runs").join("manifest.json"), "{").expect("written");
    text += &sandbox.complaint("experiment tiny.toml");
    assert_snapshot("checkpoints_that_are_damaged_or_of_another_network", &text);
}

#[test]
fn a_cell_that_diverges_leaves_the_others_to_run() {
    let sandbox = Sandbox::new();
    let arms = "\n[[arm]]\nname = \"absurd\"\nset = { \"optimizer.learning_rate\" = 1e30 }\n\n[[arm]]\nname = \"plain\"\n";
    sandbox.write(
        "absurd.toml",
        &(fs::read_to_string(sandbox.path("tiny.toml")).expect("the miniature") + arms),
    );
    let outcome = sandbox.run("experiment absurd.toml");
    assert_eq!(outcome.code, Some(5));
    for line in [
        "No result: absurd with seed 1: training diverged: the loss is NaN in epoch 1, batch 2",
        "plain   1 ",
    ] {
        assert!(outcome.stdout.contains(line), "no `{line}` in\n{}", outcome.stdout);
    }
    assert_snapshot("a_cell_that_diverges_leaves_the_others_to_run", &outcome.stderr);
}
