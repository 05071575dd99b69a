//! Snapshots of tables that may differ in their last digits.

use insta::Comparator;
use insta::internals::SnapshotContents;

/// Compares snapshots word by word: numbers by `|a - b| <= absolute + relative max(|a|, |b|)`, everything else exactly.
///
/// Spaces between words may differ, since a number of another length moves a table's columns.
///
/// ```
/// use balpoe_testing::WithinTolerance;
///
/// let tolerance = WithinTolerance { absolute: 0.05, relative: 0.0 };
/// tolerance.bind(|| insta::assert_snapshot!("accuracy 51.98 ± 0.23", @"accuracy 51.95 ± 0.25"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithinTolerance {
    /// Difference that is always allowed.
    pub absolute: f64,
    /// Difference that is allowed for each unit of the larger number.
    pub relative: f64,
}

impl Comparator for WithinTolerance {
    fn matches(&self, reference: &insta::Snapshot, test: &insta::Snapshot) -> bool {
        match (reference.contents(), test.contents()) {
            (SnapshotContents::Text(a), SnapshotContents::Text(b)) => {
                self.accepts(&a.to_string(), &b.to_string())
            }
            (a, b) => a == b,
        }
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(*self)
    }
}

impl WithinTolerance {
    /// Runs assertions with this tolerance, on top of `insta`'s current settings.
    pub fn bind(self, assertions: impl FnOnce()) {
        let mut settings = insta::Settings::clone_current();
        settings.set_comparator(Box::new(self));
        settings.bind(assertions);
    }

    /// Whether two texts are the same within the tolerance.
    pub fn accepts(&self, reference: &str, found: &str) -> bool {
        let lines = |text: &str| text.trim().lines().count();
        lines(reference) == lines(found)
            && reference.trim().lines().zip(found.trim().lines()).all(|(a, b)| {
                let (a, b) = (pieces(a), pieces(b));
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b))
            })
    }

    fn same(&self, a: &str, b: &str) -> bool {
        match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => a == b || (x - y).abs() <= self.absolute + self.relative * x.abs().max(y.abs()),
            _ => a == b,
        }
    }
}

/// Numbers and the texts between them, without spaces.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for word in line.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let numeric = |c: char| c.is_ascii_digit();
            let digits = rest.starts_with(numeric)
                || rest.strip_prefix(['-', '+', '.']).is_some_and(|rest| rest.starts_with(numeric));
            let end = if digits { number_length(rest) } else { text_length(rest) };
            let (piece, others) = rest.split_at(end);
            pieces.push(piece);
            rest = others;
        }
    }
    pieces
}

/// Length of the longest start that is a number.
fn number_length(text: &str) -> usize {
    let mut ends = text.char_indices().map(|(i, c)| i + c.len_utf8()).rev();
    ends.find(|&end| text[..end].parse::<f64>().is_ok()).unwrap_or(1)
}

/// Length of the text before the next digit or sign of a number.
fn text_length(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    text[first..].find(|c: char| c.is_ascii_digit()).map_or(text.len(), |digit| {
        let before = &text[..first + digit];
        // A sign belongs to the number unless a word goes on to it, as in `resnet-32`.
        match before.strip_suffix(['-', '+', '.']) {
            Some(word) if !word.is_empty() && !word.ends_with(char::is_alphanumeric) => word.len(),
            _ => before.len(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_differ_and_nothing_else() {
        let tolerance = WithinTolerance { absolute: 0.05, relative: 0.0 };
        let table = "arm      all        few\nbalpoe   51.98±0.23 -1.5%\nresnet-32 (n=5)";
        for same in [
            "arm   all   few\nbalpoe 52.02±0.20 -1.46%\nresnet-32 (n=5)",
            "arm      all        few\nbalpoe   51.98±0.23 -1.5%\nresnet-32 (n=5)",
        ] {
            assert!(tolerance.accepts(table, same), "{same}");
        }
        for other in [
            "arm      all        few\nbalpoe   52.08±0.23 -1.5%\nresnet-32 (n=5)",
            "arm      all        few\nbalpoe   51.98±0.23 1.5%\nresnet-32 (n=5)",
            "arm      all        few\nbalpoe   51.98±0.23 -1.5\nresnet-32 (n=5)",
            "arm      all        few\nbalpoe   51.98±0.23 -1.5%\nresnet-32 (n=6)",
            "arm      all        few\nbalpoe   51.98±0.23 -1.5%",
            "arm      all        tail\nbalpoe   51.98±0.23 -1.5%\nresnet-32 (n=5)",
        ] {
            assert!(!tolerance.accepts(table, other), "{other}");
        }
    }
}
