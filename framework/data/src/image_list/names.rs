//! Names of classes.

use super::list::List;

/// The names in a text: a line `label<tab>…<tab>name`, `label name`, or a name a line in the order of the labels; `None` if they are
/// not one for each class.
pub(super) fn parse(text: &str, classes: usize) -> Option<Vec<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() != classes {
        return None;
    }
    let mut names = vec![String::new(); classes];
    for (position, line) in lines.into_iter().enumerate() {
        let labelled = line.split_once(char::is_whitespace).and_then(|(label, rest)| {
            let label: usize = label.parse().ok()?;
            Some((label, rest.rsplit('\t').next().unwrap_or(rest).trim()))
        });
        let (label, name) = labelled.unwrap_or((position, line));
        name.clone_into(names.get_mut(label)?);
    }
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

/// The folders that the images of each class are in, where each class has one of its own; else the labels.
pub(super) fn of_folders(list: &List, classes: usize) -> Vec<String> {
    let mut folders: Vec<Option<&str>> = vec![None; classes];
    let labels = || (0..classes).map(|label| label.to_string()).collect();
    for (path, &label) in list.paths.iter().zip(&list.labels) {
        let Some(folder) = folder(path) else { return labels() };
        match &mut folders[label as usize] {
            Some(known) if *known != folder => return labels(),
            known => *known = Some(folder),
        }
    }
    let mut distinct: Vec<&str> = folders.iter().copied().flatten().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != classes {
        return labels();
    }
    folders.into_iter().flatten().map(str::to_owned).collect()
}

/// The name of the folder that an image is in.
pub(super) fn folder(path: &str) -> Option<&str> {
    path.rsplit('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_any_of_the_usual_files() {
        let expected = Some(vec!["cat".to_owned(), "wild dog".to_owned()]);
        assert_eq!(parse("cat\nwild dog\n", 2), expected);
        assert_eq!(parse("1 wild dog\n0 cat\n", 2), expected);
        assert_eq!(parse("0\tn01\tcat\n1\tn02\twild dog\n", 2), expected);
        assert_eq!(parse("cat\n", 2), None);
        assert_eq!(parse("0 cat\n0 dog\n", 2), None);
        assert_eq!(parse("0 cat\n2 dog\n", 2), None);
    }

    #[test]
    fn folders_name_classes_if_each_has_one_of_its_own() {
        let list = |lines: &[(&str, u32)]| List {
            paths: lines.iter().map(|line| line.0.into()).collect(),
            labels: lines.iter().map(|line| line.1).collect(),
        };
        assert_eq!(of_folders(&list(&[("t/a/1", 0), ("t/b/1", 1), ("u/a/2", 0)]), 2), ["a", "b"]);
        assert_eq!(of_folders(&list(&[("t/a/1", 0), ("t/a/2", 1)]), 2), ["0", "1"]);
        assert_eq!(of_folders(&list(&[("1.jpg", 0), ("t/a/2", 1)]), 2), ["0", "1"]);
    }
}
