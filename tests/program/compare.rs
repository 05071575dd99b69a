//! `balpoe compare` on a small experiment that is really run.

use crate::sandbox::{Sandbox, assert_snapshot};

#[test]
fn arms_of_the_miniature_are_compared() {
    let sandbox = Sandbox::new();
    let arms = "\n[[arm]]\nname = \"balanced\"\n[[arm]]\nname = \"plain\"\nset = { objective = { kind = \"cross-entropy\" } }\n";
    let tiny = std::fs::read_to_string(sandbox.path("tiny.toml")).expect("the miniature");
    sandbox.write(
        "two.toml",
        &(tiny.replace("seeds = [1]", "seeds = [1, 2, 3]").replace("epochs = 3", "epochs = 1") + arms),
    );
    let nothing = sandbox.complaint("compare two.toml");
    let trained = sandbox.run("experiment two.toml");
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    let outcome = sandbox.run("compare two.toml --metric accuracy,nll --baseline plain");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // Figures depend on the instruction set; what is told does not.
    for said in [
        "balanced − plain",
        "With 3 pairs Wilcoxon and sign flips cannot go below p = 0.25, so they can never reach 0.05",
        "Corrections over the 2 t tests of this table",
        "seeds and images",
        "seed 3",
        "Seeds needed",
    ] {
        assert!(outcome.stdout.contains(said), "no `{said}` in\n{}", outcome.stdout);
    }
    let of_runs = sandbox.run("compare tiny --metric accuracy,nll --baseline plain");
    assert_eq!(of_runs.stdout, outcome.stdout, "{}", of_runs.stderr);
    let fewer = sandbox.run("compare tiny --metric accuracy --baseline plain --seeds 1,3");
    assert!(fewer.stdout.contains("With 2 pairs") && !fewer.stdout.contains("seed 2"), "{}", fewer.stdout);
    let all = sandbox.run("evaluate tiny --metrics all");
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    for said in [
        "tiny: plain: calibration, all metrics",
        "ECE, debiased",
        "Brier: reliability",
        "diversity of experts",
    ] {
        assert!(all.stdout.contains(said), "no `{said}` in\n{}", all.stdout);
    }
    let unknown = sandbox.complaint("compare two.toml --baseline balanced-softmax");
    let mixed = sandbox.complaint("compare two.toml tiny");
    assert_snapshot("comparisons_that_cannot_be_made", &(nothing + &unknown + &mixed));
}
