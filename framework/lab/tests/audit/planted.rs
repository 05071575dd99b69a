//! Made-up tables with one mistake each: what is found, what is corrected, what is alarmed without need.

use std::fmt::Write as _;

use balpoe_lab::audit::Class;

use crate::fixtures::{Made, Random, STYLES};

/// A way to spoil a cell.
#[derive(Clone, Copy)]
enum Mistake {
    /// A digit of a run is another one; means and deviations were taken before.
    RunAfterAveraging,
    /// The same, and means and deviations were taken of it. Only the balanced distribution can tell.
    RunBeforeAveraging,
    /// Two digits of a run are swapped.
    Swap,
    /// The other decimal mark.
    OtherMark,
    /// The decimal mark twice.
    DoubledMark,
    /// A digit of a mean is another one.
    Mean,
    /// A digit of a deviation is another one.
    Deviation,
}

const MISTAKES: [(&str, Mistake); 7] = [
    ("run, after averaging", Mistake::RunAfterAveraging),
    ("run, before averaging", Mistake::RunBeforeAveraging),
    ("swapped digits", Mistake::Swap),
    ("other decimal mark", Mistake::OtherMark),
    ("doubled decimal mark", Mistake::DoubledMark),
    ("mean", Mistake::Mean),
    ("deviation", Mistake::Deviation),
];

/// Tables of each kind.
const TABLES: usize = 30;
const RUNS: usize = 5;

/// Spoils a table. Returns the cell and what it should print.
fn plant(made: &mut Made, mistake: Mistake, random: &mut Random) -> (usize, usize, String) {
    loop {
        let (block, column) = (random.below(2), random.below(8));
        let first = block * (RUNS + 2);
        let row = match mistake {
            Mistake::Mean => first + RUNS,
            Mistake::Deviation => first + RUNS + 1,
            _ => first + random.below(RUNS),
        };
        let column = if matches!(mistake, Mistake::RunBeforeAveraging) { column % 4 } else { column };
        let right = made.cells[row][column].clone();
        let wrong = spoilt(&right, mistake, random);
        let value = |cell: &str| cell.replace(',', ".").parse::<f64>().unwrap_or(f64::INFINITY);
        // Mistakes in the last digits drown in rounding, and are not worth finding.
        let relative = (value(&wrong) - value(&right)).abs() / value(&right);
        let is_malformed = matches!(mistake, Mistake::OtherMark | Mistake::DoubledMark);
        let enough = if matches!(mistake, Mistake::Deviation) { 0.1 } else { 0.005 };
        if wrong == right || (relative < enough && !is_malformed) {
            continue;
        }
        made.cells[row][column] = wrong;
        if matches!(mistake, Mistake::RunBeforeAveraging) {
            made.average_again();
        }
        return (row, column, right);
    }
}

fn spoilt(cell: &str, mistake: Mistake, random: &mut Random) -> String {
    let mark = if cell.contains(',') { ',' } else { '.' };
    let mut digits: Vec<char> = cell.chars().collect();
    match mistake {
        Mistake::OtherMark => return cell.replace(mark, if mark == '.' { "," } else { "." }),
        Mistake::DoubledMark => return cell.replace(mark, &format!("{mark}{mark}")),
        Mistake::Swap => {
            let at = random.below(digits.len() - 1);
            if digits[at] != mark && digits[at + 1] != mark {
                digits.swap(at, at + 1);
            }
        }
        _ => {
            let at = random.below(digits.len());
            if digits[at] != mark {
                digits[at] = char::from(b'0' + random.below(10) as u8);
            }
        }
    }
    digits.into_iter().collect()
}

#[test]
fn planted_mistakes_are_found_and_mostly_corrected() {
    let mut random = Random(20);
    let mut summary =
        format!("{:<18} {:<22} found corrected alarms (of {TABLES} tables)\n", "layout", "mistake");
    let (mut found, mut corrected, mut alarms, mut tables) = (0, 0, 0, 0);
    for (layout, style) in STYLES {
        for (name, mistake) in MISTAKES {
            let mut counts = [0; 3];
            for _ in 0..TABLES {
                let mut made = Made::new(style, RUNS, &mut random);
                let (row, column, right) = plant(&mut made, mistake, &mut random);
                let (mut down, mut across) = (made.row_name(row), Made::column_name(column));
                if style.turned {
                    std::mem::swap(&mut down, &mut across);
                }
                let report = made.audit();
                let here =
                    report.findings.iter().find(|finding| finding.row == down && finding.column == across);
                counts[0] += usize::from(here.is_some());
                counts[1] +=
                    usize::from(here.is_some_and(|finding| finding.corrected.as_deref() == Some(&right)));
                let others = report.findings.iter().filter(|finding| {
                    (&finding.row, &finding.column) != (&down, &across) && finding.class != Class::Consequence
                });
                counts[2] += others.count();
            }
            let _ = writeln!(
                summary,
                "{layout:<18} {name:<22} {:>5} {:>9} {:>6}",
                counts[0], counts[1], counts[2]
            );
            found += counts[0];
            corrected += counts[1];
            alarms += counts[2];
            tables += TABLES;
        }
    }
    let _ = writeln!(summary, "{:<18} {:<22} {found:>5} {corrected:>9} {alarms:>6} (of {tables})", "all", "");
    insta::assert_snapshot!(summary);
    assert!(found * 100 >= tables * 95, "{found} of {tables} found");
    assert!(corrected * 100 >= tables * 80, "{corrected} of {tables} corrected");
    assert!(alarms * 100 <= tables * 5, "{alarms} alarms in {tables} tables");
}
