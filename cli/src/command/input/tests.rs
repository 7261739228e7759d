use super::*;

fn arguments() -> InputArguments {
    InputArguments { arg_file: Vec::new(), colsep: None, null: false }
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

fn parse(text: &str) -> Result<Input, InputError> {
    Input::parse(&words(text), &arguments())
}

/// Each record with `-` between its arguments.
fn read(input: Input) -> Vec<String> {
    let records = input.records().map(Result::unwrap);
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
    let mut absent = parse(&format!("x :::: {f} /absent")).unwrap().records();
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
    assert!(matches!(many.records().next(), Some(Err(InputError::Columns { number: 1 }))));
}

const COLUMNS: usize = COLUMNS_LIMIT;

#[test]
fn the_first_source_is_read_as_it_is_needed_and_the_others_are_bounded() {
    let mut records = parse("x :::: /dev/zero ::: a b").unwrap().records();
    // an endless line is too long after as much of it was read
    assert!(matches!(records.next(), Some(Err(InputError::TooLong { number: 1, .. }))));
    let directory = tempfile::tempdir().unwrap();
    let many = directory.path().join("many");
    std::fs::write(&many, "\n".repeat(1 + records::KEPT_LIMIT_BYTES / 64)).unwrap();
    let many = many.to_str().unwrap();
    assert!(matches!(
        parse(&format!("x ::: a :::: {many}")).unwrap().records().next(),
        Some(Err(InputError::TooMany))
    ));
    assert_eq!(
        parse(&format!("x :::: {many} ::: a")).unwrap().records().nth(1 << 20).unwrap().unwrap().arguments,
        ["", "a"]
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(matches!(parse("::: a"), Err(InputError::NoCommand { .. })));
    assert!(matches!(parse("x :::+ a"), Err(InputError::NothingToLink { .. })));
    assert!(matches!(parse("x :::: - ::: a :::: -"), Err(InputError::StdinTwice)));
    assert!(parse("x").unwrap().reads_stdin() && parse("x ::: a ::::+ -").unwrap().reads_stdin());
    assert!(!parse("x ::: a").unwrap().reads_stdin());
}
