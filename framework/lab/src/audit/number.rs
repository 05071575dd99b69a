//! What a printed cell says.

/// A number with the digits that were printed, in the unit that was printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Printed {
    pub(super) value: f64,
    pub(super) decimals: usize,
    /// Whether a percent sign follows.
    pub(super) percent: bool,
}

/// A cell, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    /// Nothing, or a dash.
    Empty,
    /// Words.
    Words,
    /// `nan`: a division of zero by zero.
    NotANumber,
    /// A figure, perhaps with its deviation.
    Number { main: Printed, deviation: Option<Printed> },
    /// Meant as a number; `repair` is what was meant, where that is clear.
    Malformed { repair: Option<Printed>, why: &'static str },
}

/// How numbers are written throughout a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notation {
    /// The decimal mark.
    pub(super) mark: char,
}

impl Notation {
    /// The mark that most numbers of the document use.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let (mut commas, mut points) = (0, 0);
        for cell in cells {
            let bytes = cell.as_bytes();
            for around in bytes.windows(3) {
                let between = around[0].is_ascii_digit() && around[2].is_ascii_digit();
                commas += usize::from(between && around[1] == b',');
                points += usize::from(between && around[1] == b'.');
            }
        }
        Self { mark: if commas > points { ',' } else { '.' } }
    }

    /// Writes a number down with `decimals` digits behind the mark.
    pub(super) fn write(self, value: f64, decimals: usize) -> String {
        let text = format!("{value:.decimals$}");
        if self.mark == ',' { text.replace('.', ",") } else { text }
    }

    /// Reads a cell; in a column of counts, three digits behind a comma are thousands.
    pub(super) fn read(self, cell: &str, counts: bool) -> Reading {
        let cell = cell.trim_matches(|c: char| c.is_whitespace() || "*†‡§↑↓".contains(c));
        match cell.to_lowercase().as_str() {
            "" | "-" | "–" | "—" | "--" | "---" | "/" | "n/a" | "na" => return Reading::Empty,
            "nan" => return Reading::NotANumber,
            _ => {}
        }
        let (main, deviation) = split_deviation(cell);
        let main = match self.number(main, counts) {
            Ok(main) => main,
            Err(problem) => return problem,
        };
        match deviation.map(|deviation| self.number(deviation, false)) {
            Some(Ok(deviation)) => Reading::Number { main, deviation: Some(deviation) },
            Some(Err(Reading::Malformed { why, .. })) => Reading::Malformed { repair: Some(main), why },
            None | Some(Err(_)) => Reading::Number { main, deviation: None },
        }
    }

    fn number(self, text: &str, counts: bool) -> Result<Printed, Reading> {
        let (digits, percent) = match text.trim().strip_suffix('%') {
            Some(digits) => (digits.trim_end(), true),
            None => (text.trim(), false),
        };
        let digits = digits.replace('−', "-");
        if let Some(plain) = self.plain(&digits, percent) {
            return Ok(plain);
        }
        let meant = |c: char| c.is_ascii_digit() || "+-.,".contains(c);
        let letters = |c: char| "OolI".contains(c);
        let numeric = digits.starts_with(meant) || digits.starts_with(letters);
        let known = digits.chars().all(|c| meant(c) || letters(c) || c == ' ');
        let has = |wanted: fn(char) -> bool| digits.contains(wanted);
        if !(numeric && known && has(|c| c.is_ascii_digit()))
            || (has(|c| "OolI".contains(c)) && !has(|c| c == '.' || c == ','))
        {
            return Err(Reading::Words);
        }
        let other = if self.mark == '.' { ',' } else { '.' };
        let malformed = |repair: Option<Printed>, why| Err(Reading::Malformed { repair, why });
        if counts && is_grouped(&digits, other) {
            let joined = digits.replace(other, "");
            return self.plain(&joined, percent).ok_or(Reading::Words);
        }
        if digits.matches(['.', ',']).count() > 1 {
            return malformed(
                None,
                if digits.contains("..") || digits.contains(",,") {
                    "the decimal mark is doubled"
                } else {
                    "there are two decimal marks"
                },
            );
        }
        if digits.contains(other) {
            let why = if other == ',' {
                "a decimal comma, where the table has points"
            } else {
                "a decimal point, where the table has commas"
            };
            return malformed(self.plain(&digits.replace(other, &self.mark.to_string()), percent), why);
        }
        if has(|c| "OolI".contains(c)) {
            let digits = digits.replace(['O', 'o'], "0").replace(['l', 'I'], "1");
            return malformed(self.plain(&digits, percent), "a letter stands for a digit");
        }
        malformed(self.plain(&digits.replace(' ', ""), percent), "there is a space or sign within the number")
    }

    /// Sign, digits, mark, digits.
    fn plain(self, digits: &str, percent: bool) -> Option<Printed> {
        let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        let (whole, fraction) = unsigned.split_once(self.mark).unwrap_or((unsigned, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        if unsigned.ends_with(self.mark) || fraction.len() > 15 {
            return None;
        }
        let value = digits.replace(self.mark, ".").parse().ok()?;
        Some(Printed { value, decimals: fraction.len(), percent })
    }
}

/// Whether a cell looks like a figure in any notation.
pub(super) fn is_figure(cell: &str) -> bool {
    [',', '.']
        .iter()
        .any(|&mark| !matches!(Notation { mark }.read(cell, true), Reading::Words | Reading::Empty))
}

/// Splits `51.98 ± 0.23`, `51.98 +- 0.23` and `51.98 (0.23)`.
fn split_deviation(cell: &str) -> (&str, Option<&str>) {
    for sign in ["±", "+/-", "+-"] {
        if let Some((main, deviation)) = cell.split_once(sign) {
            return if main.trim().is_empty() { (deviation, None) } else { (main, Some(deviation)) };
        }
    }
    match cell.strip_suffix(')').and_then(|cell| cell.split_once('(')) {
        Some((main, deviation)) if !main.trim().is_empty() => {
            (main, deviation.starts_with(|c: char| c.is_ascii_digit()).then_some(deviation))
        }
        _ => (cell, None),
    }
}

/// `24,426`: groups of three digits.
fn is_grouped(digits: &str, separator: char) -> bool {
    let mut groups = digits.split(separator);
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()) && !group.starts_with('0'));
    let rest: Vec<&str> = groups.collect();
    first
        && !rest.is_empty()
        && rest.iter().all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a slip of the hand turns one number into the other: a digit changed, missing or added, two neighbours swapped,
