//! What rpar does beside what the machine can do.
//!
//! Every row times rpar and a limit of the same machine in turn, A B A B, in one run: machines drift, ratios stay. The
//! limits are kept as fast as we can make them; a slow limit would flatter rpar. What a row says of memory and processor
//! time is that of the process which it names.

pub mod cluster;
pub mod exchange;
pub mod fleet;
pub mod handshakes;
pub mod process;
pub mod python;
pub mod relay;
pub mod role;
pub mod row;
pub mod rows;
pub mod serve;
pub mod spawn;
pub mod throw_away;
pub mod work;
