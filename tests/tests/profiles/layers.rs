//! Which layer wins, and what is said of where a value comes from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rpar::profile::{Profiles, Surroundings};
use tempfile::TempDir;

struct Home {
    directory: TempDir,
    variables: BTreeMap<String, String>,
}

impl Home {
    fn new() -> Self {
        Home { directory: tempfile::tempdir().expect("a directory"), variables: BTreeMap::new() }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn profiles(&self) -> Profiles {
        Profiles::new(Surroundings {
            variables: self.variables.clone(),
            home: self.path().join("home"),
            user: "ann".to_owned(),
            directory: self.path().join("project"),
            system_profiles: self.path().join("etc"),
            programs: Some(self.path().join("wheel/bin")),
            cores: 6,
        })
    }

    /// The default of a parameter of `carver`, and where that was set.
    fn nodes(&self) -> (String, String) {
        let profile = self.profiles().load("carver").expect("it loads");
        let param = profile.params().iter().find(|param| param.name == "nodes").expect("all have nodes");
        let origin = profile.origins().of("params.nodes.default").expect("it has an origin").to_string();
        let default = param.default.as_ref().expect("a default").to_string();
        (default, origin.replace(&*self.path().to_string_lossy(), "DIR"))
    }
}

#[test]
fn each_layer_wins_over_those_below() {
    let mut home = Home::new();
    let (nodes, origin) = home.nodes();
    assert_eq!(nodes, "2");
    assert!(origin.starts_with("shipped profile carver, line "), "{origin}");
    home.write("etc/carver.toml", "[engines]\nnodes = 3\n");
    assert_eq!(home.nodes(), ("3".to_owned(), "DIR/etc/carver.toml:2".to_owned()));
    home.write("home/.config/rpar/profiles/carver.toml", "[params]\nnodes = 4\n");
    assert_eq!(home.nodes(), ("4".to_owned(), "DIR/home/.config/rpar/profiles/carver.toml:2".to_owned()));
    home.write("project/.rpar/profiles/carver.toml", "\n[params.nodes]\ndefault = 5\n");
    assert_eq!(home.nodes(), ("5".to_owned(), "DIR/project/.rpar/profiles/carver.toml:3".to_owned()));
    home.variables.insert("RPAR_ENGINES__NODES".to_owned(), "6".to_owned());
    assert_eq!(home.nodes(), ("6".to_owned(), "environment variable RPAR_ENGINES__NODES".to_owned()));
    let resolved = home.profiles().load("carver").expect("it loads");
    let resolved = resolved.resolve(&[("nodes".to_owned(), "7".to_owned())].into(), None).expect("fine");
    assert_eq!(resolved.engines.nodes, 7);
    assert_eq!(resolved.origins().of("engines.nodes").expect("set").to_string(), "flag --nodes");
}

#[test]
fn a_flag_wins_over_a_constant_of_the_profile() {
    let home = Home::new();
    home.write("etc/fixed.toml", "extends = 'torque'\n[scheduler]\nwalltime = '00:10:00'\n");
    let profile = home.profiles().load("fixed").expect("it loads");
    let minutes = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let walltime = profile.resolve(&values, None).expect("fine").request.walltime;
        walltime.expect("set").as_secs() / 60
    };
    assert_eq!(minutes(&[]), 10);
    assert_eq!(minutes(&[("walltime", "2h")]), 120);
}

#[test]
fn other_directories_can_be_named() {
    let mut home = Home::new();
    home.write("opt/site.toml", "extends = 'local'\ndescription = 'the site'\n");
    home.write("config/rpar/profiles/mine.toml", "extends = 'site'\n");
    let path = |name: &str| home.path().join(name).display().to_string();
    let (site, config) = (path("opt"), path("config"));
    home.variables.insert("RPAR_SITE_PROFILES".to_owned(), site);
    home.variables.insert("XDG_CONFIG_HOME".to_owned(), config);
    let profiles = home.profiles();
    assert_eq!(profiles.names(), ["carver", "hosts", "local", "mine", "openpbs", "site", "slurm", "torque"]);
    assert_eq!(profiles.load("mine").expect("it loads").description(), "the site");
}

#[test]
fn a_higher_layer_may_name_its_own_profile_as_its_base() {
    let home = Home::new();
    home.write("home/.config/rpar/profiles/carver.toml", "extends = 'carver'\n[params]\nqueue = 'debug'\n");
    let profile = home.profiles().load("carver").expect("it loads");
    let resolved = profile.resolve(&BTreeMap::new(), None).expect("it resolves");
    assert_eq!(resolved.request.queue.as_deref(), Some("debug"));
    assert_eq!(resolved.scheduler["kind"].as_str(), Some("torque"), "what carver extends still holds");
}

