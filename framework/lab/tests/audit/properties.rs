//! A consistent table gives no finding.

use balpoe_lab::audit::Class;
use proptest::prelude::*;

use crate::fixtures::{Made, Random, STYLES};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_consistent_is_not_contradicted(seed: u64, style in 0..STYLES.len(), runs in 2_usize..7) {
        let made = Made::new(STYLES[style].1, runs, &mut Random(seed));
        let report = made.audit();
        // Outliers are a matter of chance; the next test counts them.
        let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.class != Class::Suspicious).collect();
        prop_assert!(wrong.is_empty(), "{wrong:#?}\n{}", made.text());
        prop_assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    }
}

#[test]
fn consistent_tables_are_rarely_suspicious() {
    let mut random = Random(1);
    let alarms = (0..500).filter(|_| !Made::new(STYLES[0].1, 5, &mut random).audit().is_clean()).count();
    assert!(alarms <= 15, "{alarms} of 500 tables, where at most one in a hundred is expected");
}
