//! The book tells the same story as the program: its experiments are valid, its commands exist, its links lead somewhere, and what
//! is generated is what the program prints today.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{REPOSITORY, run_in, run_words};

/// A fenced block: the page, the line of its first line, and the text.
struct Block {
    page: String,
    line: usize,
    text: String,
}

/// The pages of the book, and the front page of the repository.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(REPOSITORY);
    let mut paths: Vec<PathBuf> = root
        .join("docs/src")
        .read_dir()
        .expect("the book")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.push(root.join("README.md"));
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root).expect("inside").display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a page"))).collect()
}

/// All blocks whose fence says exactly this.
fn blocks(fence: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (page, text) in pages() {
        let mut lines = text.lines().enumerate();
        while let Some((start, line)) = lines.next() {
            let Some(found) = line.strip_prefix("```") else { continue };
            let inside = lines.by_ref().take_while(|(_, line)| *line != "```");
            let text: String = inside.map(|(_, line)| format!("{line}\n")).collect();
            if found == fence {
                blocks.push(Block { page: page.clone(), line: start + 2, text });
            }
        }
    }
    blocks
}

/// A command line in words; quotes keep words together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (_, letter) => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Copies the TOML files of a folder and of those in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in from.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).expect("copied");
        }
    }
}

#[test]
fn experiments_in_the_book_are_valid() {
    // They stand among the experiments of the repository, as they would in a reader's checkout.
    let checkout = tempfile::tempdir().expect("a folder");
    for folder in ["experiments", "configs"] {
        copy(&Path::new(REPOSITORY).join(folder), &checkout.path().join(folder));
    }
    let blocks = blocks("toml,experiment");
    assert!(blocks.len() >= 4, "only {} experiments were found", blocks.len());
    for Block { page, line, text } in blocks {
        fs::write(checkout.path().join("experiments/of-the-book.toml"), text).expect("written");
        let outcome = run_in(checkout.path(), "check experiments/of-the-book.toml");
        assert_eq!(outcome.code, Some(0), "{page}:{line}\n{}", outcome.stderr);
    }
}

#[test]
fn commands_in_the_book_exist() {
    let mut count = 0;
    for Block { page, line, text } in blocks("sh") {
        for command in text.replace("\\\n", " ").lines() {
            // Without what the shell takes for itself.
            let command =
                [" # ", " > "].iter().fold(command, |line, end| line.split(end).next().unwrap_or(line));
            let arguments = ["balpoe ", "cargo run --release -- ", "target/release/balpoe "];
            let Some(arguments) = arguments.iter().find_map(|program| command.trim().strip_prefix(program))
            else {
                continue;
            };
            let mut arguments = words(arguments);
            // The chapter on plugins works in a crate of the reader's own.
            let ours = |word: &&String| word.starts_with("experiments/") && page != "docs/src/plugins.md";
            for file in arguments.iter().filter(ours) {
                assert!(Path::new(REPOSITORY).join(file).exists(), "{page}:{line}: there is no {file}");
            }
            // With this the program reads all flags and their values, and does nothing.
            arguments.push("--help".to_owned());
            let outcome = run_words(Path::new(REPOSITORY), &arguments);
            assert_eq!(outcome.code, Some(0), "{page}:{line}: {command}\n{}", outcome.stderr);
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

/// A heading as the address of its section.
fn anchor(heading: &str) -> String {
    let plain = heading.to_lowercase().replace(' ', "-");
    plain.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn links_in_the_book_lead_somewhere() {
    let pages = pages();
    let mut count = 0;
    for (page, text) in &pages {
        let folder = Path::new(REPOSITORY).join(page).parent().expect("a folder").to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { Path::new(REPOSITORY).join(page) } else { folder.join(file) };
            assert!(target.exists(), "{page}: the link to {link} leads nowhere");
            if !section.is_empty() {
                let text = fs::read_to_string(&target).expect("a page");
                let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                let found =
                    headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|a| a == section);
                assert!(found, "{page}: there is no section {link}");
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} links were found");
    let summary = fs::read_to_string(Path::new(REPOSITORY).join("docs/src/SUMMARY.md")).expect("the summary");
    for (page, _) in
        pages.iter().filter(|(page, _)| page.starts_with("docs/") && !page.ends_with("SUMMARY.md"))
    {
        let name = page.rsplit('/').next().expect("a name");
        assert!(summary.contains(&format!("]({name})")), "{page} is not in the summary");
    }
}

/// What the program prints for these arguments is what this file of the book has.
fn is_current(file: &str, arguments: &str) {
    let repository = Path::new(REPOSITORY);
    let printed = run_in(repository, arguments).stdout;
    let kept = fs::read_to_string(repository.join(file)).unwrap_or_default();
    assert!(printed == kept, "{file} is out of date: run `cargo run -- {arguments} > {file}`");
}

#[test]
fn the_reference_of_components_is_current() {
    is_current("docs/src/components.md", "describe --all --format markdown");
}

#[test]
fn the_schema_is_current() {
    is_current("docs/src/experiment.schema.json", "schema");
}
