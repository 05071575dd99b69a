//! What holds for every table, whatever stands in it.

use balpoe_lab::summary::{Key, Metrics};
use balpoe_lab::table::{Cell, Column, Estimate, Format, Row, Table, Value};
use balpoe_stats::statistics::Interval;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Numbers of every size, as results have them and as nobody would expect them.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-100.0..100.0, any::<f64>().prop_filter("finite", |value| value.is_finite())]
}

fn interval() -> impl Strategy<Value = Interval> {
    (number(), number()).prop_map(|(low, high)| Interval { low, high })
}

fn value() -> impl Strategy<Value = Value> {
    let estimate =
        (number(), option::of(number()), option::of(0_usize..100), option::of(interval()), any::<bool>());
    prop_oneof![
        estimate.prop_map(|(mean, sd, n, interval, best)| {
            Value::Estimate(Estimate { mean, sd, n, interval, best })
        }),
        number().prop_map(Value::Number),
        (0.0..1.0).prop_map(Value::PValue),
        interval().prop_map(Value::Interval),
        words().prop_map(Value::Text),
        Just(Value::Missing),
    ]
}

/// Any words at all: line breaks, control characters, every sign that means something to some format.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), r#"[ \t\n|&\\%$#_{}~^*`<>\[\]",a-c]{0,12}"#]
}

fn cell() -> impl Strategy<Value = Cell> {
    (value(), option::of(words()), option::of(0_usize..6)).prop_map(|(value, footnote, decimals)| Cell {
        value,
        footnote,
        decimals,
    })
}

fn column() -> impl Strategy<Value = Column> {
    (option::of(words()), words(), option::of(words()), 0_usize..6)
        .prop_map(|(group, name, unit, decimals)| Column { group, name, unit, decimals, direction: None })
}

fn table() -> impl Strategy<Value = Table> {
    let rows = |columns| {
        let row = (option::of(words()), words(), option::of(words()), vec(cell(), columns));
        vec(row.prop_map(|(group, label, footnote, cells)| Row { group, label, footnote, cells }), 0..4)
    };
    let head = vec(column(), 1..4).prop_flat_map(move |columns| (rows(columns.len()), Just(columns)));
    (head, words(), words(), any::<bool>(), vec(words(), 0..3)).prop_map(
        |((rows, columns), title, row_heading, interval_lines, notes)| {
            let mut table = Table::new("any", title, row_heading, columns);
            table.interval_lines = interval_lines;
            for row in rows {
                table.push(row);
            }
            for note in notes {
                table.note(note);
            }
            table
        },
    )
}

/// How often `sign` stands in `line` without being escaped by a backslash.
fn unescaped(line: &str, sign: char) -> usize {
    let mut escaped = false;
    line.chars()
        .filter(|&c| {
            let found = c == sign && !escaped;
            escaped = c == '\\' && !escaped;
            found
        })
        .count()
}

proptest! {
    #[test]
    fn readable_renderings_have_tidy_lines(table in table()) {
        for format in [Format::Text, Format::Markdown, Format::Latex] {
            let rendered = table.render(format);
            prop_assert!(rendered.ends_with('\n'));
            for line in rendered.split('\n') {
                prop_assert_eq!(line, line.trim_end());
                prop_assert!(!line.contains(char::is_control), "{:?}", line);
            }
        }
    }

    #[test]
    fn no_words_break_a_markdown_table(table in table()) {
        let groups = usize::from(table.rows().iter().any(|row| row.group.is_some()));
        let rendered = table.render(Format::Markdown);
        let lines: Vec<&str> = rendered.lines().filter(|line| line.starts_with('|')).collect();
        prop_assert_eq!(lines.len(), table.rows().len() + 2);
        for line in lines {
            prop_assert_eq!(unescaped(line, '|'), table.columns.len() + groups + 2);
        }
    }

    #[test]
    fn no_words_break_a_latex_table(table in table()) {
        let groups = usize::from(table.rows().iter().any(|row| row.group.is_some()));
        let rendered = table.render(Format::Latex);
        let body = rendered.split(r"\midrule").nth(1).and_then(|body| body.split(r"\bottomrule").next());
        for line in body.unwrap_or_default().lines().filter(|line| !line.is_empty()) {
            prop_assert!(line.ends_with(r" \\"), "{:?}", line);
            prop_assert_eq!(unescaped(line, '&'), table.columns.len() + groups);
        }
        prop_assert_eq!(unescaped(&rendered, '{'), unescaped(&rendered, '}'));
        prop_assert_eq!(unescaped(&rendered, '$') % 2, 0);
    }

    #[test]
    fn csv_reads_back_as_the_same_numbers(table in table()) {
        let rendered = table.render(Format::Csv);
        let mut reader = csv::Reader::from_reader(rendered.as_bytes());
        let headers = reader.headers().expect("a header").clone();
        let at = |name| headers.iter().position(|header| header == name).expect("a known field");
        let records: Vec<_> = reader.records().collect::<Result<_, _>>().expect("valid CSV");
        let cells: Vec<_> = table.rows().iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell))).collect();
        prop_assert_eq!(records.len(), cells.len());
        for (record, (row, cell)) in records.iter().zip(cells) {
            let number = |name| record[at(name)].parse::<f64>().ok();
            prop_assert_eq!(&record[at("row")], row.label.as_str());
            match &cell.value {
                Value::Estimate(estimate) => {
                    prop_assert_eq!(number("mean"), Some(estimate.mean));
                    prop_assert_eq!(number("sd"), estimate.sd);
                    prop_assert_eq!(record[at("n")].parse::<usize>().ok(), estimate.n);
                    prop_assert_eq!(number("low"), estimate.interval.map(|interval| interval.low));
                    prop_assert_eq!(number("high"), estimate.interval.map(|interval| interval.high));
                }
                Value::Number(value) | Value::PValue(value) => prop_assert_eq!(number("mean"), Some(*value)),
                Value::Interval(interval) => {
                    prop_assert_eq!((number("low"), number("high")), (Some(interval.low), Some(interval.high)));
                }
                Value::Text(words) => prop_assert_eq!(&record[at("text")], words.as_str()),
                Value::Missing => prop_assert_eq!(number("mean"), None),
            }
        }
    }

    #[test]
    fn keys_and_metrics_survive_json(
        subject in "ensemble|corrected|expert(0|[1-9][0-9]?)",
        distribution in any::<String>(),
        metric in "accuracy|many|medium|few|ece|mce|nll|brier",
        value in option::of(number()),
    ) {
        let written = format!("{subject}/{distribution}/{metric}");
        let key: Key = written.parse().expect("a key");
        prop_assert_eq!(key.to_string(), written);
        let mut metrics = Metrics::new();
        metrics.insert(key, value);
        let json = serde_json::to_string(&metrics).expect("strings as keys");
        prop_assert_eq!(serde_json::from_str::<Metrics>(&json).expect("the same"), metrics);
    }
}
