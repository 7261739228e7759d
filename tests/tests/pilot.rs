//! Pilots on a fake launcher, linked to a real controller.

mod pilot {
    mod fleet;
    mod site;
    mod watch;
}