#[test]
fn a_higher_layer_may_change_the_base() {
    let home = Home::new();
    home.write("home/.config/rpar/profiles/carver.toml", "extends = 'slurm'\n");
    let profile = home.profiles().load("carver").expect("it loads");
    let resolved = profile.resolve(&BTreeMap::new(), None).expect("it resolves");
    assert_eq!(resolved.scheduler["kind"].as_str(), Some("slurm"));
    assert_eq!(resolved.engines.ppn, 8, "carver's own layers still hold");
}

#[test]
fn an_unknown_profile_lists_the_known_and_says_where_to_write_it() {
    let home = Home::new();
    home.write("etc/edison.toml", "extends = 'slurm'\n");
    home.write("etc/notes.txt", "no profile");
    let told = |name: &str| {
        let error = home.profiles().load(name).expect_err("unknown").to_string();
        error.replace(&*home.path().to_string_lossy(), "DIR")
    };
    assert_eq!(
        told("cavrer"),
        "unknown profile `cavrer`: did you mean `carver`? known profiles: carver, edison, hosts, local, openpbs, slurm, torque; \
         write your own as DIR/home/.config/rpar/profiles/cavrer.toml"
    );
    assert_eq!(
        told("hopper"),
        "unknown profile `hopper`: known profiles: carver, edison, hosts, local, openpbs, slurm, torque; \
         write your own as DIR/home/.config/rpar/profiles/hopper.toml"
    );
    assert_eq!(
        told("../etc/passwd"),
        "profile `../etc/passwd` is not allowed: expected 1 to 64 letters, digits, `-`, `_` or `.`, \
         beginning with a letter or digit"
    );
}

#[test]
fn an_unknown_base_names_the_file_that_wants_it() {
    let home = Home::new();
    home.write("etc/edison.toml", "description = 'x'\nextends = 'torqe'\n");
    let told = home.profiles().load("edison").expect_err("its base is unknown").to_string();
    assert_eq!(
        told.replace(&*home.path().to_string_lossy(), "DIR"),
        "DIR/etc/edison.toml:2: `extends` names an unknown profile `torqe`: did you mean `torque`? \
         known profiles: carver, edison, hosts, local, openpbs, slurm, torque"
    );
}

#[test]
fn a_broken_profile_is_listed_with_what_is_wrong() {
    let home = Home::new();
    home.write("etc/broken.toml", "extends = \n");
    let listed = home.profiles().list();
    let broken = listed.iter().find(|listed| listed.name == "broken").expect("it is listed");
    let told = broken.description.as_ref().expect_err("it is broken").to_string();
    assert!(told.contains("broken.toml:1: not valid TOML: "), "{told}");
    assert!(listed.iter().filter(|listed| listed.description.is_ok()).count() == 6);
}

#[test]
fn python_is_the_active_one_and_absolute() {
    let mut home = Home::new();
    home.write("bin/python3", "#!/bin/sh\n");
    home.write("venv/bin/python", "#!/bin/sh\n");
    home.write("closed/python3", "no program");
    let path = |name: &str| home.path().join(name).display().to_string();
    for program in ["bin/python3", "venv/bin/python"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path(program), fs::Permissions::from_mode(0o755)).expect("set");
    }
    let (search, venv) = (format!("{}:{}", path("closed"), path("bin")), path("venv"));
    let (on_path, in_venv) = (path("bin/python3"), path("venv/bin/python"));
    let beside = path("wheel/bin/python3");
    let executable = fs::metadata(path("bin/python3")).expect("it is there").permissions();
    let find = |home: &Home| {
        let profile = home.profiles().load("local").expect("it loads");
        profile.resolve(&BTreeMap::new(), None).expect("it resolves").python.executable
    };
    assert_eq!(find(&home), None);
    home.variables.insert("PATH".to_owned(), search);
    assert_eq!(find(&home), Some(on_path));
    home.write("wheel/bin/python3", "#!/bin/sh\n");
    fs::set_permissions(&beside, executable).expect("set");
    assert_eq!(find(&home), Some(beside), "the one that rpar was installed with");
    home.variables.insert("VIRTUAL_ENV".to_owned(), venv);
    assert_eq!(find(&home), Some(in_venv));
    home.variables.insert("RPAR_PYTHON__EXECUTABLE".to_owned(), "/opt/python3".to_owned());
    assert_eq!(find(&home), Some("/opt/python3".to_owned()));
}
