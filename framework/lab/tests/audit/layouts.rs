//! Tables as other papers print them.

use balpoe_lab::audit::{AuditError, Class, Facts, Language, Report, audit, parse};

fn report(text: &str, language: Language, facts: &str) -> Report {
    audit(&parse(text, language).expect("a table"), &Facts::parse(facts).expect("facts"))
}

fn cells(report: &Report) -> Vec<(&str, &str, &str, Class, Option<&str>)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| {
            let (row, column, printed) = (&finding.row, &finding.column, &finding.printed);
            (row.as_str(), column.as_str(), printed.as_str(), finding.class, finding.corrected.as_deref())
        })
        .collect()
}

#[test]
fn methods_with_groups_and_bold_print_but_no_runs() {
    let text = r"
        \begin{tabular}{lcccc} \toprule
        Method & Many & Med. & Few & All \\ \midrule
        Softmax~\cite{a} & 66.11 & 37.31 & 10.60 & 39.38 \\
        Ours & \textbf{67.60} & \textbf{54.51}$^\dagger$ & 30.80 & \underline{51.98} \\
        Theirs & 66.31 & 51.20 & 29.70 & 51.04 \\ \bottomrule
        \end{tabular}";
    let report = report(text, Language::Latex, "classes = [35, 35, 30]\nsamples = 10000");
    // 2,321 + 1,792 + 891 = 5,004 correct images; only in the last column a single digit makes it right.
    assert_eq!(cells(&report), [("Theirs", "All", "51.04", Class::Contradicted, Some("50.04"))]);
}

#[test]
fn mean_and_deviation_share_a_cell() {
    let text = "\
        | run | ECE | All |\n|---|---|---|\n\
        | 1 | 4.1 | 51.69 |\n| 2 | 5.2 | 51.80 |\n| 3 | 4.6 | 52.06 |\n\
        | mean ± std | 4.6 ± 0.6 | 51.85 ± 0.91 |\n";
    let report = report(text, Language::Markdown, "");
    assert_eq!(
        cells(&report),
        [("mean ± std", "All", "51.85 ± 0.91", Class::Contradicted, Some("51.85 ± 0.19"))]
    );
}

#[test]
fn a_share_that_no_number_of_images_gives() {
    let text = "method,forward50,uniform\nours,65.31,51.98\ntheirs,64.52,51.987\n";
    let table = text.replace("forward50,uniform", "forward50 all,uniform all");
    let report = report(&table, Language::Csv, "samples = 10000\n[distributions]\nforward50 = 2486");
    assert_eq!(
        cells(&report),
        [
            ("ours", "forward50 all", "65.31", Class::Contradicted, None),
            ("theirs", "uniform all", "51.987", Class::Contradicted, None)
        ]
    );
    assert_eq!(report.findings[0].reason, "no share of 2486 test images; the nearest are 65.29 and 65.33");
}

#[test]
fn numbers_with_letters_spaces_and_lost_marks() {
    let text = "\
        | seed | All |\n|--|--|\n| 1 | 5l.69 |\n| 2 | 5180 |\n| 3 | 52 .06 |\n| 4 | 52.25 |\n| 5 | 52.08 |\n";
    let corrected: Vec<_> =
        report(text, Language::Markdown, "").findings.into_iter().map(|f| f.corrected).collect();
    assert_eq!(corrected, [Some("51.69".to_owned()), Some("51.80".to_owned()), Some("52.06".to_owned())]);
}

#[test]
fn an_empty_class_is_no_mistake_but_an_empty_test_set_is() {
    let text = "| run | backward3 many | backward3 all | uniform many |\n|--|--|--|--|\n| seed 1 | nan | nan | nan |\n";
    let report = report(text, Language::Markdown, "");
    let columns: Vec<&str> = report.findings.iter().map(|finding| finding.column.as_str()).collect();
    assert_eq!(columns, ["backward3 all", "uniform many"]);
}

#[test]
fn a_far_run_is_suspicious() {
    let text = "run,all\nseed 1,51.69\nseed 2,51.80\nseed 3,52.06\nseed 4,52.25\nseed 5,92.08\n";
    let report = report(text, Language::Csv, "");
    assert_eq!(cells(&report), [("seed 5", "all", "92.08", Class::Suspicious, None)]);
}

#[test]
fn wrong_class_numbers_are_noted_and_alarm_nobody() {
    let text = "method,many,medium,few,all\na,67.2,53.57,31.4,51.69\nb,67.89,54,30.47,51.8\nc,67.46,55.31,30.3,52.06\n";
    let report = report(text, Language::Csv, "classes = [10, 10, 80]");
    assert!(report.is_clean(), "{}", report.text());
    assert!(
        report.notes[1].starts_with("not checked, since 3 of 3 rows contradict it"),
        "{:?}",
        report.notes
    );
}

#[test]
fn text_and_json_of_a_report() {
    let text = "\
        | run | uniform many | uniform medium | uniform few | uniform all | forward5 all |\n|--|--|--|--|--|--|\n\
        | seed 1 | 67.20 | 53.57 | 31.40 | 51.69 | 58,17 |\n| seed 2 | 67.89 | 54.00 | 30.47 | 51.80 | 58.33 |\n\
        | seed 3 | 67.46 | 55.31 | 50.30 | 52.06 | 57.87 |\n| mean | 67.52 | 54.29 | 37.39 | 51.85 | 58.10 |\n\
        | std | 0.35 | 0.91 | 11.19 | 0.19 | 0.33 |\n";
    let report = report(text, Language::Markdown, "classes = [35, 35, 30]\nsamples = 10000");
    insta::assert_snapshot!("report_text", report.text());
    insta::assert_snapshot!("report_json", report.json());
}

#[test]
fn documents_and_facts_that_cannot_be_read_say_why() {
    let no_table = parse("no table at all", Language::Latex).unwrap_err();
    assert_eq!(no_table, AuditError::NoTable { language: "LaTeX" });
    let wrong = Facts::parse("classes = [1, 2]").unwrap_err();
    assert_eq!(wrong, AuditError::Classes(vec![1, 2]));
    assert!(matches!(Facts::parse("class = 3"), Err(AuditError::Facts(_))));
}
