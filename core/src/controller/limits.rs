//! Bounds of the machine, and why each is what it is.

use std::time::Duration;

/// The most tasks in one `Run`, and in one stretch of a submission that is kept together: enough to make a frame's cost
/// vanish, little enough that finished tasks free memory in small steps.
pub(super) const BATCH_TASKS_LIMIT: usize = 16_384;

/// The most tasks ahead at one engine: 16 ms of work at a microsecond each.
pub(super) const ENGINE_TASKS_LIMIT: u32 = 16_384;

/// The most bytes of arguments ahead at one engine, but for a single task: a node's engines stay below 100 MiB.
pub(super) const ENGINE_BYTES_LIMIT: u64 = 4 << 20;

/// Long results that may wait at an engine before it gets no more tasks: one is on its way while the next is computed.
pub(super) const ENGINE_RELAYS_LIMIT: u32 = 1;

/// A submission up to this size is copied, so that a few bytes never keep a whole read buffer alive.
pub(super) const COPY_LIMIT_BYTES: usize = 4 << 10;

/// What one client's functions may take here: they stay until its link goes.
pub(super) const FUNCTIONS_LIMIT_BYTES: u64 = 256 << 20;

/// How many functions one client may define, for the same reason.
pub(super) const FUNCTIONS_LIMIT: usize = 1 << 16;

/// The most engines of one host, and of the cluster: the status of all of them still fits a frame.
pub(super) const ENGINES_LIMIT: usize = 1 << 14;

/// The most labels and custom counts of one host: what people can keep in mind.
pub(super) const LABELS_LIMIT: usize = 64;

/// The longest node name: 64 bytes is the limit of a host name on Linux (`HOST_NAME_MAX`).
pub(super) const NODE_NAME_LIMIT: usize = 64;

/// The most nodes that a pilot names.
pub(super) const PILOT_NODES_LIMIT: usize = ENGINES_LIMIT;

/// Questions of one client that may wait for a newer status.
pub(super) const ASKS_LIMIT: usize = 16;

/// The most stretches of failed tasks that are told apart for an owner: 3 MiB.
pub(super) const FAILED_LIMIT: usize = 1 << 16;

/// The most submissions that are kept: the status of all of them still fits a frame.
pub(super) const SUBMISSIONS_LIMIT: usize = 1000;

/// The most bytes of a submission's name: what a line of a terminal shows.
pub(super) const SUBMISSION_NAME_LIMIT: usize = 200;

/// The most tasks of a list: a page of them fits a frame.
pub(super) const LIST_LIMIT: u64 = 1000;

/// The most tasks that one made-up outcome covers: their repeated reason stays below a batch's target.
pub(super) const UNIFORM_TASKS_LIMIT: usize = 1024;

/// The most nodes that are remembered of those on which a task's engines were lost: as many as a message can name.
pub(super) const LOST_NODES_LIMIT: usize = 5;

/// Departures of engines that are remembered: with [`PROBLEM_BYTES`] each, and the ids of a host's engines, 1 MiB.
pub(super) const PAST_LIMIT: usize = 256;

/// The most things that one question is about: what a number may mean, and some more.
pub(super) const WHY_SUBJECTS_LIMIT: usize = 64;

/// The most reasons that one answer tells: more than people read, few enough for a frame.
pub(super) const WHY_GROUPS_LIMIT: usize = 100;

/// Problems kept for the status, and how long each may be.
pub(super) const PROBLEMS_LIMIT: usize = 20;
pub(super) const PROBLEM_BYTES: usize = 2 << 10;

/// Requests for allocations that are kept; the oldest that is over gives way. The site is asked for all of them at once,
/// and the status of all of them, each with its problem, takes a quarter of a frame.
pub(super) const REQUESTS_LIMIT: usize = 512;

/// The most allocations that one command gives back: batch systems end them one after the other, and a loaded one takes
/// half a second for each, so that the command stays within its time.
pub(super) const CANCEL_LIMIT: usize = 100;

/// The most commands at once that give back again what such commands have failed for twice: one that always fails is soon alone
/// in its command, and a site that is down is asked for no more than it would be told of in two seconds.
pub(super) const CANCEL_AGAIN: usize = 16;

/// How often a request for an allocation, or the search for it, is tried.
pub(super) const SUBMIT_TRIES: u32 = 6;

/// The pause before the second try; doubles up to [`BACKOFF_LIMIT`].
pub(super) const BACKOFF: Duration = Duration::from_secs(2);
pub(super) const BACKOFF_LIMIT: Duration = Duration::from_secs(300);

/// After so many polls in a row without an answer, what was known of allocations is told no longer: it may be long over.
pub(super) const SILENT_POLLS: u32 = 3;

/// An allocation that the site does not mention this often in a row, over this time, is taken to have ended.
pub(super) const UNKNOWN_LIMIT: u32 = 5;
pub(super) const UNKNOWN_TIME: Duration = Duration::from_secs(60);

/// How long a stop waits for allocations to end, and for engine hosts to leave once that is so.
pub(super) const STOP_WAIT: Duration = Duration::from_secs(60);
pub(super) const LEAVE_WAIT: Duration = Duration::from_secs(5);

/// How long an allocation may take to end once its pilots are told to, before it is given back. A job that ends by itself is
/// gone at once, where OpenPBS keeps one that `qdel` has ended for 13 s.
pub(super) const OWN_END_WAIT: Duration = Duration::from_secs(5);

/// How long a stop waits before it asks the site, and how long at most: the pause doubles. What has no queue is over at
/// once, and a user waits for it; a batch system is not to be asked more often.
pub(super) const STOP_FIRST_POLL: Duration = Duration::from_millis(50);
pub(super) const STOP_POLL: Duration = Duration::from_secs(1);

/// How long an engine is silent, or needs for what it has, before tasks are taken back from it for one that is idle: many
/// times what that takes, and less than people notice.
pub(super) const WITHDRAW_AFTER: Duration = Duration::from_millis(100);

/// Moments at which engines are looked at for that: a thousand of them are seen to together.
pub(super) const WITHDRAW_GRAIN: Duration = Duration::from_millis(25);

/// What an engine is to have left when a task's time is over, before its allocation ends: sites count in seconds, and the
/// result has to leave. In this last part of its time nothing is queued at an engine.
pub(super) const END_MARGIN: Duration = Duration::from_secs(5);

/// Sites tell how much time is left in whole seconds, and their answers take a while: what differs less is the same.
pub(super) const END_GRAIN: Duration = Duration::from_secs(2);

/// How long tasks wait for engines when the cluster has not asked for any: they come by themselves, if at all.
pub(super) const OUTSIDE_WAIT: Duration = Duration::from_secs(60);

/// How long a throw-away cluster waits for its client.
pub(super) const EPHEMERAL_WAIT: Duration = Duration::from_secs(120);
