//! Every built-in component keeps the promises of its kind.

use balpoe_plugins as _;

#[test]
fn everything_complies() {
    balpoe_testing::assert_everything_complies();
}
