//! Watches the cluster's directory: without it nobody new finds this controller, and nobody could end it.

use std::time::Duration;

use rpar_core::controller::Input;
use tokio::time::{Instant, sleep};

use super::inbox::{Event, Inbox};
use super::papers::Papers;

/// Looks every so often; tells the machine once that the controller's files have been gone for as long as `patience`:
/// a shared file system that is being mounted anew shows none for a moment.
pub(super) async fn watch(papers: Papers, every: Duration, patience: Duration, inbox: Inbox) {
    let mut gone_since = None;
    loop {
        sleep(every).await;
        let theirs = papers.clone();
        // the file system may be slow
        let Ok(loss) = tokio::task::spawn_blocking(move || theirs.loss()).await else { return };
        let Some(reason) = loss else {
            gone_since = None;
            continue;
        };
        if gone_since.get_or_insert_with(Instant::now).elapsed() >= patience {
            inbox.send(Event::Input(Box::new(Input::Orphaned { reason }))).await;
            return;
        }
    }
}
