//! A site's own backend: one more entry of the registry, read as strictly as rpar's own.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use rpar::profile::{Profiles, Surroundings};
use rpar::{Registry, Site};
use rpar_core::scheduler::{MockScheduler, SchedulerInfo};
use serde::Deserialize;

use crate::surroundings;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flux {
    broker: String,
    #[serde(default)]
    urgency: u8,
}

/// What a registry that knows `flux` makes of a `[scheduler]` section.
fn made(section: &str) -> Result<String, String> {
    let site = tempfile::tempdir().expect("a directory");
    let text = format!("extends = 'local'\n[scheduler]\n{section}");
    fs::write(site.path().join("own.toml"), text).expect("written");
    let profiles =
        Profiles::new(Surroundings { system_profiles: site.path().to_owned(), ..surroundings("none") });
    let registry = Registry::builtin().scheduler("flux", |section| {
        let flux: Flux = section.parse()?;
        let mut scheduler = MockScheduler::new();
        let info = SchedulerInfo {
            name: format!("flux at {}, {}", flux.broker, flux.urgency),
            queued: true,
            remote_pilot: true,
            walltime: true,
            arrays: false,
        };
        scheduler.expect_info().return_const(info);
        Ok(Arc::new(scheduler))
    });
    let shown =
        |error: &dyn std::error::Error| error.to_string().replace(&*site.path().to_string_lossy(), "SITE");
    let resolved = profiles.load("own").and_then(|profile| profile.resolve(&BTreeMap::new(), None));
    let made = Site::new(&resolved.map_err(|error| shown(&error))?, &registry);
    Ok(made.map_err(|error| shown(&error))?.scheduler.info().name)
}

#[test]
fn a_backend_of_the_sites_own_is_selected_by_its_kind() {
    let section = "kind = 'flux'\nbroker = '{{ user }}.host'\nurgency = 16\nqueue = 'q'\n";
    assert_eq!(made(section), Ok("flux at ann.host, 16".to_owned()));
}

#[test]
fn its_section_is_checked_by_itself() {
    let cases = [
        (
            "kind = 'flux'\nbrokr = 'x'\n",
            "SITE/own.toml:4: unknown key `scheduler.brokr`: did you mean `broker`? known keys: broker, urgency, \
             queue, walltime, account, name, shape, setup, template, template_file",
        ),
        ("kind = 'flux'\n", "SITE/own.toml:3: `scheduler.broker` is missing: expected a value"),
        (
            "kind = 'flux'\nbroker = 'x'\nurgency = 300\n",
            "SITE/own.toml:5: `scheduler.urgency` is `300`: expected a whole number from 0 to 255",
        ),
        (
            "kind = 'flx'\n",
            "SITE/own.toml:3: unknown scheduler `flx`: did you mean `flux`? \
             known schedulers: flux, hosts, local, pbs, slurm, torque",
        ),
    ];
    for (section, expected) in cases {
        assert_eq!(made(section), Err(expected.to_owned()));
    }
}
