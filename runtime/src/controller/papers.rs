//! The controller's files: how clients and engines find it, and which process it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rpar_core::connection::{ConnectionFile, Role, Secret};
use rpar_core::id::Incarnation;
use rpar_core::transport::{Endpoint, Listener, PeerKey};

use super::{ControllerError, ControllerSetup};
use crate::files::{
    CLIENT_FILE, CONTROLLER_FILE, ControllerRecord, ENGINE_FILE, FileError, ProcessIdentity, read_connection,
    read_controller, write_connection, write_controller,
};
use crate::link::{Admission, random};

/// The files that a living controller keeps.
#[derive(Clone, Debug)]
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
        let admission = Admission {
            cluster: setup.cluster.clone(),
            incarnation,
            client_secret,
            engine_secret,
            heartbeat: setup.config.heartbeat,
            submit_window_bytes: setup.config.submit_window_bytes,
        };
        let written = papers.write_all(&admission, &endpoints, controller_key);
        if let Err(error) = written {
            // what is there already would send others to nobody
            let _ = papers.remove();
            return Err(error);
        }
        Ok((papers, admission))
    }

    fn write_all(
        &self,
        admission: &Admission,
        endpoints: &[Endpoint],
        controller_key: PeerKey,
    ) -> Result<(), ControllerError> {
        let (cluster, incarnation) = (&admission.cluster, self.incarnation);
        for (role, secret, name) in [
            (Role::Client, &admission.client_secret, CLIENT_FILE),
            (Role::Engine, &admission.engine_secret, ENGINE_FILE),
        ] {
            let file = ConnectionFile {
                cluster: cluster.clone(),
                role,
                incarnation,
                endpoints: endpoints.to_vec(),
                controller_key,
                secret: secret.clone(),
            };
            write_connection(&self.directory.join(name), &file)?;
        }
        let ProcessIdentity { host, pid, start_time } =
            ProcessIdentity::current().map_err(ControllerError::Process)?;
        Ok(write_controller(&self.directory, &ControllerRecord { host, pid, start_time, incarnation })?)
    }

    /// Why these files lead nobody here any more, if that is so. A directory that cannot be read just now is not gone.
    pub(super) fn loss(&self) -> Option<String> {
        let directory = self.directory.display();
        match read_controller(&self.directory) {
            Ok(None) => Some(format!("the cluster's directory {directory} was removed")),
            Ok(Some(record)) if record.incarnation != self.incarnation => {
                Some(format!("another controller has taken over the cluster's directory {directory}"))
            }
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use std::time::Duration;

    fn admission(incarnation: u64) -> Admission {
        Admission {
            cluster: "local/default".to_owned(),
            incarnation: Incarnation(incarnation),
            client_secret: Secret::new([1; 32]),
            engine_secret: Secret::new([2; 32]),
            heartbeat: Duration::from_secs(1),
            submit_window_bytes: 1,
        }
    }

    fn write(directory: &Path, incarnation: u64) -> Papers {
        let papers = Papers { directory: directory.to_owned(), incarnation: Incarnation(incarnation) };
        papers
            .write_all(&admission(incarnation), &[Endpoint("mem://1".to_owned())], PeerKey([3; 32]))
            .unwrap();
        papers
    }

    #[test]
    fn a_later_controllers_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (write(directory.path(), 1), write(directory.path(), 2));
        assert!(first.loss().unwrap().contains("another controller") && second.loss().is_none());
        first.remove().unwrap();
        assert_eq!(read_connection(&directory.path().join(ENGINE_FILE)).unwrap().incarnation, Incarnation(2));
        second.clone().remove().unwrap();
        assert!(second.loss().unwrap().contains("was removed"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn each_role_has_its_own_secret() {
        let directory = tempfile::tempdir().unwrap();
        let _papers = write(directory.path(), 1);
        let read = |name| read_connection(&directory.path().join(name)).unwrap();
        let (client, engine) = (read(CLIENT_FILE), read(ENGINE_FILE));
        assert_eq!((client.role, engine.role), (Role::Client, Role::Engine));
        assert!(client.secret == Secret::new([1; 32]) && engine.secret == Secret::new([2; 32]));
        for entry in fs::read_dir(directory.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
