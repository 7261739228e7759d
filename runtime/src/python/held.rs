//! The tasks that a Python engine has taken and not yet reported.

use std::collections::VecDeque;
use std::sync::Arc;

use rpar_core::id::FunctionHash;
use rpar_core::task::Function;

use super::live::is_passed_on;
use super::pace::{Ahead, Pace};
use crate::engine::Task;

/// How many functions a child keeps: enough for any program's mix, few enough that a session of many lambdas does not
/// fill its memory.
const MOST_FUNCTIONS: usize = 256;

/// For so many tasks after the latest output a function is taken for one that writes past Python's streams: a library's
/// single warning does not slow it for ever.
const LONELY_TASKS: u32 = 1000;

/// A function that the child knows under its number.
#[derive(Debug)]
pub(super) struct Known {
    function: Arc<Function>,
    hash: FunctionHash,
    pub(super) pace: Pace,
    /// How many of its tasks are still given to the child alone.
    alone: u32,
}

/// The functions that a child knows; the number is the place.
#[derive(Debug, Default)]
pub(super) struct Functions {
    known: Vec<Known>,
    last: usize,
    oldest: usize,
}

impl Functions {
    /// The function's number, and whether it is new to the child.
    pub(super) fn number(&mut self, function: &Arc<Function>) -> (u32, bool) {
        if self.known.get(self.last).is_some_and(|known| Arc::ptr_eq(&known.function, function)) {
            return (self.last as u32, false);
        }
        let hash = function.hash();
        if let Some(place) = self.known.iter().position(|known| known.hash == hash) {
            self.known[place].function = Arc::clone(function);
            self.last = place;
            return (place as u32, false);
        }
        let new = Known { function: Arc::clone(function), hash, pace: Pace::default(), alone: 0 };
        if self.known.len() < MOST_FUNCTIONS {
            self.last = self.known.len();
            self.known.push(new);
        } else {
            self.last = self.oldest;
            self.known[self.oldest] = new;
            self.oldest = (self.oldest + 1) % MOST_FUNCTIONS;
        }
        (self.last as u32, true)
    }

    /// Takes note that tasks of a function write past Python's streams: only of a lone task that output's owner is known.
    pub(super) fn leave_alone(&mut self, number: u32) {
        if let Some(known) = self.known.get_mut(number as usize) {
            known.alone = LONELY_TASKS;
        }
    }

    /// Whether the next task of a function is to be given to the child alone.
    pub(super) fn is_alone(&self, number: u32) -> bool {
        self.known.get(number as usize).is_some_and(|known| known.alone > 0)
    }

    /// Takes note that a task of a function was given to the child.
    pub(super) fn given(&mut self, number: u32) {
        if let Some(known) = self.known.get_mut(number as usize) {
            known.alone = known.alone.saturating_sub(1);
        }
    }

    pub(super) fn pace(&mut self, number: u32) -> Option<&mut Pace> {
        self.known.get_mut(number as usize).map(|known| &mut known.pace)
    }
}

/// A task that was written to the child.
#[derive(Debug)]
pub(super) struct Written {
    /// `None` once it was revoked: the child will say that it skipped it.
    pub(super) task: Option<Task>,
    /// Its function's number.
    pub(super) function: u32,
}

/// Tasks written to the child, in order, numbered from 1 as the child counts them.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    tasks: VecDeque<Written>,
    ahead: Ahead,
    answered: u64,
    /// It holds a task that has the child for itself.
    apart: bool,
}

impl Pipeline {
    pub(super) fn is_low(&self) -> bool {
        self.ahead.is_low()
    }

    pub(super) fn fits(&self, micros: u64, bytes: usize) -> bool {
        self.ahead.fits(micros, bytes)
    }

    /// A task that is `apart` has nothing behind it.
    pub(super) fn push(&mut self, task: Task, function: u32, micros: u64, apart: bool) {
        self.ahead.add(micros, task.argument.len());
        self.apart |= apart;
        self.tasks.push_back(Written { task: Some(task), function });
    }

