//! What the compiler says about wrong registrations.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/registration/*.rs");
}
