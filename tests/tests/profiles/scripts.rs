//! Whole job scripts from a profile's template.

use std::collections::BTreeMap;
use std::path::Path;

use rpar::profile::{Profiles, ScriptPlace};
use rpar::{Registry, Site};
use rpar_core::id::ClusterTag;

use crate::surroundings;

fn script(profile: &str, flags: &[(&str, &str)], directory: &str) -> String {
    let values: BTreeMap<String, String> =
        flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let profile = Profiles::new(surroundings("good")).load(profile).expect("it loads");
    let resolved = profile.resolve(&values, None).expect("it resolves");
    let pilot = ["/opt/rpar/bin/rpar", "pilot", "--directory", directory].map(str::to_owned);
    let tag = ClusterTag::from("rpar-01234567");
    let place = ScriptPlace { tag: &tag, pilot: &pilot, directory: Path::new(directory) };
    let request = resolved.allocation(resolved.engines.nodes, &place).expect("it renders");
    let site = Site::new(&resolved, &Registry::builtin()).expect("a site");
    site.scheduler.preview(&request).expect("it can be shown").text
}

#[test]
fn the_flags_of_the_worked_example_reach_its_job_script() {
    let flags = [("nodes", "4"), ("ppn", "6"), ("queue", "debug"), ("walltime", "2h"), ("account", "m1234")];
    let expected = r#"#!/bin/bash -l
#PBS -S /bin/bash
#PBS -N rpar-01234567
#PBS -q debug
#PBS -l nodes=4:ppn=6
#PBS -l walltime=02:00:00
#PBS -A m1234
#PBS -j oe
#PBS -o /home/ann/x/logs/allocation-site.log

cd /home/ann/x || exit 1
# Torque hands a job's output over at its end; this way `rpar logs` shows it at once
exec >>"logs/allocation-${PBS_JOBID%%.*}.log" 2>&1
exec /opt/rpar/bin/rpar pilot --directory /home/ann/x
"#;
    assert_eq!(script("carver", &flags, "/home/ann/x"), expected);
    let without = script("carver", &[], "/home/ann/x");
    assert!(!without.contains("-A") && without.contains("nodes=2:ppn=8"), "{without}");
}

#[test]
fn a_directory_with_a_space_survives_the_shell() {
    let text = script("script-file", &[], "/home/ann b/it's");
    let expected = r"exec /opt/rpar/bin/rpar pilot --directory '/home/ann b/it'\''s'";
    assert_eq!(text.lines().last(), Some(expected));
}
