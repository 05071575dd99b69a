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
        "experiment tiny.toml --device cuda:",
        "experiment tiny.toml --device cuda:0,0",
        "experiment tiny.toml --device cuda:3-1",
        "experiment tiny.toml --seeds one",
        "experiment",
    ] {
        text += &sandbox.complaint(arguments);
    }
    assert_snapshot("values_that_do_not_fit", &text);
}

#[test]
fn phases_that_do_not_fit() {
    let sandbox = Sandbox::new();
    let wrong = [
        ("late.toml", "after = 3\nfreeze = [\"backbone\"]"),
        ("order.toml", "after = 2\nfreeze = [\"head\"]\n\n[[phase]]\nafter = 1\nfreeze = []"),
        ("nothing.toml", "after = 1"),
        ("same.toml", "after = 1\nset = { \"optimizer.learning_rate\" = 0.02 }"),
        ("when.toml", "freeze = [\"backbone\"]"),
        ("key.toml", "after = 1\nfreze = [\"backbone\"]"),
        ("part.toml", "after = 1\nfreeze = [\"layer9\"]"),
        ("again.toml", "after = 1\nreinitialise = [\"heads\"]"),
        ("everything.toml", "after = 1\nfreeze = [\"backbone\", \"head\"]"),
        ("section.toml", "after = 1\nset = { \"backbone.width\" = 4 }"),
        ("misspelt.toml", "after = 1\nset = { \"optimiser.momentum\" = 0.5 }"),
        ("value.toml", "after = 1\nset = { \"optimizer.momentum\" = 1.5 }"),
        ("tau.toml", "after = 1\nset = { objective = { kind = \"balanced-experts\", tau = [1.0] } }"),
        ("kind.toml", "after = 1\nset = { sampler = { kind = \"class-balance\" } }"),
    ];
    let mut text = String::new();
    for (name, phase) in wrong {
        sandbox.variant(name, "[train]", &format!("[[phase]]\n{phase}\n\n[train]"));
        text += &sandbox.complaint(&format!("experiment {name}"));
    }
    sandbox.variant("table.toml", "[train]", "[phase]\nafter = 1\n\n[train]");
    text += &sandbox.complaint("experiment table.toml");
    assert_snapshot("phases_that_do_not_fit", &text);
}

#[test]
fn sweeps_that_do_not_fit() {
    let sandbox = Sandbox::new();
    let validation = "[validation]\nper_class = 2\n\n";
    let rate = "grid = { optimizer.learning_rate = [0.01, 0.02] }";
    let wrong = [
        ("images.toml", "", rate.to_owned()),
        ("test.toml", validation, format!("select_on = \"test\"\n{rate}")),
        ("metric.toml", validation, format!("metric = \"acuracy\"\n{rate}")),
        ("grid.toml", validation, "seeds = [1]".to_owned()),
        ("empty.toml", validation, "grid = {}".to_owned()),
        ("single.toml", validation, "grid = { optimizer.learning_rate = 0.01 }".to_owned()),
        ("none.toml", validation, "grid = { optimizer.learning_rate = [] }".to_owned()),
        ("value.toml", validation, "grid = { optimizer.learning_rate = [0.01, -1.0] }".to_owned()),
        ("key.toml", validation, "grid = { optimizer.learning_rat = [0.01] }".to_owned()),
        ("section.toml", validation, "grid = { optimiser.learning_rate = [0.01] }".to_owned()),
        ("entry.toml", validation, "grid = { mixing.1.alpha = [0.1] }".to_owned()),
        (
            "twice.toml",
            validation,
            "grid = { optimizer.momentum = [0.5], \"optimizer.momentum\" = [0.9] }".to_owned(),
        ),
        ("word.toml", validation, format!("trials = 3\n{rate}")),
    ];
    let mut text = String::new();
    for (name, validation, sweep) in wrong {
        sandbox.variant(name, "[train]", &format!("{validation}[sweep]\n{sweep}\n\n[train]"));
        text += &sandbox.complaint(&format!("experiment {name}"));
    }
    let arms = "\n[[arm]]\nname = \"a\"\n\n[[arm]]\nname = \"b\"\nset = { sweep.grid = { head.scale = [10.0, 20.0] } }\n";
    let own = fs::read_to_string(sandbox.path("metric.toml")).expect("a file").replace("acuracy", "accuracy");
    sandbox.write("unequal.toml", &(own + arms));
    text += &sandbox.complaint("experiment unequal.toml");
    text += &sandbox.complaint("check metric.toml");
    assert_snapshot("sweeps_that_do_not_fit", &text);
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

/// What is wrong depends on the machine; that it is one line with this exit code does not. The lines of each kind of machine
/// are snapshots of the engine's `device` module.
#[test]
fn a_gpu_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run("experiment tiny.toml --device cuda:99");
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("  × cannot use `cuda:99`: "), "{}", outcome.stderr);
    assert!(!sandbox.path("runs").exists(), "nothing was begun");

    let automatic = sandbox.run("experiment tiny.toml");
    assert_eq!(automatic.code, Some(0), "{}", automatic.stderr);
    let said = automatic.stderr.lines().filter(|line| line.starts_with("device: cpu, because ")).count();
    assert_eq!(said, 1, "{}", automatic.stderr);
    let asked = sandbox.run("experiment tiny.toml --device cpu --seeds 2");
    assert!(!asked.stderr.contains("device:"), "{}", asked.stderr);
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
