#!/usr/bin/env bash
# From an empty folder: `balpoe new plugin` makes a crate of every kind. As they are made they are formatted, have no lints and
# pass their tests, and the tables of their experiments name them; and so it is with the crates of docs/examples. Then what
# linking gets wrong: a component that nobody linked, and two crates with one name.
#
# Wants the program built (`cargo build`). All crates are members of one workspace, so that what they depend on is compiled
# once; crates from the registry have the profile of this repository, so that they are compiled already.
set -euo pipefail
repository="$(cd "$(dirname "$0")/.." && pwd)"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$repository/target}" NO_COLOR=1
balpoe="$CARGO_TARGET_DIR/debug/balpoe"
unset BALPOE_DATA

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

complain() { printf 'error: %s\n' "$*" >&2; exit 1; }

# flatten FILE: messages are broken into lines where they are long; here they have neither lines nor spaces.
flatten() { tr -d '\n│ ' < "$1" > flat && mv flat "$1"; }

# expect FILE PATTERN: the file has a line like that.
expect() { grep -qE "$2" "$1" || { cat "$1" >&2; complain "no line like /$2/"; }; }

kinds="$("$balpoe" list | sed -n 's/^\([a-z]*\): .*/\1/p')"
crates=()
for kind in $kinds; do
    "$balpoe" new plugin "own-$kind" --kind "$kind" > /dev/null
    crates+=("own-$kind")
done
[ "${#crates[@]}" = 11 ] || complain "expected 11 kinds, found: $kinds"

for example in "$repository"/docs/examples/*/; do
    name="$(basename "$example")"
    cp -r "$example" "$name"
    sed -i "s|\"\.\./\.\./\.\./\?|\"$repository/|" "$name/Cargo.toml"
    crates+=("$name")
done

# Two crates with one component: a copy under another name, and a program that links both.
cp -r own-calibrator twin
rm -r twin/tests
sed -i 's/^name = .*/name = "twin"/; s|^\[dependencies\]|&\nown-calibrator = { path = "../own-calibrator" }|' twin/Cargo.toml
sed -i 's/^use own_calibrator as _;/&\nuse twin as _;/' twin/src/main.rs

cp "$repository/Cargo.lock" "$repository/rustfmt.toml" .
{
    printf '[workspace]\nresolver = "3"\nmembers = ["twin"%s]\n\n' "$(printf ', "%s"' "${crates[@]}")"
    printf '[profile.dev]\ndebug = "line-tables-only"\n\n[profile.dev.package."*"]\nopt-level = 2\n'
    # The framework is compiled anew; experiments of this size need no more.
    printf '\n[profile.dev.package.balpoe-engine]\nopt-level = 1\n'
    for crate in balpoe balpoe-core balpoe-data balpoe-lab balpoe-net balpoe-plugins balpoe-stats balpoe-testing; do
        printf '\n[profile.dev.package.%s]\nopt-level = 0\n' "$crate"
    done
} > Cargo.toml
# Of a workspace only the root's profile counts, and Cargo says so for every member.
sed -i '/^# Tests compute/,$d' ./*/Cargo.toml

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
cargo test --workspace
for name in "${crates[@]}"; do
    (cd "$name" && "$CARGO_TARGET_DIR/debug/$name" experiment "experiments/$name.toml" > table.txt 2> log.txt) ||
        { cat "$name/log.txt" >&2; complain "the experiment of $name failed"; }
    # A row of the table: an arm that is called after the component, with both seeds.
    expect "$name/table.txt" "^(.* on )?$name +2 "
done

"$CARGO_TARGET_DIR/debug/own-head" check own-calibrator/experiments/own-calibrator.toml 2> unlinked.txt &&
    complain "a component that is not linked was found"
flatten unlinked.txt
expect unlinked.txt 'unknowncalibrator"own-calibrator"'
expect unlinked.txt 'add`usethat_crateas_;`totheprogram'

# It has no tests that would have built it.
cargo build --package twin
"$CARGO_TARGET_DIR/debug/twin" list 2> twins.txt && complain "two components of one name were not noticed"
flatten twins.txt
expect twins.txt 'own-calibrator/src/own_calibrator.rs:[0-9]+andtwin/src/own_calibrator.rs:[0-9]+'

echo "${#crates[@]} crates, as they should be ($SECONDS s)"
