//! `rpar stdio`: what `rpar --profile NAME@HOST` runs on the other host.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rpar_runtime::files::read_connection;
use rpar_runtime::link::{RelayError, fresh_identity, relay};
use rpar_transports::READY;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::context::Context;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

/// Links whoever is at the other end of stdin and stdout to the cluster, as a client.
pub(crate) fn run(context: &Context) -> Outcome {
    let directory = context.running()?;
    let file = read_connection(&directory.client_file())?;
    let (_, site) = context.started_with(&directory)?;
    let wrong =
        |error: std::io::Error| Report::of(Exit::Files, &error).because("stdin and stdout are no link");
    let identity = fresh_identity().map_err(wrong)?;
    let mut stdout = std::io::stdout();
    stdout.write_all(READY.as_bytes()).and_then(|()| stdout.flush()).map_err(wrong)?;
    let [input, output] = [unblocked(std::io::stdin()).map_err(wrong)?, unblocked(stdout).map_err(wrong)?];
    let relayed = rpar_runtime::run(async move {
        let io = tokio::io::join(
            Receiver::from_owned_fd_unchecked(input)?,
            Sender::from_owned_fd_unchecked(output)?,
        );
        Ok(relay(Box::new(io), &file, site.transport, identity).await)
    });
    let relayed = relayed.and_then(|relayed| relayed).map_err(wrong)?;
    relayed.map(|()| Exit::Ok).map_err(|error| match error {
        RelayError::Client { .. } => {
            Report::of(Exit::Usage, &error).hint("`rpar --profile NAME@HOST` runs this command, by ssh")
        }
        RelayError::Dial(_) => Report::of(Exit::Link, &error),
    })
}

/// One of the streams that this process was started with, for a runtime's eyes. sshd gives pipes, or a socket.
fn unblocked(stream: impl AsFd) -> std::io::Result<OwnedFd> {
    let stream = stream.as_fd().try_clone_to_owned()?;
    rustix::io::ioctl_fionbio(&stream, true)?;
    Ok(stream)
}
