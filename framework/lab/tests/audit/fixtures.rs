//! Tables that a careful author would print.

use std::fmt::Write as _;

use balpoe_lab::audit::{Facts, Language, Report, audit, parse};

/// Classes with many, a medium number of, and few training images.
pub(crate) const CLASSES: [u32; 3] = [35, 35, 30];
/// Images in the balanced test set.
pub(crate) const IMAGES: f64 = 10_000.0;

const GROUPS: [&str; 4] = ["Many", "Medium", "Few", "All"];

/// How a table is printed.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent choices of a layout")]
pub(crate) struct Style {
    pub(crate) language: Language,
    /// Accuracies as fractions with four decimals instead of percent with two.
    pub(crate) fractions: bool,
    /// Deviations that divide by n.
    pub(crate) population: bool,
    /// Means and deviations of the unrounded runs.
    pub(crate) unrounded: bool,
    /// A comma as decimal mark throughout.
    pub(crate) commas: bool,
    /// Runs as columns.
    pub(crate) turned: bool,
}

/// Plain percentages in Markdown.
pub(crate) const PLAIN: Style = Style {
    language: Language::Markdown,
    fractions: false,
    population: false,
    unrounded: false,
    commas: false,
    turned: false,
};

/// Styles that differ in everything.
pub(crate) const STYLES: [(&str, Style); 7] = [
    ("markdown", PLAIN),
    ("booktabs", Style { language: Language::Latex, ..PLAIN }),
    ("csv", Style { language: Language::Csv, ..PLAIN }),
    ("fractions", Style { language: Language::Latex, fractions: true, ..PLAIN }),
    ("population", Style { population: true, unrounded: true, ..PLAIN }),
    ("decimal commas", Style { language: Language::Csv, commas: true, ..PLAIN }),
    ("runs as columns", Style { turned: true, ..PLAIN }),
];

/// A table: two methods of some runs each with mean and deviation, under a balanced and a shifted test distribution.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    style: Style,
    runs: usize,
    /// `[row][column]`
    pub(crate) cells: Vec<Vec<String>>,
}

impl Made {
    /// A table from a random stream.
    pub(crate) fn new(style: Style, runs: usize, random: &mut Random) -> Self {
        let mut made = Self { style, runs, cells: Vec::new() };
        for _ in 0..2 {
            let base: Vec<f64> = [(60.0, 20.0), (45.0, 15.0), (25.0, 15.0)]
                .iter()
                .map(|(low, width)| low + width * random.unit())
                .collect();
            let block: Vec<Vec<f64>> = (0..runs).map(|_| run(&base, random)).collect();
            made.push_block(&block);
        }
        made
    }

    fn push_block(&mut self, block: &[Vec<f64>]) {
        let printed: Vec<Vec<String>> =
            block.iter().map(|run| run.iter().map(|&value| self.written(value, 2)).collect()).collect();
        let values: Vec<Vec<f64>> = if self.style.unrounded {
            block.to_vec()
        } else {
            printed.iter().map(|run| run.iter().map(|cell| self.read(cell)).collect()).collect()
        };
        self.cells.extend(printed);
        let (mean, deviation) = summaries(&values, self.style.population);
        self.cells.push(mean.iter().map(|&value| self.written(value, 3)).collect());
        self.cells.push(deviation.iter().map(|&value| self.written(value, 3)).collect());
    }

    /// Recomputes all means and deviations from the runs as printed.
    pub(crate) fn average_again(&mut self) {
        let style = Style { unrounded: true, ..self.style };
        let blocks: Vec<Vec<Vec<f64>>> = (0..2)
            .map(|block| {
                let runs = &self.cells[block * (self.runs + 2)..][..self.runs];
                runs.iter().map(|run| run.iter().map(|cell| self.read(cell)).collect()).collect()
            })
            .collect();
        let mut again = Self { style, runs: self.runs, cells: Vec::new() };
        blocks.iter().for_each(|block| again.push_block(block));
        self.cells = again.cells;
    }

    pub(crate) fn written(&self, percent: f64, decimals: usize) -> String {
        let text = if self.style.fractions {
            format!("{:.*}", decimals + 2, percent / 100.0)
        } else {
            format!("{percent:.decimals$}")
        };
        if self.style.commas { text.replace('.', ",") } else { text }
    }

    fn read(&self, cell: &str) -> f64 {
        let value: f64 = cell.replace(',', ".").parse().expect("a made-up table holds numbers");
        if self.style.fractions { value * 100.0 } else { value }
    }

    /// The row's name in a report.
    pub(crate) fn row_name(&self, row: usize) -> String {
        format!("{} / {}", ["ours", "theirs"][row / (self.runs + 2)], self.label(row))
    }

