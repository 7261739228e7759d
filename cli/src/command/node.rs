//! What the node of an engine host has: as the profile says, else as the system tells.

use std::collections::BTreeMap;

use rpar_core::profile::EnginesSection;
use rpar_core::resources::Resources;

/// Where batch systems and users say which GPUs a process has: a list of them each.
const GPU_VARIABLES: [&str; 3] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SLURM_JOB_GPUS"];

/// More than any node has, so that a slip of the finger fills no memory.
const GPUS_LIMIT: u64 = 1024;

/// What this node has for its engines, of which these are the GPUs.
pub(super) fn resources(section: &EnginesSection, gpus: &[String]) -> Resources {
    let mut resources = section.resources();
    resources.gpus = gpus.len() as u64;
    if resources.cpus == 0 {
        resources.cpus = std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64);
    }
    if resources.memory_bytes == 0 {
        resources.memory_bytes = memory_bytes();
    }
    resources
}

/// The node's GPUs, as programs know them: as many as the profile says, else all that the site has named. What nobody has
/// named has numbers.
pub(super) fn gpus(section: &EnginesSection) -> Vec<String> {
    let named = named_gpus(&std::env::vars().collect());
    match section.resources.contains_key("gpus") {
        true => chosen(named, section.resources().gpus),
        false => named,
    }
}

fn chosen(named: Vec<String>, count: u64) -> Vec<String> {
    match named.len() as u64 >= count {
        true => named.into_iter().take(count as usize).collect(),
        false => (0..count.min(GPUS_LIMIT)).map(|number| number.to_string()).collect(),
    }
}

/// The node's memory, or what of it the control group has that this process is in; 0 if neither is told.
fn memory_bytes() -> u64 {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let total = meminfo_bytes(&file("/proc/meminfo"));
    // cgroups(7): the path of the one hierarchy of version 2 follows `0::`
    let group =
        file("/proc/self/cgroup").lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned));
    let limit = group.map(|path| file(&format!("/sys/fs/cgroup{path}/memory.max"))).unwrap_or_default();
    match limit.trim().parse() {
        Ok(limit) => total.min(limit),
        Err(_) => total,
    }
}

/// `MemTotal` of proc_meminfo(5), which counts kibibytes.
fn meminfo_bytes(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

fn named_gpus(environment: &BTreeMap<String, String>) -> Vec<String> {
    let list = GPU_VARIABLES.iter().find_map(|name| environment.get(*name));
    let ids = list.map_or("", String::as_str).split(',').map(str::trim);
    // CUDA: what follows -1 is not seen
    ids.take_while(|id| !id.is_empty() && *id != "-1").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells() {
        assert_eq!(meminfo_bytes("MemTotal:       24689012 kB\nMemFree: 1 kB\n"), 24_689_012 << 10);
        assert_eq!(meminfo_bytes(""), 0);
        let with = |name: &str, list: &str| {
            named_gpus(&BTreeMap::from([(name.to_owned(), list.to_owned())])).join(" ")
        };
        assert_eq!(with("CUDA_VISIBLE_DEVICES", "0,1, GPU-8932f937"), "0 1 GPU-8932f937");
        assert_eq!(with("CUDA_VISIBLE_DEVICES", "0,-1,1"), "0");
        assert_eq!(with("ROCR_VISIBLE_DEVICES", ""), "");
        assert_eq!(with("SLURM_JOB_GPUS", "2"), "2");
        assert!(named_gpus(&BTreeMap::new()).is_empty());
        let named = || ["4", "5"].map(String::from).to_vec();
        assert_eq!(chosen(named(), 1), ["4"]);
        assert_eq!(chosen(named(), 3), ["0", "1", "2"]);
        assert!(chosen(named(), 0).is_empty());
    }
}