    /// The number of the task that runs, or will run next.
    pub(super) fn head_number(&self) -> u64 {
        self.answered + 1
    }

    /// The task that runs, if it is still wanted.
    pub(super) fn head(&self) -> Option<&Task> {
        self.tasks.front()?.task.as_ref()
    }

    /// The function of the task that runs, if what that writes is passed on.
    pub(super) fn writing_function(&self) -> Option<u32> {
        let written = self.tasks.front()?;
        written.task.as_ref().filter(|task| is_passed_on(task)).map(|_| written.function)
    }

    /// The task that what comes through the child's descriptors is passed on for: the one that runs, if no other could be
    /// meant.
    pub(super) fn writer(&self) -> Option<&Task> {
        self.head().filter(|task| self.tasks.len() == 1 && is_passed_on(task))
    }

    /// Whether nothing may be written behind what was.
    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The last task's number.
    pub(super) fn last_number(&self) -> u64 {
        self.answered + self.tasks.len() as u64
    }

    /// Takes the task that the child has answered.
    pub(super) fn answer(&mut self) -> Option<Written> {
        self.ahead.remove();
        self.answered += 1;
        let written = self.tasks.pop_front();
        self.apart &= !self.tasks.is_empty();
        written
    }

    /// All unanswered tasks with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Task)> {
        let numbers = self.head_number()..;
        numbers.zip(&self.tasks).filter_map(|(number, written)| Some((number, written.task.as_ref()?)))
    }

    /// Takes away all tasks after number `begun`: the child will skip them.
    pub(super) fn revoke_after(&mut self, begun: u64) -> Vec<Task> {
        let kept = begun.saturating_sub(self.answered) as usize;
        self.tasks.iter_mut().skip(kept).filter_map(|written| written.task.take()).collect()
    }

    /// Takes all that the child has not answered: it is dead.
    pub(super) fn into_tasks(self) -> impl Iterator<Item = Task> {
        self.tasks.into_iter().filter_map(|written| written.task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rpar_core::id::TaskId;
    use rpar_core::task::FunctionKind;

    fn function(body: String) -> Arc<Function> {
        Arc::new(Function { kind: FunctionKind::Python, body: body.into() })
    }

    #[test]
    fn a_function_is_new_once_and_the_oldest_makes_place() {
        let mut functions = Functions::default();
        for body in 0..MOST_FUNCTIONS {
            assert_eq!(functions.number(&function(body.to_string())), (body as u32, true));
        }
        assert_eq!(
            functions.number(&function("7".to_owned())),
            (7, false),
            "another copy is the same function"
        );
        assert_eq!(functions.number(&function("new".to_owned())), (0, true));
        assert_eq!(functions.number(&function("0".to_owned())), (1, true), "it was forgotten");
    }

    #[test]
    fn tasks_that_have_not_begun_can_be_revoked() {
        let mut pipeline = Pipeline::default();
        for id in 0..5 {
            let argument = Bytes::new();
            let task =
                Task { id: TaskId(id), function: function(String::new()), options: Arc::default(), argument };
            pipeline.push(task, 0, 1, false);
        }
        assert!(pipeline.answer().is_some_and(|written| written.task.is_some()));
        let revoked: Vec<_> = pipeline.revoke_after(3).iter().map(|task| task.id.0).collect();
        assert_eq!(revoked, [3, 4]);
        assert_eq!(
            pipeline.iter().map(|(number, task)| (number, task.id.0)).collect::<Vec<_>>(),
            [(2, 1), (3, 2)]
        );
        assert_eq!((pipeline.head_number(), pipeline.last_number()), (2, 5));
        let answers: Vec<_> = (0..4).map(|_| pipeline.answer().is_some_and(|w| w.task.is_some())).collect();
        assert_eq!(answers, [true, true, false, false]);
        assert!(pipeline.is_empty());
    }
}
