//! Every component keeps the promises of its kind.

use my_plugin as _;

#[test]
fn everything_complies() {
    balpoe_testing::assert_everything_complies();
}
