use regex::bytes::Regex;

use super::*;
use crate::command::arguments::{Header, Trim};

fn arguments() -> InputArguments {
    InputArguments {
        arg_file: Vec::new(),
        colsep: None,
        null: false,
        header: None,
        trim: None,
        max_replace_args: None,
        many: false,
        quote: false,
        shuf: false,
    }
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

fn parse(text: &str) -> Result<Input, InputError> {
    Input::parse(&words(text), &arguments())
}

/// Each record with `-` between its arguments.
fn read(input: Input) -> Vec<String> {
    let records = input.open().unwrap().records.map(Result::unwrap);
    let text = |record: Record| {
        let arguments: Vec<_> = record.arguments.iter().map(|a| String::from_utf8_lossy(a)).collect();
        arguments.join("-")
    };
    records.map(text).collect()
}

#[test]
fn lists_multiply_and_links_go_side_by_side() {
    let cases: [(&str, &[&str]); 9] = [
        ("::: a b", &["a", "b"]),
        ("::: a b ::: c d", &["a-c", "a-d", "b-c", "b-d"]),
        ("::: a b :::+ c d", &["a-c", "b-d"]),
        ("::: a b c :::+ d", &["a-d"]),
        ("::: a b :::+ c d ::: e f :::+ g h", &["a-c-e-g", "a-c-f-h", "b-d-e-g", "b-d-f-h"]),
        ("::: a ::: b ::: c d", &["a-b-c", "a-b-d"]),
        (":::", &[]),
        ("::: a b :::", &[]),
        ("::: a :::+", &[]),
    ];
    for (text, expected) in cases {
        let input = parse(&format!("x {text}")).unwrap();
        assert_eq!(input.known(), Some(expected.len() as u64), "{text}");
        assert_eq!(read(input), expected, "{text}");
    }
}

#[test]
fn files_are_sources_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (f, g) = (file("f", "1\n2\n"), file("g", "3\n4\n5"));
    assert_eq!(read(parse(&format!("x :::: {f} {g}")).unwrap()).len(), 6);
    let input = parse(&format!("x :::: {f} ::::+ {g} ::: a")).unwrap();
    assert_eq!((input.known(), input.columns()), (None, Some(3)));
    assert_eq!(read(input), ["1-3-a", "2-4-a"]);
    let arguments = InputArguments { arg_file: vec![f.clone().into(), g.into()], ..arguments() };
    let input = Input::parse(&words("x y ::: a"), &arguments).unwrap();
    assert_eq!(input.command, "x y");
    assert_eq!(read(input).last().unwrap(), "2-5-a");
    let mut absent = parse(&format!("x :::: {f} /absent")).unwrap().open().unwrap().records;
    assert!(matches!(absent.next(), Some(Err(InputError::Read { .. }))));
    assert!(absent.next().is_none());
}

#[test]
fn columns_are_split_and_trimmed() {
    let arguments = InputArguments { colsep: Some(Regex::new("[,;]").unwrap()), ..arguments() };
    let input = Input::parse(&words("x ::: a,b;c , x ::: y;z"), &arguments).unwrap();
    assert_eq!(input.columns(), None);
    assert_eq!(read(input), ["a-b-c-y-z", "--y-z", "x-y-z"]);
    let trimmed = Input::parse(&["x", ":::", " a ,\tb b "].map(OsString::from), &arguments).unwrap();
    assert_eq!(read(trimmed), ["a-b b"]);
    let many = Input::parse(&words(&format!("x ::: {}", ",".repeat(COLUMNS))), &arguments).unwrap();
    assert!(matches!(many.open().unwrap().records.next(), Some(Err(InputError::Columns { number: 1 }))));
}

const COLUMNS: usize = COLUMNS_LIMIT;

#[test]
fn the_first_source_is_read_as_it_is_needed_and_the_others_are_bounded() {
    let mut records = parse("x :::: /dev/zero ::: a b").unwrap().open().unwrap().records;
    // an endless line is too long after as much of it was read
    assert!(matches!(records.next(), Some(Err(InputError::TooLong { number: 1, .. }))));
    let directory = tempfile::tempdir().unwrap();
    let many = directory.path().join("many");
    std::fs::write(&many, "\n".repeat(1 + product::KEPT_LIMIT_BYTES / 64)).unwrap();
    let many = many.to_str().unwrap();
    assert!(matches!(
        parse(&format!("x ::: a :::: {many}")).unwrap().open().unwrap().records.next(),
        Some(Err(InputError::TooMany))
    ));
    assert_eq!(
        parse(&format!("x :::: {many} ::: a"))
            .unwrap()
            .open()
            .unwrap()
            .records
            .nth(1 << 20)
            .unwrap()
            .unwrap()
            .arguments,
        ["", "a"]
    );
}

