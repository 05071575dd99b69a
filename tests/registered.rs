//! The components that the program links. The linker drops a crate that nothing names, and its registrations with it, without
//! a word: this list would notice.

use std::collections::BTreeMap;

use balpoe::core::registry::{Kind, conflicts, descriptors};

#[test]
fn components_are_linked_and_have_names_of_their_own() {
    assert_eq!(conflicts(), Vec::<String>::new());
    let mut names: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
    for descriptor in descriptors() {
        names.entry(descriptor.kind).or_default().push(descriptor.name);
    }
    let lines: Vec<String> =
        names.iter().map(|(kind, names)| format!("{kind}: {}", names.join(", "))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
