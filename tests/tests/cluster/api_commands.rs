//! Commands, and which tasks run where and when, from the public Rust API.

use std::path::PathBuf;

use rpar::{AfterEnd, Client, Command, Functions, Resources, TaskStatus};

use super::place::{PATIENCE, Place, until};

fn fail_at(number: u32) -> Result<u32, String> {
    if number == 7 { Err("seven".to_owned()) } else { Ok(number) }
}

fn functions() -> Functions {
    Functions::new().add("fail_at", fail_at)
}

/// Runs a test on a cluster of two engines.
fn with_client(test: impl FnOnce(&Client, &Place)) {
    let place = Place::mem();
    let host = place.host_knowing("n1", 2, functions().native().clone());
    let client = functions().client(place.client());
    client.wait_for_engines(2, PATIENCE).unwrap();
    test(&client, &place);
    client.shutdown(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn commands_are_mapped_over_arguments_of_all_kinds() {
    with_client(|client, place| {
        let view = client.load_balanced_view();
        let echo = Command::new("printf '%s;' {#} {} {/.}; exit {1}").unwrap();
        let outcomes = view.map(&echo, [(0, PathBuf::from("a b/c.txt")), (3, "$(touch x)".into())]);
        let results = outcomes.get().unwrap();
        assert_eq!(results[0].stdout, "1;0;a b/c.txt;0;c;");
        assert_eq!(results[1].stdout, "2;3;$(touch x);3;$(touch x);");
        assert!(results[0].success() && results[1].exit == Some(3));
        assert!(!outcomes.successful(), "an exit status is a result, and the task failed");
        let exits: Vec<_> = outcomes.metadata().iter().map(|task| task.as_ref().unwrap().exit).collect();
        assert_eq!(exits, [Some(0), Some(3)]);

        let directory = place.file("");
        let said = Command::new("pwd; echo $WORD >&2; kill -9 $$").unwrap();
        let said = said.workdir(&directory).unwrap().env("WORD", "hello");
        let outcome = view.apply(&said, ()).get().unwrap();
        assert_eq!((outcome.exit, outcome.signal, &outcome.stderr[..]), (None, Some(9), &b"hello\n"[..]));
        let pwd = PathBuf::from(String::from_utf8(outcome.stdout.to_vec()).unwrap().trim_end());
        assert_eq!(pwd, directory);

        let counted = Command::new("test {} -gt 90 || sleep 0.01").unwrap();
        let succeeded = view.imap(&counted, 0..100).filter(|outcome| outcome.as_ref().unwrap().success());
        assert_eq!(succeeded.count(), 100);
    });
}

#[test]
fn what_keeps_a_command_from_running_is_an_error() {
    with_client(|client, _| {
        let view = client.load_balanced_view();
        let error = Command::new("echo 'one").unwrap_err().to_string();
        assert_eq!(error, "the command `echo 'one` opens a single quote and never closes it");
        let error = Command::new("cat <<'END'\n{}\nEND").unwrap_err().to_string();
        assert!(error.contains("has a placeholder inside a here-document"), "{error}");

        let echo = Command::new("echo {2}").unwrap();
        let results = view.map(&echo, [vec!["a", "b"], vec!["a"], vec!["a", "b\0"]]).results();
        assert_eq!(results[0].as_ref().unwrap().stdout, "b\n");
        let refused = |index: usize| results[index].as_ref().unwrap_err().message.clone();
        assert_eq!(refused(1), "the command asks for {2}, and has 1 arguments");
        assert_eq!(refused(2), "argument 2 has a NUL, which no command can be given");

        let absent = Command::new("true").unwrap().workdir("/no/such/directory").unwrap();
        let outcome = view.apply(&absent, ()).get().unwrap();
        let told = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.exit == Some(125) && told.contains("/no/such/directory"), "{outcome:?}");
        let limited = view.timeout(std::time::Duration::from_millis(50));
        let result = limited.apply(&Command::new("sleep 60").unwrap(), ());
        assert_eq!(result.get().unwrap_err().status, TaskStatus::TimedOut);
    });
}

#[test]
fn tasks_run_after_others_as_those_end() {
    with_client(|client, place| {
        let marker = place.file("marker");
        let (make, find) =
            (Command::new("sleep 0.2; touch {}").unwrap(), Command::new("test -e {}").unwrap());
        let view = client.load_balanced_view();
        let made = view.apply(&make, &marker);
        let found = view.clone().after(&made, AfterEnd::Success).map(&find, [&marker; 10]);
        assert!(found.get().unwrap().iter().all(|outcome| outcome.success()));

        let (good, bad) = (view.map(fail_at, [1, 2]), view.map(fail_at, [6, 7]));
        let error = view.clone().after(&good, AfterEnd::Success).after(&bad, AfterEnd::Success);
        let error = error.apply(fail_at, 1).get().unwrap_err();
        assert_eq!((error.status, error.engine), (TaskStatus::Unplaced, None));
        assert!(error.message.contains("after the success of task"), "{error}");
        assert_eq!(view.clone().after(&bad, AfterEnd::Any).apply(fail_at, 1).get(), Ok(1));
        let bad = view.apply(fail_at, 7);
        assert_eq!(view.clone().after(&bad, AfterEnd::Failure).apply(fail_at, 1).get(), Ok(1));

        let never_sent = view.apply(&find, "\0");
        let error = view.clone().after(&never_sent, AfterEnd::Success).apply(fail_at, 1).get().unwrap_err();
        assert!(error.message.contains("failed before they were sent"), "{error}");
        let other = functions().client(place.client());
        let error =
            other.load_balanced_view().after(&bad, AfterEnd::Any).apply(fail_at, 1).get().unwrap_err();
        assert_eq!(error.message, "this was to run after tasks of another client");
        drop(other);
    });
}

#[test]
fn tasks_go_where_labels_and_resources_say() {
    with_client(|client, place| {
        let labelled = place.host_with("n2", 2, functions().native().clone(), &["big", "fast"]);
        client.wait_for_engines(4, PATIENCE).unwrap();
        let view = client.load_balanced_view();
        let there = view.clone().label("big").label("fast").map(fail_at, 10..60);
        there.get().unwrap();
        assert!(there.metadata().iter().flatten().all(|task| task.node.as_deref() == Some("n2")));
        let error = view.clone().label("big").label("bigger").apply(fail_at, 1).get().unwrap_err();
        assert!(error.status == TaskStatus::Unplaced && error.message.contains("bigger"), "{error}");

        let cpus = |cpus| view.clone().resources(Resources { cpus, ..Resources::default() });
        assert_eq!(cpus(4).apply(fail_at, 1).get(), Ok(1));
        let error = cpus(5).apply(fail_at, 1).get().unwrap_err();
        assert_eq!(error.status, TaskStatus::Unplaced, "{error}");
        client.shutdown(PATIENCE).unwrap();
        labelled.ended().unwrap();
    });
}

#[test]
fn what_is_more_urgent_goes_first() {
    with_client(|client, place| {
        let (go, view) = (place.file("go"), client.load_balanced_view());
        let wait = Command::new("until test -e {}; do sleep 0.01; done").unwrap();
        // both engines are busy while the others queue
        let busy = view.map(&wait, [&go, &go]);
        until("they run", || client.status().unwrap().tasks.assigned == 2);
        let begin = |priority| view.clone().priority(priority).rerun(false).map(&wait, [&go; 4]);
        let (low, high) = (begin(-1), begin(1));
        let usual = begin(0);
        until("they queue", || client.status().unwrap().tasks.queued == 12);
        std::fs::write(&go, "").unwrap();
        let ends = [busy, high, usual, low].map(|result| {
            result.get().unwrap();
            let starts = result.metadata().into_iter().map(|task| task.unwrap().started);
            starts.collect::<Vec<_>>()
        });
        for pair in ends.windows(2) {
            // one engine may still be at the last of them when the other begins with the next
            assert!(pair[0].iter().min() < pair[1].iter().min(), "{ends:?}");
        }
    });
}
