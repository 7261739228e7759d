//! What a host gives its tasks of its node: GPUs, and memory with a limit.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rpar_core::resources::Resources;

use super::gpus::{self, Gpus, Lease};
use super::memory::{Limit, Memory};

/// How long another engine may take from the report of a task's end to giving back what that had.
const WAIT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What the engines of a host share.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    gpus: Arc<Gpus>,
    memory: Arc<Memory>,
}

/// What a task has while it runs; goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    /// `None` on a host without GPUs.
    lease: Option<Lease>,
    cpus: u64,
}

impl Stock {
    pub(super) fn new(gpus: Vec<String>) -> Self {
        Stock { gpus: Arc::new(Gpus::new(gpus)), memory: Arc::default() }
    }

    /// Gives a task the GPUs that it asks for; those that are `liked`, if they are free. Waits a moment for such as another
    /// engine is about to give back: the controller, which counts them, may have heard of that task's end before.
    ///
    /// # Errors
    /// With the reason, for people.
    pub(crate) fn share(&self, wanted: &Resources, liked: &[String]) -> Result<Share, String> {
        let (all, count) = (self.gpus.all(), wanted.gpus);
        if (all, count) == (0, 0) {
            return Ok(Share { lease: None, cpus: wanted.cpus });
        }
        let deadline = Instant::now() + WAIT;
        loop {
            match self.gpus.take(count, liked) {
                Ok(lease) => return Ok(Share { lease: Some(lease), cpus: wanted.cpus }),
                Err(_) if count <= all as u64 && Instant::now() < deadline => thread::sleep(LOOK_EVERY),
                Err(free) => {
                    return Err(format!(
                        "it asks for {count} GPUs, and {free} of the {all} that its engine host has are free"
                    ));
                }
            }
        }
    }

    /// A limit for the memory that a task asks for. `None` when it names none, or the system lets this host set none.
    pub(crate) fn limit(&self, wanted: &Resources) -> Option<Limit> {
        if wanted.memory_bytes == 0 { None } else { self.memory.limit(wanted.memory_bytes) }
    }
}

impl Share {
    /// The GPUs.
    pub(crate) fn gpus(&self) -> &[String] {
        self.lease.as_ref().map_or(&[], Lease::ids)
    }

    /// What the task's processes are told of it. On a host that has GPUs, a task that has none is told so.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let lease = self.lease.iter();
        let mut variables: Vec<_> = lease.flat_map(|lease| gpus::environment(lease.ids())).collect();
        if self.cpus > 0 && std::env::var_os("OMP_NUM_THREADS").is_none() {
            variables.push(("OMP_NUM_THREADS", self.cpus.to_string()));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_gpus_says_nothing_of_them() {
        let share = Stock::default().share(&Resources::default(), &[]).unwrap();
        assert!(share.environment().is_empty());
        let stock = Stock::new(vec!["4".into()]);
        let none = stock.share(&Resources::default(), &[]).unwrap();
        assert_eq!(none.environment()[0], ("CUDA_VISIBLE_DEVICES", String::new()));
        let one = Resources { gpus: 1, ..Resources::default() };
        let share = stock.share(&one, &[]).unwrap();
        assert_eq!((share.gpus(), share.environment()[2].1.as_str()), (&["4".to_owned()][..], "4"));
        let error = stock.share(&one, &[]).unwrap_err();
        assert!(error.contains("asks for 1 GPUs, and 0 of the 1"), "{error}");
        drop(share);
        assert!(stock.share(&one, &[]).is_ok());
    }
}
