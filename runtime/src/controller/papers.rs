//! The controller's files: how clients and engines find it, and which process it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rpar_core::connection::{ConnectionFile, Role, Secret};
use rpar_core::id::Incarnation;
use rpar_core::transport::{Endpoint, Listener};

use super::{ControllerError, ControllerSetup};
use crate::files::{
    CLIENT_FILE, CONTROLLER_FILE, ControllerRecord, ENGINE_FILE, FileError, ProcessIdentity, read_connection,
    read_controller, write_connection, write_controller,
};
use crate::link::{Admission, random};

/// The files that a living controller keeps.
#[derive(Debug)]
pub(super) struct Papers {
    directory: PathBuf,
    incarnation: Incarnation,
}

impl Papers {
    /// Draws secrets and an incarnation, and writes the files that tell them; `controller.json` is the last, so that
    /// who sees it can link.
    pub(super) fn write(
        setup: &ControllerSetup,
        listeners: &[Box<dyn Listener>],
    ) -> Result<(Self, Admission), ControllerError> {
        let random = || random().map_err(ControllerError::Randomness);
        let controller_key = listeners.first().ok_or(ControllerError::NoEndpoint)?.key();
        let incarnation = draw_incarnation(&random()?);
        let (client_secret, engine_secret) = (Secret::new(random()?), Secret::new(random()?));
        let endpoints: Vec<Endpoint> = listeners.iter().flat_map(|listener| listener.endpoints()).collect();
        let papers = Papers { directory: setup.directory.clone(), incarnation };
        for (role, secret, name) in
            [(Role::Client, &client_secret, CLIENT_FILE), (Role::Engine, &engine_secret, ENGINE_FILE)]
        {
            let file = ConnectionFile {
                cluster: setup.cluster.clone(),
                role,
                incarnation,
                endpoints: endpoints.clone(),
                controller_key,
                secret: secret.clone(),
            };
            write_connection(&setup.directory.join(name), &file)?;
        }
        let ProcessIdentity { host, pid, start_time } =
            ProcessIdentity::current().map_err(ControllerError::Process)?;
        write_controller(&setup.directory, &ControllerRecord { host, pid, start_time, incarnation })?;
        let admission = Admission {
            cluster: setup.cluster.clone(),
            incarnation,
            client_secret,
            engine_secret,
            heartbeat: setup.config.heartbeat,
            submit_window_bytes: setup.config.submit_window_bytes,
        };
        Ok((papers, admission))
    }

    /// Removes the files, unless a later controller has already written its own.
    pub(super) fn remove(self) -> Result<(), FileError> {
        if read_controller(&self.directory)?.is_some_and(|record| record.incarnation == self.incarnation) {
            remove(&self.directory.join(CONTROLLER_FILE))?;
        }
        for name in [CLIENT_FILE, ENGINE_FILE] {
            let path = self.directory.join(name);
            match read_connection(&path) {
                Ok(file) if file.incarnation == self.incarnation => remove(&path)?,
                Ok(_) | Err(FileError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// TOML's integers have 63 bits and a sign.
fn draw_incarnation(random: &[u8; 32]) -> Incarnation {
    let [a, b, c, d, e, f, g, h, ..] = *random;
    Incarnation(u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 1)
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
