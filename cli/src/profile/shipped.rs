//! The profiles that come with rpar.

/// A profile that is part of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shipped {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// All of them, by name.
pub(crate) const SHIPPED: &[Shipped] = &[
    Shipped { name: "carver", text: include_str!("../../profiles/carver.toml") },
    Shipped { name: "hosts", text: include_str!("../../profiles/hosts.toml") },
    Shipped { name: "local", text: include_str!("../../profiles/local.toml") },
    Shipped { name: "openpbs", text: include_str!("../../profiles/openpbs.toml") },
    Shipped { name: "slurm", text: include_str!("../../profiles/slurm.toml") },
    Shipped { name: "torque", text: include_str!("../../profiles/torque.toml") },
];

/// The lowest layer of every profile.
pub(crate) const DEFAULTS: &str = include_str!("../../profiles/defaults/every.toml");
