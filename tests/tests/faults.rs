//! What a real cluster, and its user, make of everything that can go wrong beneath them.

mod faults {
    mod client;
    mod clock;
    mod controller;
    mod engine_host;
    mod flood;
    mod full_disk;
    mod interpreter;
    mod permission;
    mod pilot;
    mod place;
    mod removed;
}
