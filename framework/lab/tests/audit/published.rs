//! The table of five seeds that the reference code publishes; `BALPOE_REFERENCE` says where it is.

use std::fs;

use balpoe_lab::audit::{Class, Facts, Language, audit, parse};

#[test]
#[expect(clippy::print_stderr, reason = "says why the test did nothing")]
fn every_wrong_cell_of_the_reference_table_is_found() {
    let Some(path) = std::env::var_os("BALPOE_REFERENCE") else {
        eprintln!("skipped: BALPOE_REFERENCE does not name the reference table");
        return;
    };
    let text = fs::read_to_string(path).expect("the reference table can be read");
    let report = audit(&parse(&text, Language::Latex).expect("it holds a table"), &Facts::default());
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.printed.as_str(), finding.class, finding.corrected.as_deref()))
        .collect();
    // The corrections of `configs/reference/balpoe-cifar100-lt-ir100.toml` and `balpoe-inaturalist2018.toml`.
    let mut expected = vec![
        ("50.97", Class::Contradicted, Some("30.97")),
        ("34.802", Class::Consequence, Some("30.802")),
        ("9.048103", Class::Consequence, Some("0.433786")),
        ("52.26", Class::OffByOneSample, Some("52.25")),
        ("0.23", Class::Consequence, Some("0.227")),
        ("61,84", Class::Malformed, Some("61.84")),
        ("61.71", Class::Consequence, Some("61.73")),
        ("0.338", Class::Consequence, Some("0.299")),
        ("0.3433332", Class::Contradicted, Some("0.34633333")),
        ("0.355066638", Class::Consequence, Some("0.355666664")),
        ("0.008936238", Class::Consequence, Some("0.008003473")),
        ("75..2", Class::Malformed, None),
    ];
    let mut found = findings.clone();
    found.sort_unstable_by_key(|finding| finding.0);
    expected.sort_unstable_by_key(|finding| finding.0);
    assert_eq!(found, expected, "{}", report.text());
}