/// the mark in another place.
pub(super) fn is_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let without_mark = |text: &[char]| text.iter().copied().filter(char::is_ascii_digit).collect::<Vec<_>>();
    if a == b {
        return false;
    }
    if without_mark(&a) == without_mark(&b) {
        return true;
    }
    if a.len() == b.len() {
        let different: Vec<usize> = (0..a.len()).filter(|&at| a[at] != b[at]).collect();
        return match different[..] {
            [_] => true,
            [first, second] => second == first + 1 && a[first] == b[second] && a[second] == b[first],
            _ => false,
        };
    }
    let (long, short) = if a.len() > b.len() { (&a, &b) } else { (&b, &a) };
    long.len() == short.len() + 1
        && (0..long.len()).any(|cut| long[..cut] == short[..cut] && long[cut + 1..] == short[cut..])
}

#[cfg(test)]
mod tests {
    use super::{Notation, Printed, Reading, is_slip};

    const POINT: Notation = Notation { mark: '.' };

    fn number(value: f64, decimals: usize) -> Reading {
        Reading::Number { main: Printed { value, decimals, percent: false }, deviation: None }
    }

    #[test]
    fn plain_numbers_keep_their_digits() {
        assert_eq!(POINT.read("51.90", false), number(51.9, 2));
        assert_eq!(POINT.read(" −3 ", false), number(-3.0, 0));
        assert_eq!(POINT.read(".523", false), number(0.523, 3));
        assert_eq!(POINT.read("24,426", true), number(24426.0, 0));
        assert_eq!(Notation { mark: ',' }.read("51,976", false), number(51.976, 3));
    }

    #[test]
    fn deviations_are_split_off() {
        for cell in ["51.98 ± 0.23", "51.98 +- 0.23", "51.98 (0.23)", "51.98±0.23*"] {
            let Reading::Number { main, deviation: Some(deviation) } = POINT.read(cell, false) else {
                panic!("{cell}");
            };
            assert_eq!((main.value, deviation.value), (51.98, 0.23), "{cell}");
        }
        assert_eq!(POINT.read("51.98 (+1.2)", false), number(51.98, 2));
    }

    #[test]
    fn broken_numbers_are_malformed_and_repaired_where_that_is_clear() {
        for (cell, repaired) in [
            ("61,84", Some(61.84)),
            ("75..2", None),
            ("7.5.2", None),
            ("5l.98", Some(51.98)),
            ("51 .98", Some(51.98)),
        ] {
            let Reading::Malformed { repair, .. } = POINT.read(cell, false) else { panic!("{cell}") };
            assert_eq!(repair.map(|repair| repair.value), repaired, "{cell}");
        }
        assert_eq!(POINT.read("forward50", false), Reading::Words);
        assert_eq!(POINT.read("nan", false), Reading::NotANumber);
    }

    #[test]
    fn slips_of_the_hand() {
        for (a, b) in
            [("50.97", "30.97"), ("51.98", "51.89"), ("51.98", "5.198"), ("51.98", "51.8"), ("51.98", "5198")]
        {
            assert!(is_slip(a, b) && is_slip(b, a), "{a} {b}");
        }
        assert!(!is_slip("51.98", "51.98") && !is_slip("51.98", "62.98"));
    }
}
