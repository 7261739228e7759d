//! The listener's side of a greeting: whether who dialled may link.

use std::time::Duration;

use rpar_core::connection::{Claim, Role, Secret};
use rpar_core::id::Incarnation;
use rpar_core::transport::{Link, PeerKey};
use rpar_core::wire::{HELLO_LIMIT_BYTES, Hello, Message, PROTOCOL_VERSION, Welcome};
use thiserror::Error;
use tokio::time::timeout;

use super::{BUILD, GREETING_TIMEOUT, LinkError, LinkReader, LinkWriter, open};

/// Who may link, and what they are told.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) cluster: String,
    pub(crate) incarnation: Incarnation,
    pub(crate) client_secret: Secret,
    pub(crate) engine_secret: Secret,
    pub(crate) heartbeat: Duration,
    pub(crate) submit_window_bytes: u64,
}

/// A peer that has proven its role and was welcomed.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) role: Role,
    pub(crate) address: String,
    pub(crate) reader: LinkReader,
    pub(crate) writer: LinkWriter,
}

/// Why a peer was not let in; for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Rejection {
    #[error("it sent no greeting within {} s", GREETING_TIMEOUT.as_secs())]
    Silent,
    #[error("its greeting could not be read: {0}")]
    Link(#[from] LinkError),
    #[error("it did not greet")]
    Rude,
    #[error("{reason}")]
    Refused { reason: String },
}

/// Reads a dialler's greeting and answers it. Cancel-safe in that a dropped future drops the link.
pub(crate) async fn admit(link: Link, admission: &Admission) -> Result<Admitted, Rejection> {
    let Link { own, peer, address, io } = link;
    let (mut reader, writer) = open(io);
    let hello = match timeout(GREETING_TIMEOUT, reader.first(HELLO_LIMIT_BYTES)).await {
        Err(_) => return Err(Rejection::Silent),
        Ok(Err(error)) => return Err(error.into()),
        Ok(Ok(Message::Hello(hello))) => hello,
        Ok(Ok(_)) => return Err(Rejection::Rude),
    };
    match admission.judge(&hello, &own, &peer) {
        Ok(version) => {
            writer.send(&Message::Welcome(Welcome {
                version,
                build: BUILD.to_owned(),
                heartbeat_ms: admission.heartbeat.as_millis().min(u32::MAX as u128) as u32,
                window_bytes: admission.submit_window_bytes,
            }));
            Ok(Admitted { role: hello.role, address, reader, writer })
        }
        Err(reason) => {
            let supported = vec![PROTOCOL_VERSION];
            writer.send(&Message::Refused { reason: reason.clone(), supported, build: BUILD.to_owned() });
            writer.close().await;
            Err(Rejection::Refused { reason })
        }
    }
}

impl Admission {
    /// The version to speak, or why not at all, in the words that the dialler's user reads. Tells nothing about this
    /// cluster to who has not proven a role. What a stranger calls himself is escaped: it goes into the log, where a line
    /// end or an escape sequence of his could feign a line of ours.
    fn judge(&self, hello: &Hello, own: &PeerKey, peer: &PeerKey) -> Result<u16, String> {
        if !hello.versions.contains(&PROTOCOL_VERSION) {
            return Err(format!(
                "it speaks protocol {:?} (rpar {}), the controller speaks {PROTOCOL_VERSION} (rpar {BUILD}): use the same rpar on both sides",
                hello.versions,
                hello.build.escape_debug()
            ));
        }
        if hello.cluster != self.cluster {
            return Err(format!(
                "it asked for cluster `{}`, and another one is here: its connection file is out of date",
                hello.cluster.escape_debug()
            ));
        }
        if hello.incarnation != self.incarnation {
            return Err(format!(
                "the controller of `{}` was restarted since its connection file was written: read that file again, or start the cluster anew",
                hello.cluster
            ));
        }
        let claim = Claim {
            controller: own,
            peer,
            role: hello.role,
            cluster: &hello.cluster,
            incarnation: hello.incarnation,
        };
        let secret = match hello.role {
            Role::Client => &self.client_secret,
            Role::Engine => &self.engine_secret,
        };
        if !claim.verify(secret, &hello.proof) {
            return Err(format!(
                "its proof of the role {} is wrong: its connection file is not the one that the controller of `{}` wrote",
                role_name(hello.role),
                hello.cluster
            ));
        }
        if hello.build != BUILD {
            return Err(format!(
                "it is rpar {}, the controller is rpar {BUILD}: use the same rpar on both sides, or start the cluster anew",
                hello.build
            ));
        }
        Ok(PROTOCOL_VERSION)
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Engine => "engine",
    }
}