#[test]
fn rows_are_put_together() {
    let input = |rows, text: &str| {
        let arguments = InputArguments { max_replace_args: Some(rows), ..arguments() };
        Input::parse(&words(text), &arguments).unwrap()
    };
    let cases: [(u16, &str, &[&str], usize); 4] = [
        (2, "x ::: a b c", &["a-b", "c"], 2),
        (2, "x ::: a b ::: c d", &["a-c-a-d", "b-c-b-d"], 4),
        (0, "x ::: a b c", &["", "", ""], 0),
        (3, "x :::", &[], 3),
    ];
    for (rows, text, expected, columns) in cases {
        let input = input(rows, text);
        assert_eq!((input.known(), input.columns()), (Some(expected.len() as u64), Some(columns)), "{text}");
        assert_eq!(read(input), expected, "{text}");
    }
    let wide = format!("x ::: a b {}", "::: a ".repeat(600));
    let mut records = input(2, wide.trim_end()).open().unwrap().records;
    assert!(matches!(records.next(), Some(Err(InputError::Columns { number: 1 }))));
}

#[test]
fn the_first_values_are_names() {
    let header = InputArguments { header: Some(Header), ..arguments() };
    let columns = InputArguments { colsep: Some(Regex::new(",").unwrap()), ..header.clone() };
    let input = Input::parse(&words("cp {n} {to.} ::: n,m a,b ::: to x"), &columns).unwrap();
    assert_eq!(input.known(), Some(1));
    let mut opened = input.open().unwrap();
    assert_eq!((opened.command.as_str(), opened.numbered("{m}").as_str()), ("cp {1} {3.}", "{2}"));
    assert_eq!(opened.records.next().unwrap().unwrap().arguments, ["a", "b", "x"]);
    let nothing = Input::parse(&words("x {n} ::: n"), &header).unwrap();
    assert_eq!(nothing.known(), Some(0));
    assert!(read(nothing).is_empty());
}

#[test]
fn ends_are_trimmed() {
    let cases = [(Trim::N, " a "), (Trim::L, "a "), (Trim::R, " a"), (Trim::Lr, "a")];
    for (trim, expected) in cases {
        let arguments = InputArguments { trim: Some(trim), ..arguments() };
        let words = ["x", ":::", " a "].map(OsString::from);
        assert_eq!(read(Input::parse(&words, &arguments).unwrap()), [expected]);
    }
}

#[test]
fn words_that_are_quoted_mean_themselves() {
    let arguments = InputArguments { quote: true, ..arguments() };
    let words = ["echo", "$x  '", "{}", "{.}.old", "", ":::", "a"].map(OsString::from);
    let input = Input::parse(&words, &arguments).unwrap();
    assert_eq!(input.command, r"echo '$x  '\''' {} '{.}.old' ''");
}

#[test]
fn shuffled_arguments_are_all_there() {
    let arguments = InputArguments { shuf: true, ..arguments() };
    let list: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let input = Input::parse(&words(&format!("x ::: {}", list.join(" "))), &arguments).unwrap();
    let records: Vec<Record> = input.open().unwrap().records.map(Result::unwrap).collect();
    assert!(records.iter().map(|record| record.number).eq(1..=200));
    let values = records.iter().map(|record| String::from_utf8(record.arguments[0].to_vec()).unwrap());
    let mut values: Vec<String> = values.collect();
    // the same by chance once in 10^375 times
    assert_ne!(values, list);
    values.sort_by_key(|value| value.parse::<u32>().unwrap());
    assert_eq!(values, list);
    let directory = tempfile::tempdir().unwrap();
    let many = directory.path().join("many");
    std::fs::write(&many, "\n".repeat(1 + product::KEPT_LIMIT_BYTES / 64)).unwrap();
    let many = Input::parse(&words(&format!("x :::: {}", many.display())), &arguments).unwrap();
    assert!(matches!(many.open(), Err(InputError::TooManyToShuffle)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(matches!(parse("::: a"), Err(InputError::NoCommand { .. })));
    assert!(matches!(parse("x :::+ a"), Err(InputError::NothingToLink { .. })));
    assert!(matches!(parse("x :::: - ::: a :::: -"), Err(InputError::StdinTwice)));
    assert!(parse("x").unwrap().reads_stdin() && parse("x ::: a ::::+ -").unwrap().reads_stdin());
    assert!(!parse("x ::: a").unwrap().reads_stdin());
}
