//! Which of a host's GPUs are free.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The variables by which programs are told which GPUs they may see: NVIDIA's, AMD's, and ours.
const VARIABLES: [&str; 3] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "RPAR_GPUS"];

/// A host's GPUs, by the ids that its environment gave them.
#[derive(Debug, Default)]
pub(super) struct Gpus {
    all: usize,
    free: Mutex<VecDeque<String>>,
}

/// GPUs that a task has to itself; they go back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    ids: Vec<String>,
    gpus: Arc<Gpus>,
}

impl Gpus {
    pub(super) fn new(ids: Vec<String>) -> Self {
        Gpus { all: ids.len(), free: Mutex::new(ids.into()) }
    }

    /// Takes so many, those of `liked` that are free first.
    ///
    /// # Errors
    /// With how many are free, when that is too few.
    pub(super) fn take(self: &Arc<Self>, count: u64, liked: &[String]) -> Result<Lease, usize> {
        if count == 0 {
            return Ok(Lease { ids: Vec::new(), gpus: Arc::clone(self) });
        }
        let mut free = self.free();
        if count > free.len() as u64 {
            return Err(free.len());
        }
        let (mut ids, mut others): (Vec<String>, Vec<String>) =
            free.drain(..).partition(|id| liked.contains(id));
        others.extend(ids.drain((count as usize).min(ids.len())..));
        ids.extend(others.drain(..count as usize - ids.len()));
        free.extend(others);
        drop(free);
        Ok(Lease { ids, gpus: Arc::clone(self) })
    }

    /// How many there are.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<String>> {
        // ids are in the queue or in a lease; a panic in between loses some and mixes up none
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.gpus.free().extend(self.ids.drain(..));
    }
}

/// What tells a program that it may see these, and no others.
pub(super) fn environment(ids: &[String]) -> impl Iterator<Item = (&'static str, String)> {
    let list = ids.join(",");
    VARIABLES.into_iter().map(move |name| (name, list.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(lease: &Lease) -> Vec<&str> {
        lease.ids().iter().map(String::as_str).collect()
    }

    #[test]
    fn no_two_have_the_same_and_all_come_back() {
        let gpus = Arc::new(Gpus::new(["0", "1", "2", "GPU-7"].map(String::from).to_vec()));
        let (one, two) = (gpus.take(1, &[]).unwrap(), gpus.take(2, &[]).unwrap());
        assert_eq!((ids(&one), ids(&two)), (vec!["0"], vec!["1", "2"]));
        assert_eq!(gpus.take(2, &[]).unwrap_err(), 1);
        drop(one);
        assert_eq!(ids(&gpus.take(2, &[]).unwrap()), ["GPU-7", "0"]);
        drop(two);
        let liked = ["2", "0"].map(String::from);
        assert_eq!(ids(&gpus.take(1, &liked).unwrap()).len(), 1);
        let mut again = gpus.take(2, &liked).unwrap().ids().to_vec();
        again.sort();
        assert_eq!(again, ["0", "2"]);
        assert_eq!(ids(&gpus.take(4, &liked).unwrap()).len(), 4);
        assert_eq!((gpus.take(5, &[]).unwrap_err(), gpus.all()), (4, 4));
    }

    #[test]
    fn who_has_none_is_told_so() {
        let told: Vec<_> = environment(&[]).collect();
        assert_eq!(told[0], ("CUDA_VISIBLE_DEVICES", String::new()));
        let told: Vec<_> = environment(&["1".into(), "3".into()]).collect();
        assert_eq!(told[2], ("RPAR_GPUS", "1,3".to_owned()));
    }
}