    /// The column's name in a report.
    pub(crate) fn column_name(column: usize) -> String {
        format!("{} / {}", ["uniform", "forward50"][column / 4], GROUPS[column % 4])
    }

    fn label(&self, row: usize) -> String {
        match row % (self.runs + 2) {
            at if at == self.runs => "mean".to_owned(),
            at if at > self.runs => "std".to_owned(),
            at => format!("seed {}", at + 1),
        }
    }

    /// The document.
    pub(crate) fn text(&self) -> String {
        let mut grid: Vec<Vec<String>> = Vec::new();
        if self.style.turned {
            let heading = |part: usize| {
                (0..self.cells.len())
                    .map(move |row| self.row_name(row).split(" / ").nth(part).unwrap().to_owned())
            };
            grid.push([String::new(), String::new()].into_iter().chain(heading(0)).collect());
            grid.push([String::new(), String::new()].into_iter().chain(heading(1)).collect());
            for column in 0..8 {
                let stub = Self::column_name(column).split(" / ").map(str::to_owned).collect::<Vec<_>>();
                grid.push(stub.into_iter().chain(self.cells.iter().map(|row| row[column].clone())).collect());
            }
        } else {
            let blanks = |text: &'static str| [text, "", "", ""].map(str::to_owned);
            grid.push(
                ["method", ""]
                    .map(str::to_owned)
                    .into_iter()
                    .chain(blanks("uniform"))
                    .chain(blanks("forward50"))
                    .collect(),
            );
            grid.push(["", ""].into_iter().chain(GROUPS).chain(GROUPS).map(str::to_owned).collect());
            for (row, cells) in self.cells.iter().enumerate() {
                let stub = self.row_name(row).split(" / ").map(str::to_owned).collect::<Vec<_>>();
                grid.push(stub.into_iter().chain(cells.iter().cloned()).collect());
            }
        }
        match self.style.language {
            Language::Markdown => markdown(&grid),
            Language::Csv => {
                let separator = if self.style.commas { ";" } else { "," };
                let quoted = |cell: &String| {
                    if cell.contains(separator) { format!("\"{cell}\"") } else { cell.clone() }
                };
                let line =
                    |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(separator) + "\n";
                grid.iter().map(line).collect()
            }
            Language::Latex => latex(&grid),
        }
    }

    pub(crate) fn audit(&self) -> Report {
        let facts =
            Facts { classes: Some(CLASSES.to_vec()), samples: Some(IMAGES as u64), ..Facts::default() };
        audit(&parse(&self.text(), self.style.language).expect("a table"), &facts)
    }
}

/// Group and overall accuracies of a run under the balanced test distribution, then under another one.
fn run(base: &[f64], random: &mut Random) -> Vec<f64> {
    let mut row = Vec::new();
    let mut correct = 0.0;
    for (base, classes) in base.iter().zip(CLASSES) {
        let images = f64::from(classes) * 100.0;
        let right = ((base + 1.5 * (random.unit() - 0.5)) / 100.0 * images).round();
        correct += right;
        row.push(100.0 * right / images);
    }
    row.push(100.0 * correct / IMAGES);
    let shifted: Vec<f64> = row.iter().map(|value| value + 1.5 * (random.unit() - 0.5)).collect();
    row.extend(shifted);
    row
}

fn summaries(block: &[Vec<f64>], population: bool) -> (Vec<f64>, Vec<f64>) {
    let n = block.len() as f64;
    let denominator = if population { n } else { n - 1.0 };
    let column = |column: usize| {
        let mean = block.iter().map(|run| run[column]).sum::<f64>() / n;
        let squares: f64 = block.iter().map(|run| (run[column] - mean).powi(2)).sum();
        (mean, (squares / denominator).sqrt())
    };
    (0..8).map(column).unzip()
}

fn markdown(grid: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(grid[0].len()));
    line(&grid[0]) + &rule + &grid[1..].iter().map(line).collect::<String>()
}

fn latex(grid: &[Vec<String>]) -> String {
    let mut body = String::new();
    for (at, row) in grid[1..].iter().enumerate() {
        let rule = if at == 0 { " \\midrule" } else { "" };
        let _ = writeln!(body, "{} \\\\{rule}", row.join(" & "));
    }
    format!(
        "\\begin{{tabular}}{{ll*{{8}}{{c}}}}\n\\toprule\nmethod & & \\multicolumn{{4}}{{c}}{{uniform}} & \
         \\multicolumn{{4}}{{c}}{{forward50}} \\\\\n\\cmidrule(lr){{3-6}}\\cmidrule(lr){{7-10}}\n{body}\\bottomrule\n\\end{{tabular}}\n"
    )
}

/// A small random stream (`SplitMix64`), so that reports stay the same.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }
}
